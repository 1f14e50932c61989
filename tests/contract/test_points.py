"""`VectorPoints`: what every store does with points, apart from searching them."""

from __future__ import annotations

import uuid

import pytest

from support.stores import COSINE, Stores
from vectorplane.errors import InvalidInput, NotFound
from vectorplane.ports.vectors import Found, Point, PointId

pytestmark = pytest.mark.anyio

DOT = {("vectors", "", "size"): 2, ("vectors", "", "distance"): "Dot"}
UUID = "67e55044-10b1-426f-9247-bb680e5fe0c8"


async def everything(store: Stores, name: str, limit: int = 3) -> list[Found]:
    """All points, a page at a time."""
    found: list[Found] = []
    offset: PointId | None = None
    while True:
        page = await store.points.scroll(name, limit=limit, offset=offset)
        found += page.points
        if page.next is None:
            return found
        offset = page.next


async def test_points_come_back_as_they_went(store: Stores) -> None:
    name = await store.collection(DOT)
    payload = {
        "text": "snow ☃ \n",
        "number": 3,
        "float": 0.5,
        "yes": True,
        "nothing": None,
        "list": [1, "two", {"three": 3}, []],
        "object": {"a.b": {"c": 1}},
        "big": 2**53 + 1,
        "negative": -(2**63),
    }
    await store.points.upsert(name, [Point(7, [1, -2.5], payload), Point(UUID, [0.25, 3])])
    found = await store.points.retrieve(name, [UUID, 7], vectors=True)
    assert found == [
        Found(UUID, {}, [0.25, 3.0]),
        Found(7, payload, [1.0, -2.5]),
    ]
    assert all(point.score is None for point in found)


async def test_an_upsert_replaces_a_point_whole(store: Stores) -> None:
    name = await store.collection(DOT)
    await store.points.upsert(name, [Point(1, [1, 1], {"a": 1, "b": 1})])
    await store.points.upsert(name, [Point(1, [2, 2], {"b": 2})])
    assert await store.points.retrieve(name, [1], vectors=True) == [Found(1, {"b": 2}, [2.0, 2.0])]
    assert await store.points.count(name) == 1


async def test_of_two_points_with_one_id_the_last_counts(store: Stores) -> None:
    name = await store.collection(DOT)
    spellings = [UUID, UUID.upper(), UUID.replace("-", ""), f"urn:uuid:{UUID}", f"{{{UUID}}}"]
    points = [Point(s, [i, 0], {"i": i}) for i, s in enumerate(spellings)]
    await store.points.upsert(
        name, [*points, Point(5, [1, 1], {"n": 1}), Point(5, [2, 2], {"n": 2})]
    )
    assert await everything(store, name) == [Found(5, {"n": 2}), Found(UUID, {"i": 4})]
    for spelling in spellings:
        assert [p.id for p in await store.points.retrieve(name, [spelling])] == [UUID]


async def test_nothing_is_a_fine_batch(store: Stores) -> None:
    name = await store.collection(DOT)
    await store.points.upsert(name, [])
    await store.points.delete(name, ids=[])
    assert await store.points.retrieve(name, []) == []
    assert await store.points.search(name, []) == []
    assert await everything(store, name) == []


async def test_retrieve_keeps_the_order_and_leaves_out_what_is_not_there(store: Stores) -> None:
    name = await store.collection(DOT)
    await store.points.upsert(name, [Point(i, [i, 0]) for i in range(5)])
    found = await store.points.retrieve(name, [4, 99, 0, UUID, 2, 4])
    assert [point.id for point in found] == [4, 0, 2]


async def test_scroll_goes_by_id_integers_first(store: Stores) -> None:
    name = await store.collection(DOT)
    uuids = sorted(str(uuid.UUID(int=i * 7919 << 96)) for i in range(1, 6))
    ids: list[PointId] = [2**64 - 1, *reversed(uuids), 3, 0, 2**63, 12]
    await store.points.upsert(name, [Point(i, [1, 1]) for i in ids])
    want = [0, 3, 12, 2**63, 2**64 - 1, *uuids]
    for limit in (1, 2, 3, 10, 100):
        assert [p.id for p in await everything(store, name, limit)] == want
    page = await store.points.scroll(name, limit=2, offset=12)
    assert ([p.id for p in page.points], page.next) == ([12, 2**63], 2**64 - 1)
    page = await store.points.scroll(name, limit=2, offset=13)
    assert [p.id for p in page.points] == [2**63, 2**64 - 1]
    page = await store.points.scroll(name, limit=10, offset=uuids[-1])
    assert ([p.id for p in page.points], page.next) == ([uuids[-1]], None)


