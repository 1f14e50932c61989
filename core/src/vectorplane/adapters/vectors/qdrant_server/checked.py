"""Points of a Qdrant server, checked before they are sent.

The check needs the collection's vectors. They change rarely, so they are remembered for some
seconds, and asked for again before anything is refused because of them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from vectorplane.adapters.vectors.common.changes import check_change, no_facet
from vectorplane.adapters.vectors.common.columns import check_columns
from vectorplane.adapters.vectors.common.filters import check_filter
from vectorplane.adapters.vectors.common.ids import check_id, check_ids, check_one_of
from vectorplane.adapters.vectors.common.jsonpath import check_path
from vectorplane.adapters.vectors.common.resolving import (
    by_name,
    named,
    resolve,
    scores_by_points,
)
from vectorplane.adapters.vectors.common.schema import Schema, check_points, check_selection
from vectorplane.adapters.vectors.common.searches import (
    Checked,
    check_count,
    check_groups,
    check_searches,
)
from vectorplane.adapters.vectors.qdrant_server.joining import Joiner
from vectorplane.adapters.vectors.qdrant_server.rest import without_place
from vectorplane.adapters.vectors.qdrant_server.transport import Transport, Upserts
from vectorplane.domain.model import Collection, Settings, Value
from vectorplane.errors import InvalidInput, NotFound, StoreRejected
from vectorplane.ports.vectors import (
    Columns,
    Found,
    Group,
    Json,
    Listing,
    Ordering,
    Page,
    PayloadChange,
    Point,
    PointId,
    Search,
    StoreInfo,
)

NO_INDEX = "No appropriate index for faceting"
SCHEMA_SECONDS = 10.0
MAX_SCHEMAS = 10_000

T = TypeVar("T")


class Catalogue(Protocol):
    """What points need of a server's collections."""

    async def info(self) -> StoreInfo: ...

    async def listing(self) -> Listing: ...

    async def resolve(self, collection: str) -> Collection: ...

    async def peek(self, collection: str) -> Collection: ...

    async def settings(self, collection: str) -> Settings: ...


