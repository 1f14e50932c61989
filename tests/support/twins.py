"""Two vector stores side by side, asked the same: the engines agree, or a test fails.

The memory store is compared too: a double is worth what it agrees with.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from support.loops import LoopThread, loop_thread
from support.parts import require_or_skip
from support.qdrant import MISSING, available
from support.stores import ADAPTERS, Stores
from vectorplane.ports.vectors import Found

T = TypeVar("T")
TOLERANCE = 1e-4
SECONDS = 60


@dataclass(frozen=True)
class Twins:
    """The embedded engine, and another one beside it. They live over many examples."""

    loop: LoopThread
    one: Stores
    two: Stores

    def both(self, work: Callable[[Stores], Coroutine[Any, Any, T]]) -> tuple[T, T]:
        return self.loop.run(work(self.one), SECONDS), self.loop.run(work(self.two), SECONDS)


def open_twins(request: pytest.FixtureRequest, path: Path) -> Iterator[Twins]:
    """The body of a fixture with the other adapter's name as its parameter."""
    if request.param.startswith("server") and not available():
        require_or_skip("qdrant", MISSING)
    with loop_thread() as loop:
        stack = AsyncExitStack()

        async def opened() -> tuple[Stores, Stores]:
            return (
                await stack.enter_async_context(ADAPTERS["embedded"](path, request)),
                await stack.enter_async_context(ADAPTERS[request.param](path, request)),
            )

        try:
            yield Twins(loop, *loop.run(opened(), SECONDS))
        finally:
            loop.run(stack.aclose(), SECONDS)


def same(ours: list[Found], theirs: list[Found], limit: int) -> None:
    """Equal but for the order within one score, and for which of the last score's points are in."""
    assert len(ours) == len(theirs)
    assert [hit.score for hit in ours] == pytest.approx(
        [hit.score for hit in theirs], abs=TOLERANCE
    )
    last = ours[-1].score if len(ours) == limit else None

    def settled(hits: list[Found]) -> dict[object, object]:
        return {h.id: h.payload for h in hits if last is None or abs(h.score - last) > TOLERANCE}  # type: ignore[operator]

    assert settled(ours) == settled(theirs)
