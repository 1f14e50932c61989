"""A reverse proxy on the loopback interface that counts, breaks and stops what goes through it.

It stands between the operator and a store, or the API server, so that faults are real ones: a
closed port, an answer that never comes or ends in its middle, a status code. A `Trap` calls a
function at the n-th write, before its answer is passed on: the moment to kill somebody.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from support.loops import LoopThread

FAULTS = ("refused", "lost", "halved", "500", "503", "slow")
_HOP = {"connection", "host", "transfer-encoding", "content-length", "keep-alive"}


@dataclass(frozen=True)
class Seen:
    """One request. `at` is the time it came, in seconds of the monotonic clock."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0

    @property
    def write(self) -> bool:
        reads = self.path.startswith("/read/") or self.path.endswith(("/scroll", "/facet"))
        return self.method != "GET" and not reads

    @property
    def watch(self) -> bool:
        return "watch" in self.query


class Trap:
    """Calls `spring` at the n-th write, over all proxies that share it: once it has been carried
    out; or, with `early`, that many seconds after it has been passed on, whatever comes of it.
    """

    def __init__(self, n: int, spring: Callable[[], None], *, early: float | None = None) -> None:
        self._left = n
        self._spring = spring
        self._lock = threading.Lock()
        self._early = early
        self.sprung = False

    async def begun(self) -> None:
        """A write is passed on."""
        if self._early is not None and self._count():
            await asyncio.sleep(self._early)
            self._now()

    def done(self) -> bool:
        """A write was carried out. True where it was the one, or came after."""
        if self._early is None and self._count():
            self._now()
        return self.sprung

    def disarm(self) -> bool:
        """It springs no more, also not for a write that is on its way. True where it has sprung."""
        with self._lock:
            self._left = 0
            return self.sprung

    def _count(self) -> bool:
        """True for the write at which it springs. It counts as sprung from here on, unless what
        the write comes to is still open."""
        with self._lock:
            self._left -= 1
            self.sprung = self.sprung or (self._early is None and self._left == 0)
            return self._left == 0

    def _now(self) -> None:
        self.sprung = True
        self._spring()


@dataclass
class _Instead:
    """An answer of our own, for the next `times` requests that it is for."""

    matches: Callable[[Seen], bool]
    status: int
    body: object
    times: int


@dataclass
class _Flaky:
    """Each request may meet a fault of its own."""

    dice: random.Random
    share: float
    faults: Sequence[str]

    def next(self) -> str | None:
        return self.dice.choice(self.faults) if self.dice.random() < self.share else None