async def test_scroll_takes_a_filter(store: Stores) -> None:
    name = await store.collection(DOT)
    await store.points.upsert(name, [Point(i, [1, 1], {"even": i % 2 == 0}) for i in range(10)])
    flt = {"must": [{"key": "even", "match": {"value": True}}]}
    page = await store.points.scroll(name, filter=flt, limit=3)
    assert ([p.id for p in page.points], page.next) == ([0, 2, 4], 6)
    page = await store.points.scroll(name, filter=flt, limit=3, offset=6)
    assert ([p.id for p in page.points], page.next) == ([6, 8], None)


async def test_gives_back_the_fields_asked_for(store: Stores) -> None:
    name = await store.collection(DOT)
    payload = {"a": 1, "b": {"c": 2, "d": 3}, "e": [{"f": 4, "g": 5}, {"f": 6}], "h": None}
    await store.points.upsert(name, [Point(1, [1, 1], payload)])

    async def fields(*wanted: str) -> object:
        [retrieved] = await store.points.retrieve(name, [1], payload=wanted)
        [scrolled] = (await store.points.scroll(name, payload=wanted)).points
        assert retrieved == scrolled
        return retrieved.payload

    assert await fields("a") == {"a": 1}
    assert await fields("a", "b.c") == {"a": 1, "b": {"c": 2}}
    assert await fields("e[].f") == {"e": [{"f": 4}, {"f": 6}]}
    assert await fields("h", "nowhere") == {"h": None}
    assert await fields() in ({}, None)
    [bare] = await store.points.retrieve(name, [1], payload=False)
    assert bare == Found(1)


async def test_named_sparse_and_multi_vectors(store: Stores) -> None:
    name = await store.collection(
        {
            ("vectors", "", "size"): 2,
            ("vectors", "", "distance"): "Dot",
            ("vectors", "image", "size"): 3,
            ("vectors", "image", "distance"): "Euclid",
            ("vectors", "late", "size"): 2,
            ("vectors", "late", "distance"): "Dot",
            ("vectors", "late", "multivector"): "MaxSim",
            ("sparseVectors", "text", "modifier"): "None",
        }
    )
    full = {
        "": [1.0, 2.0],
        "image": [1.0, 2.0, 3.0],
        "late": [[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]],
        "text": {"indices": [7, 2, 4_000_000_000], "values": [0.5, 1.5, -1.0]},
    }
    await store.points.upsert(
        name, [Point(1, full), Point(2, [3, 4]), Point(3, {"image": [0, 0, 1]}), Point(4, {})]
    )
    found = {p.id: p.vector for p in await store.points.retrieve(name, [1, 2, 3, 4], vectors=True)}
    text = found[1].pop("text")
    assert found[1] == {k: v for k, v in full.items() if k != "text"}
    assert dict(zip(text["indices"], text["values"], strict=True)) == {
        7: 0.5,
        2: 1.5,
        4_000_000_000: -1.0,
    }
    assert found[2] == [3.0, 4.0]
    assert found[3] == {"image": [0.0, 0.0, 1.0]}
    assert found[4] == {}
    [some] = await store.points.retrieve(name, [1], vectors=["image", "late"])
    assert some.vector == {"image": full["image"], "late": full["late"]}
    [one] = await store.points.retrieve(name, [1], vectors=[""])
    assert one.vector == [1.0, 2.0]
    flt = {"must": [{"has_vector": "image"}]}
    assert await store.points.count(name, filter=flt) == 2


async def test_cosine_keeps_unit_vectors(store: Stores) -> None:
    name = await store.collection(COSINE)
    await store.points.upsert(name, [Point(1, [3, 0, 4, 0]), Point(2, [0, 0, 0, 0])])
    one, two = await store.points.retrieve(name, [1, 2], vectors=True)
    assert one.vector == pytest.approx([0.6, 0, 0.8, 0], abs=1e-6)
    assert two.vector == [0, 0, 0, 0]


