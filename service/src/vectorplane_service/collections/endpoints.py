"""Collections: list and look. They are made by manifests, not here."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from vectorplane_service.access.dependencies import (
    CollectionReader,
    CollectionVerifier,
    Reader,
)
from vectorplane_service.collections import service
from vectorplane_service.collections.schemas import CollectionInfo, CollectionPage
from vectorplane_service.documentation import Operation
from vectorplane_service.http import Json

Limit = Annotated[int, Query(ge=1, le=100, description="Most collections of the page.")]
Cursor = Annotated[
    str | None, Query(max_length=1024, description="`next_cursor` of the page before.")
]


async def list_collections(caller: Reader, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The collections that the key may see, by name."""
    return Json(await service.page(caller, limit, cursor))


async def get_collection(at: CollectionReader) -> Response:
    """One collection: its vectors, counts, state and embedding."""
    return Json(await service.one(at))


async def verify_collection(at: CollectionVerifier) -> Response:
    """Whether a collection is there and its store answers; nothing of it is shown."""
    await at.points.peek(at.name)
    return Response()


_PRODUCTS = {
    "name": "shop.products",
    "state": "green",
    "points": 120034,
    "indexed_vectors": 120034,
    "vectors": [{"name": "", "size": 256, "distance": "Cosine"}],
    "sparse_vectors": [],
    "embedding": {"model": "wordllama", "provider": "local"},
    "payload_indexes": [{"field": "category", "type": "Keyword"}],
}

OPERATIONS = (
    Operation(
        "GET",
        "/collections",
        list_collections,
        summary="List collections",
        tag="collections",
        links={
            "show": {
                "operationId": "get_collection",
                "parameters": {"collection": "$response.body#/collections/0/name"},
            },
            "search": {
                "operationId": "search",
                "parameters": {"collection": "$response.body#/collections/0/name"},
            },
        },
        answer=CollectionPage,
        example={"collections": [_PRODUCTS], "next_cursor": None},
        problems=(422, 503),
    ),
    Operation(
        "GET",
        "/collections/{collection}",
        get_collection,
        summary="Show a collection",
        tag="collections",
        answer=CollectionInfo,
        example=_PRODUCTS,
        problems=(404, 501, 503),
    ),
    Operation(
        "HEAD",
        "/collections/{collection}",
        verify_collection,
        summary="Verify that a collection answers",
        tag="collections",
        example=None,
        # Who reads the document expects an answer with a body of each operation.
        shown=False,
    ),
)
