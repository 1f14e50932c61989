"""Points of one tenant of a pool. Whatever a request says, it reaches that tenant's points only.

Ids are the tenant's own: a point is stored under a UUID made of tenant and id (`point_id`), with
the id that was given in the payload field `_id`, and the tenant's name in `_tenant`. So two tenants
never meet in one point, and every read, write, count and delete carries a filter on the tenant that
no clause of the client's can undo. What is read is looked at once more: a point without the
tenant's name is never given out.

Two things differ from a collection of one's own: a scroll goes in the order of the stored ids, and
counts are exact always, for an estimate is made from the numbers of all tenants. The weights of
`Idf` are those of the whole pool.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from vectorplane.adapters.vectors.common.changes import check_change
from vectorplane.adapters.vectors.common.ids import check_one_of
from vectorplane.domain.model import DEDICATED, Collection, Value
from vectorplane.domain.tenancy import ID_FIELD, TENANT_FIELD
from vectorplane.errors import CallerError, InvalidInput, StoreFailed
from vectorplane.ports.vectors import (
    ById,
    Columns,
    Found,
    Group,
    Json,
    Ordering,
    Page,
    PayloadChange,
    Point,
    PointId,
    Prefetch,
    Query,
    Recommend,
    Search,
    StoreInfo,
    VectorPoints,
)
from vectorplane_service.tenancy import language

AT_ONCE = 8
"""Points whose payload is replaced at the same time."""
PAGE = 256
Payload = bool | Sequence[str]
S = TypeVar("S", Search, Prefetch)


class TenantPoints:
    """`VectorPoints` bound to one tenant. The collections that it is asked for are names of the
    tenant's pool. It closes nothing: the store is shared."""

    def __init__(self, store: VectorPoints, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    async def info(self) -> StoreInfo:
        return await self._store.info()

    async def close(self) -> None:
        """Nothing of its own."""

    async def names(self) -> Mapping[str, str]:
        return {self._tenant: self._tenant}

    async def resolve(self, collection: str) -> Collection:
        return await self.own(await self._store.resolve(collection), collection)

    async def peek(self, collection: str) -> Collection:
        return await self.own(await self._store.peek(collection), collection)

    async def own(self, pool: Collection, collection: str) -> Collection:
        """A pool as its tenant sees it: nothing of the others, and nothing of how it is made."""
        count = await self.count(collection)
        record = pool.record and replace(pool.record, owner=None, tenancy=DEDICATED)
        return replace(
            pool,
            name=self._tenant,
            indexes={f: i for f, i in pool.indexes.items() if f not in language.RESERVED},
            record=record,
            points=count,
            # Qdrant counts these for all tenants together.
            indexed_vectors=count if pool.indexed_vectors else 0,
        )

    # Writes

    async def upsert(
        self,
        collection: str,
        points: Sequence[Point] | Columns,
        *,
        wait: bool = True,
        ordering: Ordering | None = None,
    ) -> None:
        mine = self._columns(points) if isinstance(points, Columns) else self._points(points)
        await self._store.upsert(collection, mine, wait=wait, ordering=ordering)

    def _points(self, points: Sequence[Point]) -> list[Point]:
        return [
            Point(id, point.vector, payload)
            for i, point in enumerate(points)
            for id, payload in [
                self._marked(point.id, point.payload, f"points[{i}].id", f"points[{i}].payload")
            ]
        ]

    def _columns(self, columns: Columns) -> Columns:
        payloads = columns.payloads
        if payloads is not None and len(payloads) != len(columns.ids):
            raise InvalidInput("one payload for each id", place="payloads")
        marked = [
            self._marked(id, payloads[i] if payloads else None, f"ids[{i}]", f"payloads[{i}]")
            for i, id in enumerate(columns.ids)
        ]
        return Columns([id for id, _ in marked], columns.vectors, [p for _, p in marked])

    def _marked(
        self, given: object, payload: Any, id_place: str, payload_place: str
    ) -> tuple[str, Json]:
        """Id and payload as they are stored."""
        stored, own = language.stored_id(self._tenant, given, id_place)
        language.check_payload(payload, payload_place)
        return stored, self._with_mark(payload or {}, own)

    async def delete(
        self,
        collection: str,
        *,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> None:
        await self._store.delete(collection, filter=self._which(ids, filter), wait=wait)

    async def change_payload(
        self,
        collection: str,
        change: PayloadChange,
        *,
        payload: Json | None = None,
        fields: Sequence[str] = (),
        path: str | None = None,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> None:
        if check_change(change, payload, fields, path, ids, filter) is None:
            return
        if path is None:
            language.check_payload(payload, "payload")
        else:
            language.check_field(path, "path")
        for i, field in enumerate(fields):
            language.check_field(field, f"fields[{i}]")
        which = self._which(ids, filter)
        if change in (PayloadChange.SET, PayloadChange.DELETE):
            await self._store.change_payload(
                collection,
                change,
                payload=payload,
                fields=fields,
                path=path,
                filter=which,
                wait=wait,
            )
            return
        await self._replace_payloads(collection, payload or {}, which, wait)

    async def _replace_payloads(
        self, collection: str, payload: Json, which: Json, wait: bool
    ) -> None:
        """Each point by itself, for each keeps an id of its own in its payload. A payload is never
        seen half replaced; of many points some may be done before others."""

        async def one(found: Found) -> None:
            own = language.own_id(found.payload or {}, found.id)
            await self._store.change_payload(
                collection,
                PayloadChange.OVERWRITE,
                payload=self._with_mark(payload, own),
                # The filter again: it may be another point by now.
                filter={"must": [which, {"has_id": [found.id]}]},
                wait=wait,
            )

        async for page in self._pages(collection, which):
            for start in range(0, len(page), AT_ONCE):
                await asyncio.gather(*map(one, page[start : start + AT_ONCE]))

    async def _pages(self, collection: str, which: Json) -> AsyncIterator[list[Found]]:
        offset: PointId | None = None
        while True:
            page = await self._store.scroll(
                collection, filter=which, limit=PAGE, offset=offset, payload=[ID_FIELD]
            )
            yield page.points
            if page.next is None:
                return
            offset = page.next

    def _with_mark(self, payload: Json, own: PointId) -> Json:
        return {**payload, TENANT_FIELD: self._tenant, ID_FIELD: own}

    def _which(self, ids: Sequence[PointId] | None, filter: Json | None) -> Json:
        """The filter for what ids or a filter name, of the two only one."""
        check_one_of(ids, filter)
        if ids is None:
            return language.bound(self._tenant, filter)
        return language.bound_ids(self._tenant, [*language.stored_ids(self._tenant, ids, "ids")])

    # Reads

    async def retrieve(
        self,
        collection: str,
        ids: Sequence[PointId],
        *,
        payload: Payload = True,
        vectors: bool | Sequence[str] = False,
    ) -> list[Found]:
        stored = language.stored_ids(self._tenant, ids, "ids")
        found = await self._store.retrieve(
            collection, [*stored], payload=_with_fields(payload), vectors=vectors
        )
        return [
            self._given_out(one, payload)
            for one in found
            if (one.payload or {}).get(TENANT_FIELD) == self._tenant
        ]

    async def scroll(
        self,
        collection: str,
        *,
        filter: Json | None = None,
        limit: int = 10,
        offset: PointId | None = None,
        payload: Payload = True,
        vectors: bool | Sequence[str] = False,
    ) -> Page:
        page = await self._store.scroll(
            collection,
            filter=language.bound(self._tenant, filter),
            limit=limit,
            offset=None if offset is None else self._opened(offset),
            payload=_with_fields(payload),
            vectors=vectors,
        )
        return Page(
            [self._given_out(one, payload) for one in page.points],
            None if page.next is None else self._sealed(str(page.next)),
        )

    def _sealed(self, stored: str) -> str:
        """Where a scroll goes on, with a word that says of which tenant it is."""
        word = hashlib.sha256(f"{self._tenant}/{stored}".encode()).hexdigest()[:16]
        return f"{stored}.{word}"

    def _opened(self, offset: PointId) -> str:
        stored, _, _ = str(offset).partition(".")
        if self._sealed(stored) != offset:
            raise InvalidInput("this is no cursor of such a page", place="offset")
        return stored

    async def count(
        self, collection: str, *, filter: Json | None = None, exact: bool = True
    ) -> int:
        return await self._store.count(
            collection, filter=language.bound(self._tenant, filter), exact=True
        )

    async def facet(
        self,
        collection: str,
        field: str,
        *,
        filter: Json | None = None,
        limit: int = 10,
        exact: bool = False,
    ) -> list[tuple[Value, int]]:
        language.check_field(field, "field")
        return await self._store.facet(
            collection,
            field,
            filter=language.bound(self._tenant, filter),
            limit=limit,
            exact=True,
        )

    async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
        given: dict[str, PointId] = {}
        asked = [self._search(search, f"searches[{i}]", given) for i, search in enumerate(searches)]
        with _own_words(given):
            found = await self._store.search(collection, asked)
        return [
            [self._given_out(one, search.payload) for one in results]
            for search, results in zip(searches, found, strict=True)
        ]

    async def groups(self, collection: str, search: Search, by: str, size: int) -> list[Group]:
        language.check_field(by, "by")
        given: dict[str, PointId] = {}
        asked = self._search(search, "searches[0]", given)
        with _own_words(given):
            groups = await self._store.groups(collection, asked, by, size)
        return [
            Group(group.key, [self._given_out(one, search.payload) for one in group.hits])
            for group in groups
        ]

    def _search(self, search: Search, place: str, given: dict[str, PointId]) -> Search:
        return replace(self._bound(search, place, given), payload=_with_fields(search.payload))

    def _bound(self, search: S, place: str, given: dict[str, PointId]) -> S:
        """A search, or a prefetch at any depth, for the tenant alone."""
        return replace(
            search,
            query=self._query(search.query, f"{place}.query", given),
            filter=language.bound(self._tenant, search.filter, f"{place}.filter"),
            prefetch=[
                self._bound(one, f"{place}.prefetch[{i}]", given)
                for i, one in enumerate(search.prefetch)
            ],
        )

    def _query(self, query: Query, place: str, given: dict[str, PointId]) -> Query:
        if isinstance(query, ById):
            return self._by_id(query, place, given)
        if isinstance(query, Recommend):
            examples = {
                kind: [
                    self._by_id(e, f"{place}.{kind}[{i}]", given) if isinstance(e, ById) else e
                    for i, e in enumerate(getattr(query, kind))
                ]
                for kind in ("positive", "negative")
            }
            return Recommend(examples["positive"], examples["negative"], query.strategy)
        return query

    def _by_id(self, example: ById, place: str, given: dict[str, PointId]) -> ById:
        stored, own = language.stored_id(self._tenant, example.id, place)
        given[stored] = own
        return ById(stored)

    def _given_out(self, found: Found, payload: Payload) -> Found:
        """A point with the tenant's own id and payload."""
        have = found.payload or {}
        if have.get(TENANT_FIELD) != self._tenant:
            raise StoreFailed("the store gave a point of somebody else")
        own = language.own_id(have, found.id)
        shown = None
        if payload is not False:
            shown = {k: v for k, v in have.items() if k not in language.RESERVED}
        return Found(own, shown, found.vector, found.score)


def _with_fields(payload: Payload) -> Payload:
    """What to ask of payloads so that a point can be told and given out."""
    if payload is True:
        return True
    return [*language.RESERVED] if payload is False else [*payload, *language.RESERVED]


@contextmanager
def _own_words(given: Mapping[str, PointId]) -> Iterator[None]:
    """Inside, what is said of a stored id is said of the tenant's own."""
    try:
        yield
    except CallerError as error:
        for stored, own in given.items():
            error.message = error.message.replace(stored, str(own))
        error.args = (error.message,)
        raise
