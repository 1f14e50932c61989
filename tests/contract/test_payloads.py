"""`VectorPoints.change_payload`: set, overwrite, delete and clear, by ids and by filter."""

from __future__ import annotations

import math
from typing import Any

import pytest

from support.stores import Stores
from vectorplane.domain.model import Index
from vectorplane.errors import InvalidInput, NotFound
from vectorplane.ports.vectors import Json, PayloadChange, Point

pytestmark = pytest.mark.anyio

DOT = {("vectors", "", "size"): 2, ("vectors", "", "distance"): "Dot"}
UUID = "67e55044-10b1-426f-9247-bb680e5fe0c8"
BEFORE: dict[Any, Json] = {
    1: {"a": 1, "b": {"c": 2, "d": [1, {"e": 3}]}, "rows": [{"x": 1, "y": 1}, {"x": 2}, 5]},
    2: {"a": 2},
    3: {},
    UUID: {"a": 1, "z": None},
}
SET, OVERWRITE = PayloadChange.SET, PayloadChange.OVERWRITE
DELETE, CLEAR = PayloadChange.DELETE, PayloadChange.CLEAR
A1 = {"must": [{"key": "a", "match": {"value": 1}}]}


async def filled(store: Stores) -> str:
    name = await store.collection(DOT)
    points = [Point(i, [1.0, 2.0], payload) for i, payload in BEFORE.items()]
    await store.points.upsert(name, points)
    return name


async def payloads(store: Stores, name: str) -> dict[Any, Json | None]:
    page = await store.points.scroll(name, limit=100, vectors=True)
    assert all(point.vector == [1.0, 2.0] for point in page.points)
    return {point.id: point.payload for point in page.points}


CASES: list[tuple[PayloadChange, dict[str, Any], dict[Any, Json]]] = [
    (
        SET,
        {"payload": {"a": 9, "n": {"m": 1}}, "ids": [1, 2]},
        {1: BEFORE[1] | {"a": 9, "n": {"m": 1}}, 2: {"a": 9, "n": {"m": 1}}},
    ),
    (SET, {"payload": {"b": {"q": 1}}, "ids": [1]}, {1: BEFORE[1] | {"b": {"q": 1}}}),
    (SET, {"payload": {"new": True}, "filter": A1}, {
        1: BEFORE[1] | {"new": True}, UUID: BEFORE[UUID] | {"new": True},
    }),
    (SET, {"payload": {"new": 1}, "filter": {}}, {i: p | {"new": 1} for i, p in BEFORE.items()}),
    # Null takes a field away.
    (SET, {"payload": {"a": None, "b": 1}, "ids": [2]}, {2: {"b": 1}}),
    (SET, {"payload": {}, "ids": [2]}, {}),
    (SET, {"payload": {"new": 1}, "ids": [2, 99, UUID.upper(), 2]}, {
        2: {"a": 2, "new": 1}, UUID: BEFORE[UUID] | {"new": 1},
    }),
    (SET, {"payload": {"new": 1}, "ids": [99]}, {}),
    (SET, {"payload": {"new": 1}, "ids": []}, {}),
    (SET, {"payload": {"q": 1}, "path": "b", "ids": [1, 2]}, {
        1: BEFORE[1] | {"b": BEFORE[1]["b"] | {"q": 1}}, 2: {"a": 2, "b": {"q": 1}},
    }),
    (SET, {"payload": {"q": 1}, "path": "n.m", "ids": [3]}, {3: {"n": {"m": {"q": 1}}}}),
    (SET, {"payload": {"q": 1}, "path": "a.m", "ids": [2]}, {2: {"a": {"m": {"q": 1}}}}),
    (SET, {"payload": {"q": 1}, "path": "rows[].w", "ids": [1]}, {
        1: BEFORE[1] | {
            "rows": [
                {"x": 1, "y": 1, "w": {"q": 1}}, {"x": 2, "w": {"q": 1}}, {"w": {"q": 1}},
            ]
        },
    }),
    (SET, {"payload": {"y": None, "q": 1}, "path": "rows[0]", "ids": [1]}, {
        1: BEFORE[1] | {"rows": [{"x": 1, "q": 1}, {"x": 2}, 5]},
    }),
    (SET, {"payload": {"q": 1}, "path": "a[0]", "ids": [2]}, {2: {"a": []}}),
    (OVERWRITE, {"payload": {"only": 1}, "ids": [1, 99]}, {1: {"only": 1}}),
    (OVERWRITE, {"payload": {"only": None}, "filter": A1}, {
        1: {"only": None}, UUID: {"only": None},
    }),
    (OVERWRITE, {"payload": {}, "ids": [1]}, {1: {}}),
    (DELETE, {"fields": ["a", "nowhere"], "ids": [1, 2, 3, 99]}, {
        1: {k: v for k, v in BEFORE[1].items() if k != "a"}, 2: {},
    }),
    (DELETE, {"fields": ["b.d[].e", "b.c", "rows[].x"], "filter": A1}, {
        1: BEFORE[1] | {"b": {"d": [1, {}]}, "rows": [{"y": 1}, {}, 5]},
    }),
    (DELETE, {"fields": ["rows[]"], "ids": [1]}, {1: BEFORE[1] | {"rows": []}}),
    (DELETE, {"fields": ["rows[0]"], "ids": [1]}, {}),
    (CLEAR, {"ids": [1, UUID, 99]}, {1: {}, UUID: {}}),
    (CLEAR, {"filter": A1}, {1: {}, UUID: {}}),
]  # fmt: skip


