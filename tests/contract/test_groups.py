"""`VectorPoints.groups` and `facet`: results and counts by the values of a field."""

from __future__ import annotations

from typing import Any

import pytest

from support.stores import Stores
from vectorplane.domain.model import Index, Settings
from vectorplane.errors import InvalidInput, NotFound
from vectorplane.ports.vectors import (
    ById,
    Fusion,
    FusionMethod,
    Group,
    PayloadChange,
    Point,
    Prefetch,
    Recommend,
    Search,
    Strategy,
)

pytestmark = pytest.mark.anyio

SETTINGS: Settings = {
    ("vectors", "", "size"): 2,
    ("vectors", "", "distance"): "Dot",
    ("vectors", "far", "size"): 2,
    ("vectors", "far", "distance"): "Euclid",
}
KEYS: dict[int, Any] = {
    12: "a",
    11: ["a", "b"],
    10: "a",
    9: 7,
    8: ["b", "b"],
    7: None,
    6: [],
    5: 1.5,
    4: ["c", 2.5],
    3: ["c", 7],
    2: True,
    1: "d",
    0: "a",
}


async def filled(store: Stores) -> str:
    name = await store.collection(SETTINGS)
    points = [
        Point(i, {"": [float(i), 0.0], "far": [float(i), 0.0]}, {"key": key, "n": {"i": i}})
        for i, key in KEYS.items()
    ]
    await store.points.upsert(name, [*points, Point(13, [13.0, 0.0])])
    return name


def shape(groups: list[Group]) -> list[tuple[Any, list[Any]]]:
    return [(group.key, [hit.id for hit in group.hits]) for group in groups]


ALL: list[tuple[Any, list[int]]] = [
    ("a", [12, 11, 10, 0]),
    ("b", [11, 8]),
    (7, [9, 3]),
    ("c", [3]),
    ("d", [1]),
]


async def test_the_best_groups_and_the_best_of_each(store: Stores) -> None:
    name = await filled(store)
    query = [1.0, 0.0]
    for limit in (1, 2, 3, 4, 5, 9):
        for size in (1, 2, 3, 9):
            found = await store.points.groups(name, Search(query, limit), "key", size)
            want = [(key, ids[:size]) for key, ids in ALL[:limit]]
            assert shape(found) == want, (limit, size)
    [group] = await store.points.groups(
        name, Search(query, 1, payload=["n.i"], vectors=["far"]), "key", 1
    )
    assert [(h.payload, h.vector, h.score) for h in group.hits] == [
        ({"n": {"i": 12}}, {"far": [12.0, 0.0]}, 12.0)
    ]
    [group] = await store.points.groups(name, Search(query, 1, payload=False), "key", 1)
    assert (group.hits[0].payload, group.hits[0].vector) == (None, None)


async def test_groups_of_nearest_first(store: Stores) -> None:
    name = await filled(store)
    found = await store.points.groups(name, Search([0.0, 0.0], 2, using="far"), "key", 2)
    assert shape(found) == [("a", [0, 10]), ("d", [1])]
    found = await store.points.groups(
        name, Search([0.0, 0.0], 3, using="far", score_threshold=2.5), "key", 2
    )
    assert shape(found) == [("a", [0]), ("d", [1])]


