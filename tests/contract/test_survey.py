"""`VectorAdmin`: a whole store at once, counts by tenant, and the points of the same store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from support.stores import COSINE, NOBODY, Stores
from vectorplane.domain.model import Capability, Collection, Index, Owner, Record, Settings
from vectorplane.domain.tenancy import TENANT_FIELD, TENANT_INDEX, pool_name, pool_owner
from vectorplane.errors import NotFound
from vectorplane.ports.vectors import Point, Survey

pytestmark = pytest.mark.anyio

OWNED = Record(
    owner=Owner("uid-1", "shop", "products", "cluster-1"),
    generation=3,
    indexes=frozenset({"price"}),
    aliases=frozenset({"shop.live"}),
    embedding=(("model", "wordllama"), ("provider", "local")),
)
PLAIN: Settings = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Dot"}
MANY: Settings = {
    ("vectors", "image", "size"): 8,
    ("vectors", "image", "distance"): "Euclid",
    ("vectors", "image", "onDisk"): True,
    ("vectors", "image", "hnsw", "m"): 24,
    ("vectors", "text", "size"): 4,
    ("vectors", "text", "distance"): "Cosine",
    ("vectors", "text", "datatype"): "Float16",
    ("vectors", "text", "multivector"): "MaxSim",
    ("sparseVectors", "words", "modifier"): "Idf",
    ("sparseVectors", "words", "onDisk"): True,
    ("hnsw", "m"): 8,
    ("hnsw", "efConstruct"): 64,
    ("quantization", "type"): "Scalar",
    ("quantization", "quantile"): 0.99,
    ("quantization", "alwaysRam"): True,
    ("optimizers", "indexingThreshold"): 5000,
    ("optimizers", "deletedThreshold"): 0.3,
    ("onDiskPayload",): False,
    ("strictMode", "enabled"): True,
    ("strictMode", "maxQueryLimit"): 500,
    ("wal", "walCapacityMb"): 16,
    ("sharding", "number"): 2,
}
INDEXES = (
    Index("category", "Keyword", (("isTenant", True),)),
    Index("price", "Float"),
    Index("amount", "Integer", (("lookup", True), ("range", False))),
    Index("body", "Text", (("lowercase", True), ("tokenizer", "Word"))),
    Index("place", "Geo"),
)


def points(*payloads: dict[str, object]) -> list[Point]:
    return [Point(i, [1.0, 0.5, float(i), 2.0], dict(p)) for i, p in enumerate(payloads, 1)]


async def until(
    store: Stores, true: Callable[[Survey], Awaitable[bool]], seconds: float = 30.0
) -> Survey:
    """The first survey of which something holds: a server optimizes in its own time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        survey = await store.admin.survey()
        if await true(survey):
            return survey
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0.05)


async def described(store: Stores, survey: Survey) -> dict[str, Collection | None]:
    return {name: await store.admin.describe(name) for name in survey.listing.collections}


async def test_a_survey_is_what_each_call_gives(store: Stores) -> None:
    plain = await store.collection(PLAIN, OWNED)
    many = await store.collection(MANY)
    empty = await store.collection({("sparseVectors", "words", "modifier"): "None"})
    for index in INDEXES:
        await store.admin.create_index(plain, index)
    await store.admin.create_index(many, Index("category", "Keyword"))
    await store.points.upsert(plain, points({"category": "a", "price": 1.5}, {"category": "b"}))
    await store.admin.change_aliases({"survey.alias": plain}, frozenset())

    async def same(survey: Survey) -> bool:
        return dict(survey.collections) == await described(store, survey)

    survey = await until(store, same)
    assert {plain, many, empty} <= survey.collections.keys()
    assert survey.info == await store.admin.info()
    assert survey.listing == await store.admin.listing()
    assert survey.listing.aliases["survey.alias"] == plain
    assert survey.collections[plain].record == OWNED
    assert survey.collections[plain].points == 2
    assert survey.collections[plain].indexes.keys() == {i.field for i in INDEXES}


async def test_what_did_not_change_is_the_same_object(store: Stores) -> None:
    quiet, changing = await store.collection(PLAIN, OWNED), await store.collection(PLAIN, OWNED)
    await store.admin.create_index(quiet, Index("category", "Keyword"))
    before = await store.admin.survey()

    async def changed(survey: Survey) -> bool:
        return survey.collections[changing] is not before.collections[changing]

    async def seen(expected: Callable[[Collection], bool]) -> Survey:
        async def true(survey: Survey) -> bool:
            return expected(survey.collections[changing])

        survey = await until(store, true)
        assert survey.collections[quiet] is before.collections[quiet]
        assert survey.collections[changing] is not before.collections[changing]
        return survey

    assert (await store.admin.survey()).collections[changing] is before.collections[changing]
    assert not await changed(await store.admin.survey())
    await store.points.upsert(changing, points({}))
    before = await seen(lambda c: c.points == 1)
    await store.admin.create_index(changing, Index("price", "Float"))
    before = await seen(lambda c: c.indexes.keys() == {"price"})
    await store.admin.drop_index(changing, "price")
    before = await seen(lambda c: not c.indexes)
    await store.admin.update(changing, {("hnsw", "m"): 32})
    before = await seen(lambda c: c.settings[("hnsw", "m")] == 32)
    await store.admin.write_record(changing, NOBODY)
    await seen(lambda c: c.record == NOBODY)
    await store.admin.drop(changing)
    assert changing not in (await store.admin.survey()).collections


