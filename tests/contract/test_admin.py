"""`VectorAdmin`: what every store does with collections."""

from __future__ import annotations

import pytest

from support.stores import COSINE, NOBODY, Stores
from vectorplane.domain.model import Capability, Index, Owner, Record
from vectorplane.domain.record import UNREADABLE
from vectorplane.errors import CallerError, Conflict, NotFound, StoreRejected, VectorplaneError

pytestmark = pytest.mark.anyio

OWNED = Record(
    owner=Owner("uid-1", "shop", "products", "cluster-1"),
    generation=3,
    indexes=frozenset({"price"}),
    aliases=frozenset({"shop.live"}),
    embedding=(("model", "wordllama"), ("provider", "local")),
    tenancy="Dedicated",
)


async def test_says_what_it_is(store: Stores) -> None:
    info = await store.admin.info()
    assert info.engine
    assert info.version[0].isdigit()
    assert info.peers >= 1
    assert Capability.PAYLOAD_INDEXES in info.capabilities
    assert await store.points.info() == info


async def test_a_collection_comes_and_goes(store: Stores) -> None:
    name = store.name()
    assert await store.admin.describe(name) is None
    await store.admin.create(name, COSINE, OWNED)
    assert name in (await store.admin.listing()).collections
    found = await store.admin.describe(name)
    assert found is not None
    assert found.name == name
    assert COSINE.items() <= found.settings.items()
    assert found.record == OWNED
    assert found.indexes == {}
    assert found.points == 0
    assert found.state == "green"
    await store.admin.drop(name)
    assert await store.admin.describe(name) is None
    assert name not in (await store.admin.listing()).collections
    await store.admin.drop(name)


async def test_a_name_is_taken_once(store: Stores) -> None:
    name = await store.collection(record=OWNED)
    with pytest.raises(Conflict):
        await store.admin.create(name, COSINE, NOBODY)
    found = await store.admin.describe(name)
    assert found is not None
    assert found.record == OWNED


async def test_an_alias_takes_a_name_too(store: Stores) -> None:
    name, alias = await store.collection(), store.name("alias")
    await store.admin.change_aliases({alias: name}, frozenset())
    with pytest.raises(Conflict):
        await store.admin.create(alias, COSINE, NOBODY)
    assert await store.admin.describe(alias) is None
    await store.admin.change_aliases({}, frozenset({alias}))


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({("vectors", "", "size"): 0}, ()),
        ({("vectors", "", "size"): 65537}, ()),
        ({("vectors", "", "distance"): "Nearest"}, ()),
        ({}, (("vectors", "", "distance"),)),
        ({("optimizers", "nonsense"): 1}, ()),
    ],
)
async def test_refuses_settings_that_make_no_sense(
    store: Stores, change: dict[tuple[str, ...], int | str], missing: tuple[tuple[str, ...], ...]
) -> None:
    name = store.name()
    settings = {k: v for k, v in (COSINE | change).items() if k not in missing}
    with pytest.raises(StoreRejected):
        await store.admin.create(name, settings, NOBODY)
    assert await store.admin.describe(name) is None


@pytest.mark.parametrize("name", ["", "a/b", "a" * 256, "a:b", "a\0b"])
async def test_refuses_names_that_make_no_sense(store: Stores, name: str) -> None:
    with pytest.raises(StoreRejected):
        await store.admin.create(name, COSINE, NOBODY)


