"""Points of a collection."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Path, Query, Request
from starlette.responses import Response

from vectorplane.errors import InvalidInput
from vectorplane_service.access.dependencies import CollectionReader, CollectionWriter
from vectorplane_service.bodies import NDJSON, NPZ, JsonBody, read_json
from vectorplane_service.documentation import Operation
from vectorplane_service.http import Json
from vectorplane_service.points import service, writing
from vectorplane_service.points.schemas import (
    ColumnsIn,
    Count,
    CountIn,
    DeleteIn,
    Done,
    Facet,
    FacetIn,
    PayloadClearIn,
    PayloadDeleteIn,
    PayloadIn,
    PayloadOverwriteIn,
    PayloadSetIn,
    PointIn,
    PointList,
    PointPage,
    PointsIn,
    RetrieveIn,
    ScrollIn,
    Written,
)
from vectorplane_service.schemas import FoundPoint

Wait = Annotated[bool, Query(description="false answers before the points are written.")]
Ordering = Annotated[
    Literal["weak", "medium", "strong"] | None,
    Query(description="How writes of several clients to one point are put in order."),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Accepted and not needed: the same request again changes nothing, for points "
        "are named by their ids.",
    ),
]
PointId = Annotated[
    str,
    Path(max_length=64, description="A number or a UUID."),
]

_PAYLOADS: dict[Any, JsonBody[PayloadIn]] = {
    "set": JsonBody(PayloadSetIn),
    "overwrite": JsonBody(PayloadOverwriteIn),
    "delete": JsonBody(PayloadDeleteIn),
    "clear": JsonBody(PayloadClearIn),
}


async def _payload_body(request: Request) -> PayloadIn:
    content = await read_json(request)
    if not isinstance(content, dict):
        raise InvalidInput("an object is asked for", place="body")
    action = content.get("action")
    if not isinstance(action, str) or action not in _PAYLOADS:
        raise InvalidInput(f"one of {', '.join(_PAYLOADS)}", place="action")
    return _PAYLOADS[action].check(content)


async def upsert_points(
    request: Request,
    at: CollectionWriter,
    wait: Wait = True,
    ordering: Ordering = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Write points; one with the same id is replaced. The body is one of:

    - JSON: `{"points": [...]}`, a list, one point by itself, or columns `{"ids": [...], "vectors":
      [...], "payloads": [...]}`. All points are written, or none.
    - `application/x-ndjson`: a point on each line, as many as you like. They are written while
      the rest is still coming. At a mistake, what was before it stays written: the problem names
      the line, and says how many points were `written`.
    - `application/x-npz`: what `np.savez(file, ids=..., vectors=..., payloads=...)` writes. `ids`
      are integers or UUIDs (text, or 16 bytes each); `vectors` (or `vectors.<name>`) are floats of
      shape (points, size); `payloads`, if any, is a `uint8` array that holds a JSON list. All
      points are written, or none.

    The request is idempotent: sending it again changes nothing.
    """
    return Json(await writing.upsert_body(at, request, wait=wait, ordering=ordering))


async def get_point(at: CollectionReader, id: PointId) -> Response:
    """One point, with payload and vectors."""
    return Json(await service.get(at, id))


async def retrieve_points(
    at: CollectionReader, body: Annotated[RetrieveIn, Depends(JsonBody(RetrieveIn))]
) -> Response:
    """The points that exist among the ids, in the order of the ids."""
    return Json(await service.retrieve(at, body))


async def scroll_points(
    at: CollectionReader, body: Annotated[ScrollIn, Depends(JsonBody(ScrollIn))]
) -> Response:
    """A page of points. `next_cursor` leads to the next one, with the same filter."""
    return Json(await service.scroll(at, body))


async def delete_points(
    at: CollectionWriter,
    body: Annotated[DeleteIn, Depends(JsonBody(DeleteIn))],
    wait: Wait = True,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Delete points by id or by filter. Ids that are not there are no error. The request is
    idempotent."""
    return Json(await service.delete(at, body, wait=wait))


async def change_payload(
    at: CollectionWriter,
    body: Annotated[Any, Depends(_payload_body)],
    wait: Wait = True,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Change the payload of points by id or by filter: `set` merges, `overwrite` replaces, `delete`
    takes fields away, `clear` takes all. Ids that are not there are no error. The request is
    idempotent."""
    return Json(await service.change_payload(at, body, wait=wait))


async def count_points(
    at: CollectionReader, body: Annotated[CountIn, Depends(JsonBody(CountIn))]
) -> Response:
    """How many points fit a filter."""
    return Json(await service.count(at, body))


async def facet_points(
    at: CollectionReader, body: Annotated[FacetIn, Depends(JsonBody(FacetIn))]
) -> Response:
    """The values of a payload field, the most frequent first, and how many points have each. The
    field has a payload index."""
    return Json(await service.facet(at, body))


CUP = {"id": 7, "payload": {"name": "cup", "category": "kitchen", "price": 4.5}}
CUP_VECTOR = {**CUP, "vector": [0.1, 0.2, 0.3, 0.4]}
COLUMNS = {
    "ids": [7, 8],
    "vectors": [[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]],
    "payloads": [{"name": "cup"}, None],
}
KITCHEN = {"must": [{"key": "category", "match": {"value": "kitchen"}}]}
PROBLEMS = (400, 404, 413, 415, 422, 501, 503)
LINES = (
    '{"id": 7, "vector": [0.1, 0.2, 0.3, 0.4], "payload": {"name": "cup"}}\n'
    '{"id": 8, "vector": [0.4, 0.3, 0.2, 0.1]}\n'
)
OTHER_BODIES: dict[str, Any] = {
    NDJSON: {
        "schema": {"type": "string", "description": "A point on each line."},
        "examples": {"lines": {"value": LINES}},
    },
    NPZ: {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": "numpy arrays `ids`, `vectors` and `payloads`, as np.savez writes them.",
        }
    },
}

