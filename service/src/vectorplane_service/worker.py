"""The service's side of gunicorn: the worker, which is uvicorn told what gunicorn's settings say,
and the logger, which writes as the service does."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn_worker import UvicornWorker  # type: ignore[import-untyped]

from vectorplane_service import logs
from vectorplane_service.settings import ServiceSettings

LAST_CALL_SECONDS = 0.25
"""Longer than a request takes from a client on the same network to here."""
FIRST_CALL_SECONDS = 2.0
"""A new connection has a request to send for certain; its client may be slow."""


class PatientProtocol(HttpToolsProtocol):
    """Closes no connection that a request may be on its way through.

    When a worker stops, uvicorn closes every connection that is between two requests, and what has
    just arrived on one is answered with a reset. Here such a connection is listened to for a moment
    longer; a request that comes is answered, and told that it was the last one.
    """

    leaving = False

    def shutdown(self) -> None:
        self.leaving = True
        if self._resting():
            fresh = self.scope is None
            self.loop.call_later(FIRST_CALL_SECONDS if fresh else LAST_CALL_SECONDS, self._leave)
        else:
            self.cycle.keep_alive = False

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.leaving:
            self.cycle.keep_alive = False

    def _resting(self) -> bool:
        # uvicorn declares it without None, and starts with None.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _leave(self) -> None:
        if self._resting() and not self.transport.is_closing():
            self.transport.close()


class ServiceWorker(UvicornWorker):  # type: ignore[misc]
    CONFIG_KWARGS: dict[str, Any] = {
        "loop": "uvloop",
        "http": PatientProtocol,
        "ws": "none",
        "lifespan": "on",
        # The service writes a line per request itself, with the request's id.
        "access_log": False,
        "server_header": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Without it uvicorn waits for ever, and gunicorn ends the wait with a SIGKILL.
        self.config.timeout_graceful_shutdown = self.cfg.graceful_timeout

    async def _serve(self) -> None:
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._told_to_stop)
        await super()._serve()

    def _told_to_stop(self, sign: int, frame: FrameType | None) -> None:
        """uvicorn takes the signal, finishes, and raises it again: then the process must not die of
        it, or gunicorn's hooks would never run. Only before uvicorn is there, it is the end."""
        if not self.config.loaded:
            raise SystemExit(0)


class ServiceLogger(Logger):  # type: ignore[misc]
    """gunicorn's own lines, in the service's format."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        settings = ServiceSettings.load()
        handler = logs.handler(settings.log_format)
        for log in (self.error_log, self.access_log):
            log.handlers[:] = [handler]
            log.propagate = False
        self.error_log.setLevel(settings.log_level.upper())
