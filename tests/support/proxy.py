"""A reverse proxy on the loopback interface that counts, breaks and stops what goes through it.

It stands between the operator and a store, or the API server, so that faults are real ones: a
closed port, an answer that never comes, a status code. A `Trap` calls a function once the n-th
write has been carried out and before its answer is passed on: the moment to kill somebody.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from support.loops import LoopThread

_HOP = {"connection", "host", "transfer-encoding", "content-length", "keep-alive"}


@dataclass(frozen=True)
class Seen:
    method: str
    path: str

    @property
    def write(self) -> bool:
        return self.method != "GET" and not self.path.startswith("/read/")


class Trap:
    """Calls `spring` after the n-th write, over all proxies that share it."""

    def __init__(self, n: int, spring: Callable[[], None]) -> None:
        self._left = n
        self._spring = spring
        self._lock = threading.Lock()

    @property
    def sprung(self) -> bool:
        return self._left <= 0

    def write(self) -> bool:
        """A write was carried out. True where it was the one, or came after."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._spring()
            return self._left <= 0


class Proxy:
    """`down`, `hang` and `status` break it; `mend` makes it whole."""

    def __init__(self, thread: LoopThread, upstream: str, ca: str | None = None) -> None:
        self._thread = thread
        self._upstream = upstream.rstrip("/")
        self._tls = ssl.create_default_context(cafile=ca) if ca else None
        self._hanging: asyncio.Event | None = None
        self._status: int | None = None
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.seen: list[Seen] = []
        self.trap: Trap | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def writes(self) -> list[Seen]:
        return [s for s in self.seen if s.write]

    def start(self) -> None:
        self._thread.run(self._start())

    def stop(self) -> None:
        self.mend()
        self.down()
        self._thread.run(self._session.close())

    def down(self) -> None:
        """Nobody listens any more, and open connections are cut."""
        if self._runner:
            self._thread.run(self._runner.cleanup())
            self._runner = None

    def hang(self) -> None:
        """Requests are taken and never answered."""
        self._thread.run(self._hang())

    def status(self, code: int) -> None:
        """Every request gets this status."""
        self._status = code

    def mend(self) -> None:
        self._status = None
        self._thread.run(self._release())
        if self._runner is None:
            self.start()

    async def _start(self) -> None:
        if not hasattr(self, "_session"):
            connector = aiohttp.TCPConnector(ssl=self._tls or True, limit=0)
            timeout = aiohttp.ClientTimeout(total=None)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, auto_decompress=False
            )
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # A watch has no end of its own: it goes with its client, or with this.
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _hang(self) -> None:
        self._hanging = self._hanging or asyncio.Event()

    async def _release(self) -> None:
        if self._hanging:
            self._hanging.set()
            self._hanging = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(request.method, request.path)
        self.seen.append(seen)
        if self._hanging:
            await self._hanging.wait()
            return _cut(request)
        if self._status:
            return web.json_response({"status": {"error": "broken"}}, status=self._status)
        if self.trap and self.trap.sprung:
            return _cut(request)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        body = await request.read()
        try:
            async with self._session.request(
                request.method,
                self._upstream + request.raw_path,
                headers=headers,
                data=body or None,
                allow_redirects=False,
            ) as answer:
                if seen.write and self.trap and self.trap.write():
                    await answer.read()
                    return _cut(request)
                return await _pass_on(request, answer)
        except aiohttp.ClientError:
            return web.Response(status=502)


async def _pass_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
    response = web.StreamResponse(status=answer.status, headers=kept)
    with suppress(ConnectionError):
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    return response


def _cut(request: web.Request) -> web.Response:
    """No answer at all: the connection ends."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)
