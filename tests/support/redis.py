"""A real Redis for tests: the one at `REDIS_URL`, or one started from `redis-server` on PATH."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.parts import require_or_skip
from support.qdrant import free_port

PATIENCE = 30.0
"""Seconds for a call: a machine that stood still for a moment is no Redis that is away."""
MISSING = "no Redis: set REDIS_URL or put redis-server on PATH"


def available() -> bool:
    return bool(os.environ.get("REDIS_URL") or shutil.which("redis-server"))


@contextmanager
def redis_url() -> Iterator[str]:
    """The Redis that the environment names, or a fresh one. Tests take prefixes of their own."""
    if not available():
        require_or_skip("redis", MISSING)
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    with redis_process() as process:
        yield process.url


@contextmanager
def redis_process() -> Iterator[RedisProcess]:
    """A server of our own, to be killed and started again. Gone afterwards."""
    program = shutil.which("redis-server")
    if program is None:
        require_or_skip("redis", "no redis-server on PATH, to be killed and started again")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        process = RedisProcess(program, Path(folder))
        try:
            process.start()
            yield process
        finally:
            process.stop()


@contextmanager
def silence() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


class RedisProcess:
    """One server after the other on the same port and the same snapshot."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Returns once it answers."""
        options = {
            "--port": str(self._port),
            "--bind": "127.0.0.1",
            "--dir": str(self._folder),
            "--save": "",
            "--appendonly": "no",
        }
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self._program, *(part for option in options.items() for part in option)],
                stdout=log,
                stderr=log,
            )
        from support.cluster import wait

        wait(lambda: self.command("PING").startswith(b"+PONG"), "redis answers")

    def command(self, *words: str) -> bytes:
        """What one command is answered with, as it comes; nothing where nobody answers."""
        asked = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 5) as server:
            server.sendall(f"*{len(words)}\r\n{asked}".encode())
            return server.recv(65536)
        return b""

    def snapshot(self) -> None:
        """Write all data to disk: what the next one starts with."""
        assert self.command("SAVE") == b"+OK\r\n"

    def kill(self) -> None:
        """SIGKILL: what came after the snapshot is lost."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self.kill()
