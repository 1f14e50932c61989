"""The end of a rebuild, and what keeps one from it, over the memory store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import (
    ChangePolicy,
    Desired,
    Key,
    Progress,
    RebuildPolicy,
    Record,
    Settings,
)
from vectorplane.domain.policy import HOLDER
from vectorplane.domain.status import Outcome
from vectorplane.domain.tenancy import TENANT_FIELD, point_id, pool_name
from vectorplane.errors import StoreOverloaded
from vectorplane.ports.vectors import Found, Point, Search
from vectorplane.rebuilds import advance as rebuild
from vectorplane.rebuilds import switching
from vectorplane.reconcile import reconcile

pytestmark = pytest.mark.anyio

OLD, NEW = "shop.products_1", "shop.products_2"
COSINE: Settings = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Cosine"}
DOT: Settings = COSINE | {("vectors", "", "distance"): "Dot"}
WISH = Desired(
    key=Key("shop", "products"),
    uid="us",
    cluster="here",
    settings=COSINE,
    change_policy=ChangePolicy.REBUILD,
    now="2026-01-01T00:00:00Z",
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No client is on its way to the old collection here."""
    monkeypatch.setattr(switching, "AFTER_SECONDS", 0.0)


class Words:
    """Four numbers by a text's length."""

    dimensions = 4

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0, len(text), 0.0, 0.0] for text in texts]


def points(count: int) -> list[Point]:
    return [Point(n, [1.0, n, n % 7, 0.5], {"n": n, "text": "x" * n}) for n in range(count)]


async def begun(store: MemoryStore, wish: Desired = WISH, count: int = 30) -> None:
    assert not (await reconcile(wish, store)).trouble
    await store.upsert(wish.name, points(count))


async def looks(store: MemoryStore, wish: Desired, *until: str, **given: Any) -> Outcome:
    """Look until the rebuild is in one of these phases."""
    for _ in range(20):
        outcome = await reconcile(wish, store, **given)
        if outcome.progress is None or outcome.progress.phase in until:
            return outcome
        wish = replace(wish, progress=outcome.progress)
    raise AssertionError(f"never in {until}: {outcome}")


async def held(store: MemoryStore, name: str = OLD) -> bool:
    found = await store.describe(name)
    assert found
    assert found.record
    try:
        await store.delete(name, ids=[999])
    except StoreOverloaded:
        return True
    assert found.record.held is None
    return False


async def test_writes_are_held_from_the_last_pass_until_the_names_have_moved() -> None:
    class Watched(MemoryStore):
        seen: list[tuple[str, bool]] = []

        async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
            self.seen.append(("search", OLD in self._holds))
            return await super().search(collection, searches)

        async def change_aliases(self, point: Any, drop: Any) -> None:
            self.seen.append(("names", OLD in self._holds))
            await super().change_aliases(point, drop)

    store = Watched()
    await begun(store)
    store.seen.clear()
    outcome = await looks(store, replace(WISH, settings=DOT), "Done")
    assert outcome.trouble is None
    assert store.seen[-1] == ("names", True)
    assert ("search", True) in store.seen, "recall is measured while they are held"
    assert not await held(store)
    old, new = await store.describe(OLD), await store.describe(NEW)
    assert old
    assert new
    assert old.record == Record(WISH.owner, 1, frozenset(), WISH.names, retired=WISH.now)
    assert new.record == Record(WISH.owner, 1, frozenset(), WISH.names)


async def test_bad_recall_keeps_the_old_collection_and_tries_again() -> None:
    class Blind(MemoryStore):
        blind = True

        async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
            found = await super().search(collection, searches)
            exact = all((s.params or {}).get("exact") for s in searches)
            return found if exact or not self.blind else [hits[:5] for hits in found]

    store = Blind()
    await begun(store)
    changed = replace(WISH, settings=DOT)
    failed = (await looks(store, changed, "Failed", "Done")).progress
    assert failed
    assert failed.phase == "Failed"
    assert failed.message == "recall@10 of the new collection is 0.50, less than 0.90"
    assert (await store.listing()).aliases[WISH.name] == OLD
    assert not await held(store)

    store.blind = False
    done = (await looks(store, replace(changed, progress=failed), "Done")).progress
    assert done
    assert done.copied == 30, "nothing was copied twice"
    assert (await store.listing()).aliases[WISH.name] == NEW


async def test_a_last_pass_that_would_take_too_long_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    await begun(store)
    monkeypatch.setattr(switching, "HOLD_SECONDS", 0.0)
    failed = (await looks(store, replace(WISH, settings=DOT), "Failed")).progress
    assert failed
    assert "the last pass over 30 points would hold writes back" in failed.message
    assert not await held(store)


async def test_a_hold_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(MemoryStore):
        async def hold(self, collection: str) -> None:
            await super().hold(collection)
            await asyncio.sleep(60)

    store = Slow()
    await begun(store)
    outcome = await looks(store, replace(WISH, settings=DOT), "Holding")
    monkeypatch.setattr(switching, "HOLD_SECONDS", 0.5)
    wish = replace(WISH, settings=DOT, progress=outcome.progress)
    again = (await reconcile(wish, store)).progress
    assert again
    assert again.phase == "CatchingUp"
    assert again.message.startswith("again: ")
    assert not await held(store)


async def test_what_was_copied_is_told_even_where_the_store_then_refuses() -> None:
    class Tired(MemoryStore):
        left = 2

        async def upsert(self, collection: str, points: Any, *, wait: bool = True) -> None:
            if collection == NEW:
                self.left -= 1
                if self.left < 0:
                    raise StoreOverloaded("too much", retry_after=1.0)
            await super().upsert(collection, points, wait=wait)

    store = Tired()
    await begun(store, count=1300)
    wish = replace(WISH, settings=DOT)
    first = await reconcile(wish, store)
    assert first.progress
    assert (first.progress.copied, first.progress.cursor) == (1000, 1000)
    second = await reconcile(replace(wish, progress=first.progress), store)
    assert second.progress is None
    assert second.trouble
    assert second.trouble.reason == "StoreOverloaded"


