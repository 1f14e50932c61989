"""The fence: nothing that writes gets past it where another replica may lead."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Record
from vectorplane.errors import NotLeading
from vectorplane.ports.vectors import VectorAdmin, VectorPoints
from vectorplane_operator.fence import PARTS, READS, WRITES, Fence, fenced
from vectorplane_operator.metrics import Metrics

pytestmark = pytest.mark.anyio
SETTINGS = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Cosine"}


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


async def _forever(begun: asyncio.Event, fence: Fence) -> None:
    with fence.writing():
        begun.set()
        await asyncio.Event().wait()


async def test_it_is_open_up_to_a_moment_of_the_clock() -> None:
    clock = Clock()
    fence = Fence(clock)
    with pytest.raises(NotLeading, match="could not be renewed"):
        fence.check()
    fence.open(56.0)
    assert fence.held
    assert fence.opened == 50.0
    clock.now = 55.9
    fence.check()
    fence.extend(61.0)
    clock.now = 60.9
    fence.check()
    clock.now = 61.0
    with pytest.raises(NotLeading):
        fence.check()
    fence.extend(70.0)
    assert not fence.held
    assert fence.left == 0.0
    fence.open(70.0)
    assert fence.held
    fence.shut()
    assert not fence.held


async def test_a_write_under_way_is_cut_off_when_the_time_is_over() -> None:
    fence = Fence()
    loop = asyncio.get_running_loop()
    fence.open(loop.time() + 0.2)
    fence.extend(loop.time() + 0.4)
    begun = loop.time()
    with pytest.raises(NotLeading, match="while this was being written"):
        await asyncio.wait_for(_forever(asyncio.Event(), fence), 20)
    assert loop.time() - begun >= 0.39
    # The task itself goes on: it was not cancelled.
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0


async def test_a_write_that_ended_is_not_touched() -> None:
    fence = Fence()
    fence.open()
    with fence.writing():
        pass
    fence.shut()
    await asyncio.sleep(0)
    assert not fence.held


async def test_who_is_cancelled_by_somebody_else_stays_cancelled() -> None:
    fence = Fence()
    fence.open()
    for shut in (False, True):
        fence.open()
        begun = asyncio.Event()
        task = asyncio.create_task(_forever(begun, fence))
        await begun.wait()
        if shut:
            fence.shut()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_error_of_a_write_is_passed_on() -> None:
    fence = Fence()
    fence.open()
    with pytest.raises(ValueError, match="its own"), fence.writing():
        raise ValueError("its own")


def _methods(port: type) -> set[str]:
    return {n for n, m in vars(port).items() if not n.startswith("_") and inspect.isfunction(m)}


def test_every_method_of_the_port_is_a_read_or_a_write() -> None:
    names = _methods(VectorAdmin) | _methods(VectorPoints)
    assert names - {"close"} <= READS | WRITES
    assert not READS & WRITES
    parts = {n for n, m in vars(VectorAdmin).items() if isinstance(m, property)}
    assert parts <= PARTS


@pytest.mark.parametrize("name", sorted(WRITES))
async def test_no_write_reaches_the_store_through_a_fence_that_is_shut(name: str) -> None:
    class Store:
        def __getattr__(self, name: str) -> object:
            async def call(*_: object) -> str:
                called.append(name)
                return name

            return call

    called: list[str] = []
    fence = Fence()
    store = fenced(Store(), fence)  # type: ignore[arg-type]
    with pytest.raises(NotLeading):
        await getattr(store, name)()
    assert not called
    fence.open()
    assert await getattr(store, name)() == name
    assert called == [name]


async def test_who_stands_by_may_look() -> None:
    inner, fence = MemoryStore(), Fence()
    store = fenced(inner, fence)
    await inner.create("shop.a_1", SETTINGS, Record(owner=None))

    assert (await store.listing()).collections == {"shop.a_1"}
    assert (await store.info()).engine == "memory"
    assert await store.describe("shop.a_1")
    with pytest.raises(NotLeading):
        await store.drop("shop.a_1")
    fence.open()
    await store.drop("shop.a_1")
    assert not (await store.listing()).collections
    await store.close()


async def test_a_method_that_nobody_put_into_a_table_is_refused() -> None:
    class Store(MemoryStore):
        async def erase_all(self) -> None:
            raise AssertionError("it got past the fence")

    fence = Fence()
    fence.open()
    with pytest.raises(AttributeError, match="erase_all"):
        fenced(Store(), fence).erase_all()  # type: ignore[attr-defined]


async def test_the_points_of_a_store_are_fenced_like_it() -> None:
    class Points:
        async def upsert(self) -> None:
            raise AssertionError("it got past the fence")

        async def count(self) -> int:
            return 3

    class Store:
        points = Points()

    points = fenced(Store(), Fence()).points  # type: ignore[arg-type]
    assert await points.count() == 3  # type: ignore[call-arg]
    with pytest.raises(NotLeading):
        await points.upsert()  # type: ignore[call-arg]


async def test_the_metric_is_what_the_fence_says_at_that_moment() -> None:
    clock = Clock()
    fence, metrics = Fence(clock), Metrics()
    metrics.leads(lambda: fence.held)
    fence.open(56.0)
    assert b"vectorplane_leader 1.0" in metrics.text()
    clock.now = 56.0
    assert b"vectorplane_leader 0.0" in metrics.text()
