"""Several calls at once, never more than so many: once with threads, once with tasks. The two have
one shape, so the code above them is written once. The first error is raised by the next `do`, or
at the end; what is under way by then is waited for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


class Workers:
    """At most `at_once` calls in threads. They are daemons: a Ctrl-C does not wait for a call that
    is being made again and again."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._room = threading.Semaphore(at_once)
        self._error: BaseException | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, Exception):
            for _ in range(self._at_once):
                self._room.acquire()
        if error is None and self._error is not None:
            raise self._error

    def do(self, call: Callable[..., object], *arguments: Any) -> None:
        """Begin a call, as soon as there is room for it."""
        self._room.acquire()
        if self._error is not None:
            self._room.release()
            raise self._error
        threading.Thread(target=self._run, args=(call, arguments), daemon=True).start()

    def _run(self, call: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        try:
            call(*arguments)
        except BaseException as error:
            self._error = self._error or error
        finally:
            self._room.release()


class AsyncWorkers:
    """At most `at_once` calls in tasks."""

    def __init__(self, at_once: int) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._tasks: set[asyncio.Task[object]] = set()
        self._error: BaseException | None = None

    async def __aenter__(self) -> AsyncWorkers:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if error is None and self._error is not None:
            raise self._error

    async def do(self, call: Callable[..., Awaitable[object]], *arguments: Any) -> None:
        """Begin a call, as soon as there is room for it."""
        await self._room.acquire()
        if self._error is not None:
            self._room.release()
            raise self._error
        task: asyncio.Task[object] = asyncio.ensure_future(_run(call, arguments))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        # Each error is taken from its task, or asyncio complains that nobody did.
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = self._error or error
        self._room.release()


async def _run(call: Callable[..., Awaitable[object]], arguments: tuple[Any, ...]) -> object:
    return await call(*arguments)


def each(items: Iterable[T]) -> Iterator[T]:
    """The items; the twin of `async_each`."""
    return iter(items)


async def async_each(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """The items of either kind of iterable."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


sleep = time.sleep
async_sleep = asyncio.sleep
