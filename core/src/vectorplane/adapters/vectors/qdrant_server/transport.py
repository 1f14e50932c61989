"""Points over REST: what our checks leave is Qdrant's own JSON, so it is sent as it is and read
without models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from vectorplane.adapters.vectors.common.changes import Change
from vectorplane.adapters.vectors.common.schema import unwrap
from vectorplane.adapters.vectors.common.searches import Checked
from vectorplane.adapters.vectors.qdrant_server.pointbodies import (
    column_bodies,
    point_body,
    search_body,
)
from vectorplane.domain.model import Value
from vectorplane.ports.vectors import (
    Columns,
    Found,
    Group,
    Json,
    Ordering,
    Page,
    PayloadChange,
    PointId,
)

Upserts = dict[PointId, tuple[dict[str, Any], Json]]
Wanted = tuple[bool | list[str], bool | list[str]]
"""Which payload fields and which vectors to give back."""


class Upserter(Protocol):
    """Another way for points to a server: for many of them."""

    async def upsert(
        self, collection: str, points: Upserts | Columns, wait: bool, ordering: Ordering | None
    ) -> None: ...

    async def close(self) -> None: ...


class Calls(Protocol):
    """REST calls of one server: `Rest`, or `Wire` where there are many."""

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str | int | bool] | None = None,
    ) -> Any: ...

    async def close(self) -> None: ...


class Transport(Protocol):
    """The calls of `QdrantPoints`, with everything checked before."""

    async def upsert(
        self,
        collection: str,
        points: Upserts | Columns,
        wait: bool,
        ordering: Ordering | None = None,
    ) -> None: ...

    async def change(self, collection: str, change: Change, wait: bool) -> None: ...

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

    async def groups(self, collection: str, search: Checked, by: str, size: int) -> list[Group]: ...

    async def facet(
        self, collection: str, field: str, flt: Json | None, limit: int, exact: bool
    ) -> list[tuple[Value, int]]: ...

    async def close(self) -> None: ...


class RestTransport:
    """`Transport` over REST. Where there are `upserts`, points are written by them."""

    def __init__(self, rest: Calls, upserts: Upserter | None = None) -> None:
        self._rest = rest
        self._upserts = upserts

    async def upsert(
        self,
        collection: str,
        points: Upserts | Columns,
        wait: bool,
        ordering: Ordering | None = None,
    ) -> None:
        if self._upserts is not None:
            await self._upserts.upsert(collection, points, wait, ordering)
            return
        params = _wait(wait) | ({} if ordering is None else {"ordering": ordering.value})
        bodies = column_bodies(points) if isinstance(points, Columns) else [point_body(points)]
        for body in bodies:
            await self._rest.call("PUT", _points(collection), body, params)

    async def change(self, collection: str, change: Change, wait: bool) -> None:
        method, path = _CHANGES[change.kind]
        body: Json = {"filter": change.filter}
        if change.kind in (PayloadChange.SET, PayloadChange.OVERWRITE):
            body["payload"] = change.payload
        if change.kind is PayloadChange.DELETE:
            body["keys"] = change.fields
        if change.path is not None:
            body["key"] = change.path
        await self._rest.call(method, f"{_points(collection)}/{path}", body, _wait(wait))

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
        body = {"searches": [search_body(search) for search in searches]}
        answer = await self._rest.call("POST", f"{_points(collection)}/query/batch", body)
        return [
            # With all of the payload and no vectors, as nearly always.
            [
                Found(hit["id"], hit.get("payload") or {}, None, hit["score"])
                for hit in batch["points"]
            ]
            if search.payload is True and search.vectors is False
            else [_found(hit, (search.payload, search.vectors)) for hit in batch["points"]]
            for search, batch in zip(searches, answer, strict=True)
        ]

    async def groups(self, collection: str, search: Checked, by: str, size: int) -> list[Group]:
        body = search_body(search) | {"group_by": by, "group_size": size}
        answer = await self._rest.call("POST", f"{_points(collection)}/query/groups", body)
        wanted = search.payload, search.vectors
        return [
            Group(group["id"], [_found(hit, wanted) for hit in group["hits"]])
            for group in answer["groups"]
        ]

    async def facet(
        self, collection: str, field: str, flt: Json | None, limit: int, exact: bool
    ) -> list[tuple[Value, int]]:
        body: Json = {"key": field, "limit": limit, "exact": exact}
        if flt is not None:
            body["filter"] = flt
        answer = await self._rest.call("POST", f"{_collection(collection)}/facet", body)
        return [(hit["value"], hit["count"]) for hit in answer["hits"] if hit["count"]]

    async def close(self) -> None:
        if self._upserts is not None:
            await self._upserts.close()
        await self._rest.close()


_CHANGES = {
    PayloadChange.SET: ("POST", "payload"),
    PayloadChange.OVERWRITE: ("PUT", "payload"),
    PayloadChange.DELETE: ("POST", "payload/delete"),
    PayloadChange.CLEAR: ("POST", "payload/clear"),
}


def _collection(collection: str) -> str:
    return f"/collections/{quote(collection, safe='')}"


def _points(collection: str) -> str:
    return f"{_collection(collection)}/points"


def _wait(wait: bool) -> dict[str, str]:
    return {"wait": "true" if wait else "false"}


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
