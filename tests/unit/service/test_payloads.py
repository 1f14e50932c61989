"""Payload changes and facets over HTTP, over the store in memory and over the embedded engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.serving import PRODUCTS, READER, add_collection, place, serving
from support.stores import ADAPTERS
from vectorplane.domain.model import Index

pytestmark = pytest.mark.anyio

POINTS = [
    {"id": 1, "vector": [1, 0, 0, 0], "payload": {"kind": "cup", "size": {"w": 1, "h": 2}}},
    {"id": 2, "vector": [0, 1, 0, 0], "payload": {"kind": "pot", "price": 20}},
    {"id": 3, "vector": [0, 0, 1, 0], "payload": {"kind": "cup", "price": 9}},
]
CUPS = {"must": [{"key": "kind", "match": {"value": "cup"}}]}
PAYLOAD, FACET = f"{PRODUCTS}/points/payload", f"{PRODUCTS}/points/facet"


@pytest.fixture(params=["memory", "embedded"])
async def client(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    async with ADAPTERS[request.param](tmp_path, request) as stores:
        await add_collection(stores.admin, "shop.products")
        await stores.admin.create_index("shop.products_1", Index("kind", "Keyword"))
        async with serving(stores.points, max_batch_size=3, max_results_k=10) as client:
            assert (await client.put(f"{PRODUCTS}/points", json=POINTS)).status_code == 200
            yield client


async def payloads(client: httpx.AsyncClient) -> list[Any]:
    answer = await client.post(f"{PRODUCTS}/points/retrieve", json={"ids": [1, 2, 3]})
    return [point["payload"] for point in answer.json()["points"]]


SMALL = {"kind": "cup", "size": {"w": 1, "h": 2}}
POT = {"kind": "pot", "price": 20}
CUP = {"kind": "cup", "price": 9}


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (
            {"action": "set", "payload": {"price": 1}, "ids": [1, 77]},
            [{**SMALL, "price": 1}, POT, CUP],
        ),
        (
            {"action": "set", "payload": {"price": 1}, "filter": CUPS},
            [{**SMALL, "price": 1}, POT, {**CUP, "price": 1}],
        ),
        (
            {"action": "set", "payload": {"w": 5}, "path": "size", "ids": [1]},
            [{"kind": "cup", "size": {"w": 5, "h": 2}}, POT, CUP],
        ),
        ({"action": "overwrite", "payload": {"n": 1}, "ids": [2]}, [SMALL, {"n": 1}, CUP]),
        (
            {"action": "delete", "fields": ["price", "size.h"], "ids": [1, 2, 3]},
            [{"kind": "cup", "size": {"w": 1}}, {"kind": "pot"}, {"kind": "cup"}],
        ),
        ({"action": "clear", "filter": CUPS}, [{}, POT, {}]),
    ],
)
async def test_changes(client: httpx.AsyncClient, change: dict[str, Any], after: Any) -> None:
    for _ in range(2):
        headers = {"Idempotency-Key": "once"}
        answer = await client.post(PAYLOAD, json=change, headers=headers)
        assert answer.json() == {"status": "completed"}, answer.text
        if "filter" not in change or change["action"] != "clear":
            assert await payloads(client) == after
    answer = await client.post(PAYLOAD, json=change, params={"wait": "false"})
    assert answer.json() == {"status": "accepted"}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"ids": [1]}, "action"),
        ({"action": "merge", "ids": [1]}, "action"),
        ({"action": ["set"], "ids": [1]}, "action"),
        ([], "body"),
        ({"action": "set", "ids": [1]}, "payload"),
        ({"action": "set", "payload": [], "ids": [1]}, "payload"),
        ({"action": "set", "payload": {}}, "body"),
        ({"action": "set", "payload": {}, "ids": [1], "filter": CUPS}, "body"),
        ({"action": "set", "payload": {}, "filter": {}}, "filter"),
        ({"action": "set", "payload": {}, "ids": []}, "ids"),
        ({"action": "set", "payload": {}, "ids": [1, 2, 3, 4]}, "ids"),
        ({"action": "set", "payload": {}, "ids": [1, "x"]}, "ids[1]"),
        ({"action": "set", "payload": {}, "ids": [1], "path": "a..b"}, "path"),
        ({"action": "set", "payload": {}, "ids": [1], "fields": ["a"]}, "fields"),
        ({"action": "set", "payload": {}, "filter": {"must": [{"x": 1}]}}, "filter.must[0]"),
        ({"action": "overwrite", "payload": {}, "ids": [1], "path": "a"}, "path"),
        ({"action": "delete", "ids": [1]}, "fields"),
        ({"action": "delete", "ids": [1], "fields": []}, "fields"),
        ({"action": "delete", "ids": [1], "fields": ["a", "b..c"]}, "fields[1]"),
        ({"action": "delete", "ids": [1], "fields": ["a", 7]}, "fields[1]"),
        ({"action": "delete", "ids": [1], "fields": ["a"], "payload": {}}, "payload"),
        ({"action": "clear", "ids": [1], "payload": {}}, "payload"),
        ({"action": "clear", "filter": {}}, "filter"),
    ],
)
async def test_what_cannot_be_changed(client: httpx.AsyncClient, change: Any, where: str) -> None:
    answer = await client.post(PAYLOAD, json=change)
    assert (answer.status_code, place(answer)) == (422, where), answer.text
    assert await payloads(client) == [SMALL, POT, CUP]


async def test_who_may_only_read_changes_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post(PAYLOAD, json={"action": "clear", "ids": [1]}, headers=READER)
    assert answer.status_code == 403
    assert await payloads(client) == [SMALL, POT, CUP]


async def test_facet(client: httpx.AsyncClient) -> None:
    answer = await client.post(FACET, json={"field": "kind", "exact": True})
    assert answer.json() == {"hits": [{"value": "cup", "count": 2}, {"value": "pot", "count": 1}]}
    dear = {"must": [{"key": "price", "range": {"gt": 10}}]}
    answer = await client.post(FACET, json={"field": "kind", "filter": dear, "exact": True})
    assert answer.json() == {"hits": [{"value": "pot", "count": 1}]}
    answer = await client.post(FACET, json={"field": "kind", "limit": 1, "exact": True})
    assert answer.json() == {"hits": [{"value": "cup", "count": 2}]}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "field"),
        ({"field": "price"}, "field"),
        ({"field": "a..b"}, "field"),
        ({"field": 7}, "field"),
        ({"field": "kind", "limit": 0}, "limit"),
        ({"field": "kind", "limit": 11}, "limit"),
        ({"field": "kind", "exact": 1}, "exact"),
        ({"field": "kind", "key": 1}, "key"),
        ({"field": "kind", "filter": {"must": [{"x": 1}]}}, "filter.must[0]"),
    ],
)
async def test_what_cannot_be_counted(
    client: httpx.AsyncClient, body: dict[str, Any], where: str
) -> None:
    answer = await client.post(FACET, json=body)
    assert (answer.status_code, place(answer)) == (422, where), answer.text


async def test_a_cursor_is_of_one_collection(client: httpx.AsyncClient) -> None:
    page = (await client.post(f"{PRODUCTS}/points/scroll", json={"limit": 1})).json()
    cursor = page["next_cursor"]
    async with serving() as other:
        for name in ("shop.texts", "other.secrets"):
            url = f"/api/v1/collections/{name}/points/scroll"
            answer = await other.post(url, json={"cursor": cursor})
            assert (answer.status_code, place(answer)) == (422, "cursor")
    listed = await client.get("/api/v1/collections", params={"cursor": cursor})
    assert (listed.status_code, place(listed)) == (422, "cursor")
