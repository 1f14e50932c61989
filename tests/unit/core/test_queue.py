from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorplane.queue import KeyedQueue, backoff

pytestmark = pytest.mark.anyio


class Gate:
    """A handler that waits for its permission, and notes who was in it at once."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside: list[str] = []
        self.done: list[str] = []
        self.most = 0

    async def __call__(self, key: str) -> float | None:
        assert key not in self.inside, "two looks at one key"
        self.inside.append(key)
        self.most = max(self.most, len(self.inside))
        await self.open.wait()
        self.inside.remove(key)
        self.done.append(key)
        return None


async def until(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0)


async def test_many_events_during_a_look_make_one_more_look() -> None:
    gate = Gate()
    queue = KeyedQueue(gate)
    queue.add("a")
    await until(lambda: gate.inside == ["a"])
    for _ in range(1000):
        queue.add("a")
    gate.open.set()
    await queue.join()
    assert gate.done == ["a", "a"]


async def test_no_more_than_the_limit_are_looked_at_at_once() -> None:
    gate = Gate()
    queue = KeyedQueue(gate, limit=3)
    for n in range(20):
        queue.add(f"key-{n}")
    await until(lambda: len(gate.inside) == 3)
    assert len(queue) == 20
    gate.open.set()
    await queue.join()
    assert gate.most == 3
    assert sorted(gate.done) == sorted(f"key-{n}" for n in range(20))


async def test_a_look_that_asks_for_it_comes_back_by_itself() -> None:
    looks: list[str] = []

    async def handler(key: str) -> float | None:
        looks.append(key)
        return 0.001 if len(looks) < 3 else None

    queue = KeyedQueue(handler)
    queue.add("a")
    await until(lambda: len(looks) == 3)
    await queue.close()
    assert looks == ["a", "a", "a"]


async def test_an_event_is_quicker_than_a_timer() -> None:
    looks: list[str] = []

    async def handler(key: str) -> float | None:
        looks.append(key)
        return 3600.0

    queue = KeyedQueue(handler)
    queue.add("a")
    await until(lambda: looks == ["a"] and not len(queue))
    queue.add_after("a", 1800.0)
    queue.add("a")
    await queue.join()
    assert looks == ["a", "a"]
    await queue.close()


async def test_a_bug_in_a_look_does_not_end_the_queue() -> None:
    looks: list[str] = []

    async def handler(key: str) -> float | None:
        looks.append(key)
        if key == "bad":
            raise RuntimeError("a bug")
        return None

    queue = KeyedQueue(handler)
    queue.add("bad")
    queue.add("good")
    await queue.join()
    queue.add("bad")
    await queue.join()
    assert sorted(looks) == ["bad", "bad", "good"]
    await queue.close()


async def test_closing_lets_the_look_under_way_end_and_takes_no_more() -> None:
    gate = Gate()
    queue = KeyedQueue(gate)
    queue.add("a")
    await until(lambda: gate.inside == ["a"])
    closing = asyncio.create_task(queue.close())
    await asyncio.sleep(0)
    queue.add("b")
    queue.add_after("c", 0.0)
    gate.open.set()
    await closing
    assert gate.done == ["a"]
    assert len(queue) == 0


async def test_closing_cuts_off_what_does_not_end() -> None:
    gate = Gate()
    queue = KeyedQueue(gate)
    queue.add("a")
    await until(lambda: gate.inside == ["a"])
    await queue.close(grace=0.01)
    assert gate.done == []
    assert len(queue) == 0


@given(st.integers(1, 10_000))
def test_backoff_grows_has_jitter_and_an_end(attempt: int) -> None:
    full = min(120.0, 2.0 ** min(attempt - 1, 32))
    assert full / 2 <= backoff(attempt) <= full


async def test_a_lane_that_hangs_holds_up_no_other() -> None:
    gate, done = asyncio.Event(), []

    async def look(key: str) -> None:
        if key.startswith("hangs"):
            await gate.wait()
        done.append(key)

    queue = KeyedQueue(look, limit=2, lane=lambda key: key.split("-")[0])
    for n in range(10):
        queue.add(f"hangs-{n}")
    for n in range(10):
        queue.add(f"works-{n}")
    await until(lambda: len(done) == 10)
    assert done == [f"works-{n}" for n in range(10)], "in the order in which they came"
    assert len(queue) == 10
    gate.set()
    await queue.join()
    assert len(done) == 20


async def test_what_waits_is_no_task() -> None:
    gate = Gate()
    queue = KeyedQueue(gate, limit=1)
    before = len(asyncio.all_tasks())
    for n in range(1000):
        queue.add(f"key-{n}")
        queue.add(f"key-{n}")
    assert len(asyncio.all_tasks()) == before + 1
    assert len(queue) == 1000
    await queue.drop()
    assert len(queue) == 0
