"""Search."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends
from starlette.responses import Response

from vectorplane_service.access.dependencies import CollectionSearcher
from vectorplane_service.bodies import JsonBody
from vectorplane_service.documentation import Operation
from vectorplane_service.http import Json
from vectorplane_service.search import service
from vectorplane_service.search.schemas import (
    Groups,
    Results,
    ResultsBatch,
    SearchBatchIn,
    SearchIn,
)
from vectorplane_service.search.sent import SearchBody


async def search(
    at: CollectionSearcher, body: Annotated[SearchIn, Depends(SearchBody(SearchIn))]
) -> Response:
    """The nearest points to a vector, a text, a point or examples, best first; in one step, or in
    stages (prefetch) with a fusion or another query on top; as a list, or in groups."""
    return Json(await service.search(at, body))


async def search_batch(
    at: CollectionSearcher, body: Annotated[SearchBatchIn, Depends(JsonBody(SearchBatchIn))]
) -> Response:
    """Several searches in one request, answered in their order."""
    return Json(await service.search_batch(at, body))


BY_VECTOR = {
    "vector": [0.1, 0.2, 0.3, 0.4],
    "limit": 5,
    "filter": {"must": [{"key": "price", "range": {"lte": 10}}]},
}
BY_TEXT = {"text": "something to drink tea from", "limit": 5}
_STAGES = [
    {"text": "something to drink tea from", "limit": 50},
    {"vector": [0.1, 0.2, 0.3, 0.4], "limit": 50},
]
EXAMPLES: dict[str, dict[str, Any]] = {
    "vector": BY_VECTOR,
    "text": BY_TEXT,
    "like a point": {"id": 7},
    "like examples": {
        "recommend": {
            "positive": [7, [0.1, 0.2, 0.3, 0.4]],
            "negative": [[0.4, 0.3, 0.2, 0.1]],
            "strategy": "best_score",
        }
    },
    "hybrid": {"prefetch": _STAGES, "fusion": {"method": "rrf", "k": 60}, "limit": 5},
    "rescored": {
        "prefetch": [{"text": "something to drink tea from", "limit": 50}],
        "vector": [0.1, 0.2, 0.3, 0.4],
        "score_threshold": 0.1,
        "params": {"exact": True},
    },
    "in groups": {**BY_TEXT, "group_by": {"field": "category", "size": 3}},
}
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
        body_examples=EXAMPLES,
        answer=(Results, Groups),
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
