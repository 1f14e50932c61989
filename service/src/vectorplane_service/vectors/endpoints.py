"""The flat paths. They do what the paths under /collections do."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from vectorplane_service.access.dependencies import BodySearcher, StoreWriter
from vectorplane_service.bodies import JsonBody
from vectorplane_service.documentation import Operation
from vectorplane_service.http import Json
from vectorplane_service.points import endpoints as points
from vectorplane_service.points import writing
from vectorplane_service.points.endpoints import IdempotencyKey, Ordering, Wait
from vectorplane_service.points.schemas import Written
from vectorplane_service.search import endpoints as examples
from vectorplane_service.search import service as searches
from vectorplane_service.search.schemas import Groups, Results, SearchIn
from vectorplane_service.vectors.schemas import FlatSearchIn, StoreColumnsIn, StoreIn, StoreOneIn

_SEARCH: JsonBody[SearchIn] = JsonBody(SearchIn)


async def store_vectors(
    request: Request,
    body: StoreWriter,
    wait: Wait = True,
    ordering: Ordering = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Write points into the body's `collection`, or into the default one. A body that is no JSON
    cannot name it: then it is a parameter of the query. For the rest see `upsert_points`."""
    if body.content is None:
        written = await writing.upsert_body(body.at, request, wait=wait, ordering=ordering)
    else:
        written = await writing.upsert(body.at, body.content, wait=wait, ordering=ordering)
    return Json(written)


async def search_vectors(body: BodySearcher) -> Response:
    """Search the body's `collection`, or the default one."""
    return Json(await searches.search(body.at, _SEARCH.check(body.content)))


_SHOP = {"collection": "shop.products"}

OPERATIONS = (
    Operation(
        "POST",
        "/vectors/store",
        store_vectors,
        summary="Write points, flat",
        tag="vectors",
        body=(StoreIn, StoreOneIn, StoreColumnsIn),
        body_examples={
            "points": {**_SHOP, "points": [points.CUP_VECTOR]},
            "one text": {"collection": "docs.pages", "id": 1, "text": "How to make tea."},
            "columns": {**_SHOP, **points.COLUMNS},
        },
        other_bodies=points.OTHER_BODIES,
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
        body_examples={name: {**_SHOP, **body} for name, body in examples.EXAMPLES.items()},
        answer=(Results, Groups),
        example=examples.RESULTS,
        problems=examples.PROBLEMS,
        hot=True,
    ),
)
