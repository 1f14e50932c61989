"""A queue of keys: each key at most once at a time, whatever comes in meanwhile; later on request.

Level-triggered: an event only says "look at this key". Two looks at one key never overlap, and a
thousand events during one look make one more look.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

K = TypeVar("K")
Handler = Callable[[K], Awaitable[float | None]]
"""Looks at one key; gives the seconds until the next look, or None for "when something happens"."""

log = structlog.get_logger(__name__)


class KeyedQueue(Generic[K]):
    """Runs `handler` for keys, at most `limit` at once in each lane. A lane is what a key's look
    waits for, e.g. its store: a store that hangs holds up no look at another one. What waits is an
    entry in a dictionary, not a task: ten thousand of them are nothing.
    """

    def __init__(
        self, handler: Handler[K], *, limit: int = 64, lane: Callable[[K], str] = lambda key: ""
    ) -> None:
        self._handler = handler
        self._limit = limit
        self._lane_of = lane
        self._waiting: defaultdict[str, dict[K, None]] = defaultdict(dict)
        self._lanes: dict[K, str] = {}
        """The lane of each key that waits."""
        self._busy: Counter[str] = Counter()
        self._running: dict[K, asyncio.Task[None]] = {}
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._closed = False

    def __len__(self) -> int:
        """Keys that are looked at or wait for it; timers do not count."""
        return len(self._running) + len(self._lanes)

    def add(self, key: K) -> None:
        """Look at `key` now, or once more after the look that is under way."""
        if self._closed:
            return
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        elif key not in self._lanes:
            lane = self._lane_of(key)
            self._lanes[key] = lane
            self._waiting[lane][key] = None
            self._start(lane)

    def add_after(self, key: K, seconds: float) -> None:
        """Look at `key` in some seconds, unless it is looked at before."""
        if self._closed or key in self._running or key in self._lanes:
            return
        if timer := self._timers.pop(key, None):
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self.add, key)

    async def join(self) -> None:
        """Wait until nothing is looked at; timers may be pending."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def close(self, grace: float = 10.0) -> None:
        """Take no more keys, let the looks under way end, and cut them off after `grace` s."""
        self._closed = True
        await self.drop(grace)

    async def drop(self, grace: float = 0.0) -> None:
        """Forget every key, and cut off the looks that are under way after `grace` s."""
        self._again.clear()
        self._lanes.clear()
        self._waiting.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._running:
            _, late = await asyncio.wait(list(self._running.values()), timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def _start(self, lane: str) -> None:
        """Begin as many looks as the lane has room for, in the order in which they were asked."""
        waiting = self._waiting[lane]
        while waiting and self._busy[lane] < self._limit:
            key = next(iter(waiting))
            del waiting[key], self._lanes[key]
            self._busy[lane] += 1
            self._running[key] = asyncio.create_task(self._run(key, lane), name=f"look at {key}")
        if not waiting:
            del self._waiting[lane]

    async def _run(self, key: K, lane: str) -> None:
        delay: float | None = None
        try:
            delay = await self._handler(key)
        except Exception:
            # A handler answers for its own errors: this is a bug, and must not end the queue.
            log.exception("look_failed", key=str(key))
            delay = 30.0
        finally:
            del self._running[key]
            self._busy[lane] -= 1
            if not self._busy[lane]:
                del self._busy[lane]
            if not self._closed:
                self._start(lane)
        if key in self._again:
            self._again.discard(key)
            self.add(key)
        elif delay is not None:
            self.add_after(key, delay)


def backoff(attempt: int, *, first: float = 1.0, most: float = 120.0) -> float:
    """Seconds before try number `attempt` (from 1): doubling, at most `most`, with jitter of half
    of it, so that a thousand resources do not come back in one instant.
    """
    full = min(most, first * 2.0 ** (min(attempt, 32) - 1))
    return full / 2 + random.random() * full / 2
