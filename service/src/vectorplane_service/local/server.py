"""The service's application on a socket of our own, inside a loop and a process of our own."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from vectorplane.errors import Stalled
from vectorplane_service.edge.patience import PatientProtocol
from vectorplane_service.settings import ServiceSettings


class AddressTaken(Stalled):
    """Somebody else listens there."""

    reason = "AddressTaken"


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 is a free one. Raises `AddressTaken`."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"{host}:{port} is in use: give another --port, or --port 0 for a free one"
        else:
            message = f"cannot listen at {host}:{port}: {error.strerror or error}"
        raise AddressTaken(message) from error


def url_of(bound: socket.socket) -> str:
    """Where a person on this machine finds it."""
    host, port = bound.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn, except that it leaves the signals to us and says when it answers."""

    def __init__(self, app: FastAPI, settings: ServiceSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=PatientProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=settings.keepalive,
                timeout_graceful_shutdown=settings.graceful_timeout_seconds,
            )
        )
        self.answers = asyncio.Event()
        self._interrupted = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.answers.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets=sockets)
        if self.force_exit:
            # uvicorn leaves the application's own end out then.
            await self.lifespan.shutdown()

    def stop_on_signals(self) -> None:
        """A signal ends it when the requests under way are answered, a second Ctrl-C at once.

        A Ctrl-C and a SIGTERM together are no such wish: the terminal sends the one to all, and who
        started us the other.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)

    def _stop(self, number: int) -> None:
        self.should_exit = True
        if number == signal.SIGINT:
            self.force_exit = self._interrupted
            self._interrupted = True
