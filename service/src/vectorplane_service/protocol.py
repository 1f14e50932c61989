"""HTTP as the service speaks it: uvicorn's protocol, with three habits changed.

An answer goes out in one write, not in one for its head and one for its body: that saves a call of
the system and a wake-up of the client for each search.

When a worker stops, uvicorn closes every connection that is between two requests, and what has just
arrived on one is answered with a reset. Here such a connection is listened to for a moment longer;
a request that comes is answered, and told that it was the last one.

A small request of a hot operation (`hotpath`) goes straight to the layer that answers it, once it
is there as a whole: what uvicorn and the framework do around each request takes as long as the
service itself. What is answered is the same, for it is the same layer.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Protocol, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LAST_CALL_SECONDS = 0.25
"""Longer than a request takes from a client on the same network to here."""
FIRST_CALL_SECONDS = 2.0
"""A new connection has a request to send for certain; its client may be slow."""
SMALL_BYTES = 256 * 1024
"""A body up to here is held in memory until it is whole."""
_STATUS = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class ShortWay(Protocol):
    """What takes hot requests. An application has it at `state.short_way`, or has none."""

    def takes(self, method: bytes, url: bytes) -> bool: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class ServiceProtocol(HttpToolsProtocol):
    leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, OneWrite(transport, self.loop)))
        state = getattr(self.config.loaded_app, "state", None)
        self.short_way: ShortWay | None = getattr(state, "short_way", None)

    def shutdown(self) -> None:
        self.leaving = True
        if self._resting():
            fresh = self.scope is None
            self.loop.call_later(FIRST_CALL_SECONDS if fresh else LAST_CALL_SECONDS, self._leave)
        else:
            self.cycle.keep_alive = False

    def on_headers_complete(self) -> None:
        if self._goes_short():
            self.cycle = cast(RequestResponseCycle, ShortCycle(self))
            return
        super().on_headers_complete()
        if self.leaving:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        cycle: Any = self.cycle
        if type(cycle) is not ShortCycle:
            super().on_message_complete()
        elif not cycle.response_complete:
            self._start_asgi_task(self.cycle, cast(Any, self.short_way))

    def _goes_short(self) -> bool:
        short = self.short_way
        if (
            short is None
            or not short.takes(self.parser.get_method(), self.url)
            or not self._resting()
            or self.expect_100_continue
            or self.parser.should_upgrade()
            or self.parser.get_http_version() != "1.1"
        ):
            return False
        for name, value in self.headers:
            if name == b"content-length":
                return len(value) < 8 and value.isdigit() and int(value) <= SMALL_BYTES
        return False

    def _resting(self) -> bool:
        # uvicorn declares it without None, and starts with None.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _leave(self) -> None:
        if self._resting() and not self.transport.is_closing():
            self.transport.close()


class ShortCycle:
    """A request and its answer, as uvicorn's protocol sees one: the parts of its own cycle that it
    touches. It is started once the body is whole."""

    def __init__(self, protocol: ServiceProtocol) -> None:
        self._protocol = protocol
        self.keep_alive = protocol.parser.should_keep_alive() and not protocol.leaving
        self.body = bytearray()
        self.more_body = True
        self.message_event = _NOBODY_WAITS
        self.response_complete = False
        self.disconnected = False
        self._asked = False
        self._head: list[bytes] = []

    async def run_asgi(self, app: ASGIApp) -> None:
        protocol = self._protocol
        scope: Any = protocol.scope
        scope["method"] = "POST"
        scope["path"] = protocol.url.decode("latin-1")
        scope["raw_path"] = protocol.url
        scope["query_string"] = b""
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            if not isinstance(error, Exception):
                raise
            protocol.logger.error("the application failed", exc_info=error)
        finally:
            if not self.response_complete:
                # There is no answer, or half of one: the client learns it by the end of this.
                self.response_complete = True
                protocol.transport.close()

    async def receive(self) -> Message:
        if self._asked:
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": bytes(self.body), "more_body": False}

    async def send(self, message: Message) -> None:
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._head = [_STATUS[message["status"]]]
            length = False
            for name, value in message["headers"]:
                if name == b"content-length":
                    length = True
                elif name == b"connection" and value.lower() == b"close":
                    self.keep_alive = False
                    continue
                self._head += (name, b": ", value, b"\r\n")
            if not length:
                self.keep_alive = False
            if not self.keep_alive:
                self._head.append(b"connection: close\r\n")
            self._head.append(b"\r\n")
            return
        transport = self._protocol.transport
        if self._head:
            self._head.append(message.get("body", b""))
            transport.write(b"".join(self._head))
            self._head = []
        else:
            transport.write(message.get("body", b""))
        if not message.get("more_body", False):
            self.response_complete = True
            if not self.keep_alive:
                transport.close()
            self._protocol.on_response_complete()


class _Nobody:
    """uvicorn tells an event; here nobody waits for it."""

    def set(self) -> None: ...


_NOBODY_WAITS: Any = _Nobody()


class OneWrite:
    """A transport that sends what is written in one turn of the loop as one piece."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, []
            if not self._transport.is_closing():
                self._transport.writelines(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
