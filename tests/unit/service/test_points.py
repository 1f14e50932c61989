"""Points over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from support.serving import (
    API,
    EMBEDDING,
    PRODUCTS,
    TEXTS,
    WordEmbedder,
    add_collection,
    filled_store,
    place,
    serving,
)

pytestmark = pytest.mark.anyio

UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
GOOD = [
    {"id": 1, "vector": [1, 0, 0, 0], "payload": {"name": "cup", "price": 4.5}},
    {"id": 2, "vector": [0, 1, 0, 0], "payload": {"name": "pot", "price": 20}},
    {"id": UUID, "vector": [0, 0, 1, 0.5]},
]


async def count(client: httpx.AsyncClient, collection: str = PRODUCTS, **body: Any) -> int:
    answer = await client.post(f"{collection}/points/count", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["count"])


async def test_write_and_read_back(client: httpx.AsyncClient) -> None:
    answer = await client.put(f"{PRODUCTS}/points", json={"points": GOOD})
    assert answer.json() == {"status": "completed", "points": 3}
    one = (await client.get(f"{PRODUCTS}/points/1")).json()
    assert one == {"id": 1, "payload": {"name": "cup", "price": 4.5}, "vector": [1, 0, 0, 0]}
    other = (await client.get(f"{PRODUCTS}/points/{UUID.upper()}")).json()
    assert other["id"] == UUID
    assert await count(client) == 3


@pytest.mark.parametrize("body", [GOOD[0], [GOOD[0]], {"points": [GOOD[0]]}])
async def test_one_or_many(client: httpx.AsyncClient, body: Any) -> None:
    answer = await client.put(f"{PRODUCTS}/points", json=body, params={"wait": "false"})
    assert answer.json() == {"status": "accepted", "points": 1}


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        ({"id": 3, "vector": [1, 2, 3]}, ".vector"),
        ({"id": 3, "vector": []}, ".vector"),
        ({"id": 3, "vector": [1, 2, 3, None]}, ".vector[3]"),
        ({"id": 3, "vector": [1, 2, 3, True]}, ".vector[3]"),
        ({"id": 3, "vector": [1, 2, 3, "4"]}, ".vector[3]"),
        ({"id": 3, "vector": [1, 2, 3, 1e39]}, ".vector[3]"),
        ({"id": 3, "vector": [1, 2, 3, 10**400]}, ".vector[3]"),
        ({"id": 3, "vector": {"no": [1, 2, 3, 4]}}, ".vector.no"),
        ({"id": 3, "vector": "1,2,3,4"}, ".vector"),
        ({"id": 3, "vector": [[1, 2, 3, 4]]}, ".vector"),
        ({"id": -3, "vector": [1, 2, 3, 4]}, ".id"),
        ({"id": 2**64, "vector": [1, 2, 3, 4]}, ".id"),
        ({"id": "three", "vector": [1, 2, 3, 4]}, ".id"),
        ({"id": 3.5, "vector": [1, 2, 3, 4]}, ".id"),
        ({"id": None, "vector": [1, 2, 3, 4]}, ".id"),
        ({"vector": [1, 2, 3, 4]}, ".id"),
        ({"id": 3}, ""),
        ({"id": 3, "vector": [1, 2, 3, 4], "text": "both"}, ""),
        ({"id": 3, "vector": [1, 2, 3, 4], "payload": []}, ".payload"),
        ({"id": 3, "vector": [1, 2, 3, 4], "color": "red"}, ".color"),
        ({"id": 3, "text": "tea"}, ".text"),
        ("point", ""),
    ],
)
async def test_of_a_refused_batch_nothing_is_written(
    client: httpx.AsyncClient, bad: Any, where: str
) -> None:
    sent = {"points": [*GOOD, bad]}
    answer = await client.put(f"{PRODUCTS}/points", json=sent)
    assert answer.status_code == 422, answer.text
    assert place(answer) == f"points[3]{where}"
    assert await count(client) == 0
    # The same mistake in a bare list, and alone, is at the place where it was sent.
    bare = await client.put(f"{PRODUCTS}/points", json=[*GOOD, bad])
    assert place(bare) == f"[3]{where}"
    if isinstance(bad, dict):
        alone = await client.put(f"{PRODUCTS}/points", json=bad)
        assert place(alone) == (where.removeprefix(".") or "body")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"points": []}, "points"),
        ([], "body"),
        ({"points": {}}, "points"),
        ({"points": GOOD, "extra": 1}, "extra"),
        ("x", "body"),
        (7, "body"),
    ],
)
async def test_a_body_of_another_shape(client: httpx.AsyncClient, body: Any, where: str) -> None:
    answer = await client.put(f"{PRODUCTS}/points", json=body)
    assert answer.status_code == 422
    assert place(answer) == where


async def test_many_mistakes_are_said_together_but_not_a_million(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.put(f"{PRODUCTS}/points", json={"points": [{}] * 100})
    assert len(answer.json()["errors"]) == 20


async def test_no_more_points_than_allowed() -> None:
    async with serving(max_batch_size=3) as client:
        four = [{**GOOD[0], "id": i} for i in range(4)]
        for body, where in (({"points": four}, "points"), (four, "body")):
            answer = await client.put(f"{PRODUCTS}/points", json=body)
            assert (answer.status_code, place(answer)) == (422, where)
        assert await count(client) == 0
        for path in ("retrieve", "delete"):
            answer = await client.post(f"{PRODUCTS}/points/{path}", json={"ids": [1, 2, 3, 4]})
            assert (answer.status_code, place(answer)) == (422, "ids")
        assert (await client.put(f"{PRODUCTS}/points", json=four[:3])).status_code == 200


async def test_texts_become_vectors_and_stay_in_the_payload(client: httpx.AsyncClient) -> None:
    sent = [
        {"id": 1, "text": "tea pot"},
        {"id": 2, "vector": [1, 2, 3, 4]},
        {"id": 3, "text": "cup", "payload": {"text": "a title", "n": 1}},
    ]
    assert (await client.put(f"{TEXTS}/points", json=sent)).status_code == 200
    answer = await client.post(
        f"{TEXTS}/points/retrieve", json={"ids": [3, 2, 1, 9], "with_vectors": True}
    )
    three, two, one = answer.json()["points"]
    assert [p["payload"] for p in (one, two, three)] == [
        {"text": "tea pot"},
        {},
        {"text": "a title", "n": 1},
    ]
    assert one["vector"] != three["vector"]


async def test_a_text_goes_to_the_only_vector_there_is() -> None:
    store = await filled_store()
    sizes = {("vectors", "page", "size"): 4, ("vectors", "page", "distance"): "Dot"}
    await add_collection(store, "docs.pages", sizes, embedding=EMBEDDING)
    more = {("vectors", "title", "size"): 4, ("vectors", "title", "distance"): "Dot"}
    await add_collection(store, "docs.both", {**sizes, **more}, embedding=EMBEDDING)
    async with serving(store) as client:
        pages, both = f"{API}/collections/docs.pages", f"{API}/collections/docs.both"
        sent = {"id": 1, "text": "tea"}
        assert (await client.put(f"{pages}/points", json=sent)).status_code == 200
        assert list((await client.get(f"{pages}/points/1")).json()["vector"]) == ["page"]
        answer = await client.put(f"{both}/points", json=sent)
        assert (answer.status_code, place(answer)) == (422, "text")


@pytest.mark.parametrize(
    ("embedding", "status", "words"),
    [
        ((("model", "words"), ("provider", "elsewhere")), 501, "elsewhere"),
        ((("model", "words"), ("provider", "test")), 501, "gives 4 numbers, the vector has 5"),
        ((), 422, "has no embedding"),
    ],
)
async def test_an_embedding_that_is_not_to_be_had(
    embedding: tuple[tuple[str, str], ...], status: int, words: str
) -> None:
    store = await filled_store()
    sizes = {("vectors", "", "size"): 5, ("vectors", "", "distance"): "Dot"}
    await add_collection(store, "docs.pages", sizes, embedding=embedding)
    async with serving(store, embedders={("test", "words"): WordEmbedder}) as client:
        answer = await client.put(
            f"{API}/collections/docs.pages/points", json=[{"id": 1, "text": "tea"}]
        )
    assert answer.status_code == status
    assert words in answer.json()["detail"]


async def test_read_by_ids(client: httpx.AsyncClient) -> None:
    await client.put(f"{PRODUCTS}/points", json=GOOD)
    url = f"{PRODUCTS}/points/retrieve"
    answer = await client.post(url, json={"ids": [UUID, 9, 1], "with_payload": ["name"]})
    assert answer.json() == {
        "points": [{"id": UUID, "payload": {}}, {"id": 1, "payload": {"name": "cup"}}]
    }
    for body, where in (
        ({"ids": []}, "ids"),
        ({}, "ids"),
        ({"ids": [1, "x"]}, "ids[1]"),
        ({"ids": [1], "with_payload": "name"}, "with_payload"),
        ({"ids": [1], "with_payload": [1]}, "with_payload"),
        ({"ids": [1], "with_vectors": ["nope"]}, "with_vectors[0]"),
    ):
        answer = await client.post(url, json=body)
        assert (answer.status_code, place(answer)) == (422, where), body


@pytest.mark.parametrize("id", ["9", "00000000-0000-0000-0000-000000000000"])
async def test_a_point_that_is_not_there(client: httpx.AsyncClient, id: str) -> None:
    assert (await client.get(f"{PRODUCTS}/points/{id}")).status_code == 404


@pytest.mark.parametrize("id", ["x", "-1", "1.5", "18446744073709551616", "9" * 30, "٣"])
async def test_what_is_no_id(client: httpx.AsyncClient, id: str) -> None:
    answer = await client.get(f"{PRODUCTS}/points/{id}")
    assert (answer.status_code, place(answer)) == (422, "id")


async def test_pages(client: httpx.AsyncClient) -> None:
    await client.put(f"{PRODUCTS}/points", json=GOOD)
    url, seen, cursor = f"{PRODUCTS}/points/scroll", [], None
    for _ in range(5):
        page = (await client.post(url, json={"limit": 2, "cursor": cursor})).json()
        seen += [point["id"] for point in page["points"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [1, 2, UUID]
    dear = {"must": [{"key": "price", "range": {"gt": 10}}]}
    page = (await client.post(url, json={"filter": dear, "with_vectors": True})).json()
    assert page == {
        "points": [{"id": 2, "payload": {"name": "pot", "price": 20}, "vector": [0, 1, 0, 0]}],
        "next_cursor": None,
    }


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "WyJvdGhlciIsMV0"}, "cursor"),
        ({"cursor": "WyJwb2ludHMiLHRydWVd"}, "cursor"),
        ({"cursor": "WyJwb2ludHMiLCJ4Il0"}, "cursor"),
        ({"cursor": "MTI"}, "cursor"),
        ({"cursor": 7}, "cursor"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "10"}, "limit"),
        ({"filter": {"must": [{"key": "a"}]}}, "filter.must[0]"),
        ({"filter": {"perhaps": []}}, "filter.perhaps"),
        ({"filter": []}, "filter"),
        ({"with_payload": ["a..b"]}, "with_payload[0]"),
    ],
)
async def test_a_page_that_cannot_be(
    client: httpx.AsyncClient, body: dict[str, Any], where: str
) -> None:
    answer = await client.post(f"{PRODUCTS}/points/scroll", json=body)
    assert answer.status_code == 422
    assert place(answer).startswith(where.split(".perhaps")[0])


async def test_delete(client: httpx.AsyncClient) -> None:
    await client.put(f"{PRODUCTS}/points", json=GOOD)
    url = f"{PRODUCTS}/points/delete"
    answer = await client.post(url, json={"ids": [1, 77]}, params={"wait": "false"})
    assert answer.json() == {"status": "accepted"}
    assert await count(client) == 2
    pots = {"must": [{"key": "name", "match": {"value": "pot"}}]}
    assert (await client.post(url, json={"filter": pots})).json() == {"status": "completed"}
    assert await count(client) == 1


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body"),
        ({"ids": [1], "filter": {"must": [{"has_id": [1]}]}}, "body"),
        ({"ids": []}, "ids"),
        ({"filter": {}}, "filter"),
        ({"filter": {"must": [], "should": None}}, "filter"),
        ({"ids": ["x"]}, "ids[0]"),
        ({"filter": {"must": [{"nonsense": 1}]}}, "filter.must[0]"),
    ],
)
async def test_a_delete_that_says_too_little_deletes_nothing(
    client: httpx.AsyncClient, body: dict[str, Any], where: str
) -> None:
    await client.put(f"{PRODUCTS}/points", json=GOOD)
    answer = await client.post(f"{PRODUCTS}/points/delete", json=body)
    assert (answer.status_code, place(answer)) == (422, where)
    assert await count(client) == 3


async def test_count_with_a_filter(client: httpx.AsyncClient) -> None:
    await client.put(f"{PRODUCTS}/points", json=GOOD)
    cups = {"must": [{"key": "name", "match": {"value": "cup"}}]}
    assert await count(client, filter=cups, exact=False) == 1
    answer = await client.post(f"{PRODUCTS}/points/count", json={"exact": "yes"})
    assert (answer.status_code, place(answer)) == (422, "exact")


async def test_wait_is_a_boolean(client: httpx.AsyncClient) -> None:
    answer = await client.put(f"{PRODUCTS}/points", json=GOOD, params={"wait": "maybe"})
    assert (answer.status_code, place(answer)) == (422, "wait")
