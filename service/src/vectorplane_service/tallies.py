"""Counts of the hot path, kept in plain numbers and handed to Prometheus' metrics twice a second.

With several workers each metric is a file in memory: one observation takes locks, asks for the
process id, and walks the buckets. For a search with its three histograms that is a tenth of all
that the service does; adding to a number is nothing.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram

FLUSH_SECONDS = 0.5
"""So old may be what another worker shows of this one."""


class Tally:
    """A counter or a gauge: what it has come to since it was last handed over."""

    __slots__ = ("_child", "value")

    def __init__(self, child: Counter | Gauge) -> None:
        self._child = child
        self.value = 0

    def flush(self) -> None:
        value, self.value = self.value, 0
        if value:
            self._child.inc(value)


class Spread:
    """A histogram: how many observations fell into each bucket, and their sum."""

    __slots__ = ("_bounds", "_child", "_counts", "_sum")

    def __init__(self, child: Histogram) -> None:
        self._child = child
        self._bounds: list[float] = child._upper_bounds
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def flush(self) -> None:
        """There is no public way to add many observations at once; a test compares this one."""
        if not any(self._counts):
            return
        for bucket, count in zip(self._child._buckets, self._counts, strict=True):
            if count:
                bucket.inc(count)
        self._child._sum.inc(self._sum)
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0


class Tallies:
    """All of a process. `due` is called where something was counted."""

    def __init__(self) -> None:
        self._all: list[Tally | Spread] = []
        self._timer: asyncio.TimerHandle | None = None

    def tally(self, child: Counter | Gauge) -> Tally:
        made = Tally(child)
        self._all.append(made)
        return made

    def spread(self, child: Histogram) -> Spread:
        made = Spread(child)
        self._all.append(made)
        return made

    def due(self) -> None:
        """See that what was counted is handed over soon."""
        if self._timer is None:
            self._timer = _later(self.flush)

    def flush(self) -> None:
        """Hand all over, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for one in self._all:
            one.flush()


def _later(call: Callable[[], None]) -> asyncio.TimerHandle | None:
    try:
        return asyncio.get_running_loop().call_later(FLUSH_SECONDS, call)
    except RuntimeError:  # no loop, so nobody waits
        call()
        return None
