"""Search over HTTP, under collections and flat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from support.serving import API, PRODUCTS, TEXTS, add_collection, filled_store, place, serving

pytestmark = pytest.mark.anyio

POINTS = [
    {"id": 1, "vector": [1, 0, 0, 0], "payload": {"kind": "cup", "price": 4}},
    {"id": 2, "vector": [0.9, 0.1, 0, 0], "payload": {"kind": "pot", "price": 20}},
    {"id": 3, "vector": [0, 0, 0, 1], "payload": {"kind": "cup", "price": 9}},
]
CUPS = {"must": [{"key": "kind", "match": {"value": "cup"}}]}
MIXED = f"{API}/collections/shop.mixed"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    store = await filled_store()
    await add_collection(
        store,
        "shop.mixed",
        {
            ("vectors", "image", "size"): 2,
            ("vectors", "image", "distance"): "Dot",
            ("vectors", "lines", "size"): 2,
            ("vectors", "lines", "distance"): "Dot",
            ("vectors", "lines", "multivector"): "MaxSim",
            ("sparseVectors", "words", "modifier"): "None",
        },
    )
    async with serving(store) as client:
        await client.put(f"{PRODUCTS}/points", json=POINTS)
        texts = [{"id": i, "text": t} for i, t in enumerate(["green tea", "black coffee", "tea"])]
        await client.put(f"{TEXTS}/points", json=texts)
        yield client


async def ids(client: httpx.AsyncClient, url: str, **body: Any) -> list[Any]:
    answer = await client.post(url, json=body)
    assert answer.status_code == 200, answer.text
    return [result["id"] for result in answer.json()["results"]]


async def test_by_vector(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{PRODUCTS}/search", json={"vector": [1, 0, 0, 0], "limit": 2})
    first, second = answer.json()["results"]
    assert first == {"id": 1, "score": pytest.approx(1), "payload": {"kind": "cup", "price": 4}}
    assert second["id"] == 2
    assert answer.headers["content-type"] == "application/json"


async def test_with_filter_offset_threshold_and_selection(client: httpx.AsyncClient) -> None:
    url, vector = f"{PRODUCTS}/search", [1, 0, 0, 0]
    assert await ids(client, url, vector=vector, filter=CUPS) == [1, 3]
    assert await ids(client, url, vector=vector, offset=1, limit=1) == [2]
    assert await ids(client, url, vector=vector, score_threshold=0.999) == [1]
    assert await ids(client, url, vector=vector, params={"exact": True}, limit=1) == [1]
    answer = await client.post(
        url,
        json={"vector": vector, "limit": 1, "with_payload": ["kind"], "with_vectors": True},
    )
    assert answer.json()["results"][0]["payload"] == {"kind": "cup"}
    assert answer.json()["results"][0]["vector"] == [1, 0, 0, 0]
    answer = await client.post(url, json={"vector": vector, "limit": 1, "with_payload": False})
    assert set(answer.json()["results"][0]) == {"id", "score"}


async def test_by_text(client: httpx.AsyncClient) -> None:
    assert (await ids(client, f"{TEXTS}/search", text="tea"))[0] == 2
    assert (await ids(client, f"{TEXTS}/search", text="tea", using=""))[0] == 2


async def test_by_point(client: httpx.AsyncClient) -> None:
    assert await ids(client, f"{PRODUCTS}/search", id=1) == [2, 3]
    assert await ids(client, f"{PRODUCTS}/search", id=1, filter=CUPS) == [3]


async def test_named_sparse_and_multi_vectors(client: httpx.AsyncClient) -> None:
    sent = [
        {
            "id": 1,
            "vector": {
                "image": [1, 0],
                "lines": [[1, 0], [0, 1]],
                "words": {"indices": [3], "values": [1.0]},
            },
        },
        {"id": 2, "vector": {"image": [0, 1]}},
    ]
    assert (await client.put(f"{MIXED}/points", json=sent)).status_code == 200
    url = f"{MIXED}/search"
    assert await ids(client, url, vector=[0, 1], using="image") == [2, 1]
    assert await ids(client, url, vector=[[0, 1]], using="lines") == [1]
    words = {"indices": [3, 9], "values": [1, 1]}
    assert await ids(client, url, vector=words, using="words") == [1]
    assert await ids(client, url, id=1, using="image") == [2]
    gone = await client.post(url, json={"id": 2, "using": "words"})
    assert (gone.status_code, place(gone)) == (404, "id")


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({}, 422, "body"),
        ({"vector": [1, 0, 0, 0], "text": "tea"}, 422, "body"),
        ({"text": "tea", "id": 1}, 422, "body"),
        ({"vector": [1, 0, 0]}, 422, "vector"),
        ({"vector": []}, 422, "vector"),
        ({"vector": [1, 0, 0, "0"]}, 422, "vector[3]"),
        ({"vector": 1}, 422, "vector"),
        ({"vector": {"indices": [1], "values": [1]}}, 422, "vector"),
        ({"vector": [1, 0, 0, 0], "using": "no"}, 422, "using"),
        ({"vector": [1, 0, 0, 0], "using": 1}, 422, "using"),
        ({"vector": [1, 0, 0, 0], "limit": 0}, 422, "limit"),
        ({"vector": [1, 0, 0, 0], "limit": 1001}, 422, "limit"),
        ({"vector": [1, 0, 0, 0], "limit": 1.5}, 422, "limit"),
        ({"vector": [1, 0, 0, 0], "limit": 1000, "offset": 1}, 422, "limit"),
        ({"vector": [1, 0, 0, 0], "offset": -1}, 422, "offset"),
        ({"vector": [1, 0, 0, 0], "score_threshold": "high"}, 422, "score_threshold"),
        ({"vector": [1, 0, 0, 0], "params": {"speed": 1}}, 422, "params"),
        ({"vector": [1, 0, 0, 0], "params": {"hnsw_ef": 0}}, 422, "params.hnsw_ef"),
        ({"vector": [1, 0, 0, 0], "filter": {"must": [{"x": 1}]}}, 422, "filter.must[0]"),
        ({"vector": [1, 0, 0, 0], "with_payload": {}}, 422, "with_payload"),
        ({"vector": [1, 0, 0, 0], "with_vectors": ["no"]}, 422, "with_vectors[0]"),
        ({"vector": [1, 0, 0, 0], "top": 3}, 422, "top"),
        ({"text": "tea"}, 422, "text"),
        ({"text": ""}, 422, "text"),
        ({"text": 7}, 422, "text"),
        ({"id": 77}, 404, "id"),
        ({"id": "x"}, 422, "id"),
        ([], 422, "body"),
    ],
)
async def test_what_cannot_be_searched(
    client: httpx.AsyncClient, body: Any, status: int, where: str
) -> None:
    answer = await client.post(f"{PRODUCTS}/search", json=body)
    assert (answer.status_code, place(answer)) == (status, where), answer.text
    if isinstance(body, dict):
        flat = await client.post(
            f"{API}/vectors/search", json={"collection": "shop.products", **body}
        )
        assert (flat.status_code, place(flat)) == (status, where)
        batch = await client.post(
            f"{PRODUCTS}/search/batch", json={"searches": [{"vector": [1, 0, 0, 0]}, body]}
        )
        inside = "" if where == "body" else f".{where}"
        assert (batch.status_code, place(batch)) == (status, f"searches[1]{inside}")


async def test_a_text_is_not_longer_than_allowed() -> None:
    async with serving(max_query_length=5) as client:
        await client.put(f"{TEXTS}/points", json={"id": 1, "text": "green tea"})
        assert await ids(client, f"{TEXTS}/search", text="12345") == [1]
        answer = await client.post(f"{TEXTS}/search", json={"text": "123456"})
        assert (answer.status_code, place(answer)) == (422, "text")


async def test_batch(client: httpx.AsyncClient) -> None:
    searches = [
        {"vector": [1, 0, 0, 0], "limit": 1},
        {"vector": [0, 0, 0, 1], "limit": 1},
        {"id": 3, "limit": 1, "with_payload": False},
    ]
    answer = await client.post(f"{PRODUCTS}/search/batch", json={"searches": searches})
    lists = [[r["id"] for r in one["results"]] for one in answer.json()["searches"]]
    assert lists[:2] == [[1], [3]]
    assert lists[2] != [3]


async def test_a_batch_is_not_larger_than_allowed() -> None:
    one = {"vector": [1, 0, 0, 0], "limit": 10}
    async with serving(max_batch_size=12, max_results_k=10) as client:
        url = f"{PRODUCTS}/search/batch"
        assert (await client.post(url, json={"searches": [one] * 10})).status_code == 200
        for number in (11, 13):
            answer = await client.post(url, json={"searches": [one] * number})
            assert (answer.status_code, place(answer)) == (422, "searches")
        answer = await client.post(url, json={"searches": []})
        assert (answer.status_code, place(answer)) == (422, "searches")


async def test_flat_paths_do_the_same(client: httpx.AsyncClient) -> None:
    flat = {"collection": "shop.products"}
    store, search = f"{API}/vectors/store", f"{API}/vectors/search"
    for body in (
        {**flat, "id": 4, "vector": [0, 1, 0, 0]},
        {**flat, "points": [{"id": 5, "vector": [0, 1, 0, 0]}]},
    ):
        answer = await client.post(store, json=body, params={"wait": "false"})
        assert answer.json() == {"status": "accepted", "points": 1}
    assert set(await ids(client, search, vector=[0, 1, 0, 0], limit=2, **flat)) == {4, 5}
    assert await ids(client, search, text="coffee", limit=1, collection="shop.texts") == [1]


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"vector": [1, 0, 0, 0]}, 422, "collection"),
        ({"collection": "", "vector": [1, 0, 0, 0]}, 422, "collection"),
        ({"collection": 7, "vector": [1, 0, 0, 0]}, 422, "collection"),
        ({"collection": "shop.nothing", "vector": [1, 0, 0, 0]}, 404, "collection"),
        ([{"collection": "shop.products"}], 422, "body"),
    ],
)
async def test_a_flat_body_says_where(
    client: httpx.AsyncClient, body: Any, status: int, where: str
) -> None:
    for path in ("search", "store"):
        answer = await client.post(f"{API}/vectors/{path}", json=body)
        assert (answer.status_code, place(answer)) == (status, where)


async def test_or_there_is_a_default_collection() -> None:
    async with serving(default_collection="shop.products") as client:
        answer = await client.post(f"{API}/vectors/store", json=POINTS[0])
        assert answer.status_code == 200
        assert await ids(client, f"{API}/vectors/search", vector=[1, 0, 0, 0]) == [1]


async def test_an_unknown_collection(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{API}/collections/shop.none/search", json={"vector": [1]})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert place(answer) == "collection"
