"""What kept answers promise, on every memory that they are kept in."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from support.redis import PATIENCE, redis_url
from vectorplane.adapters.cache.memory import OVERHEAD, MemoryCache
from vectorplane.ports.cache import AnswerCache

pytestmark = pytest.mark.anyio

NAMES = ("name:shop.products", "family:shop.products")
OTHER = ("name:shop.cups", "family:shop.cups")
SOON = 0.3
"""Seconds: long against a call, short against a test."""


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[AnswerCache]:
    if request.param == "memory":
        yield MemoryCache(100_000, ttl=60)
        return
    from vectorplane.adapters.cache.redis import RedisCache

    with redis_url() as url:
        made = RedisCache(url, f"test-{secrets.token_hex(4)}", ttl=60, timeout=PATIENCE)
        yield made
        await made.close()


async def keep(cache: AnswerCache, key: str = "k", value: bytes = b"answer") -> None:
    look = await cache.look(NAMES, key)
    assert look.token is not None
    await cache.keep(key, look.token, value)


async def found(cache: AnswerCache, key: str = "k") -> bytes | None:
    return (await cache.look(NAMES, key)).value


@pytest.mark.parametrize("value", [b"answer", b"", b"\x00\xff" * 1000])
async def test_what_is_kept_is_found(cache: AnswerCache, value: bytes) -> None:
    assert await found(cache) is None
    await keep(cache, value=value)
    assert await found(cache) == value
    assert await found(cache, "another") is None


@pytest.mark.parametrize("name", NAMES)
async def test_a_write_to_any_name_ends_it(cache: AnswerCache, name: str) -> None:
    await keep(cache)
    await cache.begin([name], "w", 60)
    assert await found(cache) is None
    await cache.end([name], "w")
    assert await found(cache) is None
    await keep(cache, value=b"newer")
    assert await found(cache) == b"newer"


async def test_a_write_elsewhere_ends_nothing(cache: AnswerCache) -> None:
    await keep(cache)
    await cache.begin(OTHER, "w", 60)
    assert await found(cache) == b"answer"
    await cache.end(OTHER, "w")
    assert await found(cache) == b"answer"


async def test_a_search_from_before_a_write_is_not_kept(cache: AnswerCache) -> None:
    before = await cache.look(NAMES, "k")
    assert before.token is not None
    await cache.begin(NAMES, "w", 60)
    await cache.keep("k", before.token, b"old")
    await cache.end(NAMES, "w")
    assert await found(cache) is None
    await cache.keep("k", before.token, b"old")
    assert await found(cache) is None


async def test_while_somebody_writes_nothing_may_be_kept(cache: AnswerCache) -> None:
    await cache.begin(NAMES, "first", 60)
    await cache.begin(NAMES, "second", 60)
    assert (await cache.look(NAMES, "k")).token is None
    await cache.end(NAMES, "second")
    assert (await cache.look(NAMES, "k")).token is None
    await cache.end(NAMES, "first")
    assert (await cache.look(NAMES, "k")).token is not None


async def test_an_end_with_a_name_that_came_up_meanwhile(cache: AnswerCache) -> None:
    await keep(cache)
    await cache.begin(OTHER, "w", 60)
    await cache.end([*OTHER, NAMES[1]], "w")
    assert await found(cache) is None


async def test_the_mark_of_a_writer_that_died_ends_by_itself(cache: AnswerCache) -> None:
    await keep(cache)
    await cache.begin(NAMES, "dead", SOON)
    await cache.begin(NAMES, "alive", 60)
    await cache.end(NAMES, "alive")
    assert (await cache.look(NAMES, "k")).token is None
    async with asyncio.timeout(10):
        while (look := await cache.look(NAMES, "k")).token is None:
            await asyncio.sleep(0.01)
    assert look.value is None  # what was kept before it began is gone for good


async def test_an_answer_grows_too_old() -> None:
    now = 0.0
    cache = MemoryCache(100_000, ttl=10, clock=lambda: now)
    await keep(cache)
    now = 9.9
    assert await found(cache) == b"answer"
    now = 10.0
    assert await found(cache) is None
    assert cache.bytes == 0


async def test_the_least_used_answers_go_first() -> None:
    room = 3 * (OVERHEAD + 101)
    cache = MemoryCache(room, ttl=60)
    for key in "abc":
        await keep(cache, key, b"x" * 100)
    assert await found(cache, "a") is not None
    await keep(cache, "d", b"x" * 100)
    assert [key for key in "abcd" if await found(cache, key) is not None] == ["a", "c", "d"]
    await keep(cache, "whole", b"x" * room)
    assert await found(cache, "whole") is None
    assert await found(cache, "d") is not None
    assert cache.bytes <= room
    await keep(cache, "d", b"y" * 50)
    assert cache.bytes == 2 * (OVERHEAD + 101) + OVERHEAD + 51