async def test_gives_back_what_was_declared(store: Stores) -> None:
    settings = {
        ("vectors", "image", "size"): 8,
        ("vectors", "image", "distance"): "Dot",
        ("vectors", "image", "datatype"): "Float16",
        ("vectors", "image", "onDisk"): True,
        ("vectors", "image", "hnsw", "m"): 24,
        ("vectors", "image", "hnsw", "efConstruct"): 99,
        ("vectors", "image", "quantization", "type"): "Binary",
        ("vectors", "image", "quantization", "alwaysRam"): True,
        ("vectors", "late", "size"): 4,
        ("vectors", "late", "distance"): "Cosine",
        ("vectors", "late", "multivector"): "MaxSim",
        ("sparseVectors", "text", "modifier"): "Idf",
        ("sparseVectors", "text", "onDisk"): True,
        ("sparseVectors", "plain", "modifier"): "None",
        ("hnsw", "m"): 20,
        ("hnsw", "efConstruct"): 120,
        ("quantization", "type"): "Scalar",
        ("quantization", "quantile"): 0.99,
        ("quantization", "alwaysRam"): True,
        ("optimizers", "indexingThreshold"): 20000,
        ("optimizers", "deletedThreshold"): 0.3,
        ("onDiskPayload",): True,
    }
    name = await store.collection(settings)
    found = await store.admin.describe(name)
    assert found is not None
    assert settings.items() <= found.settings.items()


@pytest.mark.parametrize(
    "quantization",
    [
        {"type": "Scalar"},
        {"type": "Product", "compression": "X16", "alwaysRam": False},
        {"type": "Binary", "encoding": "TwoBits", "queryEncoding": "Scalar8Bits"},
    ],
    ids=lambda q: q["type"],
)
async def test_every_quantization(store: Stores, quantization: dict[str, str | bool]) -> None:
    settings = {("quantization", field): value for field, value in quantization.items()}
    name = await store.collection(COSINE | settings)
    found = await store.admin.describe(name)
    assert found is not None
    assert settings.items() <= found.settings.items()


async def test_gives_back_what_only_a_server_has(store: Stores) -> None:
    capabilities = (await store.admin.info()).capabilities
    settings = {
        ("sharding", "number"): 2,
        ("replication", "writeConsistencyFactor"): 1,
        ("replication", "readFanOutFactor"): 1,
        ("strictMode", "enabled"): True,
        ("strictMode", "maxQueryLimit"): 1000,
        ("strictMode", "searchMaxOversampling"): 2.5,
        ("wal", "walCapacityMb"): 16,
    }
    name = await store.collection(COSINE | settings)
    found = await store.admin.describe(name)
    assert found is not None
    groups = {
        "sharding": Capability.SHARDING,
        "replication": Capability.REPLICATION,
        "strictMode": Capability.STRICT_MODE,
        "wal": Capability.WAL,
    }
    for path, value in settings.items():
        if groups[path[0]] in capabilities:
            assert found.settings.get(path) == value, path
        else:
            assert path not in found.settings, path


async def test_changes_what_can_be_changed(store: Stores) -> None:
    name = await store.collection(
        COSINE | {("quantization", "type"): "Scalar", ("quantization", "quantile"): 0.9}
    )
    changes = {
        ("hnsw", "m"): 32,
        ("hnsw", "efConstruct"): 64,
        ("vectors", "", "onDisk"): True,
        ("vectors", "", "hnsw", "m"): 12,
        ("quantization", "type"): "Binary",
        ("quantization", "alwaysRam"): True,
        ("optimizers", "indexingThreshold"): 30000,
        ("onDiskPayload",): False,
    }
    await store.admin.update(name, changes)
    await store.admin.update(name, changes)
    found = await store.admin.describe(name)
    assert found is not None
    assert (COSINE | changes).items() <= found.settings.items()
    assert ("quantization", "quantile") not in found.settings


async def test_keeps_points_over_a_change(store: Stores) -> None:
    from vectorplane.ports.vectors import Point, Search

    name = await store.collection()
    await store.points.upsert(name, [Point(1, [1, 0, 0, 0]), Point(2, [0, 1, 0, 0])])
    await store.admin.update(name, {("hnsw", "m"): 8})
    assert await store.points.count(name) == 2
    [hits] = await store.points.search(name, [Search([1, 0, 0, 0], 1)])
    assert [hit.id for hit in hits] == [1]