class CheckedPoints:
    """`VectorPoints` over a transport. Closes the transport, and not the catalogue."""

    def __init__(self, catalogue: Catalogue, transport: Transport) -> None:
        self._catalogue = catalogue
        self._transport = transport
        self._joiner = Joiner(transport.search)
        self._schemas: dict[str, tuple[float, Schema]] = {}

    async def info(self) -> StoreInfo:
        return await self._catalogue.info()

    async def close(self) -> None:
        await self._transport.close()

    async def names(self) -> Mapping[str, str]:
        listing = await self._catalogue.listing()
        return {c: c for c in listing.collections} | dict(listing.aliases)

    async def resolve(self, collection: str) -> Collection:
        return await self._catalogue.resolve(collection)

    async def peek(self, collection: str) -> Collection:
        return await self._catalogue.peek(collection)

    async def upsert(
        self,
        collection: str,
        points: Sequence[Point] | Columns,
        *,
        wait: bool = True,
        ordering: Ordering | None = None,
    ) -> None:
        checked = await self._checked(collection, lambda schema: _points(schema, points))
        if checked.ids if isinstance(checked, Columns) else checked:
            async with self._calling(collection):
                await self._transport.upsert(collection, checked, wait, ordering)

    async def retrieve(
        self,
        collection: str,
        ids: Sequence[PointId],
        *,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> list[Found]:
        wanted = await self._wanted(collection, payload, vectors)
        order = check_ids(ids, "ids")
        if not order:
            return []
        async with self._calling(collection):
            found = await self._transport.retrieve(collection, order, wanted)
        by_id = {point.id: point for point in found}
        return [by_id[i] for i in order if i in by_id]

    async def scroll(
        self,
        collection: str,
        *,
        filter: Json | None = None,
        limit: int = 10,
        offset: PointId | None = None,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> Page:
        wanted = await self._wanted(collection, payload, vectors)
        check_count(limit, "limit", least=1)
        start = None if offset is None else check_id(offset, "offset")
        checked = check_filter(filter)
        async with self._calling(collection):
            return await self._transport.scroll(collection, checked, limit, start, wanted)

    async def delete(
        self,
        collection: str,
        *,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> None:
        await self._schema(collection)
        check_one_of(ids, filter)
        gone = None if ids is None else check_ids(ids, "ids")
        checked = check_filter(filter)
        if gone == []:
            return
        async with self._calling(collection):
            await self._transport.delete(collection, gone, checked, wait)

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
        await self._schema(collection)
        checked = check_change(change, payload, fields, path, ids, filter)
        if checked is not None:
            async with self._calling(collection):
                await self._transport.change(collection, checked, wait)

    async def count(
        self, collection: str, *, filter: Json | None = None, exact: bool = True
    ) -> int:
        checked = check_filter(filter)
        async with self._calling(collection):
            return await self._transport.count(collection, checked, exact)

    async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
        checked = await self._checked(collection, lambda schema: check_searches(schema, searches))
        if not checked:
            return []
        if any(map(scores_by_points, checked)):
            await self._explain(collection, checked)
        try:
            async with self._calling(collection):
                return await self._joiner.search(collection, checked)
        except (NotFound, InvalidInput):
            await self._explain(collection, checked)
            raise

    async def groups(self, collection: str, search: Search, by: str, size: int) -> list[Group]:
        checked = await self._checked(
            collection, lambda schema: check_groups(schema, search, by, size)
        )
        # Before, for here Qdrant leaves out points that are not there without a word.
        await self._explain(collection, [checked])
        async with self._calling(collection):
            return await self._transport.groups(collection, checked, by, size)

    async def facet(
        self,
        collection: str,
        field: str,
        *,
        filter: Json | None = None,
        limit: int = 10,
        exact: bool = False,
    ) -> list[tuple[Value, int]]:
        await self._schema(collection)
        check_path(field, "field")
        flt = check_filter(filter)
        check_count(limit, "limit", least=1)
        try:
            async with self._calling(collection):
                return await self._transport.facet(collection, field, flt, limit, exact)
        except InvalidInput as error:
            if NO_INDEX in error.message:
                raise no_facet(field) from error
            raise

    async def _explain(self, collection: str, searches: Sequence[Checked]) -> None:
        """Raise what is wrong with the points that searches name: Qdrant says of it no more than
        that one was not found. Nothing happens where they are all right."""
        ids, names = named(searches)
        if not ids:
            return
        schema = await self._schema(collection)
        async with self._calling(collection):
            found = await self._transport.retrieve(collection, ids, (False, names))
        known = {point.id: by_name(schema, point.vector) for point in found}
        for i, search in enumerate(searches):
            resolve(schema, search, known, f"searches[{i}]")

    async def _wanted(
        self, collection: str, payload: bool | Sequence[str], vectors: bool | Sequence[str]
    ) -> tuple[bool | list[str], bool | list[str]]:
        names = await self._checked(
            collection, lambda schema: schema.check_names(vectors, "vectors")
        )
        return check_selection(payload, "payload"), names

    async def _checked(self, collection: str, check: Callable[[Schema], T]) -> T:
        """What `check` gives. A refusal is believed only of the schema as it is now."""
        known = self._schemas.get(collection)
        schema = await self._schema(collection)
        try:
            return check(schema)
        except InvalidInput:
            if known is None or known[1] is not schema:
                raise  # just asked for
            self._schemas.pop(collection, None)
            return check(await self._schema(collection))

    async def _schema(self, collection: str) -> Schema:
        known = self._schemas.get(collection)
        if known is not None and time.monotonic() - known[0] < SCHEMA_SECONDS:
            return known[1]
        settings = await self._catalogue.settings(collection)
        schema = Schema.of(settings)
        if len(self._schemas) >= MAX_SCHEMAS:
            self._schemas.clear()
        self._schemas[collection] = (time.monotonic(), schema)
        return schema

    @asynccontextmanager
    async def _calling(self, collection: str) -> AsyncIterator[None]:
        """Errors of a call as the caller of a points port should see them."""
        try:
            yield
        except NotFound as error:
            self._schemas.pop(collection, None)
            raise NotFound(f"there is no collection {collection}") from error
        except StoreRejected as error:
            # Our checks passed, so the collection may have changed under us.
            self._schemas.pop(collection, None)
            raise InvalidInput(without_place(error.message)) from error


def _points(schema: Schema, points: Sequence[Point] | Columns) -> Upserts | Columns:
    if isinstance(points, Columns):
        return check_columns(schema, points)
    return check_points(schema, points)
