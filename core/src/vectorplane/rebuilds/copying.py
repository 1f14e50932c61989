"""Points from one collection into another: every one once, then what is different, then what is
gone. Page by page in the order of ids, so that a page's first id says where to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

from vectorplane.domain.model import Place, Progress, Settings
from vectorplane.domain.tenancy import TENANT_FIELD
from vectorplane.errors import Waiting
from vectorplane.ports.vectors import Found, Json, Page, Point, PointId, VectorPoints
from vectorplane.rebuilds.carrying import Carrier

PAGE = 500
_LIMITS = ("maxQueryLimit", "upsertMaxBatchsize")

Handle = Callable[[Sequence[Found]], Awaitable[int]]
"""Does something with a page; gives how many points it wrote or dropped."""


class Copy:
    """One source, one target. `per_second` bounds the points that are written (None: unbounded)."""

    def __init__(
        self,
        points: VectorPoints,
        source: Place,
        target: str,
        carrier: Carrier,
        *,
        page: int = PAGE,
        per_second: int | None = None,
    ) -> None:
        self._points = points
        self._source = source.collection
        self._target = target
        self._carrier = carrier
        self._page = min(page, per_second) if per_second else page
        self._per_second = per_second
        self._only = _only(source.tenant)

    async def counts(self) -> tuple[int, int]:
        """Points of the source and of the target."""
        source = await self._points.count(self._source, filter=self._only)
        return source, await self._points.count(self._target)

    async def first(self, progress: Progress, until: float) -> Progress:
        """Copy on from the cursor, until a time of the loop's clock or the end (cursor None)."""
        begun = progress
        async with aclosing(self._pages(self._source, progress.cursor, self._only)) as pages:
            try:
                async for page in pages:
                    await self._paced(self._write, page.points)
                    copied = progress.copied + len(page.points)
                    progress = replace(progress, cursor=page.next, copied=copied)
                    if _now() >= until:
                        break
            except Waiting:
                # What is copied is told first; the next slice says what is in the way.
                if progress is begun:
                    raise
        return progress

    async def changed(
        self,
        progress: Progress,
        until: float | None = None,
        seen: Callable[[Sequence[Point]], None] = lambda points: None,
    ) -> Progress:
        """Write what the target lacks or has otherwise; on from the cursor, as `first` does."""

        async def handle(found: Sequence[Found]) -> int:
            points = self._carrier.points(found)
            seen(points)
            return await self._mend(points)

        return await self._pass(self._source, self._only, True, handle, progress, until)

    async def gone(self, progress: Progress, until: float | None = None) -> Progress:
        """Drop from the target what the source no longer has; on from the cursor."""
        return await self._pass(self._target, None, False, self._drop, progress, until)

    async def _pass(
        self,
        collection: str,
        only: Json | None,
        whole: bool,
        handle: Handle,
        progress: Progress,
        until: float | None,
    ) -> Progress:
        async with aclosing(self._pages(collection, progress.cursor, only, whole)) as pages:
            async for page in pages:
                changed = progress.changed + await self._paced(handle, page.points)
                progress = replace(progress, cursor=page.next, changed=changed)
                if until is not None and _now() >= until:
                    break
        return progress

    async def _write(self, found: Sequence[Found]) -> int:
        points = await self._carrier.embedded(self._carrier.points(found))
        await self._points.upsert(self._target, points)
        return len(points)

    async def _mend(self, points: Sequence[Point]) -> int:
        there = await self._points.retrieve(self._target, [p.id for p in points], vectors=True)
        have = {f.id: f for f in there}
        wrong = [p for p in points if not self._carrier.same(p, have.get(p.id))]
        if wrong:
            await self._points.upsert(self._target, await self._carrier.embedded(wrong))
        return len(wrong)

    async def _drop(self, found: Sequence[Found]) -> int:
        origins = {f.id: self._carrier.origins(f.id) for f in found}
        asked = [origin for ids in origins.values() for origin in ids]
        have: set[PointId] = set()
        for start in range(0, len(asked), self._page):
            part = asked[start : start + self._page]
            have |= {f.id for f in await self._points.retrieve(self._source, part, payload=False)}
        gone = [i for i, ids in origins.items() if have.isdisjoint(ids)]
        if gone:
            await self._points.delete(self._target, ids=gone)
        return len(gone)

    async def _pages(
        self, collection: str, cursor: PointId | None, only: Json | None, whole: bool = True
    ) -> AsyncGenerator[Page, None]:
        """The pages from a cursor on. The next one is fetched while one is worked on."""

        def fetch(offset: PointId | None) -> asyncio.Task[Page]:
            call = self._points.scroll(
                collection,
                filter=only,
                limit=self._page,
                offset=offset,
                payload=whole,
                vectors=whole,
            )
            return asyncio.ensure_future(call)

        ahead: asyncio.Task[Page] | None = fetch(cursor)
        try:
            while ahead:
                page = await ahead
                ahead = None if page.next is None else fetch(page.next)
                yield page
        finally:
            if ahead:
                ahead.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await ahead

    async def _paced(self, handle: Handle, found: Sequence[Found]) -> int:
        begun = _now()
        done = await handle(found) if found else 0
        if self._per_second:
            await asyncio.sleep(max(0.0, begun + done / self._per_second - _now()))
        return done


def page_size(*settings: Settings) -> int:
    """Points in one call that the strict modes of these collections allow. A hold of writes turns
    on one that is off."""
    limits = [
        int(limit) for of in settings for name in _LIMITS if (limit := of.get(("strictMode", name)))
    ]
    return min([PAGE, *limits])


def _only(tenant: str | None) -> Json | None:
    if tenant is None:
        return None
    return {"must": [{"key": TENANT_FIELD, "match": {"value": tenant}}]}


def _now() -> float:
    return asyncio.get_running_loop().time()
