"""Reading a collection: what it is, and its points."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from vectorplane.client.aio.at import AsyncAt
from vectorplane.client.asking import given
from vectorplane.client.models import (
    CollectionInfo,
    FacetValue,
    Found,
    Json,
    Page,
    PointId,
    Selection,
    all_found,
    collection_info,
    found,
)


class AsyncReading(AsyncAt):
    """Calls that change nothing. Each is made again where it failed for a passing reason."""

    async def info(self) -> CollectionInfo:
        """The collection as it is now. Raises `NotFound`."""
        return collection_info(await self._transport.json("GET", self._path()))

    async def get(self, id: PointId) -> Found:
        """One point, with payload and vectors. Raises `NotFound`."""
        return found(await self._transport.json("GET", self._path("points", str(id))))

    async def retrieve(
        self,
        ids: Sequence[PointId],
        *,
        with_payload: Selection = True,
        with_vectors: Selection = False,
    ) -> list[Found]:
        """The points that exist among the ids, in the order of the ids."""
        body = {"ids": list(ids), "with_payload": with_payload, "with_vectors": with_vectors}
        answer = await self._post("points", "retrieve", body=body)
        return all_found(answer["points"])

    async def scroll_page(
        self,
        *,
        filter: Json | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        with_payload: Selection = True,
        with_vectors: Selection = False,
    ) -> Page:
        """One page of points, in the order of their ids. `cursor` is `next_cursor` of the page
        before."""
        body = given(filter=filter, limit=limit, cursor=cursor) | {
            "with_payload": with_payload,
            "with_vectors": with_vectors,
        }
        answer = await self._post("points", "scroll", body=body)
        return Page(all_found(answer["points"]), answer["next_cursor"])

    async def scroll(
        self,
        *,
        filter: Json | None = None,
        page: int = 256,
        with_payload: Selection = True,
        with_vectors: Selection = False,
    ) -> AsyncIterator[Found]:
        """Every point that fits, page by page, one page in memory at a time."""
        cursor = None
        while True:
            found = await self.scroll_page(
                filter=filter,
                limit=page,
                cursor=cursor,
                with_payload=with_payload,
                with_vectors=with_vectors,
            )
            for point in found.points:
                yield point
            cursor = found.next_cursor
            if cursor is None:
                return

    async def count(self, *, filter: Json | None = None, exact: bool = True) -> int:
        """How many points fit a filter."""
        answer = await self._post("points", "count", body=given(filter=filter, exact=exact))
        return int(answer["count"])

    async def facet(
        self, field: str, *, filter: Json | None = None, limit: int = 10, exact: bool = False
    ) -> list[FacetValue]:
        """The values of a payload field that has an index, the most frequent first."""
        body = given(field=field, filter=filter, limit=limit, exact=exact)
        answer = await self._post("points", "facet", body=body)
        return [FacetValue(item["value"], item["count"]) for item in answer["hits"]]
