"""One look for many, and never one from before the question."""

from __future__ import annotations

import asyncio

import pytest

from vectorplane.errors import StoreTimeout
from vectorplane_service.sharing import Shared

pytestmark = pytest.mark.anyio


class Looking:
    """Looks that a test lets end one by one. Each says its number."""

    def __init__(self) -> None:
        self.begun = 0
        self.gates: list[asyncio.Event] = []
        self.error: Exception | None = None

    async def look(self, key: str) -> int:
        self.begun += 1
        number, gate = self.begun, asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        if self.error:
            raise self.error
        return number

    async def end(self, number: int) -> None:
        while self.begun < number:
            await asyncio.sleep(0)
        self.gates[number - 1].set()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_later_is_not_told_of_before() -> None:
    looking = Looking()
    shared = Shared(looking.look)
    first = asyncio.create_task(shared.later("a"))
    await settle()
    joined = asyncio.create_task(shared.any("a"))
    later = [asyncio.create_task(shared.later("a")) for _ in range(3)]
    await settle()
    assert looking.begun == 1
    await looking.end(1)
    assert (await first, await joined) == (1, 1)
    await settle()
    much_later = asyncio.create_task(shared.later("a"))
    await settle()
    await looking.end(2)
    assert [await task for task in later] == [2, 2, 2]
    await looking.end(3)
    assert await much_later == 3
    assert looking.begun == 3


async def test_keys_do_not_wait_for_each_other() -> None:
    looking = Looking()
    shared = Shared(looking.look)
    one, two = (asyncio.create_task(shared.later(key)) for key in "ab")
    await settle()
    await looking.end(2)
    assert await two == 2
    await looking.end(1)
    assert await one == 1


async def test_who_goes_away_takes_nothing_along_and_an_error_is_everybodys() -> None:
    looking = Looking()
    shared = Shared(looking.look)
    tasks = [asyncio.create_task(shared.any("a")) for _ in range(3)]
    await settle()
    after = asyncio.create_task(shared.later("a"))
    await settle()
    tasks[0].cancel()
    looking.error = StoreTimeout("slow")
    await looking.end(1)
    for task in tasks[1:]:
        with pytest.raises(StoreTimeout):
            await task
    looking.error = None
    await looking.end(2)
    assert await after == 2
    assert tasks[0].cancelled()


async def test_an_error_that_nobody_waits_for_is_silent() -> None:
    looking = Looking()
    shared = Shared(looking.look)
    task = asyncio.create_task(shared.later("a"))
    await settle()
    task.cancel()
    await settle()
    looking.error = StoreTimeout("slow")
    await looking.end(1)
    await settle()
    looking.error = None
    again = asyncio.create_task(shared.any("a"))
    await looking.end(2)
    assert await again == 2
