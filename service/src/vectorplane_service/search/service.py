"""From what clients ask to what the store searches. This is the hot path: no step here touches a
single number of a vector."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from vectorplane.errors import InvalidInput, NotFound
from vectorplane.ports.vectors import Found, Search
from vectorplane_service import answers
from vectorplane_service.access.dependencies import CollectionAccess
from vectorplane_service.points.service import check_page, check_size
from vectorplane_service.search.schemas import SearchBatchIn, SearchIn

_WORDS = {**answers.SELECTIONS, "query": "vector"}
MOST_PAGES = 10
"""A batch asks for at most so many times MAX_RESULTS_K results."""


async def search(at: CollectionAccess, body: SearchIn) -> dict[str, Any]:
    asked = await _asked(at, body, "")
    with answers.said_as(_words(body), drop="searches[0]"):
        found = await _run(at, [asked])
    return {"results": answers.points(found[0])}


async def search_batch(at: CollectionAccess, body: SearchBatchIn) -> dict[str, Any]:
    check_size(at, len(body.searches), "searches")
    most = MOST_PAGES * at.services.settings.max_results_k
    if sum(one.limit for one in body.searches) > most:
        raise InvalidInput(f"the limits together are at most {most}", place="searches")
    asked = [await _asked(at, one, f"searches[{i}].") for i, one in enumerate(body.searches)]
    with answers.said_as(_WORDS):
        found = await _run(at, asked)
    return {"searches": [{"results": answers.points(results)} for results in found]}


async def _run(at: CollectionAccess, searches: Sequence[Search]) -> list[list[Found]]:
    metrics = at.services.metrics
    started = time.perf_counter()
    found = await at.services.points.search(at.name, searches)
    metrics.search_seconds.observe(time.perf_counter() - started)
    metrics.search_size.observe(len(searches))
    return found


def _words(body: SearchIn) -> Mapping[str, str]:
    """The query's place is wherever it came from."""
    if body.vector is not None:
        return _WORDS
    return {**_WORDS, "query": "text" if body.text is not None else "id"}


async def _asked(at: CollectionAccess, body: SearchIn, at_place: str) -> Search:
    """One search in the store's words. `at_place` is the path to it in the body, with its dot."""
    check_page(at, body.limit, offset=body.offset, place=f"{at_place}limit")
    using = body.using
    if using is None:
        using = at.entry.only_vector() or ""
    query, filter = body.vector, body.filter
    if query is None or body.text is not None or body.id is not None:
        if sum(given is not None for given in (query, body.text, body.id)) != 1:
            raise InvalidInput(
                "say vector, text or id, one of the three", place=at_place.rstrip(".") or "body"
            )
        if body.text is not None:
            using, query = await _embedded(at, body, f"{at_place}text")
        else:
            query, filter = await _like(at, body, using, f"{at_place}id")
    return Search(
        query=query,
        limit=body.limit,
        using=using,
        offset=body.offset,
        filter=filter,
        params=body.params,
        score_threshold=body.score_threshold,
        payload=body.with_payload,
        vectors=body.with_vectors,
    )


async def _embedded(at: CollectionAccess, body: SearchIn, place: str) -> tuple[str, Any]:
    assert body.text is not None
    most = at.services.settings.max_query_length
    if len(body.text) > most:
        raise InvalidInput(f"a text is at most {most} characters", place=place)
    using, vectors = await at.services.embedding.embed(
        at.entry, body.using, [body.text], place=place
    )
    return using, vectors[0]


async def _like(at: CollectionAccess, body: SearchIn, using: str, place: str) -> tuple[Any, Any]:
    """The vector of a point, and a filter that leaves the point itself out."""
    with answers.placed(place):
        found = await at.services.points.retrieve(
            at.name, [body.id], payload=False, vectors=[using]
        )
    vector = found[0].vector if found else None
    if isinstance(vector, Mapping) and using in vector:
        vector = vector[using]
    if not vector:
        raise NotFound(f"no point {body.id} with such a vector", place=place)
    others: dict[str, Any] = {"must_not": [{"has_id": [body.id]}]}
    if body.filter is not None:
        others["must"] = [body.filter]
    return vector, others
