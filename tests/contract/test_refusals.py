"""What bad input gets, on every engine: `InvalidInput` with a place, and nothing written."""

from __future__ import annotations

import math
from typing import Any

import pytest

from support.stores import Stores
from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import Point, Search

pytestmark = pytest.mark.anyio

SETTINGS = {
    ("vectors", "", "size"): 2,
    ("vectors", "", "distance"): "Dot",
    ("vectors", "image", "size"): 3,
    ("vectors", "image", "distance"): "Dot",
    ("vectors", "late", "size"): 2,
    ("vectors", "late", "distance"): "Dot",
    ("vectors", "late", "multivector"): "MaxSim",
    ("sparseVectors", "text", "modifier"): "None",
}
POINTS: list[tuple[Any, str]] = [
    (Point(-1, [1, 1]), "points[1].id"),
    (Point(2**64, [1, 1]), "points[1].id"),
    (Point("no-uuid", [1, 1]), "points[1].id"),
    (Point("5", [1, 1]), "points[1].id"),
    (Point(True, [1, 1]), "points[1].id"),
    (Point(1.5, [1, 1]), "points[1].id"),  # type: ignore[arg-type]
    (Point(2, [1, 1, 1]), "points[1].vector"),
    (Point(2, [1]), "points[1].vector"),
    (Point(2, []), "points[1].vector"),
    (Point(2, [math.nan, 1]), "points[1].vector[0]"),
    (Point(2, [1, math.inf]), "points[1].vector[1]"),
    (Point(2, [1, 1e39]), "points[1].vector[1]"),
    (Point(2, [1, 10**400]), "points[1].vector[1]"),
    (Point(2, [1, "1"]), "points[1].vector[1]"),  # type: ignore[list-item]
    (Point(2, [1, True]), "points[1].vector[1]"),
    (Point(2, [1, None]), "points[1].vector[1]"),  # type: ignore[list-item]
    (Point(2, "vector"), "points[1].vector"),  # type: ignore[arg-type]
    (Point(2, None), "points[1].vector"),  # type: ignore[arg-type]
    (Point(2, {"image": [1, 2]}), "points[1].vector.image"),
    (Point(2, {"other": [1, 2]}), "points[1].vector.other"),
    (Point(2, {"late": [1, 2]}), "points[1].vector.late"),
    (Point(2, {"late": []}), "points[1].vector.late"),
    (Point(2, {"late": [[1, 2], [1]]}), "points[1].vector.late[1]"),
    (Point(2, {"text": [1, 2]}), "points[1].vector.text"),
    (Point(2, {"text": {"indices": [1], "values": [1, 2]}}), "points[1].vector.text"),
    (Point(2, {"text": {"indices": [1, 1], "values": [1, 2]}}), "points[1].vector.text.indices"),
    (Point(2, {"text": {"indices": [-1], "values": [1]}}), "points[1].vector.text.indices[0]"),
    (Point(2, {"text": {"indices": [2**32], "values": [1]}}), "points[1].vector.text.indices[0]"),
    (Point(2, {"text": {"indices": [1], "values": [math.nan]}}), "points[1].vector.text.values[0]"),
    (Point(2, [1, 1], {"a": math.nan}), "points[1].payload"),
    (Point(2, [1, 1], {"a": {1, 2}}), "points[1].payload"),
    (Point(2, [1, 1], {"a": "\ud800"}), "points[1].payload"),
    (Point(2, [1, 1], [1]), "points[1].payload"),  # type: ignore[arg-type]
]
SEARCHES: list[tuple[Search, str]] = [
    (Search([1, 1, 1], 1), "query"),
    (Search([], 1), "query"),
    (Search([1, math.nan], 1), "query[1]"),
    (Search([1, 1], 0), "limit"),
    (Search([1, 1], -1), "limit"),
    (Search([1, 1], 2**40), "limit"),
    (Search([1, 1], 1, offset=-1), "offset"),
    (Search([1, 1], 1, using="other"), "using"),
    (Search([1, 1], 1, using="text"), "query"),
    (Search({"indices": [], "values": []}, 1, using="text"), "query"),
    (Search([[1, 1], [1]], 1, using="late"), "query[1]"),
    (Search([1, 1], 1, score_threshold=math.nan), "score_threshold"),
    (Search([1, 1], 1, payload=["a["]), "payload[0]"),
    (Search([1, 1], 1, vectors=["other"]), "vectors[0]"),
    (Search([1, 1], 1, params={"nonsense": 1}), "params"),
    (Search([1, 1], 1, params={"hnsw_ef": "many"}), "params.hnsw_ef"),
    (
        Search([1, 1], 1, params={"quantization": {"oversampling": 0.5}}),
        "params.quantization.oversampling",
    ),
    (Search([1, 1], 1, filter={"nonsense": []}), "filter"),
    (Search([1, 1], 1, filter={"must": [{"key": "a"}]}), "filter.must[0]"),
]
FILTERS: list[tuple[Any, str]] = [
    ([], "filter"),
    ("red", "filter"),
    ({"must": "red"}, "filter.must"),
    ({"must": [{}]}, "filter.must[0]"),
    ({"must": [3]}, "filter.must[0]"),
    ({"must": [{"key": "a", "match": {"value": 1}}, {"key": "b"}]}, "filter.must[1]"),
    ({"must": [{"key": "a[", "match": {"value": 1}}]}, "filter.must[0].key"),
    ({"must": [{"key": "", "match": {"value": 1}}]}, "filter.must[0].key"),
    ({"must": [{"key": 3, "match": {"value": 1}}]}, "filter.must[0].key"),
    ({"must": [{"key": "a", "match": {}}]}, "filter.must[0].match"),
    ({"must": [{"key": "a", "match": {"like": "x"}}]}, "filter.must[0].match"),
    ({"must": [{"key": "a", "match": {"value": 1, "text": "x"}}]}, "filter.must[0].match"),
    ({"must": [{"key": "a", "match": {"value": 1.5}}]}, "filter.must[0].match.value"),
    ({"must": [{"key": "a", "match": {"value": 2**63}}]}, "filter.must[0].match.value"),
    ({"must": [{"key": "a", "match": {"value": [1]}}]}, "filter.must[0].match.value"),
    ({"must": [{"key": "a", "match": {"any": [1, "x"]}}]}, "filter.must[0].match.any"),
    ({"must": [{"key": "a", "match": {"any": "x"}}]}, "filter.must[0].match.any"),
    ({"must": [{"key": "a", "match": {"text": 1}}]}, "filter.must[0].match.text"),
    ({"must": [{"key": "a", "range": {}}]}, "filter.must[0].range"),
    ({"must": [{"key": "a", "range": {"above": 1}}]}, "filter.must[0].range"),
    ({"must": [{"key": "a", "range": {"gte": "soon"}}]}, "filter.must[0].range.gte"),
    ({"must": [{"key": "a", "range": {"gte": "2026-13-01"}}]}, "filter.must[0].range.gte"),
    ({"must": [{"key": "a", "range": {"gte": 1, "lt": "2026-01-01"}}]}, "filter.must[0].range.lt"),
    ({"must": [{"key": "a", "range": {"gte": math.nan}}]}, "filter.must[0].range.gte"),
    ({"must": [{"key": "a", "range": {"gte": True}}]}, "filter.must[0].range.gte"),
    (
        {"must": [{"key": "a", "range": {"gte": 1}, "match": {"value": 1}}]},
        "filter.must[0]",
    ),
    ({"must": [{"key": "a", "values_count": {"gte": -1}}]}, "filter.must[0].values_count.gte"),
    ({"must": [{"key": "a", "values_count": {}}]}, "filter.must[0].values_count"),
    ({"must": [{"key": "a", "is_empty": "yes"}]}, "filter.must[0].is_empty"),
    ({"must": [{"is_empty": "a"}]}, "filter.must[0].is_empty"),
    ({"must": [{"is_null": {"key": ""}}]}, "filter.must[0].is_null.key"),
    ({"must": [{"has_id": 1}]}, "filter.must[0].has_id"),
    ({"must": [{"has_id": [1, "x"]}]}, "filter.must[0].has_id[1]"),
    ({"must": [{"has_vector": 1}]}, "filter.must[0].has_vector"),
    ({"must": [{"nested": {"key": "a"}}]}, "filter.must[0].nested.filter"),
    (
        {"must": [{"nested": {"key": "a", "filter": {"must": [{"has_id": [1]}]}}}]},
        "filter.must[0].nested.filter.must[0]",
    ),
    ({"should": [{"must": [{"key": "a"}]}]}, "filter.should[0].must[0]"),
    ({"min_should": {"conditions": [], "min_count": 1}}, "filter.min_should.conditions"),
    (
        {"min_should": {"conditions": [{"has_id": [1]}], "min_count": 0}},
        "filter.min_should.min_count",
    ),
    (
        {"must": [{"key": "a", "geo_radius": {"center": {"lon": 1}, "radius": 1}}]},
        "filter.must[0].geo_radius.center.lat",
    ),
    (
        {"must": [{"key": "a", "geo_radius": {"center": {"lon": 200, "lat": 0}, "radius": 1}}]},
        "filter.must[0].geo_radius.center",
    ),
    (
        {"must": [{"key": "a", "geo_polygon": {"exterior": {"points": []}}}]},
        "filter.must[0].geo_polygon.exterior",
    ),
    ({"must": [{"key": "a", "match": {"value": 1}, "boost": 2}]}, "filter.must[0]"),
]


