"""One look for many who ask at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Calls something for a key, at most once at a time, whoever asks.

    `any` joins a call that is under way. `later` gives what a call says that begins after it was
    asked for: who has just seen something, and asks whether it still holds, must not be told of the
    time before.
    """

    def __init__(self, call: Callable[[str], Awaitable[T]]) -> None:
        self._call = call
        self._running: dict[str, asyncio.Task[T]] = {}
        self._next: dict[str, asyncio.Task[T]] = {}

    async def any(self, key: str) -> T:
        # One caller who goes away must not take the answer from the others.
        return await asyncio.shield(self._running.get(key) or self._begin(key))

    async def later(self, key: str) -> T:
        running = self._running.get(key)
        if running is None:
            return await asyncio.shield(self._begin(key))
        following = self._next.get(key)
        if following is None:
            following = self._next[key] = asyncio.create_task(self._after(running, key))
            following.add_done_callback(_seen)
        return await asyncio.shield(following)

    def _begin(self, key: str) -> asyncio.Task[T]:
        task = self._running[key] = asyncio.create_task(self._called(key))

        def ended(task: asyncio.Task[T]) -> None:
            # Both at once: who asks from here on waits for neither.
            self._running.pop(key, None)
            self._next.pop(key, None)
            _seen(task)

        task.add_done_callback(ended)
        return task

    async def _called(self, key: str) -> T:
        return await self._call(key)

    async def _after(self, running: asyncio.Task[T], key: str) -> T:
        await asyncio.wait([running])
        return await asyncio.shield(self._running.get(key) or self._begin(key))


def _seen(task: asyncio.Task[T]) -> None:
    """Where everybody who asked has gone, nobody else would look at the error."""
    if not task.cancelled():
        task.exception()
