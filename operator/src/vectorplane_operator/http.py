"""The operator's own port: `/metrics` for Prometheus, `/healthz` and `/readyz` for the kubelet."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

log = structlog.get_logger(__name__)


class HttpServer:
    """Answers as long as the event loop turns. `/readyz` says whether the cache is filled: `ready`
    gives what the operator does then, or None."""

    def __init__(
        self, host: str, port: int, *, ready: Callable[[], str | None], metrics: Callable[[], bytes]
    ) -> None:
        self._host, self._port = host, port
        self._ready = ready
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that it listens on; where 0 was asked for, the one that was free."""
        addresses = self._runner.addresses if self._runner else []
        return int(addresses[0][1]) if addresses else self._port

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._scrape)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        log.info("http_listening", host=self._host, port=self.port)

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if says := self._ready():
            return web.Response(text=f"{says}\n")
        return web.Response(status=503, text="the resources are not listed yet\n")

    async def _scrape(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})
