"""What the service adds to the store's own words about points: limits, cursors, places."""

from __future__ import annotations

from typing import Any

from vectorplane.errors import InvalidInput, NotFound
from vectorplane.ports.vectors import PayloadChange
from vectorplane_service import answers, cursors
from vectorplane_service.access.dependencies import CollectionAccess
from vectorplane_service.points.limits import check_page, check_size
from vectorplane_service.points.schemas import (
    CountIn,
    DeleteIn,
    FacetIn,
    PayloadIn,
    RetrieveIn,
    ScrollIn,
)


async def get(at: CollectionAccess, id: str) -> dict[str, Any]:
    with answers.placed("id"):
        found = await at.points.retrieve(at.name, [id_of(id)], vectors=True)
    if not found:
        raise NotFound(f"no point {id}", place="id")
    return answers.point(found[0])


def id_of(text: str) -> int | str:
    """An id in a path: digits are a number, the rest is a UUID for the store to judge."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else text


async def retrieve(at: CollectionAccess, body: RetrieveIn) -> dict[str, Any]:
    check_size(at, len(body.ids), "ids")
    with answers.said_as(answers.SELECTIONS):
        found = await at.points.retrieve(
            at.name, body.ids, payload=body.with_payload, vectors=body.with_vectors
        )
    return {"points": answers.points(found)}


async def scroll(at: CollectionAccess, body: ScrollIn) -> dict[str, Any]:
    check_page(at, body.limit)
    offset = None
    if body.cursor is not None:
        offset = cursors.decode("points", body.cursor, (int, str), of=at.name)
    with answers.said_as({**answers.SELECTIONS, "offset": "cursor"}):
        page = await at.points.scroll(
            at.name,
            filter=body.filter,
            limit=body.limit,
            offset=offset,
            payload=body.with_payload,
            vectors=body.with_vectors,
        )
    cursor = None if page.next is None else cursors.encode("points", page.next, of=at.name)
    return {"points": answers.points(page.points), "next_cursor": cursor}


async def delete(at: CollectionAccess, body: DeleteIn, *, wait: bool) -> dict[str, Any]:
    _check_meant(at, body.ids, body.filter, "delete")
    await at.points.delete(at.name, ids=body.ids, filter=body.filter, wait=wait)
    return {"status": "completed" if wait else "accepted"}


async def change_payload(at: CollectionAccess, body: PayloadIn, *, wait: bool) -> dict[str, Any]:
    _check_meant(at, body.ids, body.filter, "change")
    await at.points.change_payload(
        at.name,
        PayloadChange(body.action),
        payload=getattr(body, "payload", None),
        fields=getattr(body, "fields", ()),
        path=getattr(body, "path", None),
        ids=body.ids,
        filter=body.filter,
        wait=wait,
    )
    return {"status": "completed" if wait else "accepted"}


def _check_meant(at: CollectionAccess, ids: Any, filter: Any, verb: str) -> None:
    """Ids or a filter, and not every point by mistake."""
    if (ids is None) == (filter is None):
        raise InvalidInput("say ids or a filter, one of the two", place="body")
    if filter is not None and _says_nothing(filter):
        # It fits every point. Who means that says it: {"must_not": [{"has_id": []}]}.
        raise InvalidInput(f"an empty filter would {verb} every point", place="filter")
    if ids is not None:
        check_size(at, len(ids), "ids")


def _says_nothing(filter: Any) -> bool:
    return not (any(filter.values()) if isinstance(filter, dict) else filter)


async def count(at: CollectionAccess, body: CountIn) -> dict[str, Any]:
    counted = await at.points.count(at.name, filter=body.filter, exact=body.exact)
    return {"count": counted}


async def facet(at: CollectionAccess, body: FacetIn) -> dict[str, Any]:
    check_page(at, body.limit)
    found = await at.points.facet(
        at.name, body.field, filter=body.filter, limit=body.limit, exact=body.exact
    )
    return {"hits": [{"value": value, "count": number} for value, number in found]}
