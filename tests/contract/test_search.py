"""`VectorPoints.search`: every kind of query, with scores as Qdrant gives them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from support.stores import COSINE, Stores
from vectorplane.domain.model import Index
from vectorplane.ports.vectors import Found, Point, Search

pytestmark = pytest.mark.anyio

TIME = "2026-03-01T12:00:00Z"
PAYLOADS: dict[int, dict[str, Any]] = {
    1: {"color": "red", "n": 1, "tags": ["a", "b"], "at": {"lon": 13.4, "lat": 52.5}},
    2: {"color": "blue", "n": 2.5, "tags": [], "at": [{"lon": 2.35, "lat": 48.85}]},
    3: {"color": ["red", "green"], "n": -3, "tags": None, "day": TIME},
    4: {"n": 4, "sub": [{"x": 1, "y": 1}, {"x": 2, "y": 2}], "day": "2026-01-01"},
    5: {"color": "Red wine", "flag": True, "sub": [{"x": 1, "y": 2}]},
    6: {"color": None, "flag": False, "deep": {"er": {"s": ["p", {"q": 1}]}}},
    7: {},
}


def vector(angle: float) -> list[float]:
    return [math.cos(angle), math.sin(angle), 0.0, 0.0]


async def search(store: Stores, name: str, query: Search) -> list[Found]:
    [hits] = await store.points.search(name, [query])
    return hits


async def test_finds_the_nearest_first(store: Stores) -> None:
    name = await store.collection(COSINE)
    await store.points.upsert(name, [Point(i, vector(i / 10), {"i": i}) for i in range(10)])
    hits = await search(store, name, Search([2, 0, 0, 0], 3))
    assert [hit.id for hit in hits] == [0, 1, 2]
    assert [hit.score for hit in hits] == pytest.approx([1, math.cos(0.1), math.cos(0.2)], abs=1e-5)
    assert [hit.payload for hit in hits] == [{"i": 0}, {"i": 1}, {"i": 2}]
    assert all(hit.vector is None for hit in hits)
    hits = await search(store, name, Search([2, 0, 0, 0], 2, offset=3, payload=False, vectors=True))
    assert [hit.id for hit in hits] == [3, 4]
    assert hits[0].payload is None
    assert hits[0].vector == pytest.approx(vector(0.3), abs=1e-6)
    hits = await search(store, name, Search([1, 0, 0, 0], 5, score_threshold=math.cos(0.25)))
    assert [hit.id for hit in hits] == [0, 1, 2]
    hits = await search(store, name, Search([1, 0, 0, 0], 50, payload=["i", "nowhere"]))
    assert len(hits) == 10
    assert hits[9].payload == {"i": 9}


@pytest.mark.parametrize(
    ("distance", "scores"),
    [("Dot", [8, 2, 0]), ("Euclid", [1, math.sqrt(5), math.sqrt(8)]), ("Manhattan", [1, 3, 4])],
)
async def test_every_distance(store: Stores, distance: str, scores: list[float]) -> None:
    name = await store.collection(
        {("vectors", "", "size"): 2, ("vectors", "", "distance"): distance}
    )
    points = {"Dot": [[4, 0], [0, 1], [0, 0]], "Euclid": [[2, 1], [1, 4], [0, 0]]}
    points["Manhattan"] = [[2, 1], [1, 0], [0, 0]]
    await store.points.upsert(name, [Point(i, v) for i, v in enumerate(points[distance])])
    hits = await search(store, name, Search([2, 2], 10))
    assert [hit.id for hit in hits] == [0, 1, 2]
    assert [hit.score for hit in hits] == pytest.approx(scores, abs=1e-5)
    threshold = (scores[0] + scores[1]) / 2
    hits = await search(store, name, Search([2, 2], 10, score_threshold=threshold))
    assert [hit.id for hit in hits] == [0]


async def test_a_batch_answers_in_order(store: Stores) -> None:
    name = await store.collection(COSINE)
    await store.points.upsert(name, [Point(i, vector(i)) for i in range(6)])
    found = await store.points.search(
        name, [Search(vector(i), 1, payload=i % 2 == 0) for i in (4, 0, 5, 1)]
    )
    assert [[hit.id for hit in hits] for hits in found] == [[4], [0], [5], [1]]
    assert [hits[0].payload for hits in found] == [{}, {}, None, None]


async def test_named_vectors(store: Stores) -> None:
    name = await store.collection(
        {
            ("vectors", "a", "size"): 2,
            ("vectors", "a", "distance"): "Dot",
            ("vectors", "b", "size"): 3,
            ("vectors", "b", "distance"): "Dot",
        }
    )
    await store.points.upsert(
        name, [Point(1, {"a": [1, 0], "b": [0, 0, 1]}), Point(2, {"a": [2, 0]}), Point(3, {})]
    )
    hits = await search(store, name, Search([1, 0], 5, using="a", vectors=["b"]))
    assert [(hit.id, hit.vector) for hit in hits] == [(2, {}), (1, {"b": [0, 0, 1]})]
    hits = await search(store, name, Search([1, 1, 1], 5, using="b"))
    assert [hit.id for hit in hits] == [1]


async def test_sparse_vectors(store: Stores) -> None:
    name = await store.collection({("sparseVectors", "text", "modifier"): "None"})
    await store.points.upsert(
        name,
        [
            Point(1, {"text": {"indices": [1, 5], "values": [1.0, 2.0]}}),
            Point(2, {"text": {"indices": [5], "values": [1.0]}}),
            Point(3, {"text": {"indices": [9], "values": [9.0]}}),
            Point(4, {"text": {"indices": [], "values": []}}),
        ],
    )
    query = {"indices": [5, 1], "values": [2.0, 1.0]}
    hits = await search(store, name, Search(query, 10, using="text"))
    assert [(hit.id, hit.score) for hit in hits] == [(1, 5.0), (2, 2.0)]


async def test_sparse_vectors_weighted_by_rarity(store: Stores) -> None:
    name = await store.collection({("sparseVectors", "text", "modifier"): "Idf"})
    documents = {1: [1, 2], 2: [1], 3: [1, 3], 4: [3]}
    await store.points.upsert(
        name,
        [
            Point(i, {"text": {"indices": words, "values": [1.0] * len(words)}})
            for i, words in documents.items()
        ],
    )

    def idf(count: int) -> float:
        return math.log((4 - count + 0.5) / (count + 0.5) + 1)

    query = {"indices": [1, 2, 8], "values": [1.0, 1.0, 1.0]}
    hits = await search(store, name, Search(query, 10, using="text"))
    scores = {hit.id: hit.score for hit in hits}
    assert scores == pytest.approx({1: idf(3) + idf(1), 2: idf(3), 3: idf(3)}, abs=1e-5)
    assert hits[0].id == 1


async def test_multivectors(store: Stores) -> None:
    name = await store.collection(
        {
            ("vectors", "", "size"): 2,
            ("vectors", "", "distance"): "Dot",
            ("vectors", "", "multivector"): "MaxSim",
        }
    )
    await store.points.upsert(
        name, [Point(1, [[1, 0], [0, 1]]), Point(2, [[2, 2]]), Point(3, [[0, 3], [1, 1], [0, 0]])]
    )
    hits = await search(store, name, Search([[1, 0], [0, 1]], 5))
    assert [(hit.id, hit.score) for hit in hits][:2] == [(2, 4.0), (3, 4.0)] or [
        (hit.id, hit.score) for hit in hits
    ][:2] == [(3, 4.0), (2, 4.0)]
    assert (hits[2].id, hits[2].score) == (1, 2.0)
    hits = await search(store, name, Search([0, 1], 1))
    assert (hits[0].id, hits[0].score) == (3, 3.0)


FILTERS: dict[str, tuple[dict[str, Any], set[int]]] = {
    "nothing": ({}, {1, 2, 3, 4, 5, 6, 7}),
    "empty clauses": ({"must": [], "should": [], "must_not": []}, {1, 2, 3, 4, 5, 6, 7}),
    "value": ({"must": [{"key": "color", "match": {"value": "red"}}]}, {1, 3}),
    "one condition": ({"must": {"key": "color", "match": {"value": "red"}}}, {1, 3}),
    "integer": ({"must": [{"key": "n", "match": {"value": 4}}]}, {4}),
    "boolean": ({"must": [{"key": "flag", "match": {"value": True}}]}, {5}),
    "any": ({"must": [{"key": "color", "match": {"any": ["blue", "green"]}}]}, {2, 3}),
    "any integer": ({"must": [{"key": "n", "match": {"any": [1, 4, 9]}}]}, {1, 4}),
    "any of none": ({"must": [{"key": "n", "match": {"any": []}}]}, set()),
    "except": ({"must": [{"key": "color", "match": {"except": ["red"]}}]}, {2, 3, 5}),
    "text": ({"must": [{"key": "color", "match": {"text": "wine"}}]}, {5}),
    "text any": ({"must": [{"key": "color", "match": {"text_any": "wine blue"}}]}, {2, 5}),
    "phrase": ({"must": [{"key": "color", "match": {"phrase": "Red wine"}}]}, {5}),
    "range": ({"must": [{"key": "n", "range": {"gt": 1, "lte": 4}}]}, {2, 4}),
    "range below": ({"must": [{"key": "n", "range": {"lt": 1.0}}]}, {3}),
    "times": (
        {"must": [{"key": "day", "range": {"gte": "2026-01-01T00:00:00Z", "lt": TIME}}]},
        {4},
    ),
    "time with zone": (
        {"must": [{"key": "day", "range": {"gte": "2026-03-01T14:00:00+02:00"}}]},
        {3},
    ),
    "is empty": ({"must": [{"is_empty": {"key": "tags"}}]}, {2, 3, 4, 5, 6, 7}),
    "is not empty": ({"must_not": [{"is_empty": {"key": "tags"}}]}, {1}),
    "is null": ({"must": [{"is_null": {"key": "color"}}]}, {6}),
    "field is empty": ({"must": [{"key": "tags", "is_empty": True}]}, {2, 3, 4, 5, 6, 7}),
    "field is not empty": ({"must": [{"key": "tags", "is_empty": False}]}, {1}),
    "field is null": ({"must": [{"key": "color", "is_null": True}]}, {6}),
    "has id": ({"must": [{"has_id": [2, 6, 99]}]}, {2, 6}),
    "has vector": ({"must": [{"has_vector": ""}]}, {1, 2, 3, 4, 5, 6, 7}),
    "has no vector": ({"must": [{"has_vector": "other"}]}, set()),
    "values count": ({"must": [{"key": "tags", "values_count": {"gte": 1}}]}, {1}),
    "values count of one": (
        {"must": [{"key": "color", "values_count": {"lt": 2, "gt": 0}}]},
        {1, 2, 5},
    ),
    "values count of none": (
        {"must": [{"key": "tags", "values_count": {"lte": 1}}]},
        {2, 3, 4, 5, 6, 7},
    ),
    "not any values count": ({"must_not": [{"key": "tags", "values_count": {"gte": 0}}]}, set()),
    "nested": (
        {
            "must": [
                {
                    "nested": {
                        "key": "sub",
                        "filter": {
                            "must": [
                                {"key": "x", "match": {"value": 1}},
                                {"key": "y", "match": {"value": 2}},
                            ]
                        },
                    }
                }
            ]
        },
        {5},
    ),
    "across": (
        {
            "must": [
                {"key": "sub[].x", "match": {"value": 1}},
                {"key": "sub[].y", "match": {"value": 2}},
            ]
        },
        {4, 5},
    ),
    "index": ({"must": [{"key": "sub[1].x", "match": {"value": 2}}]}, {4}),
    "deep": ({"must": [{"key": "deep.er.s[].q", "match": {"value": 1}}]}, {6}),
    "radius": (
        {
            "must": [
                {"key": "at", "geo_radius": {"center": {"lon": 13, "lat": 52}, "radius": 90_000}}
            ]
        },
        {1},
    ),
    "box": (
        {
            "must": [
                {
                    "key": "at",
                    "geo_bounding_box": {
                        "top_left": {"lon": 2, "lat": 49},
                        "bottom_right": {"lon": 3, "lat": 48},
                    },
                }
            ]
        },
        {2},
    ),
    "polygon": (
        {
            "must": [
                {
                    "key": "at",
                    "geo_polygon": {
                        "exterior": {
                            "points": [
                                {"lon": 0, "lat": 45},
                                {"lon": 20, "lat": 45},
                                {"lon": 20, "lat": 55},
                                {"lon": 0, "lat": 55},
                                {"lon": 0, "lat": 45},
                            ]
                        },
                        "interiors": [
                            {
                                "points": [
                                    {"lon": 12, "lat": 51},
                                    {"lon": 15, "lat": 51},
                                    {"lon": 15, "lat": 53},
                                    {"lon": 12, "lat": 53},
                                    {"lon": 12, "lat": 51},
                                ]
                            }
                        ],
                    },
                }
            ]
        },
        {2},
    ),
    "should": (
        {
            "should": [
                {"key": "n", "match": {"value": 4}},
                {"key": "flag", "match": {"value": False}},
            ]
        },
        {4, 6},
    ),
    "min should": (
        {
            "min_should": {
                "conditions": [
                    {"key": "color", "match": {"value": "red"}},
                    {"key": "n", "range": {"gte": 0}},
                    {"has_id": [1, 2]},
                ],
                "min_count": 2,
            }
        },
        {1, 2},
    ),
    "must not": ({"must_not": [{"has_id": [1, 2, 3, 4]}]}, {5, 6, 7}),
    "filters within": (
        {
            "must": [
                {"should": [{"has_id": [1, 2, 3]}, {"has_id": [7]}]},
                {"must_not": [{"key": "color", "match": {"value": "blue"}}]},
            ]
        },
        {1, 3, 7},
    ),
}


@pytest.mark.parametrize("indexed", [False, True], ids=["plain", "indexed"])
async def test_filters(store: Stores, indexed: bool) -> None:
    name = await store.collection(COSINE)
    await store.points.upsert(name, [Point(i, vector(i / 9), p) for i, p in PAYLOADS.items()])
    if indexed:
        for index in (
            Index("color", "Keyword"),
            Index("n", "Float"),
            Index("flag", "Bool"),
            Index("day", "Datetime"),
            Index("at", "Geo"),
            Index("sub[].x", "Integer"),
        ):
            await store.admin.create_index(name, index)
    for case, (flt, want) in FILTERS.items():
        hits = await search(store, name, Search(vector(0), 50, filter=flt))
        assert {hit.id for hit in hits} == want, case
        assert [hit.id for hit in hits] == sorted(want), case
        assert await store.points.count(name, filter=flt) == len(want), case
        page = await store.points.scroll(name, filter=flt, limit=50)
        assert {point.id for point in page.points} == want, case


async def test_search_params(store: Stores) -> None:
    name = await store.collection(COSINE | {("quantization", "type"): "Scalar"})
    await store.points.upsert(name, [Point(i, vector(i / 10)) for i in range(10)])
    for params in (
        {"hnsw_ef": 64},
        {"exact": True},
        {"exact": False, "indexed_only": False, "hnsw_ef": None},
        {"quantization": {"ignore": False, "rescore": True, "oversampling": 2.0}},
        {"acorn": {"enable": True, "max_selectivity": 0.5}},
    ):
        hits = await search(store, name, Search(vector(0), 2, params=params))
        assert [hit.id for hit in hits] == [0, 1]