OPERATIONS = (
    Operation(
        "PUT",
        "/collections/{collection}/points",
        upsert_points,
        summary="Write points",
        tag="points",
        body=(PointsIn, PointIn, ColumnsIn),
        body_examples={
            "vectors": {"points": [CUP_VECTOR]},
            "text": {"points": [{"id": 8, "text": "a blue tea pot"}]},
            "one point": CUP_VECTOR,
            "columns": COLUMNS,
            "columns of texts": {"ids": [8], "texts": ["a blue tea pot"]},
        },
        other_bodies=OTHER_BODIES,
        links={
            "read": {
                "operationId": "get_point",
                "parameters": {
                    "collection": "$request.path.collection",
                    "id": "$request.body#/points/0/id",
                },
            }
        },
        answer=Written,
        example={"status": "completed", "points": 1},
        problems=PROBLEMS,
    ),
    Operation(
        "GET",
        "/collections/{collection}/points/{id}",
        get_point,
        summary="Read a point",
        tag="points",
        answer=FoundPoint,
        example=CUP_VECTOR,
        problems=(404, 422, 501, 503),
    ),
    Operation(
        "POST",
        "/collections/{collection}/points/retrieve",
        retrieve_points,
        summary="Read points by id",
        tag="points",
        body=RetrieveIn,
        body_examples={"ids": {"ids": [7, "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"]}},
        answer=PointList,
        example={"points": [CUP]},
        problems=PROBLEMS,
    ),
    Operation(
        "POST",
        "/collections/{collection}/points/scroll",
        scroll_points,
        summary="Read points page by page",
        tag="points",
        body=ScrollIn,
        body_examples={"page": {"limit": 100, "filter": KITCHEN}},
        links={
            "next": {
                "operationId": "scroll_points",
                "parameters": {"collection": "$request.path.collection"},
                "requestBody": {"cursor": "$response.body#/next_cursor"},
            }
        },
        answer=PointPage,
        example={"points": [CUP], "next_cursor": "WyJwb2ludHMiLCJzaG9wLnByb2R1Y3RzIiw4XQ"},
        problems=PROBLEMS,
    ),
    Operation(
        "POST",
        "/collections/{collection}/points/delete",
        delete_points,
        summary="Delete points",
        tag="points",
        body=DeleteIn,
        body_examples={"ids": {"ids": [7]}, "filter": {"filter": KITCHEN}},
        answer=Done,
        example={"status": "completed"},
        problems=PROBLEMS,
    ),
    Operation(
        "POST",
        "/collections/{collection}/points/payload",
        change_payload,
        summary="Change payloads",
        tag="points",
        body=(PayloadSetIn, PayloadOverwriteIn, PayloadDeleteIn, PayloadClearIn),
        body_examples={
            "set": {"action": "set", "payload": {"price": 5}, "ids": [7]},
            "set inside": {"action": "set", "payload": {"w": 8}, "path": "size", "ids": [7]},
            "overwrite": {"action": "overwrite", "payload": {"name": "mug"}, "ids": [7]},
            "delete": {"action": "delete", "fields": ["price", "size.w"], "filter": KITCHEN},
            "clear": {"action": "clear", "ids": [7]},
        },
        answer=Done,
        example={"status": "completed"},
        problems=PROBLEMS,
    ),
    Operation(
        "POST",
        "/collections/{collection}/points/count",
        count_points,
        summary="Count points",
        tag="points",
        body=CountIn,
        body_examples={"all": {}, "some": {"filter": KITCHEN}},
        answer=Count,
        example={"count": 120034},
        problems=PROBLEMS,
    ),
    Operation(
        "POST",
        "/collections/{collection}/points/facet",
        facet_points,
        summary="Count points by the value of a field",
        tag="points",
        body=FacetIn,
        body_examples={
            "field": {"field": "category", "limit": 5},
            "some": {"field": "category", "filter": KITCHEN, "exact": True},
        },
        answer=Facet,
        example={"hits": [{"value": "kitchen", "count": 17}, {"value": "garden", "count": 4}]},
        problems=PROBLEMS,
    ),
)
