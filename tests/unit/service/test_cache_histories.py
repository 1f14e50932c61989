"""No acknowledged write is ever unseen, whatever readers and writers of two services do at once."""

from __future__ import annotations

import secrets

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from support.histories_cache import MARK_SECONDS, Histories
from support.redis import PATIENCE, redis_url
from vectorplane.adapters.cache.memory import MemoryCache
from vectorplane.ports.cache import AnswerCache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_in_memory() -> None:
    clock = Clock()

    class InMemory(Histories):
        @staticmethod
        def caches() -> list[AnswerCache]:
            return [MemoryCache(1_000_000, ttl=1e9, clock=clock)] * 2

        @staticmethod
        def forget_marks() -> None:
            clock.now += MARK_SECONDS

    run_state_machine_as_test(InMemory, settings=settings(max_examples=150, stateful_step_count=50))


def test_in_redis() -> None:
    with redis_url() as url:
        from vectorplane.adapters.cache.redis import RedisCache

        class InRedis(Histories):
            @staticmethod
            def caches() -> list[AnswerCache]:
                prefix = f"test-{secrets.token_hex(4)}"
                return [RedisCache(url, prefix, ttl=600, timeout=PATIENCE) for _ in range(2)]

        run_state_machine_as_test(
            InRedis, settings=settings(max_examples=40, stateful_step_count=40)
        )
