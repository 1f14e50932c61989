"""Collections that have a bit of everything, as the operator makes them, for tests that go through
the whole API: a plain one, one with named, sparse and multi vectors, one that takes text, and a
tenant of a pool."""

from __future__ import annotations

from typing import Any

from support.serving import EMBEDDING, SIZE
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.domain.model import PARTITION, Index, Owner, Record, Settings
from vectorplane.domain.tenancy import TENANT_INDEX, pool_name, pool_owner
from vectorplane.ports.vectors import Point, VectorAdmin

PRODUCTS, MIXED, TEXTS, TENANT = "shop.products", "shop.mixed", "shop.texts", "shop.tenant"
INDEXES = (Index("category", "Keyword"), Index("price", "Float"), Index("n", "Integer"))
MIXED_SETTINGS: Settings = {
    ("vectors", "a", "size"): 4,
    ("vectors", "a", "distance"): "Cosine",
    ("vectors", "rows", "size"): 4,
    ("vectors", "rows", "distance"): "Dot",
    ("vectors", "rows", "multivector"): "MaxSim",
    ("sparseVectors", "words", "modifier"): "Idf",
}


async def filled(url: str) -> None:
    """The same in a Qdrant."""
    admin = QdrantAdmin(url, None, 30.0)
    try:
        await fill(admin)
    finally:
        await admin.close()


async def fill(store: VectorAdmin) -> None:
    """Make all of them, with some points; what is there already is made anew."""
    await _dedicated(store, PRODUCTS, SIZE)
    await _dedicated(store, TEXTS, SIZE, embedding=EMBEDDING)
    await _dedicated(store, MIXED, MIXED_SETTINGS)
    base = pool_name(SIZE, {}, ())
    record = Record(pool_owner(base, "test"), tenancy=PARTITION)
    await _make(store, f"{base}_1", SIZE, record, TENANT)
    await store.create_index(f"{base}_1", TENANT_INDEX)
    await store.points.upsert(
        PRODUCTS, [Point(n, [1, n, n % 3, 0.5], _payload(n)) for n in range(9)]
    )
    sparse = {"indices": [1, 7], "values": [0.5, 2.0]}
    mixed: dict[str, Any] = {"a": [1, 0, 0, 0.5], "rows": [[1, 0, 0, 0], [0, 1, 0, 0]]}
    await store.points.upsert(
        MIXED, [Point(n, {**mixed, "words": sparse}, _payload(n)) for n in range(9)]
    )


def _payload(n: int) -> dict[str, Any]:
    category = "kitchen" if n % 2 else "garden"
    return {"category": category, "price": n / 2, "n": n, "tags": [{"a": n}], "text": "a tea pot"}


async def _dedicated(
    store: VectorAdmin, name: str, settings: Settings, embedding: Any = ()
) -> None:
    namespace, _, base = name.partition(".")
    record = Record(Owner(f"uid-{name}", namespace, base, "test"), embedding=embedding)
    await _make(store, f"{name}_1", settings, record, name)


async def _make(
    store: VectorAdmin, physical: str, settings: Settings, record: Record, alias: str
) -> None:
    await store.drop(physical)
    await store.create(physical, settings, record)
    for index in INDEXES:
        await store.create_index(physical, index)
    await store.change_aliases({alias: physical}, frozenset())