class Proxy:
    """`down`, `hang`, `slow`, `halve`, `status` and `flaky` break it; `mend` makes it whole."""

    def __init__(self, thread: LoopThread, upstream: str, ca: str | None = None) -> None:
        self._thread = thread
        self._upstream = upstream.rstrip("/")
        self._tls = ssl.create_default_context(cafile=ca) if ca else None
        self._hanging: asyncio.Event | None = None
        self._status: tuple[int, dict[str, str]] | None = None
        self._delay = 0.0
        self._halve = False
        self._flaky: _Flaky | None = None
        self._instead: list[_Instead] = []
        self._watches: dict[int, tuple[web.Request, web.StreamResponse]] = {}
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.seen: list[Seen] = []
        self.trap: Trap | None = None
        self.page_size: int | None = None
        """Where it is set, lists come in pages no longer than this."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def writes(self) -> list[Seen]:
        return [s for s in self.seen if s.write]

    @property
    def watched(self) -> set[str]:
        """The paths that are watched now."""
        return {request.path for request, _ in list(self._watches.values())}

    def start(self) -> None:
        self._thread.run(self._start())

    def stop(self) -> None:
        self.mend()
        self.down()
        self._thread.run(self._session.close())

    # Faults that last

    def down(self) -> None:
        """Nobody listens any more, and open connections are cut."""
        if self._runner:
            self._thread.run(self._close(self._runner))
            self._runner = None

    def hang(self) -> None:
        """Requests are taken and never answered."""
        self._thread.run(self._hang())

    def slow(self, seconds: float) -> None:
        """Every request is passed on so much later."""
        self._delay = seconds

    def halve(self) -> None:
        """Requests are carried out, and the connection ends in the middle of each answer."""
        self._halve = True

    def status(self, code: int, **headers: str) -> None:
        """Every request gets this status; an underscore in a header's name stands for a hyphen."""
        self._status = (code, {k.replace("_", "-"): v for k, v in headers.items()})

    def flaky(self, seed: int, share: float, faults: Sequence[str] = FAULTS) -> None:
        """This share of the requests, from 0 to 1, meets any of the faults."""
        self._flaky = _Flaky(random.Random(seed), share, faults)

    def mend(self) -> None:
        self._status = self._flaky = None
        self._delay, self._halve = 0.0, False
        self._instead.clear()
        self._thread.run(self._release())
        if self._runner is None:
            self.start()

    # Faults that come once

    def instead(
        self, matches: Callable[[Seen], bool], status: int, body: object, *, times: int = 1
    ) -> Callable[[], bool]:
        """Answer the next requests of a kind ourselves; tells whether all of them came."""
        made = _Instead(matches, status, body, times)
        self._instead.append(made)
        return lambda: made.times == 0

    def cut_watches(self) -> int:
        """End all watches in the middle; gives how many there were."""
        return self._thread.run(self._end_watches(None))

    def end_watches(self, event: object) -> int:
        """Say one last event in all watches and end them; gives how many there were."""
        return self._thread.run(self._end_watches(event))

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
        loop, handler = asyncio.get_running_loop(), self._runner.server
        assert handler
        self._server = await loop.create_server(handler, "127.0.0.1", self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self, runner: web.AppRunner) -> None:
        for listener in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
        # A server that is closed while it accepts somebody leaves that socket open for ever.
        await asyncio.sleep(0.01)
        self._server.close()
        await runner.cleanup()

    async def _hang(self) -> None:
        self._hanging = self._hanging or asyncio.Event()

    async def _release(self) -> None:
        if self._hanging:
            self._hanging.set()
            self._hanging = None

    async def _end_watches(self, event: object) -> int:
        ended = 0
        for request, response in list(self._watches.values()):
            ended += 1
            if event is None:
                _cut(request)
                continue
            with suppress(ConnectionError):
                await response.write(json.dumps(event).encode() + b"\n")
            if request.transport:
                request.transport.close()
        return ended

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(request.method, request.path, dict(request.query), time.monotonic())
        self.seen.append(seen)
        if self._hanging:
            await self._hanging.wait()
            return _cut(request)
        if (own := self._own(seen)) is not None:
            return web.json_response(own.body, status=own.status)
        fault = self._flaky.next() if self._flaky else None
        if self._status or fault in ("500", "503"):
            status, headers = self._status or (int(fault or 500), {})
            return web.json_response(
                {"status": {"error": "broken"}}, status=status, headers=headers
            )
        if fault == "refused" or (self.trap and self.trap.sprung):
            return _cut(request)
        await asyncio.sleep(self._delay or (0.3 if fault == "slow" else 0.0))
        return await self._pass_on(request, seen, fault)

    def _own(self, seen: Seen) -> _Instead | None:
        for own in self._instead:
            if own.times > 0 and own.matches(seen):
                own.times -= 1
                return own
        return None

    async def _pass_on(
        self, request: web.Request, seen: Seen, fault: str | None
    ) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        body = await request.read()
        trap = self.trap if seen.write else None
        sprung = asyncio.create_task(trap.begun()) if trap else None
        try:
            async with self._session.request(
                request.method,
                self._upstream + self._path(request, seen),
                headers=headers,
                data=body or None,
                allow_redirects=False,
            ) as answer:
                if trap and trap.done():
                    await answer.read()
                    return _cut(request)
                if fault == "lost":
                    await answer.read()
                    return _cut(request)
                if fault == "halved" or self._halve:
                    return await _half(request, answer)
                return await self._answer(request, answer, seen)
        except aiohttp.ClientError:
            # As it would be without a proxy in between.
            return _cut(request)
        finally:
            if sprung:
                await sprung

    def _path(self, request: web.Request, seen: Seen) -> str:
        if self.page_size and "limit" in seen.query:
            return str(request.rel_url.update_query({"limit": str(self.page_size)}))
        return request.raw_path

    async def _answer(
        self, request: web.Request, answer: aiohttp.ClientResponse, seen: Seen
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=_kept(answer))
        with suppress(ConnectionError):
            await response.prepare(request)
            if seen.watch:
                self._watches[id(request)] = (request, response)
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            finally:
                self._watches.pop(id(request), None)
        return response


async def _half(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """An answer that says how long it is and ends before that."""
    body = await answer.read()
    response = web.StreamResponse(status=answer.status, headers=_kept(answer))
    response.content_length = max(len(body), 2)
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
    if request.transport:
        request.transport.close()
    return response


def _kept(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    return {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}


def _cut(request: web.Request) -> web.Response:
    """No answer at all: the connection ends."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)
