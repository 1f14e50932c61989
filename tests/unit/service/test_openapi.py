"""The OpenAPI document: complete, with examples that are true."""

from __future__ import annotations

from collections.abc import Iterator
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
from vectorplane_service.app import create_app

pytestmark = pytest.mark.anyio

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(settings(), points=MemoryStore()).openapi()


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
            assert {"400", "401", "403", "404", "413", "415", "422", "503"} <= set(
                operation["responses"]
            ), (method, path)


async def test_examples_of_bodies_are_answered_as_the_examples_of_answers() -> None:
    """Each example body is sent, and each answer fits the documented schema."""
    store = await filled_store()
    await add_collection(store, "docs.pages", embedding=EMBEDDING)
    await store.drop("shop.products_1")
    await add_collection(store, "shop.products", embedding=EMBEDDING)
    async with serving(store) as client:
        document = (await client.get("/openapi.json")).json()
        seed = {"id": 7, "vector": [0.1, 0.2, 0.3, 0.4], "payload": {"price": 1}}
        sent = 0
        for method, path, operation in operations(document):
            content = operation.get("requestBody", {}).get("content", {})
            for name, example in content.get("application/json", {}).get("examples", {}).items():
                url = path.replace("{collection}", "shop.products")
                await client.put(f"{API}/collections/shop.products/points", json=seed)
                answer = await client.request(method, url, json=example["value"])
                assert answer.status_code == 200, (path, name, answer.text)
                schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
                valid(document, schema, answer.json())
                sent += 1
        assert sent >= 15


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
