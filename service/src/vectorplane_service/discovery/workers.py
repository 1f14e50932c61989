"""The registration of a gunicorn: one for all of its workers.

The master cannot look after it: it forks, and a thread of it may hold a lock at that moment which
nobody in the child would ever give back. So a worker does, in a thread; which one is decided by a
lock that ends with its process. Workers come and go, the registration stays: only the master, when
it ends, takes it back.
"""

from __future__ import annotations

import asyncio
import fcntl
import tempfile
import threading
from typing import IO, TYPE_CHECKING

from vectorplane_service.discovery.opening import registration
from vectorplane_service.settings import ServiceSettings

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

_TURN_SECONDS = 1.0
"""Between tries of a worker to be the one."""


class Registrar:
    """Made by the master when it listens. Its workers inherit it."""

    def __init__(self, settings: ServiceSettings, port: int) -> None:
        self._settings = settings
        self._port = port
        # A lock of lockf is a process's own, also where the file was opened before a fork.
        self._lock: IO[bytes] = tempfile.TemporaryFile()

    def work(self) -> None:
        """In a worker: look after the registration, as soon as no other worker does."""
        threading.Thread(target=self._work, name="consul", daemon=True).start()

    def end(self) -> None:
        """In the master, when all workers are gone: take it back, within some seconds."""
        asyncio.run(registration(self._settings, self._port).end())

    def _work(self) -> None:
        asyncio.run(self._follow())

    async def _follow(self) -> None:
        while not self._first():
            await asyncio.sleep(_TURN_SECONDS)
        await registration(self._settings, self._port).run()

    def _first(self) -> bool:
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def registrar(settings: ServiceSettings, server: Arbiter) -> Registrar | None:
    """For a master that listens; None where no agent is named."""
    if settings.consul_http_addr is None:
        return None
    return Registrar(settings, _port(settings, server))


def _port(settings: ServiceSettings, server: Arbiter) -> int:
    """The port that was really bound: that of the settings may be 0."""
    for listener in server.LISTENERS:
        name = listener.sock.getsockname()
        if isinstance(name, tuple):
            return int(name[1])
    return settings.port
