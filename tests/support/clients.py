"""The sync and the async client behind one face, so that one test is of both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

from vectorplane.client import AsyncClient, Client

KINDS = ("sync", "async")


class Awaited:
    """An object whose coroutines are awaited, and whose async iterators become lists."""

    def __init__(self, real: Any, runner: asyncio.Runner) -> None:
        self._real = real
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name == "keys":
            return Awaited(found, self._runner)
        return self._called(found) if callable(found) else found

    def _called(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            result = function(*arguments, **named)
            if inspect.iscoroutine(result):
                return self._runner.run(result)
            if inspect.isasyncgen(result):
                return self._runner.run(_drained(result))
            return Awaited(result, self._runner)

        return call


async def _drained(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


class Clients:
    """Makes clients of one kind, and closes them at the end."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._runner = asyncio.Runner()
        self._open: list[Any] = []

    def __call__(self, url: str, **arguments: Any) -> Any:
        made: Any = (
            Client(url, **arguments)
            if self.kind == "sync"
            else Awaited(AsyncClient(url, **arguments), self._runner)
        )
        self._open.append(made)
        return made

    def close(self) -> None:
        for client in self._open:
            client.close() if self.kind == "sync" else client.aclose()
        self._runner.close()
