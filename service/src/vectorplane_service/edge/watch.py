"""No request without an end: a client that stops in its body is cut off, and an answer that does
not come about is given up.

A request costs one timer, which nearly always is cancelled before it rings. All thinking is done
when it rings, from what the body has counted meanwhile.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from vectorplane.errors import VectorplaneError
from vectorplane_service.edge.refusals import ClientTooSlow, TookTooLong

SLOWEST = 16 * 1024
"""Bytes a second that a body has to come at, beyond the time that every request has."""


@dataclass(frozen=True, slots=True)
class Times:
    """In seconds: how long a client may pause in its body, and how long an answer may take."""

    read: float
    request: float


PATIENT = Times(read=10, request=60)


class Body(Protocol):
    """What is known of a body while it comes."""

    read: int
    """Bytes so far."""
    wanted: bool
    """Somebody waits for more of it."""

    def of_lines(self) -> bool:
        """It is a stream, which may go on for ever while it goes on."""


class Watch:
    """Watches one request, from within its task. `cut` says why it was ended, if it was: then the
    task has been cancelled, and `forgive` takes that back."""

    __slots__ = (
        "_body",
        "_handle",
        "_loop",
        "_moved",
        "_read",
        "_started",
        "_task",
        "_times",
        "cut",
    )

    def __init__(self, times: Times, body: Body) -> None:
        self.cut: VectorplaneError | None = None
        self._times = times
        self._body = body
        self._loop = loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._read = 0
        self._started = self._moved = loop.time()
        self._handle = loop.call_later(min(times.read, times.request), self._ring)

    def stop(self) -> None:
        """An answer has begun, or all is over."""
        self._handle.cancel()

    def forgive(self) -> None:
        if self._task is not None:
            self._task.uncancel()

    def _ring(self) -> None:
        now, times, body = self._loop.time(), self._times, self._body
        if body.read != self._read:
            self._read, self._moved = body.read, now
        if body.of_lines():
            end = self._moved + times.request
        else:
            end = self._started + times.request + self._read / SLOWEST
        pause_ends = self._moved + times.read if body.wanted else end
        if now >= pause_ends and body.wanted:
            self._end(ClientTooSlow(f"nothing more of the body came for {times.read:g} s"))
        elif now >= end:
            self._end(TookTooLong(f"no answer within {times.request:g} s"))
        else:
            soon = max(min(end, pause_ends) - now, 0.01)
            self._handle = self._loop.call_later(min(soon, times.read), self._ring)

    def _end(self, why: VectorplaneError) -> None:
        self.cut = why
        if self._task is not None:
            self._task.cancel()
