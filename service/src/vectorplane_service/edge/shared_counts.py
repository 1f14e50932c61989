"""Counts of requests in a Redis that all workers share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from vectorplane_service.edge.counting import PRUNED_AT, Taken
from vectorplane_service.edge.refusals import CountsAway

AWAY_SECONDS = 1.0
"""How long a Redis that failed is left alone."""
LEASED = 100
"""The part of a limit that a worker takes in one call at most: one in so many."""


@dataclass(slots=True)
class _Lease:
    """Requests that this worker may let through without asking, until a moment."""

    lock: asyncio.Lock
    left: int = 0
    size: int = 1
    until: float = 0.0
    remaining: int = 0
    reset_at: float = 0.0


class SharedCounts:
    """`Counts` in Redis, for all workers. A call takes `timeout` seconds at most.

    A busy client's requests are taken from Redis several at a time, up to a hundredth of the limit,
    since a call costs as much as a search. Those that are not used within a tenth of the window
    count as used: so no more than the limit ever passes, and at worst a few in a hundred fewer.
    """

    def __init__(
        self,
        url: str,
        prefix: str,
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # A dead Redis must not cost a time-out per request: no retries, and then it is left alone.
        self._connections = ConnectionPool.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        shared: Any = {"connection_pool": self._connections}
        self._storage = RedisStorage(
            f"async+{url}", implementation="redispy", key_prefix=f"{prefix}:limits", **shared
        )
        self._window = SlidingWindowCounterRateLimiter(self._storage)
        self._clock = clock
        self._leases: dict[tuple[RateLimitItem, str, str], _Lease] = {}
        self._away_until = 0.0
        self._prune_at = PRUNED_AT

    async def take(self, item: RateLimitItem, group: str, who: str) -> Taken:
        lease = self._leases.get((item, group, who)) or self._leased(item, group, who)
        now = self._clock()
        if not (lease.left and now < lease.until):
            async with lease.lock:
                now = self._clock()
                if not (lease.left and now < lease.until):
                    refused = await self._renew(lease, item, group, who, now)
                    if refused:
                        return Taken(False, lease.remaining, max(0.0, lease.reset_at - now))
        lease.left -= 1
        return Taken(True, lease.remaining + lease.left, max(0.0, lease.reset_at - now))

    async def _renew(
        self, lease: _Lease, item: RateLimitItem, group: str, who: str, now: float
    ) -> bool:
        """Take the next requests of a client. True where there are none."""
        seconds = item.get_expiry()
        used_up = lease.until > now and not lease.left
        size = min(lease.size * 2, max(1, item.amount // LEASED)) if used_up else 1
        allowed = await self._call(lambda: self._window.hit(item, group, who, cost=size))
        if not allowed and size > 1:
            size = 1
            allowed = await self._call(lambda: self._window.hit(item, group, who))
        stats = await self._call(lambda: self._window.get_window_stats(item, group, who))
        lease.remaining = stats.remaining
        lease.reset_at = now + max(0.0, stats.reset_time - time.time())
        if not allowed:
            lease.left = 0
            return True
        lease.left, lease.size, lease.until = size, size, now + seconds / 10
        return False

    async def _call(self, call: Callable[[], Awaitable[Any]]) -> Any:
        now = self._clock()
        if now < self._away_until:
            raise CountsAway("Redis did not answer a moment ago")
        try:
            return await call()
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = self._clock() + AWAY_SECONDS
            raise CountsAway(f"Redis does not answer: {type(error).__name__}") from error

    def _leased(self, item: RateLimitItem, group: str, who: str) -> _Lease:
        if len(self._leases) >= self._prune_at:
            now = self._clock()
            self._leases = {
                k: v for k, v in self._leases.items() if v.until > now or v.lock.locked()
            }
            self._prune_at = max(PRUNED_AT, 2 * len(self._leases))
        return self._leases.setdefault((item, group, who), _Lease(asyncio.Lock()))

    async def close(self) -> None:
        await self._connections.disconnect()
