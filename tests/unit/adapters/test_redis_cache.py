"""Kept answers in a Redis that dies, comes back older than it was, or forgets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from support.redis import PATIENCE, RedisProcess, redis_process, silence
from vectorplane.adapters.cache.redis import RedisCache
from vectorplane.ports.cache import CacheUnreachable

pytestmark = pytest.mark.anyio

NAMES = ("name:a", "family:a")


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    with redis_process() as process:
        yield process


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def cache(redis: RedisProcess, clock: Clock, anyio_backend: str) -> AsyncIterator[RedisCache]:
    made = RedisCache(redis.url, "test", ttl=600, timeout=PATIENCE, clock=clock)
    yield made
    await made.close()


async def keep(cache: RedisCache, value: bytes) -> None:
    look = await cache.look(NAMES, "k")
    assert look.token is not None
    await cache.keep("k", look.token, value)
    assert (await cache.look(NAMES, "k")).value == value


async def test_an_older_state_that_came_back_is_not_believed(
    redis: RedisProcess, cache: RedisCache, clock: Clock
) -> None:
    """The snapshot has the answer and its epochs, and not the write that came after."""
    await keep(cache, b"old")
    redis.snapshot()
    await cache.begin(NAMES, "w", 60)
    await cache.end(NAMES, "w")
    redis.kill()
    with pytest.raises(CacheUnreachable):
        await cache.look(NAMES, "k")
    redis.start()
    clock.now += 10
    assert b"old" in redis.command("GET", "test:cache:answer:k")
    look = await cache.look(NAMES, "k")
    assert look.value is None
    assert look.token is not None
    await keep(cache, b"new")


@pytest.mark.parametrize(
    "lost", ["test:cache:generation", "test:cache:epoch:name:a", "test:cache:epoch:family:a"]
)
async def test_what_is_evicted_brings_nothing_old_back(
    redis: RedisProcess, cache: RedisCache, lost: str
) -> None:
    await keep(cache, b"old")
    assert redis.command("DEL", lost) == b":1\r\n"
    assert (await cache.look(NAMES, "k")).value is None
    await keep(cache, b"new")


async def test_readers_leave_a_dead_redis_alone_and_writers_ask(
    redis: RedisProcess, cache: RedisCache, clock: Clock
) -> None:
    await keep(cache, b"old")
    redis.kill()
    with pytest.raises(CacheUnreachable):
        await cache.look(NAMES, "k")
    redis.start()
    with pytest.raises(CacheUnreachable, match="a moment ago"):
        await cache.look(NAMES, "k")
    await cache.begin(NAMES, "w", 60)
    await cache.end(NAMES, "w")
    clock.now += 1
    assert (await cache.look(NAMES, "k")).value is None


async def test_a_redis_that_says_nothing_is_waited_for_no_longer() -> None:
    with silence() as url:
        cache = RedisCache(url, "test", ttl=600, timeout=0.05)
        with pytest.raises(CacheUnreachable, match="TimeoutError"):
            await cache.begin(NAMES, "w", 60)
        await cache.close()


async def test_nothing_stays_for_ever(redis: RedisProcess, cache: RedisCache) -> None:
    """Answers, epochs and marks have an end each; the generation is one word."""
    await keep(cache, b"old")
    await cache.begin(NAMES, "w", 60)
    keys = [line for line in redis.command("KEYS", "*").split(b"\r\n") if line.startswith(b"test:")]
    assert len(keys) == 6
    for key in keys:
        left = int(redis.command("TTL", key.decode())[1:])
        assert left > 0 or key == b"test:cache:generation"


async def test_it_says_its_version(cache: RedisCache) -> None:
    assert (await cache.version())[0].isdigit()