@pytest.mark.parametrize(
    "change",
    [
        {("vectors", "", "size"): 5},
        {("vectors", "", "distance"): "Dot"},
        {("vectors", "", "datatype"): "Uint8"},
        {("vectors", "other", "onDisk"): True},
        {("hnsw", "nonsense"): 5},
    ],
)
async def test_refuses_to_change_what_cannot_be_changed(
    store: Stores, change: dict[tuple[str, ...], int | str]
) -> None:
    name = await store.collection()
    before = await store.admin.describe(name)
    with pytest.raises(StoreRejected):
        await store.admin.update(name, change)
    assert await store.admin.describe(name) == before


async def test_an_update_of_nothing_is_a_missing_collection(store: Stores) -> None:
    for call in (
        store.admin.update("nothing_1", {("hnsw", "m"): 8}),
        store.admin.write_record("nothing_1", OWNED),
        store.admin.create_index("nothing_1", Index("a", "Keyword")),
        store.admin.add_vector(
            "nothing_1", "a", {("vectors", "a", "size"): 2, ("vectors", "a", "distance"): "Dot"}
        ),
        store.admin.change_aliases({"nothing": "nothing_1"}, frozenset()),
    ):
        with pytest.raises(NotFound):
            await call
    await store.admin.drop_index("nothing_1", "a")
    assert "nothing" not in (await store.admin.listing()).aliases


async def test_a_record_is_replaced_whole(store: Stores) -> None:
    name = await store.collection(record=OWNED)
    released = Record(owner=None, generation=4)
    await store.admin.write_record(name, released)
    found = await store.admin.describe(name)
    assert found is not None
    assert found.record == released
    await store.admin.write_record(name, OWNED)
    found = await store.admin.describe(name)
    assert found is not None
    assert found.record == OWNED


async def test_metadata_of_others_stays(store: Stores) -> None:
    assert store.metadata is not None
    name = await store.collection(record=OWNED)
    await store.metadata.put(name, {"theirs": {"a": [1]}})
    await store.admin.write_record(name, NOBODY)
    found = await store.metadata.get(name)
    assert found["theirs"] == {"a": [1]}
    assert set(found) == {"theirs", "vectorplane"}
    described = await store.admin.describe(name)
    assert described is not None
    assert described.record == NOBODY
    await store.metadata.put(name, {"vectorplane": {"owner": "damaged"}})
    described = await store.admin.describe(name)
    assert described is not None
    assert described.record == Record(owner=UNREADABLE)


@pytest.mark.parametrize(
    "index",
    [
        Index("price", "Float"),
        Index("price", "Float", (("onDisk", True),)),
        Index("tags[].name", "Keyword", (("isTenant", True),)),
        Index("stock", "Integer", (("lookup", True), ("range", False))),
        Index("active", "Bool"),
        Index("place", "Geo"),
        Index("made", "Datetime", (("isPrincipal", True),)),
        Index("ref", "Uuid"),
        Index("body", "Text"),
        Index(
            "body",
            "Text",
            (("lowercase", True), ("maxTokenLen", 15), ("minTokenLen", 2), ("tokenizer", "Word")),
        ),
    ],
    ids=lambda index: f"{index.type}-{len(index.params)}",
)
async def test_an_index_comes_and_goes(store: Stores, index: Index) -> None:
    name = await store.collection()
    await store.admin.create_index(name, index)
    await store.admin.create_index(name, index)
    found = await store.admin.describe(name)
    assert found is not None
    assert list(found.indexes) == [index.field]
    assert index.matches(found.indexes[index.field])
    await store.admin.drop_index(name, index.field)
    await store.admin.drop_index(name, index.field)
    found = await store.admin.describe(name)
    assert found is not None
    assert found.indexes == {}


async def test_another_index_takes_the_place_of_one(store: Stores) -> None:
    name = await store.collection()
    await store.admin.create_index(name, Index("a", "Integer"))
    await store.admin.create_index(name, Index("a", "Keyword", (("onDisk", True),)))
    found = await store.admin.describe(name)
    assert found is not None
    assert found.indexes["a"].type == "Keyword"
    assert Index("a", "Keyword", (("onDisk", True),)).matches(found.indexes["a"])