async def test_groups_of_every_kind_of_search(store: Stores) -> None:
    name = await filled(store)
    found = await store.points.groups(name, Search(ById(10), 2), "key", 3)
    assert shape(found) == [("a", [12, 11, 0]), ("b", [11, 8])]
    flt = {"must_not": [{"key": "key", "match": {"value": "a"}}]}
    found = await store.points.groups(name, Search([1.0, 0.0], 2, filter=flt), "key", 3)
    assert shape(found) == [(7, [9, 3]), ("b", [8])]
    like = Recommend([ById(1)], [ById(0)], Strategy.SUM_SCORES)
    found = await store.points.groups(name, Search(like, 1), "key", 2)
    assert shape(found) == [("a", [12, 11])]
    # One group alone: Qdrant's server fills others by searches that rank anew.
    prefetch = [Prefetch([1.0, 0.0], 20), Prefetch([2.0, 0.0], 20)]
    fused = Search(Fusion(FusionMethod.RRF), 1, prefetch=prefetch)
    found = await store.points.groups(name, fused, "key", 2)
    assert shape(found) == [("a", [12, 11])]
    assert found[0].hits[0].score == pytest.approx(1.0)
    over = Search([1.0, 0.0], 1, using="far", prefetch=[Prefetch([1.0, 0.0], 1)])
    found = await store.points.groups(name, over, "key", 2)
    if store.kind.startswith("server"):
        # How many of the first search Qdrant ranks anew is not the same each time (it asks again to
        # fill the groups): docs/architecture.md says so.
        assert shape(found) in ([("a", [11, 12])], [("b", [8, 11])])
    else:
        assert shape(found) == [("a", [11, 12])]


async def test_groups_by_a_path_into_a_payload(store: Stores) -> None:
    name = await filled(store)
    found = await store.points.groups(name, Search([1.0, 0.0], 2), "n.i", 3)
    assert shape(found) == [(12, [12]), (11, [11])]
    rows = [{"x": 1}, {"x": 2}]
    await store.points.upsert(name, [Point(50, [50.0, 0.0], {"rows": rows})])
    await store.points.upsert(name, [Point(51, [51.0, 0.0], {"rows": rows[1:]})])
    found = await store.points.groups(name, Search([1.0, 0.0], 9), "rows[].x", 3)
    assert shape(found) == [(2, [51, 50]), (1, [50])]
    found = await store.points.groups(name, Search([1.0, 0.0], 2), "key[]", 2)
    assert sorted(shape(found)) == [("a", [11]), ("b", [11, 8])]
    assert await store.points.groups(name, Search([1.0, 0.0], 9), "nowhere", 3) == []


async def test_many_groups_where_few_fill_a_page(store: Stores) -> None:
    """One large group stands before all others, so the first search shows little else."""
    name = await store.collection(SETTINGS)
    crowd = [Point(i, [1000.0 - i, 0.0], {"key": "crowd"}) for i in range(60)]
    rest = [Point(100 + i, [50.0 - i, 0.0], {"key": f"k{i // 3}"}) for i in range(30)]
    await store.points.upsert(name, crowd + rest)
    found = await store.points.groups(name, Search([1.0, 0.0], 4), "key", 3)
    assert shape(found) == [
        ("crowd", [0, 1, 2]),
        ("k0", [100, 101, 102]),
        ("k1", [103, 104, 105]),
        ("k2", [106, 107, 108]),
    ]


async def test_every_new_call_takes_an_alias(store: Stores) -> None:
    name = await filled(store)
    await store.admin.create_index(name, Index("key", "Keyword"))
    alias = f"{name}-alias"
    await store.admin.change_aliases({alias: name}, frozenset())
    [group] = await store.points.groups(alias, Search(ById(12), 1), "key", 2)
    assert group.key in ("a", "b")
    assert (await store.points.facet(alias, "key", exact=True))[0] == ("a", 4)
    await store.points.change_payload(alias, PayloadChange.SET, payload={"key": "z"}, ids=[0])
    assert (await store.points.facet(alias, "key", exact=True))[0] == ("a", 3)
    with pytest.raises(NotFound) as missing:
        await store.points.search(alias, [Search(ById(99), 2)])
    assert missing.value.place == "searches[0].query"


