"""From what clients ask to what the store searches. This is the hot path: a search by a vector
touches no number of it, and goes through nothing that only the other kinds need."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from vectorplane.errors import CallerError, InvalidInput
from vectorplane.ports.vectors import Found, Prefetch, Search
from vectorplane_service import answers
from vectorplane_service.access.dependencies import CollectionAccess
from vectorplane_service.bodies import JsonBody
from vectorplane_service.points.limits import check_page, check_size
from vectorplane_service.search import hybrid
from vectorplane_service.search.schemas import GroupByIn, SearchBatchIn, SearchIn

MOST_PAGES = 10
"""A batch asks for at most so many times MAX_RESULTS_K results."""
_RARE = frozenset({"text", "id", "recommend", "fusion", "prefetch", "group_by"})
_GROUP_BY: JsonBody[GroupByIn] = JsonBody(GroupByIn)


async def search(at: CollectionAccess, body: SearchIn) -> dict[str, Any]:
    """Results, or groups of them."""
    if body.group_by is not None:
        return await _groups(at, body)
    asked = _plain(at, body, "") or await hybrid.asked(at, body, "")
    try:
        found = await _run(at, (asked,))
    except CallerError as error:
        _say(error, "searches[0]", "", body)
        raise
    return {"results": answers.points(found[0])}


async def search_batch(at: CollectionAccess, body: SearchBatchIn) -> dict[str, Any]:
    """The results of several searches, in their order."""
    check_size(at, len(body.searches), "searches")
    most = MOST_PAGES * at.services.settings.max_results_k
    if sum(one.limit for one in body.searches) > most:
        raise InvalidInput(f"the limits together are at most {most}", place="searches")
    asked: list[Search] = []
    for i, one in enumerate(body.searches):
        if one.group_by is not None:
            raise InvalidInput(
                "a search of a batch cannot group its results; send it by itself",
                place=f"searches[{i}].group_by",
            )
        place = f"searches[{i}]"
        asked.append(_plain(at, one, place) or await hybrid.asked(at, one, place))
    if sum(map(_limits, asked)) > most:
        raise InvalidInput(
            f"the limits together, those of prefetches too, are at most {most}", place="searches"
        )
    try:
        found = await _run(at, asked)
    except CallerError as error:
        for i, one in enumerate(body.searches):
            _say(error, f"searches[{i}]", f"searches[{i}].", one)
        raise
    return {"searches": [{"results": answers.points(results)} for results in found]}


def _limits(asked: Search | Prefetch) -> int:
    """How many results the store looks for."""
    if not asked.prefetch:
        return asked.limit
    return asked.limit + sum(map(_limits, asked.prefetch))


async def _run(at: CollectionAccess, searches: Sequence[Search]) -> list[list[Found]]:
    metrics = at.services.metrics
    started = time.perf_counter()
    found = await at.points.search(at.name, searches)
    metrics.search_seconds.observe(time.perf_counter() - started)
    metrics.search_size.observe(len(searches))
    return found


def _plain(at: CollectionAccess, body: SearchIn, place: str) -> Search | None:
    """A search by a vector alone in the store's words; None where it is another one. `place` is the
    path to it in the body, "" for the whole."""
    if body.vector is None or not _RARE.isdisjoint(body.model_fields_set):
        return None
    limit, offset, using = body.limit, body.offset, body.using
    if limit + offset > at.services.settings.max_results_k:
        check_page(at, limit, offset=offset, place=f"{place}.limit" if place else "limit")
    if using is None:
        using = at.entry.only_vector() or ""
    return hybrid.made(body, using, body.vector)


async def _groups(at: CollectionAccess, body: SearchIn) -> dict[str, Any]:
    by = _GROUP_BY.check(body.group_by, at="group_by")
    if body.offset:
        raise InvalidInput("groups have no offset", place="offset")
    most = at.services.settings.max_results_k
    if body.limit * by.size > most:
        raise InvalidInput(f"all groups together have at most {most} results", place="limit")
    asked = await hybrid.asked(at, body, "")
    metrics = at.services.metrics
    started = time.perf_counter()
    try:
        found = await at.points.groups(at.name, asked, by.field, by.size)
    except CallerError as error:
        if error.place in _GROUP_PLACES:
            error.place = _GROUP_PLACES[error.place]
        else:
            _say(error, "searches[0]", "", body)
        raise
    metrics.search_seconds.observe(time.perf_counter() - started)
    return {
        "groups": [{"key": group.key, "results": answers.points(group.hits)} for group in found]
    }


_GROUP_PLACES = {"by": "group_by.field", "size": "group_by.size"}


def _say(error: CallerError, inside: str, place: str, body: SearchIn) -> None:
    """Where the error is inside this search, in the words of the body."""
    if error.place is not None and error.place.split(".", 1)[0] == inside:
        rest = error.place[len(inside) + 1 :]
        error.place = (place + hybrid.said(rest, body) if rest else place.rstrip(".")) or "body"
