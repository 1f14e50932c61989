"""A real gunicorn with the service's configuration, on a free port of the loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vectorplane_service.settings import ServiceSettings

TESTS = Path(__file__).resolve().parents[1]
_LISTENING = re.compile(r"listening at (http://127\.0\.0\.1:\d+)")
WAIT_SECONDS = 30.0


class Gunicorn:
    """The process, its address, and every line that it wrote."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, found: Callable[[list[str]], Any]) -> Any:
        """What `found` makes of the lines, as soon as it makes something of them."""
        deadline = time.monotonic() + WAIT_SECONDS
        with self._changed:
            while not (result := found(self.lines)):
                left = deadline - time.monotonic()
                ended = self.process.poll() is not None and not self._reader.is_alive()
                if left <= 0 or ended:
                    raise AssertionError("\n".join(["not found in:", *self.lines]))
                self._changed.wait(min(left, 1.0))
        return result

    @property
    def url(self) -> str:
        return str(
            self.wait_for(
                lambda lines: next((m[1] for line in lines if (m := _LISTENING.search(line))), None)
            )
        )

    def ready(self, workers: int = 1) -> Gunicorn:
        """Waits until so many workers take requests."""
        self.wait_for(
            lambda lines: (
                sum(
                    "Application startup complete" in x or "ASGI server listening" in x
                    for x in lines
                )
                >= workers
            )
        )
        return self

    def events(self) -> list[dict[str, Any]]:
        """The lines that are JSON. All of them should be."""
        return [json.loads(line) for line in self.lines]

    def requests(self) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["event"] == "request"]

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(sign)
        return self.join()

    def join(self) -> int:
        code = self.process.wait(WAIT_SECONDS)
        self._reader.join(WAIT_SECONDS)
        return code


@contextmanager
def gunicorn(app: str = "support.serving_app:app", **variables: str) -> Iterator[Gunicorn]:
    """A running gunicorn. `variables` are its settings; others of this machine do not reach it."""
    names = {v.name for v in ServiceSettings.variables()} | {"PROMETHEUS_MULTIPROC_DIR"}
    environment = {k: v for k, v in os.environ.items() if k not in names} | {
        "PYTHONPATH": str(TESTS),
        "HOST": "127.0.0.1",
        "PORT": "0",
        "WEB_CONCURRENCY": "1",
        "API_KEYS": "test:test-secret:read+write",
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "python:vectorplane_service.gunicorn_conf", app],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Gunicorn(process)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        running.join()
        assert process.stderr is not None
        process.stderr.close()
