"""What the service adds to the store's own words about points: limits, text, cursors."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from vectorplane.errors import InvalidInput, NotFound
from vectorplane.ports.vectors import Point
from vectorplane_service import answers, cursors
from vectorplane_service.access.dependencies import CollectionAccess
from vectorplane_service.bodies import JsonBody
from vectorplane_service.points.schemas import (
    CountIn,
    DeleteIn,
    PointIn,
    PointsIn,
    RetrieveIn,
    ScrollIn,
)

_ONE: JsonBody[PointIn] = JsonBody(PointIn)
_MANY: JsonBody[PointsIn] = JsonBody(PointsIn)
_LIST: JsonBody[list[PointIn]] = JsonBody(list[PointIn])


def points_of(content: Any) -> tuple[list[PointIn], str]:
    """The points of a body, and the path to their list: `{"points": [...]}`, a bare list, or one
    point by itself."""
    if isinstance(content, list):
        return _LIST.check(content), ""
    if isinstance(content, dict) and "points" not in content:
        return [_ONE.check(content)], "[0]"
    return _MANY.check(content).points, "points"


async def upsert(at: CollectionAccess, content: Any, *, wait: bool) -> dict[str, Any]:
    given, path = points_of(content)
    check_size(at, len(given), path if path == "points" else "body")
    with answers.said_as({}, drop={"points": "", "": "points", "[0]": "points[0]"}[path]):
        points = await _with_vectors(at, given)
        started = time.perf_counter()
        await at.services.points.upsert(at.name, points, wait=wait)
    at.services.metrics.store_seconds.observe(time.perf_counter() - started)
    at.services.metrics.upsert_size.observe(len(points))
    return {"status": "completed" if wait else "accepted", "points": len(points)}


async def _with_vectors(at: CollectionAccess, given: Sequence[PointIn]) -> list[Point]:
    """Points as the store takes them; all texts are embedded in one call."""
    texts: dict[int, str] = {}
    for i, point in enumerate(given):
        if (point.vector is None) == (point.text is None):
            message = "a point has a vector or a text, one of the two"
            raise InvalidInput(message, place=f"points[{i}]")
        if point.text is not None:
            texts[i] = point.text
    embedded: dict[int, Any] = {}
    if texts:
        place = f"points[{next(iter(texts))}].text"
        using, vectors = await at.services.embedding.embed(
            at.entry, None, list(texts.values()), place=place
        )
        embedded = {
            i: {using: vector} if using else vector
            for i, vector in zip(texts, vectors, strict=True)
        }
    return [
        Point(point.id, embedded[i], {"text": point.text, **(point.payload or {})})
        if i in texts
        else Point(point.id, point.vector, point.payload or {})
        for i, point in enumerate(given)
    ]


async def get(at: CollectionAccess, id: str) -> dict[str, Any]:
    with answers.placed("id"):
        found = await at.services.points.retrieve(at.name, [id_of(id)], vectors=True)
    if not found:
        raise NotFound(f"no point {id}", place="id")
    return answers.point(found[0])


def id_of(text: str) -> int | str:
    """An id in a path: digits are a number, the rest is a UUID for the store to judge."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else text


async def retrieve(at: CollectionAccess, body: RetrieveIn) -> dict[str, Any]:
    check_size(at, len(body.ids), "ids")
    with answers.said_as(answers.SELECTIONS):
        found = await at.services.points.retrieve(
            at.name, body.ids, payload=body.with_payload, vectors=body.with_vectors
        )
    return {"points": answers.points(found)}


async def scroll(at: CollectionAccess, body: ScrollIn) -> dict[str, Any]:
    check_page(at, body.limit)
    offset = None if body.cursor is None else cursors.decode("points", body.cursor, (int, str))
    with answers.said_as({**answers.SELECTIONS, "offset": "cursor"}):
        page = await at.services.points.scroll(
            at.name,
            filter=body.filter,
            limit=body.limit,
            offset=offset,
            payload=body.with_payload,
            vectors=body.with_vectors,
        )
    cursor = None if page.next is None else cursors.encode("points", page.next)
    return {"points": answers.points(page.points), "next_cursor": cursor}


async def delete(at: CollectionAccess, body: DeleteIn, *, wait: bool) -> dict[str, Any]:
    if (body.ids is None) == (body.filter is None):
        raise InvalidInput("say ids or a filter, one of the two", place="body")
    if body.filter is not None and not body.filter:
        # It fits every point. Who means that says it: {"must_not": [{"has_id": []}]}.
        raise InvalidInput("an empty filter would delete every point", place="filter")
    if body.ids is not None:
        check_size(at, len(body.ids), "ids")
    await at.services.points.delete(at.name, ids=body.ids, filter=body.filter, wait=wait)
    return {"status": "completed" if wait else "accepted"}


async def count(at: CollectionAccess, body: CountIn) -> dict[str, Any]:
    counted = await at.services.points.count(at.name, filter=body.filter, exact=body.exact)
    return {"count": counted}


def check_size(at: CollectionAccess, size: int, place: str) -> None:
    most = at.services.settings.max_batch_size
    if not size:
        raise InvalidInput("at least one is needed", place=place)
    if size > most:
        raise InvalidInput(f"at most {most} in one request, not {size}", place=place)


def check_page(at: CollectionAccess, limit: int, *, offset: int = 0, place: str = "limit") -> None:
    most = at.services.settings.max_results_k
    if limit + offset > most:
        what = "limit and offset together are" if offset else "a limit is"
        raise InvalidInput(f"{what} at most {most}", place=place)
