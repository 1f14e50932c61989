"""The further kinds of searches, over the store in memory and over the embedded engine: like
points and examples, in stages, in groups."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.serving import API, EMBEDDING, PRODUCTS, TEXTS, add_collection, place, serving
from support.stores import ADAPTERS, Stores
from vectorplane.domain.model import Index

pytestmark = pytest.mark.anyio

POINTS = [
    {"id": 1, "vector": [1, 0, 0, 0], "payload": {"kind": "cup", "price": 4}},
    {"id": 2, "vector": [0.9, 0.1, 0, 0], "payload": {"kind": "pot", "price": 20}},
    {"id": 3, "vector": [0, 0, 0, 1], "payload": {"kind": "cup", "price": 9}},
    {"id": 4, "vector": [0, 0, 0.2, 1], "payload": {"kind": "pan", "price": 30}},
]
CUPS = {"must": [{"key": "kind", "match": {"value": "cup"}}]}
MIXED = f"{API}/collections/shop.mixed"
EAST, NORTH = [1, 0, 0, 0], [0, 0, 0, 1]
SEARCH = f"{PRODUCTS}/search"


@pytest.fixture(params=["memory", "embedded"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    async with ADAPTERS[request.param](tmp_path, request) as stores:
        await add_collection(stores.admin, "shop.products")
        await stores.admin.create_index("shop.products_1", Index("kind", "Keyword"))
        await add_collection(stores.admin, "shop.texts", embedding=EMBEDDING)
        await add_collection(
            stores.admin,
            "shop.mixed",
            {
                ("vectors", "image", "size"): 2,
                ("vectors", "image", "distance"): "Dot",
                ("vectors", "title", "size"): 2,
                ("vectors", "title", "distance"): "Dot",
                ("sparseVectors", "words", "modifier"): "None",
            },
        )
        yield stores


@pytest.fixture
async def client(stores: Stores) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(stores.points, max_results_k=100, max_prefetches=3) as client:
        assert (await client.put(f"{PRODUCTS}/points", json=POINTS)).status_code == 200
        mixed = [
            {
                "id": 1,
                "vector": {
                    "image": [1, 0],
                    "title": [0, 1],
                    "words": {"indices": [3], "values": [1.0]},
                },
            },
            {"id": 2, "vector": {"image": [0.5, 0.5], "title": [1, 0]}},
        ]
        assert (await client.put(f"{MIXED}/points", json=mixed)).status_code == 200
        texts = [{"id": i, "text": t} for i, t in enumerate(["green tea", "black coffee", "tea"])]
        assert (await client.put(f"{TEXTS}/points", json=texts)).status_code == 200
        yield client


async def ids(client: httpx.AsyncClient, url: str = SEARCH, **body: Any) -> list[Any]:
    answer = await client.post(url, json=body)
    assert answer.status_code == 200, answer.text
    return [result["id"] for result in answer.json()["results"]]


async def test_like_a_point(client: httpx.AsyncClient) -> None:
    first, *others = await ids(client, id=1)
    assert (first, set(others)) == (2, {3, 4})
    assert await ids(client, id=1, filter=CUPS) == [3]
    assert await ids(client, id=1, limit=1) == [2]
    assert await ids(client, MIXED + "/search", id=1, using="image") == [2]
    for body, status in (({"id": 77}, 404), ({"id": 2, "using": "words"}, 404), ({"id": "x"}, 422)):
        url = MIXED if "using" in body else PRODUCTS
        answer = await client.post(f"{url}/search", json=body)
        assert (answer.status_code, place(answer)) == (status, "id"), answer.text


async def test_like_examples(client: httpx.AsyncClient) -> None:
    examples: dict[str, Any] = {"positive": [1]}
    assert (await ids(client, recommend=examples))[0] == 2
    examples = {"positive": [NORTH], "negative": [1, EAST]}
    assert (await ids(client, recommend=examples, limit=2)) in ([3, 4], [4, 3])
    for strategy in ("average_vector", "best_score", "sum_scores"):
        examples = {"positive": [1, EAST], "negative": [3], "strategy": strategy}
        assert (await ids(client, recommend=examples, limit=1)) == [2]
    examples = {"positive": [{"indices": [3], "values": [2.0]}]}
    assert await ids(client, MIXED + "/search", recommend=examples, using="words") == [1]


@pytest.mark.parametrize("fusion", ["rrf", "dbsf", {"method": "rrf", "k": 2}, {"method": "dbsf"}])
async def test_fusion(client: httpx.AsyncClient, fusion: Any) -> None:
    stages = [{"vector": EAST, "limit": 2}, {"vector": NORTH, "limit": 1}]
    found = await ids(client, prefetch=stages, fusion=fusion, limit=10)
    assert set(found) == {1, 2, 3}
    stages = [{"vector": EAST, "filter": CUPS}, {"id": 1, "filter": CUPS}]
    # A point that is searched by is not among the results of the whole search.
    assert await ids(client, prefetch=stages, fusion=fusion) == [3]


async def test_fusion_of_several_vectors(client: httpx.AsyncClient) -> None:
    stages = [
        {"vector": [1, 0], "using": "image", "limit": 1},
        {"vector": {"indices": [3], "values": [1.0]}, "using": "words"},
        {"recommend": {"positive": [[1, 0]]}, "using": "title"},
    ]
    found = await ids(client, MIXED + "/search", prefetch=stages, fusion="rrf")
    assert set(found) == {1, 2}


async def test_stages(client: httpx.AsyncClient) -> None:
    """The search above sees what the prefetch found, and nothing else."""
    stages = [{"vector": EAST, "limit": 2}]
    assert set(await ids(client, prefetch=stages, vector=NORTH)) == {1, 2}
    inner = [{"prefetch": [{"vector": NORTH, "limit": 2}], "vector": EAST, "limit": 1}]
    (only,) = await ids(client, prefetch=inner, vector=EAST)
    assert only in (3, 4)
    text = [{"text": "tea", "limit": 1}]
    assert await ids(client, f"{TEXTS}/search", prefetch=text, text="coffee") == [2]
    threshold = [{"vector": EAST, "score_threshold": 0.999, "params": {"exact": True}}]
    assert await ids(client, prefetch=threshold, vector=NORTH) == [1]


async def test_groups(client: httpx.AsyncClient) -> None:
    body = {"vector": EAST, "group_by": {"field": "kind", "size": 2}, "limit": 2}
    answer = await client.post(SEARCH, json={**body, "with_payload": ["price"]})
    groups = answer.json()["groups"]
    assert [group["key"] for group in groups] == ["cup", "pot"]
    assert [[r["id"] for r in group["results"]] for group in groups] == [[1, 3], [2]]
    assert groups[0]["results"][0]["payload"] == {"price": 4}
    flat = await client.post(
        f"{API}/vectors/search",
        json={"collection": "shop.products", "id": 1, **body, "vector": None},
    )
    assert [group["key"] for group in flat.json()["groups"]][0] == "pot"
    fused = {"prefetch": [{"vector": EAST}], "fusion": "rrf", "group_by": {"field": "kind"}}
    answer = await client.post(SEARCH, json=fused)
    assert {group["key"] for group in answer.json()["groups"]} == {"cup", "pot", "pan"}


async def test_a_batch_of_all_kinds(client: httpx.AsyncClient) -> None:
    stages = [{"vector": EAST, "limit": 1}]
    searches: list[dict[str, Any]] = [
        {"vector": EAST, "limit": 1},
        {"id": 1, "limit": 1},
        {"recommend": {"positive": [1]}, "limit": 1},
        {"prefetch": stages, "fusion": "dbsf"},
        {"prefetch": stages, "vector": NORTH},
    ]
    answer = await client.post(f"{SEARCH}/batch", json={"searches": searches})
    assert answer.status_code == 200, answer.text
    lists = [[r["id"] for r in one["results"]] for one in answer.json()["searches"]]
    assert lists == [[1], [2], [2], [1], [1]]


STAGE = {"vector": EAST}
TWICE = {"prefetch": [STAGE], "vector": EAST}


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"fusion": "rrf"}, 422, "prefetch"),
        ({"fusion": "rrf", "prefetch": []}, 422, "prefetch"),
        ({"fusion": "rrf", "vector": EAST, "prefetch": [STAGE]}, 422, "body"),
        ({"fusion": "rrf", "using": "", "prefetch": [STAGE]}, 422, "using"),
        ({"fusion": "max", "prefetch": [STAGE]}, 422, "fusion"),
        ({"fusion": 1, "prefetch": [STAGE]}, 422, "fusion"),
        ({"fusion": {"k": 60}, "prefetch": [STAGE]}, 422, "fusion"),
        ({"fusion": {"method": ["rrf"]}, "prefetch": [STAGE]}, 422, "fusion"),
        ({"fusion": {"method": "rrf", "k": 0}, "prefetch": [STAGE]}, 422, "fusion.k"),
        ({"fusion": {"method": "rrf", "k": True}, "prefetch": [STAGE]}, 422, "fusion.k"),
        ({"fusion": {"method": "rrf", "k": 2**32}, "prefetch": [STAGE]}, 422, "fusion.k"),
        ({"fusion": {"method": "dbsf", "k": 9}, "prefetch": [STAGE]}, 422, "fusion.k"),
        ({"fusion": {"method": "rrf", "weights": [1]}, "prefetch": [STAGE]}, 422, "fusion.weights"),
        ({"prefetch": [STAGE]}, 422, "body"),
        ({"prefetch": STAGE, "vector": EAST}, 422, "prefetch"),
        ({"prefetch": [7], "vector": EAST}, 422, "prefetch[0]"),
        ({"prefetch": [STAGE, {}], "vector": EAST}, 422, "prefetch[1]"),
        ({"prefetch": [STAGE, {"vector": [1]}], "vector": EAST}, 422, "prefetch[1].vector"),
        ({"prefetch": [{"vector": [1, 0, 0, "0"]}], "id": 1}, 422, "prefetch[0].vector[3]"),
        ({"prefetch": [{"text": "tea"}], "vector": EAST}, 422, "prefetch[0].text"),
        ({"prefetch": [{**STAGE, "using": "no"}], "id": 1}, 422, "prefetch[0].using"),
        ({"prefetch": [{**STAGE, "limit": 101}], "id": 1}, 422, "prefetch[0].limit"),
        ({"prefetch": [{**STAGE, "limit": 0}], "id": 1}, 422, "prefetch[0].limit"),
        ({"prefetch": [{**STAGE, "offset": 1}], "id": 1}, 422, "prefetch[0].offset"),
        ({"prefetch": [{**STAGE, "group_by": None}], "id": 1}, 422, "prefetch[0].group_by"),
        ({"prefetch": [{**STAGE, "params": {"x": 1}}], "id": 1}, 422, "prefetch[0].params"),
        (
            {"prefetch": [STAGE, {**TWICE, "filter": {"must": [{"x": 1}]}}], "id": 1},
            422,
            "prefetch[1].filter.must[0]",
        ),
        (
            {"prefetch": [{**TWICE, "prefetch": [STAGE, {"id": "x"}]}], "id": 1},
            422,
            "prefetch[0].prefetch[1].id",
        ),
        (
            {"prefetch": [{**TWICE, "prefetch": [{"fusion": "rrf"}]}], "id": 1},
            422,
            "prefetch[0].prefetch[0].prefetch",
        ),
        ({"prefetch": [STAGE] * 4, "fusion": "rrf"}, 422, "prefetch"),
        ({"prefetch": [TWICE, TWICE], "fusion": "rrf"}, 422, "prefetch[1].prefetch"),
        ({"recommend": {}}, 422, "recommend.positive"),
        ({"recommend": []}, 422, "recommend"),
        ({"recommend": {"positive": []}}, 422, "recommend.positive"),
        ({"recommend": {"positive": [1] * 1001}}, 422, "recommend.positive"),
        ({"recommend": {"positive": [1], "negative": [1] * 1001}}, 422, "recommend.negative"),
        ({"recommend": {"positive": [1, "x"]}}, 422, "recommend.positive[1]"),
        ({"recommend": {"positive": [1, [1, 2]]}}, 422, "recommend.positive[1]"),
        ({"recommend": {"positive": [1], "negative": [None]}}, 422, "recommend.negative[0]"),
        ({"recommend": {"positive": [1], "strategy": "best"}}, 422, "recommend.strategy"),
        ({"recommend": {"positive": [1], "target": 1}}, 422, "recommend.target"),
        ({"recommend": {"positive": [1]}, "vector": EAST}, 422, "body"),
        ({"prefetch": [{"recommend": {"positive": ["x"]}}], "id": 1}, 422,
         "prefetch[0].recommend.positive[0]"),
        ({"vector": EAST, "score_threshold": "1"}, 422, "score_threshold"),
        ({"recommend": {"positive": [77]}}, 404, "recommend.positive[0]"),
        ({"prefetch": [{"id": 77}], "vector": EAST}, 404, "prefetch[0].id"),
    ],
)  # fmt: skip
async def test_what_cannot_be_searched(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, where: str
) -> None:
    answer = await client.post(SEARCH, json=body)
    assert (answer.status_code, place(answer)) == (status, where), answer.text
    batch = await client.post(f"{SEARCH}/batch", json={"searches": [{"vector": EAST}, body]})
    inside = "" if where == "body" else f".{where}"
    assert (batch.status_code, place(batch)) == (status, f"searches[1]{inside}"), batch.text


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"group_by": "kind"}, "group_by"),
        ({"group_by": {}}, "group_by.field"),
        ({"group_by": {"field": "a..b"}}, "group_by.field"),
        ({"group_by": {"field": 1}}, "group_by.field"),
        ({"group_by": {"field": "kind", "size": 0}}, "group_by.size"),
        ({"group_by": {"field": "kind", "with_lookup": "x"}}, "group_by.with_lookup"),
        ({"offset": 1}, "offset"),
        ({"limit": 51, "group_by": {"field": "kind", "size": 2}}, "limit"),
        ({"limit": 101, "group_by": {"field": "kind", "size": 1}}, "limit"),
        ({"vector": [1]}, "vector"),
        ({"using": "no"}, "using"),
        ({"vector": None}, "body"),
        ({"filter": {"must": [{"x": 1}]}}, "filter.must[0]"),
        ({"with_vectors": ["no"]}, "with_vectors[0]"),
        ({"prefetch": [{"vector": [1]}]}, "prefetch[0].vector"),
    ],
)
async def test_what_cannot_be_grouped(
    client: httpx.AsyncClient, changes: dict[str, Any], where: str
) -> None:
    body = {"vector": EAST, "group_by": {"field": "kind"}, **changes}
    answer = await client.post(SEARCH, json=body)
    assert (answer.status_code, place(answer)) == (422, where), answer.text
    if place(answer).startswith(("group", "offset", "limit")):
        return
    grouped = await client.post(f"{SEARCH}/batch", json={"searches": [{**body, "limit": 1}]})
    assert (grouped.status_code, place(grouped)) == (422, "searches[0].group_by")


async def test_points_that_are_not_there_in_groups(client: httpx.AsyncClient) -> None:
    body = {"id": 77, "group_by": {"field": "kind"}}
    answer = await client.post(SEARCH, json=body)
    assert (answer.status_code, place(answer)) == (404, "id")


async def test_texts_in_stages_are_not_longer_than_allowed(stores: Stores) -> None:
    async with serving(stores.points, max_query_length=5) as client:
        url, stage = f"{TEXTS}/search", {"text": "123456"}
        answer = await client.post(url, json={"prefetch": [stage], "fusion": "rrf"})
        assert (answer.status_code, place(answer)) == (422, "prefetch[0].text")


async def test_limits_of_prefetches_count_in_a_batch(client: httpx.AsyncClient) -> None:
    one = {"prefetch": [{"vector": EAST, "limit": 100}] * 2, "fusion": "rrf", "limit": 50}
    for number, status in ((4, 200), (5, 422)):
        answer = await client.post(f"{SEARCH}/batch", json={"searches": [one] * number})
        assert answer.status_code == status, answer.text
    assert place(answer) == "searches"