def deep(levels: int) -> dict[str, Any]:
    flt: dict[str, Any] = {"must": [{"has_id": [1]}]}
    for _ in range(levels):
        flt = {"must": [flt]}
    return flt


async def test_bad_points_are_refused_whole(store: Stores) -> None:
    name = await store.collection(SETTINGS)
    await store.points.upsert(name, [Point(9, [9, 9], {"kept": True})])
    for bad, place in POINTS:
        batch = [Point(1, [1, 1]), bad, Point(9, [0, 0])]
        with pytest.raises(InvalidInput) as refused:
            await store.points.upsert(name, batch)
        assert refused.value.place == place, bad
        assert refused.value.message
    assert await store.points.count(name) == 1
    [kept] = await store.points.retrieve(name, [9], vectors=True)
    assert (kept.payload, kept.vector) == ({"kept": True}, [9.0, 9.0])


async def test_bad_searches_say_where(store: Stores) -> None:
    name = await store.collection(SETTINGS)
    for bad, place in SEARCHES:
        with pytest.raises(InvalidInput) as refused:
            await store.points.search(name, [Search([1, 1], 1), bad])
        assert refused.value.place == f"searches[1].{place}", bad


async def test_bad_filters_say_where(store: Stores) -> None:
    name = await store.collection(SETTINGS)
    await store.points.upsert(name, [Point(1, [1, 1])])
    for bad, place in [*FILTERS, (deep(30), None)]:
        for call in (
            store.points.count(name, filter=bad),
            store.points.scroll(name, filter=bad),
            store.points.delete(name, filter=bad),
        ):
            with pytest.raises(InvalidInput) as refused:
                await call
            if place is not None:
                assert refused.value.place == place, bad
    assert await store.points.count(name) == 1
    assert await store.points.count(name, filter=deep(20)) == 1


async def test_bad_ids_and_pages_say_where(store: Stores) -> None:
    name = await store.collection(SETTINGS)
    for call, place in (
        (store.points.retrieve(name, [1, "x"]), "ids[1]"),
        (store.points.delete(name, ids=[-1]), "ids[0]"),
        (store.points.scroll(name, offset="x"), "offset"),
        (store.points.scroll(name, limit=0), "limit"),
        (store.points.scroll(name, payload=["a", ""]), "payload[1]"),
        (store.points.scroll(name, vectors=["other"]), "vectors[0]"),
        (store.points.retrieve(name, [1], vectors=["other"]), "vectors[0]"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await call
        assert refused.value.place == place


async def test_a_search_needs_a_name_where_there_is_no_unnamed_vector(store: Stores) -> None:
    name = await store.collection({("sparseVectors", "text", "modifier"): "None"})
    with pytest.raises(InvalidInput) as refused:
        await store.points.search(name, [Search([1, 1], 1)])
    assert refused.value.place == "searches[0].using"
    assert "text" in refused.value.message
    with pytest.raises(InvalidInput) as refused:
        await store.points.upsert(name, [Point(1, [1, 1])])
    assert refused.value.place == "points[0].vector"
