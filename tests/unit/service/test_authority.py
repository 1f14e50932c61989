"""What the authority remembers, for how long, and what it costs to ask it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from vectorplane.errors import Unauthenticated
from vectorplane_service.access.authority import Authority
from vectorplane_service.access.identity import Identity, granted
from vectorplane_service.access.keys import api_key

pytestmark = pytest.mark.anyio

STATIC = api_key("static", "static-secret", ["admin"])


class _OneKind:
    """A source that knows what begins with its letter, and counts how often it is asked."""

    def __init__(self, letter: str, expires: float | None = None) -> None:
        self.letter, self.expires, self.asked = letter, expires, 0
        self.before = asyncio.Event()
        self.before.set()

    async def identify(self, secret: str) -> Identity | None:
        if not secret.startswith(self.letter):
            return None
        self.asked += 1
        await self.before.wait()
        return Identity(f"id-{secret}", granted(["read"]), expires=self.expires)

    async def follow(self, changed: Any) -> None:
        await asyncio.Event().wait()


async def test_what_was_verified_is_remembered_until_it_ends() -> None:
    now = [100.0]
    source = _OneKind("a", expires=200.0)
    authority = Authority((), [source], clock=lambda: now[0])
    found = await authority.identify("a1")
    assert authority.known("a1") is found
    assert await authority.identify("a1") is found
    assert source.asked == 1
    now[0] = 200.0
    assert authority.known("a1") is None
    await authority.identify("a1")
    assert source.asked == 2


async def test_memory_is_bounded() -> None:
    source = _OneKind("a")
    authority = Authority([STATIC], [source], most_known=10)
    for n in range(1000):
        await authority.identify(f"a{n}")
    kept = [n for n in range(1000) if authority.known(f"a{n}")]
    assert kept == list(range(990, 1000))
    assert authority.known("static-secret") is not None


async def test_sources_are_asked_in_turn() -> None:
    first, second = _OneKind("a"), _OneKind("ab")
    authority = Authority((), [first, second])
    assert (await authority.identify("ab")).id == "id-ab"
    assert (first.asked, second.asked) == (1, 0)
    with pytest.raises(Unauthenticated):
        await authority.identify("b")


async def test_what_is_looked_at_while_the_keys_change_is_looked_at_again() -> None:
    source = _OneKind("a")
    authority = Authority((), [source])
    source.before.clear()
    looking = asyncio.create_task(authority.identify("a1"))
    await asyncio.sleep(0)
    authority.changed()
    source.before.set()
    await looking
    assert source.asked == 2
    assert authority.known("a1") is not None


async def test_a_known_key_costs_microseconds() -> None:
    """A hundred times what it takes here: it must not grow with the number of keys."""
    many = [api_key(f"k{n}", f"secret-{n}", ["read"]) for n in range(2000)]
    authority = Authority(many, [_OneKind("a")])
    secrets = ["secret-1", "secret-1999", "a" * 600]
    await authority.identify(secrets[-1])
    for secret in secrets:
        started = time.process_time()
        for _ in range(1000):
            assert authority.known(secret) is not None
        assert time.process_time() - started < 0.2


async def test_following_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vectorplane_service.access.authority._AGAIN_SECONDS", 0.0)

    class Failing(_OneKind):
        failures = 0

        async def follow(self, changed: Any) -> None:
            self.failures += 1
            if self.failures < 3:
                raise RuntimeError("a disk that burns")
            changed()
            await asyncio.Event().wait()

    source = Failing("a")
    authority = Authority((), [source])
    await authority.identify("a1")
    following = asyncio.create_task(authority.follow())
    try:
        async with asyncio.timeout(20):
            while authority.known("a1") is not None:
                await asyncio.sleep(0.01)
    finally:
        following.cancel()
    assert source.failures == 3
