"""Search."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from vectorplane_service.access.dependencies import CollectionReader
from vectorplane_service.bodies import JsonBody
from vectorplane_service.documentation import Operation
from vectorplane_service.http import Json
from vectorplane_service.search import service
from vectorplane_service.search.schemas import (
    Results,
    ResultsBatch,
    SearchBatchIn,
    SearchIn,
)


async def search(
    at: CollectionReader, body: Annotated[SearchIn, Depends(JsonBody(SearchIn))]
) -> Response:
    """The nearest points to a vector, a text or a point, best first."""
    return Json(await service.search(at, body))


async def search_batch(
    at: CollectionReader, body: Annotated[SearchBatchIn, Depends(JsonBody(SearchBatchIn))]
) -> Response:
    """Several searches in one request, answered in their order."""
    return Json(await service.search_batch(at, body))


BY_VECTOR = {
    "vector": [0.1, 0.2, 0.3, 0.4],
    "limit": 5,
    "filter": {"must": [{"key": "price", "range": {"lte": 10}}]},
}
BY_TEXT = {"text": "something to drink tea from", "limit": 5}
RESULTS = {"results": [{"id": 7, "score": 0.93, "payload": {"name": "cup", "price": 4.5}}]}
PROBLEMS = (400, 404, 413, 415, 422, 501, 503)

OPERATIONS = (
    Operation(
        "POST",
        "/collections/{collection}/search",
        search,
        summary="Search",
        tag="search",
        body=SearchIn,
        body_examples={"vector": BY_VECTOR, "text": BY_TEXT, "like a point": {"id": 7}},
        answer=Results,
        example=RESULTS,
        problems=PROBLEMS,
        hot=True,
    ),
    Operation(
        "POST",
        "/collections/{collection}/search/batch",
        search_batch,
        summary="Search several times at once",
        tag="search",
        body=SearchBatchIn,
        body_examples={"two": {"searches": [BY_VECTOR, BY_TEXT]}},
        answer=ResultsBatch,
        example={"searches": [RESULTS, RESULTS]},
        problems=PROBLEMS,
        hot=True,
    ),
)