@pytest.mark.parametrize(
    "index",
    [Index("a", "Nonsense"), Index("a b", "Keyword"), Index("a", "Float", (("lookup", True),))],
)
async def test_refuses_an_index_that_makes_no_sense(store: Stores, index: Index) -> None:
    name = await store.collection()
    with pytest.raises(StoreRejected):
        await store.admin.create_index(name, index)


async def test_a_vector_is_added(store: Stores) -> None:
    if Capability.ADD_VECTORS not in (await store.admin.info()).capabilities:
        pytest.skip("this engine cannot add vectors")
    from vectorplane.ports.vectors import Point, Search

    name = await store.collection(
        {("vectors", "first", "size"): 2, ("vectors", "first", "distance"): "Dot"}
    )
    await store.points.upsert(name, [Point(1, {"first": [1, 2]}, {"a": 1})])
    dense = {
        ("vectors", "second", "size"): 3,
        ("vectors", "second", "distance"): "Cosine",
        ("vectors", "second", "onDisk"): True,
        ("vectors", "second", "hnsw", "m"): 10,
    }
    sparse = {("sparseVectors", "third", "modifier"): "Idf"}
    for _ in range(2):
        await store.admin.add_vector(name, "second", dense)
        await store.admin.add_vector(name, "third", sparse)
    found = await store.admin.describe(name)
    assert found is not None
    assert (dense | sparse).items() <= found.settings.items()
    await store.points.upsert(
        name,
        [Point(2, {"second": [1, 0, 0], "third": {"indices": [7], "values": [1.0]}}, {"a": 2})],
    )
    hits = await store.points.search(
        name,
        [
            Search([1, 1], 5, using="first"),
            Search([1, 0, 0], 5, using="second"),
            Search({"indices": [7], "values": [1.0]}, 5, using="third"),
        ],
    )
    assert [[hit.id for hit in found] for found in hits] == [[1], [2], [2]]


async def test_aliases_move_and_go(store: Stores) -> None:
    one, two = await store.collection(), await store.collection()
    a, b = f"{one}-a", f"{one}-b"
    await store.admin.change_aliases({a: one, b: one}, frozenset())
    await store.admin.change_aliases({a: one, b: one}, frozenset())
    aliases = (await store.admin.listing()).aliases
    assert (aliases[a], aliases[b]) == (one, one)
    await store.admin.change_aliases({a: two}, frozenset({b, "never-there"}))
    aliases = (await store.admin.listing()).aliases
    assert aliases[a] == two
    assert b not in aliases
    await store.admin.drop(two)
    assert a not in (await store.admin.listing()).aliases


async def test_aliases_move_all_or_none(store: Stores) -> None:
    one, two = await store.collection(), await store.collection()
    a, b = f"{one}-a", f"{one}-b"
    await store.admin.change_aliases({a: one}, frozenset())
    with pytest.raises(CallerError):
        await store.admin.change_aliases({a: two, b: "nothing_1"}, frozenset())
    with pytest.raises(CallerError):
        await store.admin.change_aliases({b: two, one: two}, frozenset({a}))
    aliases = (await store.admin.listing()).aliases
    assert aliases[a] == one
    assert b not in aliases


async def test_a_name_that_needs_quoting(store: Stores) -> None:
    name = f"{store.name()} ä%2F#&"
    store.made.append(name)
    await store.admin.create(name, COSINE, OWNED)
    found = await store.admin.describe(name)
    assert found is not None
    assert found.record == OWNED
    await store.admin.create_index(name, Index('"a b".c', "Keyword"))
    found = await store.admin.describe(name)
    assert found is not None
    assert list(found.indexes) == ['"a b".c']
    await store.admin.drop_index(name, '"a b".c')
    await store.admin.drop(name)
    assert await store.admin.describe(name) is None


def test_errors_are_all_ours() -> None:
    assert issubclass(StoreRejected, VectorplaneError)
