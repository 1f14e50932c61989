"""Points to write by column."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from support.serving import (
    API,
    TEXTS,
    place,
    serving,
)
from support.writing import GOOD, MIXED, POINTS, UUID, count, mixed_store, read

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(await mixed_store()) as client:
        yield client


async def test_columns(client: httpx.AsyncClient) -> None:
    sent = {
        "ids": [1, UUID.upper()],
        "vectors": [[1, 0, 0, 0], [0, 1, 0, 0]],
        "payloads": [{"name": "cup"}, None],
    }
    answer = await client.put(POINTS, json=sent, params={"ordering": "strong"})
    assert answer.json() == {"status": "completed", "points": 2}
    assert await read(client, 1, UUID) == [
        {"id": 1, "payload": {"name": "cup"}, "vector": [1, 0, 0, 0]},
        {"id": UUID, "payload": {}, "vector": [0, 1, 0, 0]},
    ]


async def test_named_columns_have_gaps(client: httpx.AsyncClient) -> None:
    words = {"indices": [3], "values": [1.0]}
    sent = {"ids": [1, 2], "vectors": {"image": [[1, 0], [0, 1]], "words": [None, words]}}
    assert (await client.put(f"{MIXED}/points", json=sent)).status_code == 200
    one, two = await read(client, 1, 2, url=MIXED)
    assert one["vector"] == {"image": [1, 0]}
    assert two["vector"] == {"image": [0, 1], "words": words}


async def test_a_column_of_texts(client: httpx.AsyncClient) -> None:
    sent = {"ids": [1, 2], "texts": ["tea", "cup"], "payloads": [{"n": 1}, {"text": "own"}]}
    assert (await client.put(f"{TEXTS}/points", json=sent)).status_code == 200
    one, two = await read(client, 1, 2, url=TEXTS)
    assert (one["payload"], two["payload"]) == ({"text": "tea", "n": 1}, {"text": "own"})
    assert one["vector"] != two["vector"]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"ids": []}, "ids"),
        ({"ids": [1]}, "vectors"),
        ({"ids": [1, "x"]}, "ids[1]"),
        ({"ids": 1}, "ids"),
        ({"vectors": None}, "body"),
        ({"vectors": []}, "vectors"),
        ({"vectors": {}}, "vectors"),
        ({"vectors": "1"}, "vectors"),
        ({"vectors": {"image": 1}}, "vectors.image"),
        ({"vectors": {"image": [[1, 2]]}}, "vectors.image"),
        ({"vectors": [[1, 0, 0, 0], [1, 0, 0]]}, "vectors[1]"),
        ({"vectors": [[1, 0, 0, 0], [1, 0, 0, "0"]]}, "vectors[1][3]"),
        ({"vectors": {"no": [[1], [1]]}}, "vectors.no[0]"),
        ({"payloads": [{}]}, "payloads"),
        ({"payloads": [{}, 7]}, "payloads[1]"),
        ({"texts": ["a", "b"]}, "body"),
        ({"vectors": None, "texts": ["a", "b"]}, "texts[0]"),
        ({"vectors": None, "texts": ["a"]}, "texts"),
        ({"vectors": None, "texts": ["a", 7]}, "texts[1]"),
        ({"colors": []}, "colors"),
    ],
)
async def test_of_refused_columns_nothing_is_written(
    client: httpx.AsyncClient, changes: dict[str, Any], where: str
) -> None:
    sent = {"ids": [1, 2], "vectors": [[1, 0, 0, 0], [0, 1, 0, 0]], **changes}
    answer = await client.put(POINTS, json=sent)
    assert (answer.status_code, place(answer)) == (422, where), answer.text
    assert await count(client) == 0
    flat = await client.post(f"{API}/vectors/store", json={"collection": "shop.products", **sent})
    assert (flat.status_code, place(flat)) == (422, where)


async def test_a_place_in_a_named_column(client: httpx.AsyncClient) -> None:
    sent = {
        "ids": [1, 2],
        "vectors": {"image": [[1, 0], [0, 1]], "title.en": [[1, 0, 0], [1, True, 0]]},
    }
    answer = await client.put(f"{MIXED}/points", json=sent)
    assert (answer.status_code, place(answer)) == (422, "vectors.title.en[1][1]")


async def test_columns_are_not_longer_than_allowed() -> None:
    async with serving(max_batch_size=3) as client:
        sent = {"ids": [1, 2, 3, 4], "vectors": [[1, 0, 0, 0]] * 4}
        answer = await client.put(POINTS, json=sent)
        assert (answer.status_code, place(answer)) == (422, "ids")


@pytest.mark.parametrize("how", ["weak", "medium", "strong"])
async def test_ordering_is_one_of_three(client: httpx.AsyncClient, how: str) -> None:
    sent = {"id": 1, **GOOD}
    headers = {"Idempotency-Key": "once"}
    answer = await client.put(POINTS, json=sent, params={"ordering": how}, headers=headers)
    assert answer.status_code == 200
    bad = await client.put(POINTS, json=sent, params={"ordering": f"{how}er"})
    assert (bad.status_code, place(bad)) == (422, "ordering")
