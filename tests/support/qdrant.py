"""A real Qdrant server for tests: the one at `QDRANT_URL`, or one started from `qdrant` on PATH."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MISSING = "no Qdrant server: set QDRANT_URL or put qdrant on PATH"
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class QdrantServer:
    url: str
    grpc_port: int | None
    api_key: str | None = None
    pid: int | None = None
    snapshots: str = "/qdrant/snapshots"
    """Its folder of snapshots, as it sees it."""


def available() -> bool:
    return bool(os.environ.get("QDRANT_URL") or shutil.which("qdrant"))


@contextmanager
def qdrant_server(**settings: str) -> Iterator[QdrantServer]:
    """The server that the environment names, or a fresh one. `settings` are further
    `QDRANT__...` variables."""
    if (url := os.environ.get("QDRANT_URL")) and not settings:
        port = os.environ.get("QDRANT_GRPC_PORT")
        snapshots = os.environ.get("QDRANT_SNAPSHOTS", "/qdrant/snapshots")
        key = os.environ.get("QDRANT_API_KEY")
        yield QdrantServer(url, int(port) if port else None, key, snapshots=snapshots)
        return
    with started(**settings) as server:
        yield server


@contextmanager
def started(**settings: str) -> Iterator[QdrantServer]:
    """A server of our own on free ports, with nothing in it, gone afterwards."""
    with restartable(**settings) as process:
        yield process.server


@contextmanager
def restartable(**settings: str) -> Iterator[QdrantProcess]:
    """The same, to be killed and started again."""
    with tempfile.TemporaryDirectory(prefix="qdrant-") as folder:
        process = QdrantProcess(Path(folder), **settings)
        try:
            process.start()
            yield process
        finally:
            process.stop()


class QdrantProcess:
    """One server after the other on the same ports and the same data."""

    def __init__(self, folder: Path, **settings: str) -> None:
        program = shutil.which("qdrant")
        if program is None:
            raise FileNotFoundError(MISSING)
        self._program = program
        self._folder = folder
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._http, self._grpc = free_port(), free_port()
        self._key = settings.get("QDRANT__SERVICE__API_KEY")
        others = {k: v for k, v in os.environ.items() if not k.startswith("QDRANT__")}
        self._environment = others | {
            "QDRANT__SERVICE__HOST": "127.0.0.1",
            "QDRANT__SERVICE__HTTP_PORT": str(self._http),
            "QDRANT__SERVICE__GRPC_PORT": str(self._grpc),
            "QDRANT__STORAGE__STORAGE_PATH": f"{folder}/storage",
            "QDRANT__STORAGE__SNAPSHOTS_PATH": f"{folder}/snapshots",
            "QDRANT__TELEMETRY_DISABLED": "true",
            "QDRANT__CLUSTER__ENABLED": "false",
            **settings,
        }

    @property
    def url(self) -> str:
        tls = self._environment.get("QDRANT__SERVICE__ENABLE_TLS") == "true"
        return f"{'https' if tls else 'http'}://127.0.0.1:{self._http}"

    def change(self, **settings: str) -> None:
        """Other settings from the next start on."""
        self._environment |= settings
        self._key = self._environment.get("QDRANT__SERVICE__API_KEY")

    def wipe(self) -> None:
        """Lose all data, while it is stopped."""
        shutil.rmtree(self._folder / "storage")

    @property
    def server(self) -> QdrantServer:
        return QdrantServer(
            self.url,
            self._grpc,
            self._key,
            self._process.pid if self._process else None,
            f"{self._folder}/snapshots",
        )

    def start(self) -> None:
        """Returns once it is ready."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._program],
                cwd=self._folder,
                env=self._environment,
                stdout=output,
                stderr=output,
            )
        _wait(self.url, self._process, self._log)

    def kill(self) -> None:
        """SIGKILL; nothing is flushed."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and where that is not enough SIGKILL."""
        if self._process:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self.kill()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(urllib.error.URLError, OSError):
            trusting = ssl._create_unverified_context()
            with urllib.request.urlopen(f"{url}/readyz", timeout=1, context=trusting):
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"qdrant did not start:\n{log.read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
