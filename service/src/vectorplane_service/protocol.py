"""HTTP as the service speaks it: uvicorn's protocol, with two habits changed.

An answer goes out in one write, not in one for its head and one for its body: that saves a call of
the system and a wake-up of the client for each search.

When a worker stops, uvicorn closes every connection that is between two requests, and what has just
arrived on one is answered with a reset. Here such a connection is listened to for a moment longer;
a request that comes is answered, and told that it was the last one.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LAST_CALL_SECONDS = 0.25
"""Longer than a request takes from a client on the same network to here."""
FIRST_CALL_SECONDS = 2.0
"""A new connection has a request to send for certain; its client may be slow."""


class ServiceProtocol(HttpToolsProtocol):
    leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, OneWrite(transport, self.loop)))

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
