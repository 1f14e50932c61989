"""The OpenAPI document: complete, with examples that are true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from support.serving import (
    API,
    EMBEDDING,
    add_collection,
    filled_store,
    running,
    serving,
    settings,
)
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Index
from vectorplane_service.app import create_app

pytestmark = pytest.mark.anyio

Operation = tuple[str, str, dict[str, Any]]
JSON = "application/json"
COLLECTION = {"collection": "shop.products"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(settings(), points=MemoryStore()).openapi()


def test_the_document_is_the_same_each_time(document: dict[str, Any]) -> None:
    assert create_app(settings(), points=MemoryStore()).openapi() == document


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def valid(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_every_operation_is_described_and_has_an_example(document: dict[str, Any]) -> None:
    seen = list(operations(document))
    assert len(seen) >= 20
    for method, path, operation in seen:
        where = (method, path)
        assert operation["summary"], where
        assert operation["description"].rstrip().endswith("."), where
        answers = [r for s, r in operation["responses"].items() if s.startswith("2")]
        assert answers, where
        for answer in answers:
            (content,) = answer["content"].values()
            assert content["example"], where
        if method in ("post", "put"):
            body = operation["requestBody"]["content"]["application/json"]
            assert body["examples"], where
            assert operation["requestBody"]["required"], where
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (*where, parameter["name"])


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_every_path_parameter_is_declared(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        declared = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}, (
            method,
            path,
        )


def test_examples_fit_their_schemas(document: dict[str, Any]) -> None:
    checked = 0
    for _, _, operation in operations(document):
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]
            for example in body["examples"].values():
                valid(document, body["schema"], example["value"])
                checked += 1
        for response in operation["responses"].values():
            for kind, content in response["content"].items():
                if "json" in kind:
                    valid(document, content["schema"], content["example"])
                    checked += 1
    assert checked > 80


def test_problems_are_documented(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400 and path.removeprefix(API).split("/")[1] not in ("health", "db"):
                assert list(response["content"]) == ["application/problem+json"], (path, status)
        if "requestBody" in operation:
            wanted = {"400", "401", "403", "413", "415", "422", "429", "500", "502", "503"}
            if "/keys" not in path:
                wanted.add("404")
            assert wanted <= set(operation["responses"]), (method, path)


async def test_examples_of_bodies_are_answered_as_the_examples_of_answers(tmp_path: Path) -> None:
    """Each example body is sent, and each answer fits the documented schema."""
    store = await filled_store()
    await add_collection(store, "docs.pages", embedding=EMBEDDING)
    await store.drop("shop.products_1")
    await add_collection(store, "shop.products", embedding=EMBEDDING)
    await store.create_index("shop.products_1", Index("category", "Keyword"))
    async with serving(store, keys_file=str(tmp_path / "keys.json")) as client:
        document = (await client.get("/openapi.json")).json()
        seed = {"id": 7, "vector": [0.1, 0.2, 0.3, 0.4], "payload": {"price": 1}}
        sent = 0
        for method, path, operation in operations(document):
            content = operation.get("requestBody", {}).get("content", {})
            for kind, body in content.items():
                for name, example in body.get("examples", {}).items():
                    url = path.replace("{collection}", "shop.products")
                    await client.put(f"{API}/collections/shop.products/points", json=seed)
                    value = example["value"]
                    answer = await client.request(
                        method,
                        url,
                        content=value if isinstance(value, str) else json.dumps(value),
                        headers={"Content-Type": kind},
                        params={} if "{" in path or kind == JSON else COLLECTION,
                    )
                    good = str(answer.status_code)
                    assert good in ("200", "201"), (path, name, answer.text)
                    shown = operation["responses"][good]["content"]["application/json"]
                    valid(document, shown["schema"], answer.json())
                    sent += 1
        assert sent >= 35


@pytest.mark.parametrize(
    ("changes", "base"),
    [({}, API), ({"api_versioning_enabled": False}, "/api"), ({"api_prefix": "/"}, "/v1")],
)
async def test_documents_are_where_the_api_is(changes: dict[str, Any], base: str) -> None:
    async with serving(headers={}, **changes) as client:
        for prefix in (base, ""):
            page = await client.get(f"{prefix}/docs")
            assert page.status_code == 200
            assert f"{prefix}/openapi.json" in page.text
            document = (await client.get(f"{prefix}/openapi.json")).json()
            assert f"{base}/collections" in document["paths"]
            assert "/health/live" in document["paths"]


async def test_without_any_prefix_there_is_one_of_each() -> None:
    app = create_app(
        settings(api_prefix="/", api_versioning_enabled=False), points=await filled_store()
    )
    async with running(app) as client:
        document = (await client.get("/openapi.json")).json()
        assert "/collections" in document["paths"]
        assert (await client.get("/collections")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200


def test_limits_of_this_service_are_in_its_schemas() -> None:
    app = create_app(
        settings(max_results_k=7, max_batch_size=8, max_query_length=9, max_prefetches=3),
        points=MemoryStore(),
    )
    document = app.openapi()
    assert "x-limit" not in json.dumps(document)
    search = document["components"]["schemas"]["SearchIn"]["properties"]
    assert search["limit"]["maximum"] == search["offset"]["maximum"] == 7
    assert search["text"]["maxLength"] == 9
    assert search["prefetch"]["maxItems"] == 3
    points = document["components"]["schemas"]["PointsIn"]["properties"]["points"]
    assert (points["minItems"], points["maxItems"]) == (1, 8)


FILTERS: list[tuple[Any, bool]] = [
    (None, True),
    ({}, True),
    ({"must": {"key": "a", "match": {"value": 1}}}, True),
    ({"should": [{"key": "a.b[].c", "range": {"gt": 1, "lt": None}}]}, True),
    ({"must": [{"key": "a", "range": {"gte": "2026-01-31T12:00:00Z"}}]}, True),
    ({"must_not": [{"has_id": [1, "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"]}]}, True),
    ({"must": [{"nested": {"key": "a", "filter": {"must": [{"key": "b", "is_null": True}]}}}]}, 1),
    ({"must": [{"must_not": [{"is_empty": {"key": "a"}}]}, {"has_vector": ""}]}, True),
    ({"min_should": {"conditions": [{"key": "a", "is_empty": False}], "min_count": 1}}, True),
    ({"must": [{"key": "a", "match": {"any": [1, 2]}, "range": None}]}, True),
    ({"must": [{"key": "a", "match": {"except": ["x"]}}]}, True),
    ({"must": [{"key": "a", "geo_radius": {"center": {"lon": 1, "lat": 2}, "radius": 9}}]}, True),
    ({"must": [{"key": "a", "values_count": {"gt": 1}}]}, True),
    ([], False),
    ({"most": []}, False),
    ({"must": [{}]}, False),
    ({"must": [{"key": "a"}]}, False),
    ({"must": [{"key": "a..b", "is_null": True}]}, False),
    ({"must": [{"key": "a", "is_null": True, "is_empty": True}]}, False),
    ({"must": [{"key": "a", "match": {}}]}, False),
    ({"must": [{"key": "a", "match": {"value": 1.5}}]}, False),
    ({"must": [{"key": "a", "match": {"value": 1, "text": "a"}}]}, False),
    ({"must": [{"key": "a", "match": {"any": [1, "a"]}}]}, False),
    ({"must": [{"key": "a", "range": {}}]}, False),
    ({"must": [{"key": "a", "range": {"gt": True}}]}, False),
    ({"must": [{"key": "a", "range": {"gt": 1, "lt": "2026-01-31T12:00:00Z"}}]}, False),
    ({"must": [{"key": "a", "values_count": {"gt": -1}}]}, False),
    ({"must": [{"has_id": [-1]}]}, False),
    ({"must": [{"is_empty": {"key": "a"}, "has_id": [1]}]}, False),
    ({"must": [{"nested": {"key": "a", "filter": {"must": [{"has_id": [1]}]}}}]}, False),
    ({"must": [{"key": "a", "geo_radius": {"center": {"lon": 181, "lat": 2}, "radius": 9}}]}, 0),
    ({"min_should": {"conditions": [], "min_count": 1}}, False),
    ({"min_should": {"conditions": [{"has_id": [1]}], "min_count": 0}}, False),
]


@pytest.mark.parametrize(("filter", "good"), FILTERS)
async def test_the_schema_of_filters_says_what_is_taken(
    document: dict[str, Any], filter: Any, good: bool
) -> None:
    schema = document["components"]["schemas"]["CountIn"]
    checker = Draft202012Validator({**schema, "components": document["components"]})
    assert checker.is_valid({"filter": filter}) == bool(good)
    async with serving() as client:
        url = f"{API}/collections/shop.products/points/count"
        answer = await client.post(url, json={"filter": filter})
        assert (answer.status_code == 200) == bool(good), answer.text


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"vector": [1, 2, 3, 4]}, True),
        ({"vector": [1, 2, 3, 4], "text": None}, True),
        ({"id": 7, "limit": 1000}, True),
        ({"recommend": {"positive": [7, [1, 2, 3, 4]]}}, True),
        ({"prefetch": [{"vector": [1, 2, 3, 4]}], "fusion": "rrf"}, True),
        ({"prefetch": [{"vector": [1, 2, 3, 4]}], "fusion": {"method": "rrf", "k": 1}}, True),
        ({"vector": [1, 2, 3, 4], "params": {"hnsw_ef": None, "exact": True}}, True),
        ({"vector": [1, 2, 3, 4], "group_by": {"field": "a", "size": 1}}, True),
        ({}, False),
        ({"vector": None}, False),
        ({"vector": [1, 2, 3, 4], "text": "a"}, False),
        ({"vector": []}, False),
        ({"vector": ["1", 2, 3, 4]}, False),
        ({"vector": [1, 2, 3, 4e39]}, False),
        ({"vector": {"indices": [1, 1], "values": [1, 1]}}, False),
        ({"vector": [1, 2, 3, 4], "limit": 1001}, False),
        ({"vector": [1, 2, 3, 4], "params": {"speed": 1}}, False),
        ({"vector": [1, 2, 3, 4], "params": {"hnsw_ef": 0}}, False),
        ({"vector": [1, 2, 3, 4], "prefetch": [{}]}, False),
        ({"prefetch": [{"id": 7, "offset": 1}], "fusion": "rrf"}, False),
        ({"prefetch": [{"id": 7}], "fusion": {"method": "dbsf", "k": 1}}, False),
        ({"fusion": "rrf"}, False),
        ({"fusion": "rrf", "prefetch": []}, False),
        ({"fusion": "rrf", "prefetch": [{"id": 7}], "using": ""}, False),
        ({"vector": [1, 2, 3, 4], "group_by": {"field": "a"}, "offset": 1}, False),
        ({"recommend": {"positive": []}}, False),
        ({"recommend": {"positive": [7], "strategy": "best"}}, False),
        ({"vector": [1, 2, 3, 4], "group_by": {"size": 1}}, False),
    ],
)
async def test_the_schema_of_searches_says_what_is_taken(
    document: dict[str, Any], body: Any, good: bool
) -> None:
    schema = document["components"]["schemas"]["SearchIn"]
    checker = Draft202012Validator({**schema, "components": document["components"]})
    assert checker.is_valid(body) == good
    async with serving() as client:
        url = f"{API}/collections/shop.products"
        await client.put(f"{url}/points", json={"id": 7, "vector": [1, 2, 3, 4]})
        answer = await client.post(f"{url}/search", json=body)
        assert (answer.status_code == 200) == good, answer.text
