"""Points of a collection."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query
from starlette.responses import Response

from vectorplane_service.access.dependencies import CollectionReader, CollectionWriter
from vectorplane_service.bodies import JsonBody, read_json
from vectorplane_service.documentation import Operation
from vectorplane_service.http import Json
from vectorplane_service.points import service
from vectorplane_service.points.schemas import (
    Count,
    CountIn,
    Deleted,
    DeleteIn,
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
PointId = Annotated[str, Path(max_length=64, description="A number or a UUID.")]


async def upsert_points(
    at: CollectionWriter, content: Annotated[Any, Depends(read_json)], wait: Wait = True
) -> Response:
    """Write points: `{"points": [...]}`, a list, or one point by itself. All of them, or none."""
    return Json(await service.upsert(at, content, wait=wait))


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
) -> Response:
    """Delete points by id or by filter. Ids that are not there are no error."""
    return Json(await service.delete(at, body, wait=wait))


async def count_points(
    at: CollectionReader, body: Annotated[CountIn, Depends(JsonBody(CountIn))]
) -> Response:
    """How many points fit a filter."""
    return Json(await service.count(at, body))


_CUP = {"id": 7, "payload": {"name": "cup", "category": "kitchen", "price": 4.5}}
_CUP_VECTOR = {**_CUP, "vector": [0.1, 0.2, 0.3, 0.4]}
_KITCHEN = {"must": [{"key": "category", "match": {"value": "kitchen"}}]}
_PROBLEMS = (400, 404, 413, 415, 422, 501, 503)

OPERATIONS = (
    Operation(
        "PUT",
        "/collections/{collection}/points",
        upsert_points,
        summary="Write points",
        tag="points",
        body=(PointsIn, PointIn),
        body_examples={
            "vectors": {"points": [_CUP_VECTOR]},
            "text": {"points": [{"id": 8, "text": "a blue tea pot"}]},
            "one point": _CUP_VECTOR,
        },
        answer=Written,
        example={"status": "completed", "points": 1},
        problems=_PROBLEMS,
    ),
    Operation(
        "GET",
        "/collections/{collection}/points/{id}",
        get_point,
        summary="Read a point",
        tag="points",
        answer=FoundPoint,
        example=_CUP_VECTOR,
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
        example={"points": [_CUP]},
        problems=_PROBLEMS,
    ),
    Operation(
        "POST",
        "/collections/{collection}/points/scroll",
        scroll_points,
        summary="Read points page by page",
        tag="points",
        body=ScrollIn,
        body_examples={"page": {"limit": 100, "filter": _KITCHEN}},
        answer=PointPage,
        example={"points": [_CUP], "next_cursor": "WyJwb2ludHMiLDhd"},
        problems=_PROBLEMS,
    ),
    Operation(
        "POST",
        "/collections/{collection}/points/delete",
        delete_points,
        summary="Delete points",
        tag="points",
        body=DeleteIn,
        body_examples={"ids": {"ids": [7]}, "filter": {"filter": _KITCHEN}},
        answer=Deleted,
        example={"status": "completed"},
        problems=_PROBLEMS,
    ),
    Operation(
        "POST",
        "/collections/{collection}/points/count",
        count_points,
        summary="Count points",
        tag="points",
        body=CountIn,
        body_examples={"all": {}, "some": {"filter": _KITCHEN}},
        answer=Count,
        example={"count": 120034},
        problems=_PROBLEMS,
    ),
)
