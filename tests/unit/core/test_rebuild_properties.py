"""What must hold of a resource through all its edits, rebuilds and rollbacks, killed anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.histories import (
    NEIGHBOUR,
    POINTS,
    Life,
    begun,
    content,
    kills,
    time,
    wishes,
)
from support.worlds import BASE, Snapshot, plan_for, run, snapshot
from vectorplane.domain.model import DeletionPolicy, Desired
from vectorplane.domain.policy import differences
from vectorplane.ports.vectors import Point
from vectorplane.rebuilds import switching

History = list[tuple[Desired, list[int], int]]
"""What is declared, the deaths meanwhile, and the looks until something else is declared."""
looks = st.sampled_from([1, 2, 3, 4, 60])
histories = st.lists(st.tuples(wishes(), kills, looks), min_size=1, max_size=4)
OURS = {n: n for n in POINTS}


@pytest.fixture(autouse=True, scope="module")
def _at_once() -> Iterator[None]:
    """No client is on its way to the old collection here."""
    before, switching.AFTER_SECONDS = switching.AFTER_SECONDS, 0.0
    yield
    switching.AFTER_SECONDS = before


async def lived(first: Desired, history: History, *, killed: bool) -> Life:
    """Each edit is carried out whole."""
    life = await begun(first)
    for step, (wish, deaths, _) in enumerate(history, start=1):
        await life.settle(replace(wish, now=time(step)), deaths if killed else ())
    return life


def tenant(store: Snapshot) -> str | None:
    """The tenant that the resource is, where its name is an alias of a pool."""
    return BASE if store.aliases[BASE].startswith("_pool.") else None


@given(wishes(possible=True), histories)
@settings(max_examples=100)
def test_no_point_is_lost_whatever_is_declared_and_whenever_it_is_killed(
    first: Desired, history: History
) -> None:
    async def scenario() -> None:
        life = await begun(first)
        store = life.store
        for step, (wish, deaths, looks) in enumerate(history, start=1):
            desired = replace(wish, now=time(step))
            outcome = await life.live(desired, deaths, looks)
            if outcome is None:
                continue
            now = await snapshot(store)
            assert await content(store, BASE, tenant(now)) == OURS
            serving = now.collections[now.aliases[BASE]]
            if not outcome.trouble and not desired.paused:
                assert differences(desired.settings, serving.settings) == []
                assert {now.aliases[name] for name in desired.names} == {serving.name}
                spare = [c for c in now.collections.values() if c.name.startswith(f"{BASE}_")]
                assert all(c is serving or (c.record and c.record.retired) for c in spare)
            if not desired.paused:
                held = [c.name for c in now.collections.values() if c.record and c.record.held]
                assert held == []
                await store.upsert(BASE, [Point(99, POINTS[1], {"n": 99})])
                await store.delete(BASE, ids=[99])

    run(scenario())


@given(wishes(possible=True), histories)
@settings(max_examples=100)
def test_killed_anywhere_it_ends_as_if_it_had_not_been(first: Desired, history: History) -> None:
    async def scenario() -> None:
        straight = await lived(first, history, killed=False)
        broken = await lived(first, history, killed=True)
        assert await snapshot(broken.store) == await snapshot(straight.store)

    run(scenario())


@given(wishes(possible=True), histories, st.sampled_from(DeletionPolicy))
@settings(max_examples=100)
def test_what_is_others_stays_as_it_is_to_the_end(
    first: Desired, history: History, policy: DeletionPolicy
) -> None:
    async def scenario() -> None:
        life = await begun(first)
        store = life.store
        for step, (wish, deaths, looks) in enumerate(history, start=1):
            await life.live(replace(wish, now=time(step)), deaths, looks)
        before = await snapshot(store)
        last, deaths, _ = history[-1]
        policy_ = DeletionPolicy.DELETE if policy is DeletionPolicy.SNAPSHOT else policy
        going = replace(
            last, deleting=True, paused=False, deletion_policy=policy_, now=time(len(history))
        )
        await life.settle(going, deaths)
        after = await snapshot(store)
        theirs = f"{NEIGHBOUR}_1"
        assert after.collections[theirs] == before.collections[theirs]
        assert after.aliases[NEIGHBOUR] == theirs
        for name, collection in after.collections.items():
            pool = name.startswith("_pool.")
            if pool and first.pool and name in before.collections:
                assert await content(store, name, "shop.neighbour") in (OURS, {})
            if policy_ is DeletionPolicy.DELETE and name.startswith(f"{BASE}_"):
                raise AssertionError(f"{name} is left")
            assert collection.record
            assert pool or collection.record.owner is None or name == theirs
        assert (await plan_for(going, store)).nothing

    run(scenario())
