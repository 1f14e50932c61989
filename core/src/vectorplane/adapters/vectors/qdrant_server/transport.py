"""Points over REST: what our checks leave is Qdrant's own JSON, so it is sent as it is and read
without models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import quote

from vectorplane.adapters.vectors.common.schema import unwrap
from vectorplane.adapters.vectors.common.searches import Checked
from vectorplane.adapters.vectors.qdrant_server.rest import Rest
from vectorplane.ports.vectors import Found, Json, Page, PointId

Upserts = dict[PointId, tuple[dict[str, Any], Json]]
Wanted = tuple[bool | list[str], bool | list[str]]
"""Which payload fields and which vectors to give back."""


class Transport(Protocol):
    """The calls of `QdrantPoints`, with everything checked before."""

    async def upsert(self, collection: str, points: Upserts, wait: bool) -> None: ...

    async def retrieve(
        self, collection: str, ids: Sequence[PointId], wanted: Wanted
    ) -> list[Found]: ...

    async def scroll(
        self, collection: str, flt: Json | None, limit: int, offset: PointId | None, wanted: Wanted
    ) -> Page: ...

    async def delete(
        self, collection: str, ids: Sequence[PointId] | None, flt: Json | None, wait: bool
    ) -> None: ...

    async def count(self, collection: str, flt: Json | None, exact: bool) -> int: ...

    async def search(self, collection: str, searches: Sequence[Checked]) -> list[list[Found]]: ...

    async def close(self) -> None: ...


class RestTransport:
    """`Transport` over REST."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def upsert(self, collection: str, points: Upserts, wait: bool) -> None:
        body = {
            "points": [
                {
                    "id": point_id,
                    "vector": unwrap({name: _vector(v) for name, v in vectors.items()}),
                    "payload": payload,
                }
                for point_id, (vectors, payload) in points.items()
            ]
        }
        await self._rest.call("PUT", _points(collection), body, _wait(wait))

    async def retrieve(
        self, collection: str, ids: Sequence[PointId], wanted: Wanted
    ) -> list[Found]:
        body = {"ids": list(ids), "with_payload": wanted[0], "with_vector": wanted[1]}
        answer = await self._rest.call("POST", _points(collection), body)
        return [_found(hit, wanted) for hit in answer]

    async def scroll(
        self, collection: str, flt: Json | None, limit: int, offset: PointId | None, wanted: Wanted
    ) -> Page:
        body: Json = {"limit": limit, "with_payload": wanted[0], "with_vector": wanted[1]}
        if flt is not None:
            body["filter"] = flt
        if offset is not None:
            body["offset"] = offset
        answer = await self._rest.call("POST", f"{_points(collection)}/scroll", body)
        return Page(
            [_found(hit, wanted) for hit in answer["points"]], answer.get("next_page_offset")
        )

    async def delete(
        self, collection: str, ids: Sequence[PointId] | None, flt: Json | None, wait: bool
    ) -> None:
        body: Json = {"filter": flt or {}} if ids is None else {"points": list(ids)}
        await self._rest.call("POST", f"{_points(collection)}/delete", body, _wait(wait))

    async def count(self, collection: str, flt: Json | None, exact: bool) -> int:
        body: Json = {"exact": exact} | ({} if flt is None else {"filter": flt})
        answer = await self._rest.call("POST", f"{_points(collection)}/count", body)
        return int(answer["count"])

    async def search(self, collection: str, searches: Sequence[Checked]) -> list[list[Found]]:
        body = {"searches": [_query(search) for search in searches]}
        answer = await self._rest.call("POST", f"{_points(collection)}/query/batch", body)
        return [
            [_found(hit, (search.payload, search.vectors)) for hit in batch["points"]]
            for search, batch in zip(searches, answer, strict=True)
        ]

    async def close(self) -> None:
        await self._rest.close()


def _vector(vector: Any) -> Any:
    """Qdrant takes two rows of integers, `[[1, 0], [0, 1]]`, for a sparse vector; 1.0 is none."""
    if isinstance(vector, dict) or not isinstance(vector[0], list | tuple):
        return vector
    return [[float(x) for x in row] for row in vector]


def _points(collection: str) -> str:
    return f"/collections/{quote(collection, safe='')}/points"


def _wait(wait: bool) -> dict[str, str]:
    return {"wait": "true" if wait else "false"}


def _query(search: Checked) -> Json:
    body: Json = {
        "query": _vector(search.query),
        "limit": search.limit,
        "with_payload": search.payload,
        "with_vector": search.vectors,
    }
    if search.using:
        body["using"] = search.using
    if search.offset:
        body["offset"] = search.offset
    if search.filter is not None:
        body["filter"] = search.filter
    if search.params:
        body["params"] = search.params
    if search.score_threshold is not None:
        body["score_threshold"] = search.score_threshold
    return body


def _found(hit: Json, wanted: Wanted) -> Found:
    vector = hit.get("vector")
    if isinstance(vector, dict):
        vector = unwrap(vector)
    return Found(
        id=hit["id"],
        payload=None if wanted[0] is False else hit.get("payload") or {},
        vector=None if wanted[1] is False else ({} if vector is None else vector),
        score=hit.get("score"),
    )
