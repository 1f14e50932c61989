"""The marker of a tenant is an alias to the plan, wherever an engine keeps it."""

from __future__ import annotations

import asyncio

import pytest

from support.stores import COSINE, Stores
from vectorplane.domain.model import Record
from vectorplane.domain.tenancy import pool_owner
from vectorplane.errors import NotFound

pytestmark = pytest.mark.anyio
RECORD = Record(pool_owner("_pool.shape", "here"), tenancy="Partition")


async def pool(store: Stores) -> str:
    name = f"_pool.{store.name('shape')}"
    store.made.append(name)
    await store.admin.create(name, COSINE, RECORD)
    return name


async def aliases(store: Stores, target: str) -> set[str]:
    listing = await store.admin.listing()
    return {alias for alias, found in listing.aliases.items() if found == target}


async def test_name_and_marker_come_and_go_together(store: Stores) -> None:
    target = await pool(store)
    name = store.name("tenant")
    both = {name, f"{name}@uid-1"}
    await store.admin.change_aliases(dict.fromkeys(both, target), frozenset())
    assert await aliases(store, target) == both
    await store.admin.change_aliases({}, frozenset({f"{name}@uid-1"}))
    assert await aliases(store, target) == {name}
    await store.admin.change_aliases({}, frozenset({f"{name}@uid-1", name}))
    assert await aliases(store, target) == set()
    assert target in (await store.admin.listing()).collections


async def test_a_marker_moves(store: Stores) -> None:
    first = await pool(store)
    second = await pool(store)
    marker = f"{store.name('tenant')}@uid-1"
    await store.admin.change_aliases({marker: first}, frozenset())
    await store.admin.change_aliases({marker: second}, frozenset())
    assert await aliases(store, first) == set()
    assert await aliases(store, second) == {marker}


async def test_a_marker_goes_with_its_pool(store: Stores) -> None:
    target = await pool(store)
    marker = f"{store.name('tenant')}@uid-1"
    await store.admin.change_aliases({marker: target}, frozenset())
    await store.admin.drop(target)
    assert marker not in (await store.admin.listing()).aliases
    await store.admin.create(target, COSINE, RECORD)
    assert marker not in (await store.admin.listing()).aliases


async def test_a_marker_of_no_pool_is_refused(store: Stores) -> None:
    marker = f"{store.name('tenant')}@uid-1"
    with pytest.raises(NotFound):
        await store.admin.change_aliases({marker: "_pool.missing_1"}, frozenset())
    assert marker not in (await store.admin.listing()).aliases


async def test_many_come_at_once(store: Stores) -> None:
    target = await pool(store)
    name = store.name("tenant")
    await asyncio.gather(
        *(
            store.admin.change_aliases(
                {f"{name}-{n}": target, f"{name}-{n}@u": target}, frozenset()
            )
            for n in range(20)
        )
    )
    assert len(await aliases(store, target)) == 40


async def test_what_keeps_the_markers_is_no_collection(store: Stores) -> None:
    target = await pool(store)
    marker = f"{store.name('tenant')}@uid-1"
    await store.admin.change_aliases({marker: target}, frozenset())
    listing = await store.admin.listing()
    assert not [c for c in listing.collections if "@" in c]
    survey = await store.admin.survey()
    assert survey.collections.keys() == listing.collections
    assert survey.listing.aliases[marker] == target