async def test_bad_groups_say_where(store: Stores) -> None:
    name = await filled(store)
    good = Search([1.0, 0.0], 2)
    bad: list[tuple[Search, Any, Any, str]] = [
        (good, "", 1, "by"),
        (good, 5, 1, "by"),
        (good, "a[", 1, "by"),
        (good, "key", 0, "size"),
        (good, "key", True, "size"),
        (Search([1.0], 2), "key", 1, "searches[0].query"),
        (Search([1.0, 0.0], 2, offset=1), "key", 1, "searches[0].offset"),
    ]
    for search, by, size, place in bad:
        with pytest.raises(InvalidInput) as refused:
            await store.points.groups(name, search, by, size)
        assert refused.value.place == place
    with pytest.raises(NotFound) as missing:
        await store.points.groups(name, Search(ById(99), 2), "key", 1)
    assert missing.value.place == "searches[0].query"
    with pytest.raises(NotFound, match="nowhere"):
        await store.points.groups("nowhere", good, "key", 1)


UUID = "67e55044-10b1-426f-9247-bb680e5fe0c8"
FACETS = [
    {"word": "red", "n": 1, "yes": True, "id": UUID},
    {"word": ["red", "blue", "red"], "n": [1, 2, 2], "yes": [True, False], "id": UUID.upper()},
    {"word": ["blue"], "n": -5, "yes": False, "id": "none"},
    {"word": "amber", "n": 1.5, "yes": 1, "id": 5},
    {"word": 1, "n": "1", "sub": [{"x": "p"}, {"x": "q"}]},
    {"word": None, "sub": [{"x": "q"}]},
    {},
]


async def test_facets(store: Stores) -> None:
    name = await store.collection(SETTINGS)
    for index in (
        Index("word", "Keyword"),
        Index("n", "Integer"),
        Index("yes", "Bool"),
        Index("id", "Uuid"),
        Index("sub[].x", "Keyword"),
    ):
        await store.admin.create_index(name, index)
    points = [Point(i, [1.0, 0.0], payload) for i, payload in enumerate(FACETS)]
    await store.points.upsert(name, points)

    async def facet(field: str, **rest: Any) -> list[Any]:
        return await store.points.facet(name, field, exact=True, **rest)

    assert await facet("word") == [("blue", 2), ("red", 2), ("amber", 1)]
    assert await facet("n") == [(1, 2), (-5, 1), (2, 1)]
    assert await facet("yes") == [(False, 2), (True, 2)]
    assert all(isinstance(value, bool) for value, _ in await facet("yes"))
    assert await facet("id") == [(UUID, 2)]
    assert await facet("sub[].x") == [("q", 2), ("p", 1)]
    assert await facet("word", limit=1) == [("blue", 2)]
    flt = {"must": [{"key": "yes", "match": {"value": True}}]}
    assert await facet("word", filter=flt) == [("red", 2), ("blue", 1)]
    assert await facet("word", filter={"must": [{"has_id": [6]}]}) == []
    assert await facet("word", filter={}) == await facet("word")
    about = await store.points.facet(name, "word")
    assert {value for value, _ in about} == {"blue", "red", "amber"}
    await store.points.delete(name, ids=[0])
    assert (await facet("word"))[0] == ("blue", 2)
    assert ("red", 1) in await facet("word")


async def test_facets_need_an_index_that_knows_values(store: Stores) -> None:
    name = await store.collection(SETTINGS)
    await store.admin.create_index(name, Index("price", "Float"))
    await store.admin.create_index(name, Index("n", "Integer"))
    await store.points.upsert(name, [Point(1, [1.0, 0.0], {"price": 1.5, "n": 1})])
    bad: list[tuple[dict[str, Any], str]] = [
        ({"field": "price"}, "field"),
        ({"field": "nowhere"}, "field"),
        ({"field": ""}, "field"),
        ({"field": 7}, "field"),
        ({"field": "n", "limit": 0}, "limit"),
        ({"field": "n", "filter": {"must": [{}]}}, "filter.must[0]"),
    ]
    for arguments, place in bad:
        with pytest.raises(InvalidInput) as refused:
            await store.points.facet(name, **arguments)
        assert refused.value.place == place
    with pytest.raises(NotFound, match="nowhere"):
        await store.points.facet("nowhere", "n")