async def test_every_change(store: Stores) -> None:
    for change, arguments, after in CASES:
        name = await filled(store)
        await store.points.change_payload(name, change, **arguments)
        assert await payloads(store, name) == BEFORE | after, (change, arguments)


async def test_a_change_is_seen_by_filters_with_and_without_an_index(store: Stores) -> None:
    name = await filled(store)
    await store.admin.create_index(name, Index("a", "Integer"))
    await store.points.change_payload(name, SET, payload={"a": 7, "w": "x"}, ids=[2, 3])
    seven = {"must": [{"key": "a", "match": {"value": 7}}]}
    assert await store.points.count(name, filter=seven) == 2
    assert await store.points.facet(name, "a", exact=True) == [(1, 2), (7, 2)]
    word = {"must": [{"key": "w", "match": {"value": "x"}}]}
    await store.points.change_payload(name, DELETE, fields=["a"], filter=word)
    assert await store.points.count(name, filter=seven) == 0
    await store.points.change_payload(name, CLEAR, filter={}, wait=True)
    assert await store.points.count(name, filter=word) == 0
    assert await payloads(store, name) == dict.fromkeys(BEFORE, {})


async def test_bad_changes_say_where_and_change_nothing(store: Stores) -> None:
    name = await filled(store)
    one: dict[str, Any] = {"ids": [1]}
    bad: list[tuple[Any, dict[str, Any], str | None]] = [
        ("replace", one | {"payload": {}}, "change"),
        (SET, {"payload": {"x": 1}}, None),
        (SET, one | {"payload": {"x": 1}, "filter": {}}, None),
        (SET, one, "payload"),
        (SET, one | {"payload": [1]}, "payload"),
        (SET, one | {"payload": {"x": math.nan}}, "payload"),
        (SET, {"payload": {"x": 1}, "ids": [1, "x"]}, "ids[1]"),
        (SET, {"payload": {"x": 1}, "filter": {"must": [{}]}}, "filter.must[0]"),
        (SET, one | {"payload": {"x": 1}, "path": ""}, "path"),
        (SET, one | {"payload": {"x": 1}, "path": "a["}, "path"),
        (SET, one | {"payload": {"x": 1}, "fields": ["a"]}, "fields"),
        (OVERWRITE, one, "payload"),
        (OVERWRITE, one | {"payload": {"x": 1}, "path": "a"}, "path"),
        (DELETE, one, "fields"),
        (DELETE, one | {"fields": ["a", "b["]}, "fields[1]"),
        (DELETE, one | {"fields": ["a"], "payload": {}}, "payload"),
        (DELETE, one | {"fields": ["a"], "path": "a"}, "path"),
        (CLEAR, one | {"fields": ["a"]}, "fields"),
        (CLEAR, one | {"payload": {}}, "payload"),
        (CLEAR, {}, None),
    ]
    for change, arguments, place in bad:
        with pytest.raises(InvalidInput) as refused:
            await store.points.change_payload(name, change, **arguments)
        assert refused.value.place == place, (change, arguments)
    assert await payloads(store, name) == BEFORE
    with pytest.raises(NotFound, match="nowhere"):
        await store.points.change_payload("nowhere", CLEAR, ids=[1])


async def test_a_change_waits_for_nobody_if_told_so(store: Stores) -> None:
    name = await filled(store)
    await store.points.change_payload(name, SET, payload={"w": 1}, ids=[1], wait=False)
    await store.points.change_payload(name, SET, payload={"v": 1}, ids=[1])
    [found] = await store.points.retrieve(name, [1])
    assert found.payload == BEFORE[1] | {"w": 1, "v": 1}
