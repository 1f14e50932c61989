"""Counts of requests: here in this process; `shared_counts` has them in Redis.

Both count by a sliding window: the window before this one counts for the part of it that is still
within reach. That is two numbers for each client and limit, however high the limit is. A moving
window is exact and keeps a time stamp for each request; a fixed window lets twice the limit through
around its edge.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from limits import RateLimitItem
from limits.storage.base import SlidingWindowCounterSupport, Storage
from limits.strategies import SlidingWindowCounterRateLimiter

PRUNED_AT = 10_000
"""Clients that are remembered before those who are long gone are looked for."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a request got: whether it may go on, how many more may, and when (in seconds) more
    will."""

    allowed: bool
    remaining: int
    reset: float


class Counts(Protocol):
    async def take(self, item: RateLimitItem, group: str, who: str) -> Taken:
        """Count one request of a client. Raises `CountsAway`."""

    async def close(self) -> None: ...


class WindowCounts(Storage, SlidingWindowCounterSupport):
    """A storage for the library, within this process.

    The library's own starts a thread every 10 ms, or walks over all keys at each request: with many
    clients that costs more than a search.
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._counts: dict[str, list[int]] = {}
        """By key: the number of the window, its count, the count before, the window's length."""
        self._prune_at = PRUNED_AT

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        now = self._clock()
        counts = self._of(key, expiry, now)
        left = 1 - now / expiry % 1
        if int(counts[2] * left) + counts[1] + amount > limit:
            return False
        counts[1] += amount
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The count and the time to live of the window before, then of this one."""
        now = self._clock()
        counts = self._of(key, expiry, now)
        left = (1 - now / expiry % 1) * expiry
        return counts[2], left if counts[2] else 0.0, counts[1], left + expiry

    def _of(self, key: str, expiry: int, now: float) -> list[int]:
        window = int(now // expiry)
        counts = self._counts.get(key)
        if counts is None:
            if len(self._counts) >= self._prune_at:
                self._prune(now)
            counts = self._counts[key] = [window, 0, 0, expiry]
        elif counts[0] != window:
            counts[2] = counts[1] if counts[0] == window - 1 else 0
            counts[0], counts[1] = window, 0
        return counts

    def _prune(self, now: float) -> None:
        self._counts = {k: c for k, c in self._counts.items() if (c[0] + 2) * c[3] > now}
        self._prune_at = max(PRUNED_AT, 2 * len(self._counts))

    def __len__(self) -> int:
        return len(self._counts)

    def clear(self, key: str) -> None:
        self._counts.pop(key, None)

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        self.clear(key)

    def reset(self) -> int | None:
        self._counts.clear()
        return None

    def check(self) -> bool:
        return True

    def get(self, key: str) -> int:
        raise NotImplementedError("there are sliding windows only")

    def get_expiry(self, key: str) -> float:
        raise NotImplementedError("there are sliding windows only")

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise NotImplementedError("there are sliding windows only")

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError


class OwnCounts:
    """`Counts` of this process alone."""

    def __init__(self) -> None:
        self._window = SlidingWindowCounterRateLimiter(WindowCounts())

    async def take(self, item: RateLimitItem, group: str, who: str) -> Taken:
        allowed = self._window.hit(item, group, who)
        stats = self._window.get_window_stats(item, group, who)
        return Taken(allowed, stats.remaining, max(0.0, stats.reset_time - time.time()))

    async def close(self) -> None:
        """Nothing is open."""
