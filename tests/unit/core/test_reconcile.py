"""The order of things over the memory store, which passes the engines' contract suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import (
    DEDICATED,
    PARTITION,
    DeletionPolicy,
    Desired,
    Index,
    Key,
    Settings,
    SnapshotWish,
)
from vectorplane.domain.status import Exposed, Outcome, status_of
from vectorplane.domain.tenancy import pool_name
from vectorplane.errors import StoreOverloaded, StoreRejected, StoreTimeout, VectorplaneError
from vectorplane.ports.vectors import Listing, Point
from vectorplane.reconcile import reconcile

pytestmark = pytest.mark.anyio

DENSE: Settings = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Cosine"}
WISH = Desired(
    key=Key("shop", "products"),
    uid="us",
    cluster="here",
    settings=DENSE,
    indexes={"category": Index("category", "Keyword")},
    aliases=frozenset({"shop.live"}),
)


class Failing(MemoryStore):
    """The memory store, with one call that raises an error a number of times."""

    def __init__(self, call: str, error: Callable[[], VectorplaneError], times: int = 1) -> None:
        super().__init__()
        self._call, self._error, self._left = call, error, times

    def __getattribute__(self, name: str) -> object:
        if not name.startswith("_") and name == self._call and self._left:
            self._left -= 1
            raise self._error()
        return super().__getattribute__(name)


async def test_a_wish_becomes_a_collection_and_a_second_look_changes_nothing() -> None:
    store = MemoryStore()
    first = await reconcile(WISH, store)
    assert first.trouble is None
    assert first.collection is not None
    assert first.collection.name == "shop.products_1"
    assert len(first.changed) == 3
    second = await reconcile(WISH, store)
    assert second == replace(first, changed=())
    listing = await store.listing()
    assert listing.aliases == dict.fromkeys(WISH.names, "shop.products_1")


@pytest.mark.parametrize(
    "call", ["info", "listing", "create", "create_index", "change_aliases", "describe"]
)
async def test_a_store_that_does_not_answer_is_waited_for(call: str) -> None:
    store = Failing(call, lambda: StoreTimeout("no answer in 10 s"))
    outcome = await reconcile(WISH, store)
    assert outcome.trouble is not None
    assert outcome.trouble.store
    assert outcome.trouble.retry
    assert outcome.trouble.reason == "StoreTimeout"
    again = await reconcile(WISH, store)
    assert again.trouble is None
    assert (await store.listing()).collections == {"shop.products_1"}, "made once"


async def test_a_store_that_says_when_to_come_back_is_listened_to() -> None:
    store = Failing("create", lambda: StoreOverloaded("busy", retry_after=7.0))
    assert (await reconcile(WISH, store)).retry_after == 7.0


async def test_a_store_that_says_no_asks_for_a_person() -> None:
    store = Failing("create", lambda: StoreRejected("hnsw.m is too large"))
    outcome = await reconcile(WISH, store)
    assert outcome.trouble is not None
    assert outcome.trouble.reason == "StoreRejected"
    assert not outcome.trouble.store
    assert not outcome.trouble.retry


async def test_a_refused_change_says_so_and_shows_what_serves() -> None:
    store = MemoryStore()
    await reconcile(WISH, store)
    outcome = await reconcile(replace(WISH, settings=DENSE | {("vectors", "", "size"): 8}), store)
    assert outcome.trouble is not None
    assert outcome.trouble.reason == "ImmutableChange"
    assert outcome.collection is not None
    assert outcome.collection.settings[("vectors", "", "size")] == 4


@pytest.mark.parametrize("policy", DeletionPolicy)
async def test_a_deletion_follows_its_policy(policy: DeletionPolicy) -> None:
    store = MemoryStore()
    await reconcile(WISH, store)
    gone: Outcome = await reconcile(replace(WISH, deleting=True, deletion_policy=policy), store)
    assert gone.deleted
    listing = await store.listing()
    assert [t.collection for t in gone.snapshots] == (
        ["shop.products_1"] if policy is DeletionPolicy.SNAPSHOT else []
    )
    if policy is not DeletionPolicy.RETAIN:
        assert not listing.collections
        assert not listing.aliases
    else:
        left = await store.describe("shop.products_1")
        assert left is not None
        assert left.record is not None
        assert left.record.owner is None
        assert "shop.products" in listing.aliases


async def test_a_snapshot_is_told_of_whatever_comes_after_it() -> None:
    """Else nobody would know of it, and the next look would take another one."""
    store = Failing("drop_snapshot", lambda: StoreTimeout("no answer"))
    await reconcile(WISH, store)
    wish = SnapshotWish(True, (("shop.products_1", "old.snapshot"),))
    now = "2026-03-01T02:00:00Z"
    outcome = await reconcile(replace(WISH, snapshot=wish, now=now), store)
    assert outcome.trouble is not None
    assert outcome.trouble.retry
    assert [t.collection for t in outcome.snapshots] == ["shop.products_1"]
    assert outcome.snapshots[0].time == now, "by our clock"
    status = status_of(WISH, outcome, {}, now=now, store=None, exposed=Exposed())
    assert status["snapshots"]["last"] == now
    assert len(status["snapshots"]["kept"]) == 1


@pytest.mark.parametrize("again", ["another", None])
async def test_what_never_served_begins_with_what_is_declared_now(again: str | None) -> None:
    """A mistyped snapshot is mended by an edit, or given up by one."""
    store = MemoryStore()
    await reconcile(WISH, store)
    await store.upsert("shop.products_1", [Point(1, [1.0, 0, 0, 0])])
    taken = await store.take_snapshot("shop.products_1")
    other = replace(WISH, key=Key("shop", "other"), uid="they", aliases=frozenset())
    wrong = replace(other, restore="shop.products_1/wrong.snapshot")
    first = await reconcile(wrong, store)
    assert first.trouble is not None
    assert "wrong.snapshot" in first.trouble.message
    assert "shop.other" not in (await store.listing()).aliases
    right = f"shop.products_1/{taken.name}" if again else None
    second = await reconcile(replace(other, restore=right), store)
    assert second.trouble is None
    assert await store.count("shop.other") == (1 if again else 0)
    third = await reconcile(replace(other, restore=right), store)
    assert third.changed == ()
    assert "shop.other_2" not in (await store.listing()).collections


async def test_a_deletion_that_the_store_does_not_answer_is_not_done() -> None:
    store = Failing("listing", lambda: StoreTimeout("no answer"))
    assert not (await reconcile(replace(WISH, deleting=True), store)).deleted


class Blind(MemoryStore):
    """One list of it shows nothing."""

    blind = False

    async def listing(self) -> Listing:
        self.blind, was = False, self.blind
        return Listing(frozenset(), {}) if was else await super().listing()


@pytest.mark.parametrize("tenancy", [DEDICATED, PARTITION])
async def test_one_list_without_a_collection_leaves_nothing_behind(tenancy: str) -> None:
    store = Blind()
    pool = pool_name(WISH.settings, WISH.indexes, ()) if tenancy == PARTITION else None
    wish = replace(WISH, tenancy=tenancy, pool=pool, deletion_policy=DeletionPolicy.DELETE)
    made = await reconcile(wish, store)
    assert made.collection
    store.blind = True
    gone = replace(wish, deleting=True, hint=made.collection.name)
    assert (await reconcile(gone, store)).deleted
    listing = await store.listing()
    assert not listing.aliases
    assert listing.collections == ({made.collection.name} if pool else set())
    assert (await reconcile(gone, store)).deleted, "what an earlier life began is let go"


async def test_a_paused_deletion_is_not_done() -> None:
    outcome = await reconcile(replace(WISH, deleting=True, paused=True), MemoryStore())
    assert not outcome.deleted
