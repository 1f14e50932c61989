"""A worker takes no more requests than it can serve in time: whoever would wait too long is told at
once to come again.

What is counted is the requests in flight, and refusing costs one comparison. The bound moves. Where
even the fastest request of a second took longer than a queue may (a queue stands, and it is not one
request that is slow), only so many are let in as were served in that time. As soon as one is fast
again, the bound is MAX_INFLIGHT_REQUESTS.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from vectorplane_service.edge.refusals import Overloaded

SLOT_SECONDS = 0.5
"""How often the bound is thought over."""
LEAST = 32
"""So many are always let in: fewer than this are no queue."""


class Shedding:
    """Counts requests in flight: `inflight` against `most`."""

    __slots__ = (
        "_cap",
        "_clock",
        "_ends",
        "_fastest",
        "_queue_seconds",
        "_rate",
        "_served",
        "inflight",
        "most",
    )

    def __init__(
        self,
        cap: int,
        queue_seconds: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.inflight = 0
        self.most = self._cap = cap
        self._queue_seconds = queue_seconds
        self._clock = clock
        self._ends = clock() + SLOT_SECONDS
        self._served = 0
        self._fastest = math.inf
        self._rate = 0.0

    def done(self, seconds: float, status: int) -> None:
        """One request is answered; it took so long. Refusals are fast in any queue."""
        self.inflight -= 1
        self._served += 1
        if seconds < self._fastest and status < 400:
            self._fastest = seconds
        if self._served & 15 == 0 or seconds > SLOT_SECONDS:
            now = self._clock()
            if now >= self._ends:
                self._think(now)

    def _think(self, now: float) -> None:
        self._rate = self._served / (now - self._ends + SLOT_SECONDS)
        if self._queue_seconds < self._fastest < math.inf:
            self.most = min(self._cap, max(LEAST, int(self._rate * self._queue_seconds)))
        else:
            self.most = self._cap
        self._ends = now + SLOT_SECONDS
        self._served, self._fastest = 0, math.inf

    def refusal(self) -> Overloaded:
        """What those are told who are too many."""
        wait = self.inflight / self._rate if self._rate else self._queue_seconds
        return Overloaded(
            "too many requests are waiting", retry_after=min(wait, 4 * self._queue_seconds)
        )
