"""What breaks clients of an OpenAPI document, and what does not: each rule by one change."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from vectorplane_service.openapi_rules import incompatible

TODAY = date(2026, 6, 1)
Change = Callable[[dict[str, Any]], object]
SEARCH = "/collections/{collection}/search"


def base() -> dict[str, Any]:
    """A document small enough to read, with one of each."""
    return {
        "openapi": "3.1.0",
        "paths": {
            SEARCH: {
                "post": {
                    "summary": "Search",
                    "security": [{"key": []}, {"bearer": ["read"]}],
                    "parameters": [
                        {"name": "collection", "in": "path", "required": True, "schema": TEXT},
                        {
                            "name": "wait",
                            "in": "query",
                            "required": False,
                            "schema": {"type": "boolean", "default": True},
                        },
                    ],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {"schema": ref("SearchIn")},
                            "application/x-ndjson": {"schema": {"type": "string"}},
                        },
                    },
                    "responses": {
                        "200": {"content": {"application/json": {"schema": ref("Results")}}},
                        "404": {"content": {"application/problem+json": {"schema": {}}}},
                    },
                },
            },
            "/old": {"get": {"responses": {"200": {"description": "Done."}}}},
        },
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {
                "SearchIn": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["vector"],
                    "properties": {
                        "vector": {"type": "array", "items": {"type": "number"}, "minItems": 1},
                        "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10},
                        "mode": {"enum": ["fast", "exact"]},
                        "text": {"anyOf": [TEXT, {"type": "null"}]},
                        "params": {"type": "object"},
                        "prefetch": {"type": "array", "items": ref("SearchIn")},
                    },
                },
                "Results": {
                    "type": "object",
                    "required": ["results"],
                    "properties": {
                        "results": {"type": "array", "items": ref("Found")},
                        "state": {"enum": ["done", "partial"]},
                    },
                },
                "Found": {
                    "type": "object",
                    "required": ["id", "score"],
                    "properties": {
                        "id": {"anyOf": [{"type": "integer", "minimum": 0}, TEXT]},
                        "score": {"type": "number"},
                        "payload": {"type": "object"},
                    },
                },
            },
        },
    }


TEXT = {"type": "string", "maxLength": 255}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def operation(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][SEARCH]["post"]
    return found


def fields(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]["properties"]
    return found


def parameters(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operation(document)["parameters"]
    return found


def required(document: dict[str, Any], name: str, *names: str) -> None:
    document["components"]["schemas"][name]["required"] = list(names)


def after(change: Change) -> list[str]:
    new = copy.deepcopy(base())
    change(new)
    return incompatible(base(), new, TODAY)


NEW = {"name": "tenant", "in": "query", "required": True, "schema": TEXT}

BREAKS: dict[str, tuple[Change, str]] = {
    "path removed": (lambda d: d["paths"].pop("/old"), "GET /old: removed"),
    "method removed": (lambda d: d["paths"][SEARCH].pop("post"), "POST .*search: removed"),
    "parameter removed": (lambda d: parameters(d).pop(), "query parameter wait: removed"),
    "parameter required": (
        lambda d: parameters(d)[1].update(required=True),
        "query parameter wait: is required now",
    ),
    "new required parameter": (
        lambda d: parameters(d).append(NEW),
        "query parameter tenant: new, and required",
    ),
    "parameter's type": (
        lambda d: parameters(d)[1]["schema"].update(type="integer"),
        "wait type was boolean, is integer",
    ),
    "parameter's default": (
        lambda d: parameters(d)[1]["schema"].update(default=False),
        "the default was True, and is False",
    ),
    "path parameter narrowed": (
        lambda d: parameters(d)[0].update(schema={"type": "string", "maxLength": 9}),
        "path parameter 1 maxLength was 255, is 9",
    ),
    "body removed": (lambda d: operation(d).pop("requestBody"), "request body: removed"),
    "media type of a body removed": (
        lambda d: operation(d)["requestBody"]["content"].pop("application/x-ndjson"),
        "request body application/x-ndjson: removed",
    ),
    "field of a request removed": (
        lambda d: fields(d, "SearchIn").pop("mode"),
        "at mode: is gone",
    ),
    "field of a request required": (
        lambda d: required(d, "SearchIn", "vector", "limit"),
        "at limit: is required now",
    ),
    "new required field of a request": (
        lambda d: (
            fields(d, "SearchIn").update(using=TEXT),
            required(d, "SearchIn", "vector", "using"),
        ),
        "at using: is required now",
    ),
    "type of a request narrowed": (
        lambda d: fields(d, "SearchIn")["vector"].update(items={"type": "integer"}),
        r"at vector\[\]: type was number, is integer",
    ),
    "null taken no more": (
        lambda d: fields(d, "SearchIn").update(text=TEXT),
        "at text: type was null, is string",
    ),
    "enum of a request narrowed": (
        lambda d: fields(d, "SearchIn").update(mode={"enum": ["fast"]}),
        r'at mode: enum was \["fast", "exact"\], is \["fast"\]',
    ),
    "enum where any was taken": (
        lambda d: parameters(d)[0].update(schema={**TEXT, "enum": ["a"]}),
        r'enum was any value, is \["a"\]',
    ),
    "upper bound of a request lowered": (
        lambda d: fields(d, "SearchIn")["limit"].update(maximum=100),
        "at limit: maximum was 1000, is 100",
    ),
    "lower bound of a request raised": (
        lambda d: fields(d, "SearchIn")["vector"].update(minItems=2),
        "at vector: minItems was 1, is 2",
    ),
    "new bound of a request": (
        lambda d: fields(d, "SearchIn")["vector"].update(maxItems=65536),
        "at vector: maxItems was none, is 65536",
    ),
    "new pattern of a request": (
        lambda d: parameters(d)[0].update(schema={**TEXT, "pattern": "a+"}),
        'pattern was none, is "a\\+"',
    ),
    "further fields refused": (
        lambda d: fields(d, "SearchIn")["params"].update(additionalProperties=False),
        "at params: takes no further properties now",
    ),
    "answer's status removed": (
        lambda d: operation(d)["responses"].pop("404"),
        "answer 404: removed",
    ),
    "answer's media type removed": (
        lambda d: operation(d)["responses"].update({"200": {"content": {"text/csv": {}}}}),
        "answer 200 application/json: removed",
    ),
    "field of an answer removed": (
        lambda d: fields(d, "Found").pop("payload"),
        r"at results\[\].payload: is gone",
    ),
    "field of an answer may be missing": (
        lambda d: required(d, "Found", "id"),
        r"at results\[\].score: may be missing now",
    ),
    "type of an answer widened": (
        lambda d: fields(d, "Found").update(score={"anyOf": [{"type": "number"}, TEXT]}),
        r"at results\[\].score: type was number, is string",
    ),
    "enum of an answer widened": (
        lambda d: fields(d, "Results")["state"]["enum"].append("stale"),
        r'at state: enum was \["done", "partial"\], is \["done", "partial", "stale"\]',
    ),
    "bound of an answer widened": (
        lambda d: fields(d, "Found").update(id={"anyOf": [{"type": "integer"}, TEXT]}),
        r"at results\[\].id: minimum was 0, is none",
    ),
    "security added": (
        lambda d: d["paths"]["/old"]["get"].update(security=[{"key": []}]),
        "GET /old: security: none is no longer enough",
    ),
    "way in removed": (
        lambda d: operation(d).update(security=[{"bearer": ["read"]}]),
        "security: key is no longer enough",
    ),
    "way in asks for more": (
        lambda d: operation(d).update(security=[{"key": []}, {"bearer": ["read", "write"]}]),
        "security: bearer is no longer enough",
    ),
    "scheme changed": (
        lambda d: d["components"]["securitySchemes"]["key"].update(name="X-Key"),
        "security: scheme key has changed",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_clients_is_found(name: str) -> None:
    change, expected = BREAKS[name]
    found = after(change)
    assert len(found) == 1, found
    assert re.search(expected, found[0]), found[0]


def test_a_body_that_is_asked_for_now() -> None:
    old = base()
    body = operation(old).pop("requestBody")
    assert incompatible(old, base(), TODAY) == [f"POST {SEARCH}: request body: new, and required"]
    operation(old)["requestBody"] = {**body, "required": False}
    assert incompatible(old, base(), TODAY) == [f"POST {SEARCH}: request body: is required now"]


FINE: dict[str, Change] = {
    "nothing": lambda d: None,
    "a new path": lambda d: d["paths"].update({"/new": {"get": {"responses": {}}}}),
    "a new method": lambda d: d["paths"]["/old"].update(delete={"responses": {}}),
    "a new optional parameter": lambda d: parameters(d).append({**NEW, "required": False}),
    "a new optional field of a request": lambda d: fields(d, "SearchIn").update(using=TEXT),
    "a new media type": lambda d: operation(d)["requestBody"]["content"].update({"a/b": {}}),
    "a body that may be left out": lambda d: operation(d)["requestBody"].update(required=False),
    "a field that may be left out": lambda d: required(d, "SearchIn"),
    "a wider type of a request": lambda d: fields(d, "SearchIn").update(
        limit={"type": "number", "minimum": 1}
    ),
    "a wider enum of a request": lambda d: fields(d, "SearchIn")["mode"]["enum"].append("slow"),
    "a lifted bound of a request": lambda d: fields(d, "SearchIn")["limit"].pop("maximum"),
    "one more alternative of a request": lambda d: fields(d, "SearchIn")["text"]["anyOf"].append(
        {"type": "array", "items": TEXT}
    ),
    "a new field of an answer": lambda d: fields(d, "Found").update(version={"type": "integer"}),
    "a field that is always there": lambda d: required(d, "Found", "id", "score", "payload"),
    "a narrower type of an answer": lambda d: fields(d, "Found").update(score={"type": "integer"}),
    "a narrower enum of an answer": lambda d: fields(d, "Results").update(state={"const": "done"}),
    "a new status": lambda d: operation(d)["responses"].update({"429": {"content": {}}}),
    "a new way in": lambda d: operation(d)["security"].append({"oidc": []}),
    "no key asked for any more": lambda d: operation(d).pop("security"),
    "another name of a path's parameter": lambda d: (
        parameters(d)[0].update(name="c"),
        d["paths"].update({"/collections/{c}/search": d["paths"].pop(SEARCH)}),
    ),
    "a schema written in another way": lambda d: (
        fields(d, "SearchIn").update(text={"type": ["string", "null"], "maxLength": 255}),
        fields(d, "Found").update(score={"allOf": [{"type": "number"}]}),
    ),
    "other words": lambda d: (
        operation(d).update(summary="Find"),
        fields(d, "Found")["score"].update(description="How near."),
    ),
}


@pytest.mark.parametrize("name", FINE)
def test_what_breaks_nobody_is_let_through(name: str) -> None:
    assert after(FINE[name]) == []


def test_what_was_said_to_go_may_go_after_its_day() -> None:
    old, new = base(), base()
    old["paths"]["/old"]["get"] |= {"deprecated": True, "x-sunset": "2026-06-01"}
    del new["paths"]["/old"]
    assert incompatible(old, new, date(2026, 5, 31)) == ["GET /old: removed"]
    assert incompatible(old, new, date(2026, 6, 1)) == []
    old["paths"]["/old"]["get"]["deprecated"] = False
    assert incompatible(old, new, date(2027, 1, 1)) == ["GET /old: removed"]


def test_a_change_deep_in_a_schema_that_holds_itself_is_found_once() -> None:
    found = after(lambda d: fields(d, "SearchIn")["prefetch"].update(maxItems=3))
    assert found == [
        f"POST {SEARCH}: request body application/json at prefetch: maxItems was none, is 3"
    ]
