"""Routes and their documentation in one table row each: `Operation`.

Each capability has a tuple `OPERATIONS`. Here they become routes, flat and in that order, since the
router tries them one by one and search comes first. The OpenAPI document gets the schemas of bodies
that the service reads by itself, an example for each operation, and the problems it may answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from starlette.responses import Response

from vectorplane_service.deprecation import Deprecated, Deprecation
from vectorplane_service.edge.headers import page_policy
from vectorplane_service.http import json_bytes
from vectorplane_service.problems import phrase

_REF = "#/components/schemas/{model}"
_PUBLIC_TAG = "health"
_ALWAYS = (401, 403, 422, 429, 500, 502, 503, 504)
_WITH_A_BODY = (408,)
_LIMITS = {
    "max_batch_size": "maxItems",
    "max_prefetches": "maxItems",
    "max_query_length": "maxLength",
    "max_results_k": "maximum",
}
"""What a setting limits, in the words of a schema."""


class ProblemError(BaseModel):
    """One thing wrong with the input."""

    place: str
    message: str


class Problem(BaseModel):
    """An error, after RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[ProblemError] | None = None
    written: int | None = Field(
        None, description="Of a stream of points: how many are certainly written."
    )


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: where it is, what does it, and what its documentation says."""

    method: str
    path: str
    endpoint: Callable[..., Awaitable[Any]]
    summary: str
    tag: str
    example: Any
    answer: type[BaseModel] | tuple[type[BaseModel], ...] | None = None
    status: int = 200
    media_type: str = "application/json"
    body: Any = None
    body_examples: Mapping[str, Any] = field(default_factory=dict)
    other_bodies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Bodies that are no JSON, by media type, as the document says them."""
    links: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What may be asked next, with what of this answer."""
    problems: tuple[int, ...] = ()
    also: Mapping[int, str] = field(default_factory=dict)
    """Further good answers: status and what it says."""
    hot: bool = False
    """Asked so often that it has a short way: see `hotpath`."""
    shown: bool = True
    """Whether the document has it."""
    deprecated: Deprecation | None = None
    """On its way out; it goes the long way, where its answers get the headers that say so."""

    def __post_init__(self) -> None:
        if self.deprecated is not None:
            object.__setattr__(self, "hot", False)

    @property
    def name(self) -> str:
        return self.endpoint.__name__

    def responses(self) -> dict[int | str, dict[str, Any]]:
        content: dict[str, Any] = {"example": self.example}
        if self.answer is not None:
            content["schema"] = _schema(self.answer)
        ok: dict[str, Any] = {"description": "Done.", "content": {self.media_type: content}}
        if self.links:
            ok["links"] = self.links
        found: dict[int | str, dict[str, Any]] = {self.status: ok}
        for status, words in self.also.items():
            found[status] = {**ok, "description": words}
        always = () if self.tag == _PUBLIC_TAG else _ALWAYS
        with_body = () if self.body is None else _WITH_A_BODY
        for status in sorted({*always, *with_body, *self.problems}):
            found[status] = _problem_response(status)
        return found

    def request_body(self) -> dict[str, Any]:
        if self.body is None:
            return {}
        return {
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": _schema(self.body),
                        "examples": {
                            name: {"value": value} for name, value in self.body_examples.items()
                        },
                    },
                    **self.other_bodies,
                },
            }
        }

    def extra(self) -> dict[str, Any]:
        """What FastAPI does not say of the operation by itself."""
        said = {} if self.deprecated is None else self.deprecated.documented()
        return {**self.request_body(), **said}

    def models(self) -> list[type[BaseModel]]:
        said = [*_each(self.body), *_each(self.answer)]
        return [model for model in said if model is not None]


def _each(models: Any) -> tuple[Any, ...]:
    return models if isinstance(models, tuple) else (models,)


def _schema(body: Any) -> dict[str, Any]:
    if isinstance(body, tuple):
        return {"anyOf": [{"$ref": _REF.format(model=m.__name__)} for m in body]}
    return {"$ref": _REF.format(model=body.__name__)}


def _problem_response(status: int) -> dict[str, Any]:
    title = phrase(status)
    example = {
        "type": f"urn:vectorplane:problem:{title.lower().replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": "What went wrong, in one sentence.",
        "code": title.lower().replace(" ", "_"),
        "request_id": "4f7c2d0e9b1a4c53",
    }
    if status == 422:
        example["errors"] = [{"place": "points[3].vector", "message": "a vector of 4 numbers"}]
    return {
        "description": title,
        "content": {
            "application/problem+json": {
                "schema": {"$ref": _REF.format(model="Problem")},
                "example": example,
            }
        },
    }


def install(
    app: FastAPI,
    base: str,
    versioned: Sequence[Operation],
    unversioned: Sequence[Operation],
    limits: Mapping[str, Any] | None = None,
) -> None:
    """Make the routes, and the document that describes them. `limits` are settings: those that
    limit bodies are said in their schemas."""
    groups = [(base, versioned), ("", unversioned)] if base else [("", versioned)]
    for prefix, operations in groups:
        for operation in operations:
            app.add_api_route(
                prefix + operation.path,
                operation.endpoint,
                methods=[operation.method],
                summary=operation.summary,
                tags=[operation.tag],
                status_code=operation.status,
                response_model=None,
                response_class=Response,
                responses=operation.responses(),
                include_in_schema=operation.shown,
                deprecated=operation.deprecated is not None or None,
                openapi_extra=operation.extra() or None,
                operation_id=operation.name if prefix == base else f"{operation.name}_unversioned",
            )
            if operation.deprecated is not None:
                route = cast(APIRoute, app.router.routes[-1])
                route.app = Deprecated(route.app, operation.deprecated)
        _show(app, prefix)
    _describe(app, groups, limits or {})


def _show(app: FastAPI, prefix: str) -> None:
    """`/docs` and `/openapi.json` under a prefix."""

    async def openapi_json() -> Response:
        return Response(json_bytes(app.openapi()), media_type="application/json")

    async def docs() -> Response:
        page = get_swagger_ui_html(openapi_url=f"{prefix}/openapi.json", title=app.title)
        page.headers["Content-Security-Policy"] = page_policy(bytes(page.body))
        return page

    app.add_api_route(f"{prefix}/openapi.json", openapi_json, include_in_schema=False)
    app.add_api_route(f"{prefix}/docs", docs, include_in_schema=False)


def _describe(
    app: FastAPI,
    groups: Sequence[tuple[str, Sequence[Operation]]],
    limits: Mapping[str, Any],
) -> None:
    """Add to FastAPI's document what it does not know."""
    generate = app.openapi
    everything = [(prefix, one) for prefix, some in groups for one in some if one.shown]
    models = {model for _, operation in everything for model in operation.models()} | {Problem}

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            _, schemas = models_json_schema(
                [(model, "validation") for model in sorted(models, key=lambda m: m.__name__)],
                ref_template=_REF,
            )
            document["components"]["schemas"] = schemas["$defs"]
            _limit(schemas["$defs"], limits)
            for prefix, operation in everything:
                shown = document["paths"][prefix + operation.path][operation.method.lower()]
                answer = shown["responses"][str(operation.status)]
                # FastAPI leaves out every null, and a null is part of an example.
                answer["content"][operation.media_type]["example"] = operation.example
            _offer_bearer(document)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _limit(schema: Any, limits: Mapping[str, Any]) -> None:
    """Say the limits of this service where a schema names the setting, as `x-limit`."""
    if isinstance(schema, dict):
        name = schema.pop("x-limit", None)
        if name in limits:
            schema[_LIMITS[name]] = limits[name]
    for inner in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(inner, dict | list):
            _limit(inner, limits)


def _offer_bearer(document: dict[str, Any]) -> None:
    """A key may come as a bearer token too."""
    schemes = document["components"].setdefault("securitySchemes", {})
    schemes["bearer"] = {"type": "http", "scheme": "bearer"}
    for path in document["paths"].values():
        for operation in path.values():
            if "security" in operation:
                operation["security"].append({"bearer": []})
