"""`VectorAdmin`: snapshots. They outlive their collection, and fill another one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from support.stores import COSINE, Stores
from vectorplane.domain.model import Capability, Index, Owner, Record, Settings
from vectorplane.errors import NotFound, StoreRejected, Unsupported
from vectorplane.ports.vectors import Found, Point

pytestmark = pytest.mark.anyio

OWNED = Record(Owner("uid-1", "shop", "products", "cluster-1"), indexes=frozenset({"price"}))
SPARSE: Settings = {**COSINE, ("sparseVectors", "words", "modifier"): "None"}
POINTS = [
    Point(1, [1.0, 0.0, 0.0, 0.0], {"price": 1, "kind": "cup"}),
    Point(2, [0.0, 1.0, 0.0, 0.0], {"price": 2, "kind": "pot"}),
]


@pytest.fixture(autouse=True)
async def able(store: Stores) -> None:
    """One that takes none says so; the rest of this file is for the others."""
    if Capability.SNAPSHOTS in (await store.admin.info()).capabilities:
        return
    name = await store.collection()
    for attempt in (
        store.admin.take_snapshot(name),
        store.admin.drop_snapshot(name, "x.snapshot"),
        store.admin.restore_snapshot(name, f"{name}/x.snapshot"),
    ):
        with pytest.raises(Unsupported, match="no snapshots"):
            await attempt
    pytest.skip("this engine takes no snapshots, and says so")


async def stored(store: Stores, name: str) -> list[Found]:
    return (await store.admin.points.scroll(name, vectors=True)).points


async def test_a_snapshot_is_told_of(store: Stores) -> None:
    name = await store.collection()
    await store.points.upsert(name, POINTS)
    taken = await store.admin.take_snapshot(name)
    assert taken.collection == name
    assert taken.name.startswith(f"{name}-")  # whence `spec.restoreFrom` knows the collection
    assert taken.name.endswith(".snapshot")
    assert taken.size > 0
    assert taken.time.endswith("Z")
    apart = datetime.now(UTC) - datetime.fromisoformat(taken.time)
    assert abs(apart) < timedelta(minutes=5)


async def test_a_snapshot_fills_another_collection(store: Stores) -> None:
    name = await store.collection(record=OWNED)
    await store.points.upsert(name, POINTS)
    before = await stored(store, name)
    taken = await store.admin.take_snapshot(name)
    await store.points.delete(name, ids=[1])
    await store.points.upsert(name, [Point(3, [0.0, 0.0, 1.0, 0.0])])

    record = Record(Owner("uid-2", "shop", "copy", "cluster-1"), restore=taken.name)
    other = await store.collection({**COSINE, ("hnsw", "m"): 24}, record)
    await store.admin.restore_snapshot(other, f"{name}/{taken.name}")
    assert await stored(store, other) == before
    found = await store.admin.describe(other)
    assert found is not None
    assert (found.record, found.points) == (record, 2)
    assert found.settings[("hnsw", "m")] == 24
    assert [p.id for p in await stored(store, name)] == [2, 3]
    # It takes writes like any other, and the same snapshot again.
    await store.points.upsert(other, [Point(9, [0.0, 0.0, 0.0, 1.0])])
    assert await store.points.count(other) == 3
    await store.admin.restore_snapshot(other, f"{name}/{taken.name}")
    assert await stored(store, other) == before


async def test_a_snapshot_outlives_its_collection(store: Stores) -> None:
    name = await store.collection()
    await store.points.upsert(name, POINTS)
    before = await stored(store, name)
    taken = await store.admin.take_snapshot(name)
    await store.admin.drop(name)
    other = await store.collection()
    await store.admin.restore_snapshot(other, f"{name}/{taken.name}")
    assert await stored(store, other) == before
    await store.admin.drop_snapshot(name, taken.name)  # the collection is gone: nothing happens


async def test_the_indexes_are_those_of_the_collection(store: Stores) -> None:
    name = await store.collection()
    for index in (Index("price", "Integer"), Index("kind", "Keyword")):
        await store.admin.create_index(name, index)
    await store.points.upsert(name, POINTS)
    taken = await store.admin.take_snapshot(name)
    other = await store.collection()
    ours = {"price": Index("price", "Float"), "weight": Index("weight", "Float")}
    for index in ours.values():
        await store.admin.create_index(other, index)
    before = await store.admin.describe(other)
    assert before is not None
    await store.admin.restore_snapshot(other, f"{name}/{taken.name}")
    found = await store.admin.describe(other)
    assert found is not None
    assert found.indexes == before.indexes
    assert found.indexes.keys() == ours.keys()
    dear = {"must": [{"key": "price", "range": {"gt": 1.5}}]}
    assert await store.points.count(other, filter=dear) == 1


async def test_a_snapshot_that_is_not_there(store: Stores) -> None:
    name = await store.collection()
    await store.points.upsert(name, POINTS)
    taken = await store.admin.take_snapshot(name)
    for snapshot in (f"{name}/{name}-0.snapshot", f"{store.name('other')}/{taken.name}"):
        with pytest.raises(NotFound, match="there is no snapshot"):
            await store.admin.restore_snapshot(name, snapshot)
    assert await store.points.count(name) == 2
    with pytest.raises(NotFound):
        await store.admin.restore_snapshot(store.name(), f"{name}/{taken.name}")
    with pytest.raises(NotFound):
        await store.admin.take_snapshot(store.name())


@pytest.mark.parametrize(
    "settings",
    [
        {**COSINE, ("vectors", "", "size"): 5},
        {**COSINE, ("vectors", "", "distance"): "Dot"},
        {("vectors", "named", "size"): 4, ("vectors", "named", "distance"): "Cosine"},
        COSINE,
    ],
    ids=["size", "distance", "name", "no sparse vector"],
)
async def test_other_vectors_are_refused(store: Stores, settings: Settings) -> None:
    name = await store.collection(SPARSE)
    words = {"": [1.0, 0.0, 0.0, 0.0], "words": {"indices": [1], "values": [1.0]}}
    await store.points.upsert(name, [Point(1, words)])
    taken = await store.admin.take_snapshot(name)
    other = await store.collection(settings, OWNED)
    with pytest.raises(StoreRejected):
        await store.admin.restore_snapshot(other, f"{name}/{taken.name}")
    found = await store.admin.describe(other)
    assert found is not None
    assert found.record == OWNED


async def test_a_further_sparse_vector_is_no_hindrance(store: Stores) -> None:
    name = await store.collection()
    await store.points.upsert(name, POINTS)
    taken = await store.admin.take_snapshot(name)
    other = await store.collection(SPARSE)
    await store.admin.restore_snapshot(other, f"{name}/{taken.name}")
    assert await store.points.count(other) == 2
    words = {"": [1.0, 0.0, 0.0, 0.0], "words": {"indices": [1], "values": [1.0]}}
    await store.points.upsert(other, [Point(3, words)])
    assert await store.points.count(other) == 3


async def test_snapshots_go_one_by_one(store: Stores) -> None:
    name = await store.collection()
    await store.points.upsert(name, POINTS)
    first = await store.admin.take_snapshot(name)
    await store.admin.drop_snapshot(name, first.name)
    with pytest.raises(NotFound):
        await store.admin.restore_snapshot(name, f"{name}/{first.name}")
    await store.admin.drop_snapshot(name, first.name)
    await store.admin.drop_snapshot(store.name(), first.name)
    second = await store.admin.take_snapshot(name)
    await store.admin.restore_snapshot(name, f"{name}/{second.name}")
    assert await store.points.count(name) == 2
