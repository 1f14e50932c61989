"""Tenants of a pool: what is planned for them, and that it touches nobody else's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.actions import ChangeAliases, CreateCollection, CreateIndex
from vectorplane.domain.model import (
    PARTITION,
    AdoptionPolicy,
    Capability,
    DeletionPolicy,
    Desired,
    Index,
    Key,
    Owner,
    Record,
    Settings,
)
from vectorplane.domain.plan import plan
from vectorplane.domain.tenancy import (
    TENANT_FIELD,
    holder_of,
    is_public,
    point_id,
    pool_name,
    pool_owner,
)
from vectorplane.observe import observe
from vectorplane.ports.vectors import Point
from vectorplane.reconcile import reconcile

pytestmark = pytest.mark.anyio

SETTINGS: Settings = {("vectors", "", "size"): 2, ("vectors", "", "distance"): "Dot"}
INDEXES = {"price": Index("price", "Float")}


def tenant(name: str, uid: str = "", **changes: object) -> Desired:
    wish = Desired(
        key=Key("shop", name),
        uid=uid or f"uid-{name}",
        cluster="here",
        settings=SETTINGS,
        indexes=INDEXES,
        tenancy=PARTITION,
        pool=pool_name(SETTINGS, INDEXES, ()),
        now="2026-01-01T00:00:00Z",
    )
    return replace(wish, **changes)  # type: ignore[arg-type]


async def points_of(store: MemoryStore, name: str) -> int:
    only = {"must": [{"key": TENANT_FIELD, "match": {"value": f"shop.{name}"}}]}
    return await store.count("shop.a", filter=only)


async def filled() -> MemoryStore:
    """Two tenants of one pool, with a point each."""
    store = MemoryStore()
    for n, name in enumerate("ab"):
        await reconcile(tenant(name), store)
        await store.upsert(f"shop.{name}", [Point(n, [1.0, 0.0], {TENANT_FIELD: f"shop.{name}"})])
    return store


async def test_two_tenants_of_one_shape_share_a_pool() -> None:
    store = await filled()
    listing = await store.listing()
    [pool] = listing.collections
    assert set(listing.aliases) == {"shop.a", "shop.a@uid-a", "shop.b", "shop.b@uid-b"}
    assert set(listing.aliases.values()) == {pool}
    found = await store.describe(pool)
    assert found
    assert found.record
    assert found.record.owner == pool_owner(pool.removesuffix("_1"), "here")
    assert set(found.indexes) == {"price", TENANT_FIELD}
    for name in "ab":
        outcome = await reconcile(tenant(name), store)
        assert outcome.changed == ()
        assert outcome.collection
        assert outcome.collection.points == 1


async def test_another_shape_is_another_pool() -> None:
    store = await filled()
    settings = SETTINGS | {("hnsw", "m"): 8}
    await reconcile(tenant("c", settings=settings, pool=pool_name(settings, INDEXES, ())), store)
    assert len((await store.listing()).collections) == 2


async def test_the_pool_comes_before_the_names() -> None:
    planned = plan(tenant("a"), await observe(tenant("a"), MemoryStore()))
    kinds = [type(action) for action in planned.actions]
    assert kinds == [CreateCollection, CreateIndex, CreateIndex, ChangeAliases]


@pytest.mark.parametrize("stop", range(4))
async def test_a_creation_that_is_interrupted_is_ended_by_any_tenant(stop: int) -> None:
    from vectorplane.perform import perform

    store = MemoryStore()
    planned = plan(tenant("a"), await observe(tenant("a"), store))
    for action in planned.actions[:stop]:
        await perform(action, store)
    await reconcile(tenant("b"), store)
    await reconcile(tenant("a"), store)
    listing = await store.listing()
    [pool] = listing.collections
    found = await store.describe(pool)
    assert found
    assert set(found.indexes) == {"price", TENANT_FIELD}
    assert len(listing.aliases) == 4


async def test_delete_takes_the_tenants_own_points_and_names() -> None:
    store = await filled()
    gone = tenant("b", deleting=True, deletion_policy=DeletionPolicy.DELETE)
    outcome = await reconcile(gone, store)
    assert outcome.deleted
    assert await points_of(store, "a") == 1
    assert await points_of(store, "b") == 0
    assert set((await store.listing()).aliases) == {"shop.a", "shop.a@uid-a"}


async def test_retain_leaves_points_and_name_and_a_new_resource_must_adopt() -> None:
    store = await filled()
    outcome = await reconcile(tenant("b", deleting=True), store)
    assert outcome.deleted
    assert await points_of(store, "b") == 1
    refused = await reconcile(tenant("b", uid="new"), store)
    assert refused.trouble
    assert refused.trouble.reason == "NotOwned"
    assert "IfUnowned" in refused.trouble.message
    adopting = tenant("b", uid="new", adoption_policy=AdoptionPolicy.IF_UNOWNED)
    adopted = await reconcile(adopting, store)
    assert adopted.trouble is None
    assert adopted.collection
    assert adopted.collection.points == 1


async def test_a_tenant_of_another_is_not_adopted() -> None:
    store = await filled()
    wish = tenant("b", uid="other", adoption_policy=AdoptionPolicy.IF_UNOWNED)
    outcome = await reconcile(wish, store)
    assert outcome.trouble
    assert outcome.trouble.reason == "NotOwned"
    assert "uid-b" in outcome.trouble.message


async def test_a_deletion_without_the_marker_touches_nothing() -> None:
    store = await filled()
    for policy in DeletionPolicy:
        gone = tenant("b", uid="other", deleting=True, deletion_policy=policy)
        assert (await reconcile(gone, store)).changed == ()


async def test_another_clusters_pool_is_not_ours() -> None:
    store = await filled()
    there = await reconcile(tenant("c", cluster="there"), store)
    assert there.trouble is None
    assert len((await store.listing()).collections) == 2
    taken = await reconcile(tenant("a", cluster="there"), store)
    assert taken.trouble
    assert taken.trouble.reason == "NotOwned"
    assert "of cluster here" in taken.trouble.message


async def test_a_change_of_shape_is_refused_and_it_goes_on_serving() -> None:
    store = await filled()
    settings = SETTINGS | {("hnsw", "m"): 8}
    wish = tenant("a", settings=settings, pool=pool_name(settings, INDEXES, ()))
    outcome = await reconcile(wish, store)
    assert outcome.trouble
    assert outcome.trouble.reason == "ImmutableChange"
    assert outcome.collection
    assert outcome.collection.points == 1
    assert outcome.changed == ()


async def test_a_collection_of_its_own_does_not_become_a_tenant() -> None:
    store = MemoryStore()
    own = replace(tenant("a"), tenancy="Dedicated", pool=None)
    await reconcile(own, store)
    outcome = await reconcile(tenant("a"), store)
    assert outcome.trouble
    assert outcome.trouble.reason == "ImmutableChange"


async def test_a_tenant_without_rebuild_stays_one() -> None:
    store = await filled()
    own = replace(tenant("a"), tenancy="Dedicated", pool=None)
    outcome = await reconcile(own, store)
    assert outcome.trouble
    assert outcome.trouble.reason == "ImmutableChange"
    assert "Rebuild" in outcome.trouble.message


async def test_a_lost_alias_is_set_again() -> None:
    store = await filled()
    await store.change_aliases({}, frozenset({"shop.a"}))
    outcome = await reconcile(tenant("a"), store)
    [change] = outcome.changed
    assert change.startswith("point alias shop.a at _pool.")


async def test_a_name_that_is_somebody_elses_collection() -> None:
    store = MemoryStore()
    theirs = Record(Owner("u", "shop", "a", "there"))
    await store.create("shop.a_1", SETTINGS, theirs)
    await store.change_aliases({"shop.a": "shop.a_1"}, frozenset())
    outcome = await reconcile(tenant("a"), store)
    assert outcome.trouble
    assert outcome.trouble.reason == "NotOwned"
    assert "cluster there" in outcome.trouble.message


async def test_an_engine_that_knows_no_tenants_says_so() -> None:
    store = MemoryStore(frozenset(Capability) - {Capability.TENANTS})
    outcome = await reconcile(tenant("a"), store)
    assert outcome.trouble
    assert outcome.trouble.reason == "Unsupported"


async def test_paused_stops_a_tenants_deletion() -> None:
    store = await filled()
    gone = tenant("b", deleting=True, paused=True, deletion_policy=DeletionPolicy.DELETE)
    outcome = await reconcile(gone, store)
    assert not outcome.deleted
    assert outcome.changed == ()


def test_the_names_of_tenancy() -> None:
    pool = pool_name(SETTINGS, INDEXES, ())
    assert pool == pool_name(dict(reversed(SETTINGS.items())), INDEXES, ())
    assert pool != pool_name(SETTINGS, {}, ())
    assert not is_public(f"{pool}_1")
    assert not is_public(tenant("a").marker)
    assert is_public("shop.a")
    assert holder_of("shop.a@uid") == ("shop.a", "uid")
    assert holder_of("shop.a") is None
    assert point_id("shop.a", 1) != point_id("shop.b", 1)
    assert point_id("shop.a", 1) != point_id("shop.a", "1")
