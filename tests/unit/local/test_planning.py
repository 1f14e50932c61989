"""`vectorplane plan` in words, over the memory store."""

from __future__ import annotations

import asyncio
from typing import Any

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.desired import desired_of
from vectorplane.domain.model import Capability, Key
from vectorplane.ports.resources import Resource
from vectorplane.reconcile import reconcile
from vectorplane.spec import VectorCollectionSpec
from vectorplane_service.local.planning import Preview, previews
from vectorplane_service.local.records import Wish

KEY = Key("shop", "products")


def spec(**changes: Any) -> dict[str, Any]:
    raw = {"vectors": [{"size": 4, "distance": "Dot"}], **changes}
    parsed = VectorCollectionSpec.model_validate(raw)
    return parsed.model_dump(by_alias=True, exclude_none=True)


def resource(uid: str = "uid-1", **changes: Any) -> Resource:
    return Resource(KEY, uid, 1, "2026-01-01T00:00:00Z", spec(**changes))


def made(*resources: Resource, store: MemoryStore | None = None) -> MemoryStore:
    """A store in which these resources are carried out."""
    found = store or MemoryStore()
    for one in resources:
        asyncio.run(reconcile(desired_of(one, "here"), found))
    return found


def planned(
    store: MemoryStore,
    *known: Resource,
    cluster: str | None = "here",
    key: Key = KEY,
    **changes: Any,
) -> Preview:
    wishes = [Wish(key, spec(**changes))]
    (preview,) = asyncio.run(previews(wishes, known, store, cluster))
    return preview


def test_a_new_resource() -> None:
    preview = planned(MemoryStore(), payloadIndexes=[{"field": "price", "type": "Float"}])
    assert list(preview.lines()) == [
        "shop/products:",
        '  + create collection shop.products_1 (vectors[""].distance: Dot, vectors[""].size: 4)',
        "  + create Float index on price of shop.products_1",
        "  + point alias shop.products at shop.products_1",
    ]
    assert preview.changes
    assert preview.stands


def test_no_changes() -> None:
    live = resource()
    preview = planned(made(live), live)
    assert list(preview.lines()) == ["shop/products: no changes"]
    assert not preview.changes


def test_a_change() -> None:
    live = resource(aliases=["old"], payloadIndexes=[{"field": "price", "type": "Float"}])
    lines = list(planned(made(live), live, hnsw={"m": 32}).lines())
    assert "  ~ update collection shop.products_1 (hnsw.m: 32)" in lines
    assert "  - drop index on price of shop.products_1" in lines
    assert "  - drop alias shop.old" in lines


def test_a_refused_change_says_both_values() -> None:
    live = resource()
    preview = planned(made(live), live, vectors=[{"size": 8, "distance": "Dot"}])
    stalled = list(preview.lines())[-1]
    assert stalled.startswith("  ! stalled: ImmutableChange: ")
    assert "from 4 to 8" in stalled
    assert not preview.stands


def test_what_the_engine_lacks_is_said() -> None:
    store = MemoryStore(frozenset(Capability) - {Capability.SHARDING})
    lines = list(planned(store, sharding={"number": 2}).lines())
    assert lines[-1] == "  left out, for this engine has none: sharding"


def test_the_record_in_the_store_says_who_we_are_where_nothing_else_does() -> None:
    store = made(resource("somebody"))
    assert list(planned(store, cluster=None).lines()) == ["shop/products: no changes"]
    here = planned(store, cluster="here")
    assert "belongs to" in list(here.lines())[-1]


def test_a_name_of_an_older_resource_is_a_conflict() -> None:
    older = resource(aliases=["live"])
    preview = planned(made(older), older, key=Key("shop", "other"), aliases=["live"])
    assert "ResourceConflict" in list(preview.lines())[-1]


def test_planning_changes_nothing() -> None:
    live = resource()
    store = made(live)
    before = asyncio.run(store.describe("shop.products_1"))
    planned(store, live, hnsw={"m": 32}, aliases=["more"])
    assert asyncio.run(store.describe("shop.products_1")) == before
    assert set(asyncio.run(store.listing()).aliases) == {"shop.products"}
