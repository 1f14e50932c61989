"""Points of a Qdrant server, checked before they are sent.

The check needs the collection's vectors. They change rarely, so they are remembered for some
seconds, and asked for again before anything is refused because of them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from vectorplane.adapters.vectors.common.filters import check_filter
from vectorplane.adapters.vectors.common.ids import check_id, check_ids
from vectorplane.adapters.vectors.common.schema import Schema, check_points, check_selection
from vectorplane.adapters.vectors.common.searches import check_count, check_searches
from vectorplane.adapters.vectors.qdrant_server.joining import Joiner
from vectorplane.adapters.vectors.qdrant_server.rest import without_place
from vectorplane.adapters.vectors.qdrant_server.transport import Transport
from vectorplane.domain.model import Collection, Settings
from vectorplane.errors import InvalidInput, NotFound, StoreRejected
from vectorplane.ports.vectors import (
    Found,
    Json,
    Listing,
    Page,
    Point,
    PointId,
    Search,
    StoreInfo,
)

SCHEMA_SECONDS = 10.0
MAX_SCHEMAS = 10_000

T = TypeVar("T")


class Catalogue(Protocol):
    """What points need of a server's collections."""

    async def info(self) -> StoreInfo: ...

    async def listing(self) -> Listing: ...

    async def resolve(self, collection: str) -> Collection: ...

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

    async def upsert(self, collection: str, points: Sequence[Point], *, wait: bool = True) -> None:
        checked = await self._checked(collection, lambda schema: check_points(schema, points))
        if checked:
            async with self._calling(collection):
                await self._transport.upsert(collection, checked, wait)

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
        if (ids is None) == (filter is None):
            raise InvalidInput("either ids or a filter, and one only")
        gone = None if ids is None else check_ids(ids, "ids")
        checked = check_filter(filter)
        if gone == []:
            return
        async with self._calling(collection):
            await self._transport.delete(collection, gone, checked, wait)

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
        async with self._calling(collection):
            return await self._joiner.search(collection, checked)

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
