"""What a collection needs besides requests: to be opened before the first, flushed, optimized.

A collection that was written to is left alone until it rests for a moment (or has not rested for
long), then flushed and, where an optimizer would find something, optimized. One task for each
collection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from vectorplane.adapters.vectors.qdrant_embedded.shard import Shard
from vectorplane.errors import VectorplaneError

REST_SECONDS = 0.5
MAX_ROUNDS = 20
"""Of `REST_SECONDS`: a collection that is always written to is looked after all the same."""

_log = logging.getLogger(__name__)


class Maintenance:
    def __init__(
        self, shards: Mapping[str, Shard], optimize: Callable[[str, Shard], Awaitable[None]]
    ) -> None:
        self._shards = shards
        self._optimize = optimize
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._warming: asyncio.Task[None] | None = None
        self._closed = False

    def warm(self) -> None:
        """Open every shard beside, so that the first request need not, and finish what was
        begun."""
        self._warming = asyncio.create_task(self._warm(), name="warm")

    def touched(self, name: str) -> None:
        """A collection was changed."""
        if name not in self._tasks and not self._closed:
            self._tasks[name] = asyncio.create_task(self._tend(name), name=f"maintain {name}")

    async def settle(self) -> None:
        """Wait until nothing is left to do."""
        if self._warming is not None:
            await asyncio.gather(self._warming, return_exceptions=True)
        while tasks := list(self._tasks.values()):
            await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self, name: str) -> None:
        if task := self._tasks.pop(name, None):
            await _cancelled([task])

    async def close(self) -> None:
        self._closed = True
        await _cancelled([*self._tasks.values(), *([self._warming] if self._warming else [])])

    async def _warm(self) -> None:
        for name, shard in list(self._shards.items()):
            try:
                await asyncio.to_thread(shard.open)
            except VectorplaneError as error:
                _log.warning("%s could not be opened: %s", name, error)
                continue
            if self._shards.get(name) is shard and shard.wants_optimizing():
                self.touched(name)

    async def _tend(self, name: str) -> None:
        shard = self._shards[name]
        try:
            await self._resting(shard)
            await shard.flush()
            if shard.wants_optimizing():
                await self._optimize(name, shard)
        except (VectorplaneError, OSError) as error:
            # Searches go on without an index; the next write tries again.
            _log.warning("%s could not be optimized: %s", name, error)
            return
        finally:
            if self._tasks.get(name) is asyncio.current_task():
                del self._tasks[name]
        if self._shards.get(name) is shard and (shard.unflushed or shard.wants_optimizing()):
            self.touched(name)

    async def _resting(self, shard: Shard) -> None:
        for _ in range(MAX_ROUNDS):
            seen = shard.changed
            await asyncio.sleep(REST_SECONDS)
            if shard.changed == seen:
                return


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
