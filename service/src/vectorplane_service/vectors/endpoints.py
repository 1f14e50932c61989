"""The flat paths. They do what the paths under /collections do."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from vectorplane_service.access.dependencies import BodyReader, BodyWriter
from vectorplane_service.bodies import JsonBody
from vectorplane_service.documentation import Operation
from vectorplane_service.http import Json
from vectorplane_service.points import service as points
from vectorplane_service.points.schemas import Written
from vectorplane_service.search import endpoints as examples
from vectorplane_service.search import service as searches
from vectorplane_service.search.schemas import Results, SearchIn
from vectorplane_service.vectors.schemas import FlatSearchIn, StoreIn, StoreOneIn

_SEARCH: JsonBody[SearchIn] = JsonBody(SearchIn)


async def store_vectors(
    body: BodyWriter,
    wait: Annotated[bool, Query(description="false answers before the points are written.")] = True,
) -> Response:
    """Write points into the body's `collection`, or into the default one."""
    return Json(await points.upsert(body.at, body.content, wait=wait))


async def search_vectors(body: BodyReader) -> Response:
    """Search the body's `collection`, or the default one."""
    return Json(await searches.search(body.at, _SEARCH.check(body.content)))


OPERATIONS = (
    Operation(
        "POST",
        "/vectors/store",
        store_vectors,
        summary="Write points, flat",
        tag="vectors",
        body=(StoreIn, StoreOneIn),
        body_examples={
            "points": {
                "collection": "shop.products",
                "points": [{"id": 7, "vector": [0.1, 0.2, 0.3, 0.4], "payload": {"name": "cup"}}],
            },
            "one text": {"collection": "docs.pages", "id": 1, "text": "How to make tea."},
        },
        answer=Written,
        example={"status": "completed", "points": 1},
        problems=examples.PROBLEMS,
    ),
    Operation(
        "POST",
        "/vectors/search",
        search_vectors,
        summary="Search, flat",
        tag="vectors",
        body=FlatSearchIn,
        body_examples={
            "vector": {"collection": "shop.products", **examples.BY_VECTOR},
            "text": {"collection": "docs.pages", **examples.BY_TEXT},
        },
        answer=Results,
        example=examples.RESULTS,
        problems=examples.PROBLEMS,
        hot=True,
    ),
)