async def test_no_more_is_copied_in_a_second_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    await begun(store, count=100)
    monkeypatch.setattr(rebuild, "SLICE_SECONDS", 0.5)
    wish = replace(WISH, settings=DOT, rebuild=RebuildPolicy(per_second=20))
    begin = asyncio.get_running_loop().time()
    progress = (await reconcile(wish, store)).progress
    took = asyncio.get_running_loop().time() - begin
    assert progress
    assert progress.copied == 20
    assert took >= 1.0


EMBEDDING = (("field", "text"), ("model", "words"), ("provider", "local"), ("vector", ""))


async def test_another_size_is_embedded_and_points_without_a_text_are_counted() -> None:
    store = MemoryStore()
    wide = COSINE | {("vectors", "", "size"): 8}
    wish = replace(WISH, settings=wide, embedding=EMBEDDING)
    await reconcile(wish, store)
    many = [Point(n, [1.0] * 8, {"text": "x" * n}) for n in range(1, 20)]
    await store.upsert(WISH.name, [*many, Point(50, [1.0] * 8, {"text": 7})])
    wish = replace(wish, settings=COSINE)
    refused = await reconcile(wish, store)
    assert refused.trouble
    assert refused.trouble.reason == "Unsupported", "nothing at hand that embeds"

    done = await looks(store, wish, "Done", embedders=lambda model, size: Words())
    assert done.progress
    assert done.progress.message == (
        "points without a text in the payload field 'text', and so without a vector: 1"
    )
    found = await store.retrieve(WISH.name, [3, 50], vectors=True)
    assert found[0].vector == pytest.approx([1 / 10**0.5, 3 / 10**0.5, 0, 0])
    assert found[1].vector == {}


async def test_a_field_that_nobody_has_serves_nobody() -> None:
    store = MemoryStore()
    wide = COSINE | {("vectors", "", "size"): 8}
    wrong = tuple((k, "no such" if k == "field" else v) for k, v in EMBEDDING)
    wish = replace(WISH, settings=wide, embedding=wrong)
    await reconcile(wish, store)
    await store.upsert(WISH.name, [Point(n, [1.0] * 8, {"text": "x"}) for n in range(9)])
    wish = replace(wish, settings=COSINE)
    failed = await looks(store, wish, "Failed", "Done", embedders=lambda model, size: Words())
    assert failed.progress
    assert failed.progress.message == "no point has a text in the payload field 'no such'"


TENANT = replace(WISH, tenancy="Partition", pool=pool_name(COSINE, {}, ()))


async def tenants(store: MemoryStore) -> str:
    """A pool with two tenants; gives its name."""
    await reconcile(TENANT, store)
    for tenant in (WISH.name, "shop.others"):
        mine = [
            Point(point_id(tenant, p.id), p.vector, p.payload | {TENANT_FIELD: tenant, "_id": p.id})
            for p in points(20)
        ]
        await store.upsert(WISH.name, mine)
    return (await store.listing()).aliases[WISH.name]


async def test_the_end_of_another_tenants_rebuild_comes_first() -> None:
    store = MemoryStore()
    pool = await tenants(store)
    outcome = await looks(store, WISH, "Holding")
    found = await store.describe(pool)
    assert found
    assert found.record
    theirs = replace(found.record, held={HOLDER: "shop.others@them"})
    await store.write_record(pool, theirs)
    wish = replace(WISH, progress=outcome.progress)
    waiting = (await reconcile(wish, store)).progress
    assert waiting
    assert waiting.phase == "Holding"
    assert "another tenant" in waiting.message
    assert pool not in store._holds

    await store.write_record(pool, found.record)
    assert (await looks(store, wish, "Done")).progress
    own = (await store.scroll(WISH.name, limit=100)).points
    assert [p.id for p in own] == list(range(20))
    assert all(p.payload == {"n": p.id, "text": "x" * int(p.id)} for p in own)
    assert await store.count(pool) == 40, "a pool keeps them for a while"


async def test_a_tenant_that_wants_to_stay_leaves_no_copy_behind() -> None:
    store = MemoryStore()
    pool = await tenants(store)
    await looks(store, WISH, "CatchingUp")
    assert (await store.listing()).collections == {pool, OLD}
    outcome = await reconcile(TENANT, store)
    assert outcome.trouble is None
    assert (await store.listing()).collections == {pool}
    assert await store.count(pool) == 40


async def test_progress_of_another_rebuild_is_none_of_this_one() -> None:
    store = MemoryStore()
    await begun(store)
    stale = Progress(OLD, "shop.products_9", "Holding", copied=7, passes=3)
    progress = (await reconcile(replace(WISH, settings=DOT, progress=stale), store)).progress
    assert progress
    assert (progress.target, progress.phase, progress.copied) == (NEW, "CatchingUp", 30)


async def test_a_second_rebuild_remembers_the_points_that_a_pool_still_has() -> None:
    store = MemoryStore()
    pool = await tenants(store)
    await looks(store, WISH, "Done")
    await reconcile(WISH, store)
    await looks(store, replace(WISH, settings=DOT), "Done")
    later = replace(WISH, settings=DOT, now="2026-01-03T00:00:00Z")
    assert await store.count(pool) == 40
    assert (await reconcile(later, store)).trouble is None
    assert await store.count(pool) == 20
    assert WISH.marker not in (await store.listing()).aliases
