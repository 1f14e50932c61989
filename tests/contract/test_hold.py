"""Writes held back for the end of a rebuild: on every engine that can rebuild."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from support.stores import COSINE, Stores
from vectorplane.domain.model import Capability, Settings
from vectorplane.errors import StoreOverloaded
from vectorplane.ports.vectors import Point, PointId, Search

pytestmark = pytest.mark.anyio

ENABLED, LIMIT = ("strictMode", "enabled"), ("strictMode", "writeRateLimit")
BEFORE: Settings = {ENABLED: False, LIMIT: 2**31 - 1}
VECTOR = [1.0, 2.0, 3.0, 4.0]


@pytest.fixture
async def rebuilding(store: Stores) -> Stores:
    if Capability.REBUILDS not in (await store.admin.info()).capabilities:
        pytest.skip(f"{store.kind} does not rebuild")
    return store


def some(*ids: PointId) -> list[Point]:
    return [Point(i, VECTOR, {"n": i}) for i in ids]


async def test_while_it_is_held_no_write_is_taken_and_reads_go_on(rebuilding: Stores) -> None:
    name = await rebuilding.collection()
    points = rebuilding.points
    await points.upsert(name, some(1, 2, 3))
    await rebuilding.admin.hold(name)
    writes: list[Callable[[], Awaitable[None]]] = [
        lambda: points.upsert(name, some(4)),
        lambda: points.upsert(name, some(4), wait=False),
        lambda: points.upsert(name, some(*range(5, 30))),
        lambda: points.delete(name, ids=[1]),
        lambda: points.delete(name, filter={"must": [{"key": "n", "match": {"value": 2}}]}),
    ]
    for write in writes * 2:
        with pytest.raises(StoreOverloaded):
            await write()
    assert await points.count(name) == 3
    assert [p.id for p in (await points.scroll(name)).points] == [1, 2, 3]
    (hits,) = await points.search(name, [Search(VECTOR, 10)])
    assert len(hits) == 3

    await rebuilding.admin.release(name, BEFORE)
    for write in writes:
        await write()
    assert await points.count(name) == 27


async def test_what_was_taken_before_the_hold_is_read_after_it(rebuilding: Stores) -> None:
    """Writers that do not wait, on several shards, stopped in the middle of their work."""
    info = await rebuilding.admin.info()
    several = {("sharding", "number"): 3} if Capability.SHARDING in info.capabilities else {}
    name = await rebuilding.collection(COSINE | several)
    taken: set[PointId] = set()

    async def write(writer: int) -> None:
        """Until it is refused."""
        for number in itertools.count(writer * 1_000_000):
            try:
                await rebuilding.points.upsert(name, some(number), wait=number % 3 == 0)
            except StoreOverloaded:
                return
            taken.add(number)
            await asyncio.sleep(0)

    writers = [asyncio.create_task(write(writer)) for writer in range(1, 9)]
    while len(taken) < 100:
        await asyncio.sleep(0.01)
    await rebuilding.admin.hold(name)
    found = await rebuilding.points.scroll(name, limit=100_000, payload=False)
    read = {p.id for p in found.points}
    await asyncio.gather(*writers)

    assert len(taken) >= 100
    assert read == taken
    assert await rebuilding.points.count(name) == len(taken)
    await rebuilding.admin.release(name, BEFORE)


async def test_a_strict_mode_from_before_comes_back(rebuilding: Stores) -> None:
    info = await rebuilding.admin.info()
    if Capability.STRICT_MODE not in info.capabilities:
        pytest.skip(f"{rebuilding.kind} has no strict mode")
    mine: Settings = {ENABLED: True, LIMIT: 600, ("strictMode", "maxQueryLimit"): 50}
    name = await rebuilding.collection(COSINE | mine)
    await rebuilding.admin.hold(name)
    await rebuilding.admin.release(name, {p: v for p, v in mine.items() if p in BEFORE})
    found = await rebuilding.admin.describe(name)
    assert found
    assert {p: v for p, v in found.settings.items() if p[0] == "strictMode"} == mine
    await rebuilding.points.upsert(name, some(1))


async def test_a_hold_can_be_repeated_and_so_can_its_end(rebuilding: Stores) -> None:
    name = await rebuilding.collection()
    await rebuilding.admin.hold(name)
    await rebuilding.admin.hold(name)
    with pytest.raises(StoreOverloaded):
        await rebuilding.points.upsert(name, some(1))
    await rebuilding.admin.release(name, BEFORE)
    await rebuilding.admin.release(name, BEFORE)
    await rebuilding.points.upsert(name, some(1))
    await rebuilding.admin.drop(name)
    await rebuilding.admin.release(name, BEFORE)
