"""The protocol, with an end to its patience: a client that connects and sends nothing, or only a
part of a request's head, is cut off. So is one that stops in a small body, which is waited for
before there is a request at all; a large one is watched by its request (`watch`).

A request that comes whole, as nearly all do, costs a comparison and no timer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from vectorplane_service.edge.watch import SLOWEST
from vectorplane_service.protocol import ServiceProtocol, ShortCycle

READ_SECONDS = 10.0
"""Where the application does not say (`state.read_timeout_seconds`)."""
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class PatientProtocol(ServiceProtocol):
    _timer: asyncio.TimerHandle | None = None
    _partial = True
    """A request has begun, or the first one is awaited, and it is not all there."""
    _begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        state = getattr(self.config.loaded_app, "state", None)
        self._seconds: float = getattr(state, "read_timeout_seconds", READ_SECONDS)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._partial:
            if self._timer is None:
                self._start()
        elif self._timer is not None:
            self._stop()

    def on_message_begin(self) -> None:
        self._partial = self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._partial = self._is_short(self.cycle)

    def on_message_complete(self) -> None:
        self._partial = False
        super().on_message_complete()

    @staticmethod
    def _is_short(cycle: Any) -> bool:
        return type(cycle) is ShortCycle

    def _start(self) -> None:
        self._since = self.loop.time()
        self._timer = self.loop.call_later(self._seconds, self._ring)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if not self._partial or self.transport.is_closing():
            return
        cycle = self.cycle
        short = self._is_short(cycle) and not cycle.response_complete
        came = len(cycle.body) if short else 0
        left = self._since + self._seconds + came / SLOWEST - self.loop.time()
        if left <= 0 and not short and not self._resting():
            left = self._seconds  # the request before is being answered on this connection
        if left > 0:
            self._timer = self.loop.call_later(left, self._ring)
            return
        if self._begun:
            self.transport.write(_TOO_SLOW)
        self.transport.close()
