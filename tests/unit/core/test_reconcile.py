"""The order of things over the memory store, which passes the engines' contract suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import DeletionPolicy, Desired, Index, Key, Settings
from vectorplane.domain.status import Outcome
from vectorplane.errors import StoreOverloaded, StoreRejected, StoreTimeout, VectorplaneError
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
    if policy is DeletionPolicy.DELETE:
        assert not listing.collections
        assert not listing.aliases
    else:
        left = await store.describe("shop.products_1")
        assert left is not None
        assert left.record is not None
        assert left.record.owner is None
        assert "shop.products" in listing.aliases


async def test_a_deletion_that_the_store_does_not_answer_is_not_done() -> None:
    store = Failing("listing", lambda: StoreTimeout("no answer"))
    assert not (await reconcile(replace(WISH, deleting=True), store)).deleted


async def test_a_paused_deletion_is_not_done() -> None:
    outcome = await reconcile(replace(WISH, deleting=True, paused=True), MemoryStore())
    assert not outcome.deleted
