"""The service's side of gunicorn: the worker, which is uvicorn told what gunicorn's settings say,
and the logger, which writes as the service does."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from uvicorn_worker import UvicornWorker  # type: ignore[import-untyped]

from vectorplane_service import logs
from vectorplane_service.edge.patience import PatientProtocol
from vectorplane_service.settings import ServiceSettings


class ServiceWorker(UvicornWorker):  # type: ignore[misc]
    CONFIG_KWARGS: dict[str, Any] = {
        "loop": "uvloop",
        "http": PatientProtocol,
        "ws": "none",
        "lifespan": "on",
        # The service writes a line per request itself, with the request's id.
        "access_log": False,
        "server_header": False,
        # Nobody is believed about where a request comes from: see `edge.addresses`.
        "proxy_headers": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Without it uvicorn waits for ever, and gunicorn ends the wait with a SIGKILL.
        self.config.timeout_graceful_shutdown = self.cfg.graceful_timeout

    async def _serve(self) -> None:
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._told_to_stop)
        await super()._serve()

    async def callback_notify(self) -> None:
        """Every half of gunicorn's timeout: say that this worker lives, or leave where the master
        that would hear it is gone. Nobody else would ever end it."""
        if os.getppid() != self.ppid:
            os.kill(os.getpid(), signal.SIGTERM)
        await super().callback_notify()

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