async def test_delete_by_ids_and_by_filter(store: Stores) -> None:
    name = await store.collection(DOT)
    await store.points.upsert(name, [Point(i, [1, 1], {"g": i % 3}) for i in range(9)])
    await store.points.delete(name, ids=[0, 1, 99, UUID.upper()])
    await store.points.delete(name, ids=[0, 1, 99])
    assert await store.points.count(name) == 7
    await store.points.delete(name, filter={"must": [{"key": "g", "match": {"value": 2}}]})
    assert [p.id for p in await everything(store, name)] == [3, 4, 6, 7]
    await store.points.delete(name, filter={})
    assert await store.points.count(name) == 0
    found = await store.admin.describe(name)
    assert found is not None
    assert found.points == 0


async def test_delete_needs_ids_or_a_filter(store: Stores) -> None:
    name = await store.collection(DOT)
    await store.points.upsert(name, [Point(1, [1, 1])])
    with pytest.raises(InvalidInput):
        await store.points.delete(name)
    with pytest.raises(InvalidInput):
        await store.points.delete(name, ids=[1], filter={})
    assert await store.points.count(name) == 1


async def test_count(store: Stores) -> None:
    name = await store.collection(DOT)
    await store.points.upsert(name, [Point(i, [1, 1], {"i": i}) for i in range(20)])
    assert await store.points.count(name) == 20
    flt = {"must": [{"key": "i", "range": {"gte": 5, "lt": 8}}]}
    assert await store.points.count(name, filter=flt) == 3
    assert await store.points.count(name, filter=flt, exact=False) >= 0
    found = await store.admin.describe(name)
    assert found is not None
    assert found.points == 20


async def test_clients_use_aliases(store: Stores) -> None:
    one, two = await store.collection(DOT), await store.collection(DOT)
    alias = f"{one}-alias"
    await store.admin.change_aliases({alias: one}, frozenset())
    await store.points.upsert(alias, [Point(1, [1, 1])])
    assert await store.points.count(one) == 1
    assert (await store.points.resolve(alias)).name == one
    assert (await store.points.resolve(one)).name == one
    names = await store.points.names()
    assert (names[alias], names[one], names[two]) == (one, one, two)
    await store.admin.change_aliases({alias: two}, frozenset())
    assert await store.points.count(alias) == 0
    assert (await store.points.resolve(alias)).name == two
    await store.admin.change_aliases({}, frozenset({alias}))
    with pytest.raises(NotFound):
        await store.points.count(alias)
    with pytest.raises(NotFound):
        await store.points.resolve(alias)


async def test_an_alias_may_move_to_other_vectors(store: Stores) -> None:
    one, two = await store.collection(DOT), await store.collection(COSINE)
    alias = f"{one}-alias"
    await store.admin.change_aliases({alias: one}, frozenset())
    await store.points.upsert(alias, [Point(1, [1, 1])])
    await store.admin.change_aliases({alias: two}, frozenset())
    await store.points.upsert(alias, [Point(1, [1, 1, 1, 1])])
    assert await store.points.count(two) == 1


async def test_an_unknown_collection_is_not_found(store: Stores) -> None:
    from vectorplane.ports.vectors import Search

    for call in (
        store.points.resolve("nowhere"),
        store.points.upsert("nowhere", [Point(1, [1.0])]),
        store.points.retrieve("nowhere", [1]),
        store.points.scroll("nowhere"),
        store.points.delete("nowhere", ids=[1]),
        store.points.count("nowhere"),
        store.points.search("nowhere", [Search([1.0], 1)]),
    ):
        with pytest.raises(NotFound, match="nowhere"):
            await call


async def test_a_dropped_collection_is_not_found(store: Stores) -> None:
    name = await store.collection(DOT)
    await store.points.upsert(name, [Point(1, [1, 1])])
    await store.admin.drop(name)
    with pytest.raises(NotFound):
        await store.points.upsert(name, [Point(1, [1, 1])])
    await store.admin.create(name, DOT, _nobody())
    assert await store.points.count(name) == 0
    await store.points.upsert(name, [Point(2, [1, 1])])
    assert await store.points.count(name) == 1


def _nobody() -> object:
    from vectorplane.domain.model import Record

    return Record(owner=None)