async def test_points_by_value(store: Stores) -> None:
    name = await store.collection(PLAIN)
    assert await store.admin.tally(name, "tenant") == {}  # no index
    await store.admin.create_index(name, Index("tenant", "Keyword"))
    assert await store.admin.tally(name, "tenant") == {}
    await store.points.upsert(
        name, points({"tenant": "a.x"}, {"tenant": "b.y"}, {"tenant": "a.x"}, {"other": "a.x"})
    )
    assert await store.admin.tally(name, "tenant") == {"a.x": 2, "b.y": 1}
    await store.points.delete(name, filter={"must": [{"key": "tenant", "match": {"value": "a.x"}}]})
    assert await store.admin.tally(name, "tenant") == {"b.y": 1}
    assert await store.admin.tally(store.name(), "tenant") == {}


async def test_every_tenant_is_counted(store: Stores) -> None:
    name = await store.collection(PLAIN)
    await store.admin.create_index(name, TENANT_INDEX)
    many = 3000
    await store.points.upsert(name, points(*({TENANT_FIELD: f"shop.t{i}"} for i in range(many))))
    assert await store.admin.tally(name, TENANT_FIELD) == {f"shop.t{i}": 1 for i in range(many)}


async def test_a_pool_and_its_tenants(store: Stores) -> None:
    if Capability.TENANTS not in (await store.admin.info()).capabilities:
        pytest.skip("this engine has no tenants")
    base = store.name("pool")  # unique among tests, and dropped at the end
    shape = {**COSINE, ("hnsw", "payloadM"): 16, ("metadata", base): "1"}
    pool = f"{pool_name(shape, {}, ())}_1"
    store.made.append(pool)
    record = Record(pool_owner(pool[:-2], "cluster-1"), tenancy="Partition")
    await store.admin.create(pool, COSINE, record)
    await store.admin.create_index(pool, TENANT_INDEX)
    ours, others = f"{base}.ours", f"{base}.others"
    names = {ours: pool, f"{ours}@uid-1": pool, others: pool, f"{others}@uid-2": pool}
    await store.admin.change_aliases(names, frozenset())
    survey = await store.admin.survey()
    assert names.items() <= survey.listing.aliases.items()
    assert survey.collections[pool].record == record
    assert survey.collections[pool].indexes == {TENANT_FIELD: TENANT_INDEX}
    assert not {ours, others} & survey.tenants.keys()

    written = points({TENANT_FIELD: ours}, {TENANT_FIELD: others}, {TENANT_FIELD: others})
    await store.admin.points.upsert(pool, written)
    tenants = (await store.admin.survey()).tenants
    assert (tenants[ours], tenants[others]) == (1, 2)
    # As many points as before, and others than before.
    await store.admin.points.upsert(pool, [Point(2, [1.0, 0, 0, 0], {TENANT_FIELD: ours})])
    tenants = (await store.admin.survey()).tenants
    assert (tenants[ours], tenants[others]) == (2, 1)
    only = {"must": [{"key": TENANT_FIELD, "match": {"value": others}}]}
    await store.admin.points.delete(pool, filter=only)
    tenants = (await store.admin.survey()).tenants
    assert tenants[ours] == 2
    assert others not in tenants
    assert [p.id for p in (await store.points.scroll(ours)).points] == [1, 2]
    await store.admin.change_aliases({}, frozenset({others, f"{others}@uid-2"}))
    assert others not in (await store.admin.listing()).aliases
    await store.admin.drop(pool)
    assert ours not in (await store.admin.survey()).tenants


async def test_the_points_of_the_same_store(store: Stores) -> None:
    name = await store.collection()
    assert await store.admin.points.resolve(name) == await store.admin.describe(name)
    await store.admin.points.upsert(name, points({"n": 1}, {"n": 2}))
    assert await store.points.count(name) == 2
    page = await store.admin.points.scroll(name, limit=1)
    assert page == await store.points.scroll(name, limit=1)
    assert page.next == 2
    await store.admin.points.delete(name, ids=[1])
    assert [p.payload for p in await store.points.retrieve(name, [1, 2])] == [{"n": 2}]
    with pytest.raises(NotFound):
        await store.admin.points.count(store.name())


async def test_surveys_while_collections_come_and_go(store: Stores) -> None:
    """A collection is in a survey whole, or not at all."""
    going = True
    made = [store.name(f"n{i}") for i in range(6)]

    async def churn() -> None:
        nonlocal going
        for name in made:
            await store.admin.create(name, COSINE, OWNED)
        for name in made[:3]:
            await store.admin.drop(name)
        going = False

    churning = asyncio.create_task(churn())
    while going:
        await asyncio.sleep(0)  # an engine in memory waits for nothing
        survey = await store.admin.survey()
        for name in survey.collections.keys() & set(made):
            assert survey.collections[name].record == OWNED
            assert COSINE.items() <= survey.collections[name].settings.items()
    await churning
    assert (await store.admin.survey()).collections.keys() & set(made) == set(made[3:])
