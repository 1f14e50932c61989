"""Searches that travel together, and what becomes of each when one of them is bad."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from vectorplane.adapters.vectors.common.searches import Checked
from vectorplane.adapters.vectors.qdrant_server.joining import (
    MOST_TOGETHER,
    MOST_UNDER_WAY,
    Joiner,
)
from vectorplane.errors import StoreRejected, StoreTimeout, VectorplaneError
from vectorplane.ports.vectors import Found

pytestmark = pytest.mark.anyio


def search(number: float) -> Checked:
    return Checked(
        query=[number],
        using="",
        limit=1,
        offset=0,
        filter=None,
        params={},
        score_threshold=None,
        payload=True,
        vectors=False,
    )


class Store:
    """Answers each search with its own number; 13 is bad luck. `hold` keeps every call back."""

    def __init__(self) -> None:
        self.calls: list[list[float]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.trouble: VectorplaneError | None = None

    async def __call__(self, collection: str, searches: Sequence[Checked]) -> list[list[Found]]:
        numbers = [s.query[0] for s in searches]
        self.calls.append(numbers)
        await self.open.wait()
        if self.trouble:
            raise self.trouble
        if 13.0 in numbers:
            raise StoreRejected("13 is bad luck")
        return [[Found(int(n))] for n in numbers]


async def ask(joiner: Joiner, *numbers: float, collection: str = "c") -> list[int]:
    answers = await joiner.search(collection, [search(n) for n in numbers])
    return [int(hits[0].id) for hits in answers]


async def all_started() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_client_waits_for_nobody() -> None:
    store = Store()
    joiner = Joiner(store)
    assert [await ask(joiner, n) for n in (1.0, 2.0)] == [[1], [2]]
    assert store.calls == [[1.0], [2.0]]


async def test_those_who_come_meanwhile_travel_together_and_get_their_own() -> None:
    store = Store()
    joiner = Joiner(store)
    store.open.clear()
    asked = [asyncio.create_task(ask(joiner, float(n), n + 0.5)) for n in range(100, 140)]
    await all_started()
    assert len(store.calls) == MOST_UNDER_WAY
    store.open.set()
    assert await asyncio.gather(*asked) == [[n, n] for n in range(100, 140)]
    assert max(len(call) for call in store.calls) == MOST_TOGETHER
    assert len(store.calls) <= MOST_UNDER_WAY + 4


async def test_collections_do_not_wait_for_each_other() -> None:
    store = Store()
    joiner = Joiner(store)
    store.open.clear()
    asked = [asyncio.create_task(ask(joiner, 1.0, collection=f"c{n}")) for n in range(9)]
    await all_started()
    assert len(store.calls) == 9
    store.open.set()
    await asyncio.gather(*asked)


async def test_a_bad_search_spoils_no_other() -> None:
    store = Store()
    joiner = Joiner(store)
    store.open.clear()
    asked = [asyncio.create_task(ask(joiner, float(n))) for n in range(20)]
    await all_started()
    store.open.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers.pop(13), StoreRejected)
    assert answers == [[n] for n in range(20) if n != 13]


async def test_a_store_that_does_not_answer_is_not_asked_again_for_those_who_wait() -> None:
    store = Store()
    joiner = Joiner(store)
    store.open.clear()
    asked = [asyncio.create_task(ask(joiner, float(n))) for n in range(200)]
    await all_started()
    store.trouble = StoreTimeout("no answer")
    store.open.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, StoreTimeout) for answer in answers)
    assert len(store.calls) <= 2 * MOST_UNDER_WAY
    store.trouble = None
    assert await ask(joiner, 1.0) == [1], "and it recovers"


async def test_a_client_that_goes_takes_nobody_with_it() -> None:
    store = Store()
    joiner = Joiner(store)
    store.open.clear()
    asked = [asyncio.create_task(ask(joiner, float(n))) for n in range(6)]
    await all_started()
    asked[0].cancel()
    asked[4].cancel()
    await all_started()
    store.open.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [a for a in answers if not isinstance(a, asyncio.CancelledError)] == [[1], [2], [3], [5]]
    assert 4.0 not in [n for call in store.calls for n in call]
