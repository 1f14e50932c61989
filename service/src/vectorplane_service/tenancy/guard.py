"""Points behind a name that may move while a request is under way.

What a name leads to is remembered for some seconds. Meanwhile a collection may be rebuilt, a
tenant may become a collection of its own, and a collection may go and a tenant take its name. No
answer and no write may go by what was believed before, least of all into a pool without the
tenant's bound.

Reads go to the name, so that a rebuilt collection is read at once, and the answer is looked at:

    believed    in doubt                                            because
    ----------  --------------------------------------------------  ------------------------------
    collection  a hit has `_tenant`, or a UUID of version 5 as its  every point of a pool has both
                id where the whole payload was not asked for
    collection  no hit, a count, a facet, a point that is not       they tell of a pool, too
                there
    tenant      no hit, a count or a facet of nothing, a point      what is bound to a tenant finds
                that is not there                                   nothing in a collection

Where there is doubt, the name is looked at anew, after the answer has come. If it leads elsewhere
the answer is thrown away and the request is made again. A plain search has no doubt and no
look-up: it costs one `in` for each hit.

Writes go to the physical collection, which never turns into something else: one that was a
collection of its own is never a pool. Then the name is looked at, in one call that many writes
share; if it leads elsewhere, the write is made again there. So a write is told to be done only if
it was done at a moment when the name led there: before the hold of a rebuild, which then carries it
over, or not at all. A collection that holds back writes, or is gone, is looked at in the same way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from vectorplane.domain.model import Collection, Value
from vectorplane.domain.tenancy import TENANT_FIELD
from vectorplane.errors import Forbidden, NotFound, StoreOverloaded
from vectorplane.ports.vectors import (
    Columns,
    Found,
    Group,
    Json,
    Ordering,
    Page,
    PayloadChange,
    Point,
    PointId,
    Search,
    StoreInfo,
    VectorPoints,
)
from vectorplane_service.tenancy.points import TenantPoints

T = TypeVar("T")
Payload = bool | Sequence[str]
MayReach = Callable[[str | None], bool]


@dataclass(frozen=True, slots=True)
class Where:
    """What a name led to when it was looked at. `tenant` is None for a collection of its own."""

    name: str
    physical: str
    tenant: str | None
    seen: Collection
    """The physical collection as `peek` showed it."""

    def like(self, now: Collection) -> bool:
        """Whether a look at the name shows the same collection. Two collections of one owner differ
        in a setting or in the record: else there had been nothing to rebuild."""
        return now.settings == self.seen.settings and now.record == self.seen.record

    @property
    def managed(self) -> bool:
        return self.seen.record is not None and self.seen.record.owner is not None


class Names(Protocol):
    """Who knows what names lead to."""

    async def still(self, where: Where) -> bool:
        """Whether the name leads there, by a look that begins now. False where it is not sure."""

    async def anew(self, name: str) -> GuardedPoints:
        """The points behind a name, looked up from now on. Raises `NotFound`."""


class GuardedPoints:
    """`VectorPoints` behind one name. The names of collections that it is asked for do not
    matter: it serves its own. `may_reach` is the caller's, where that is bound to a tenant."""

    def __init__(
        self,
        store: VectorPoints,
        names: Names,
        where: Where,
        may_reach: MayReach | None = None,
    ) -> None:
        self._store = store
        self._names = names
        self._may_reach = may_reach
        self.where = where
        self._own = where.tenant is None
        """A collection of its own, as far as is known."""
        self._points = store if where.tenant is None else TenantPoints(store, where.tenant)

    def for_one(self, may_reach: MayReach) -> GuardedPoints:
        """The same for a caller who is bound to a tenant."""
        return GuardedPoints(self._store, self._names, self.where, may_reach)

    async def moved(self) -> GuardedPoints | None:
        """Who serves the name now, if not this. Raises `NotFound`, `Forbidden`."""
        if await self._names.still(self.where):
            return None
        now = await self._names.anew(self.where.name)
        if (now.where.physical, now.where.tenant) == (self.where.physical, self.where.tenant):
            return None
        if self._may_reach is None:
            return now
        if not self._may_reach(now.where.tenant):
            raise Forbidden(f"this key is not for collection {self.where.name!r}")
        return now.for_one(self._may_reach)

    async def info(self) -> StoreInfo:
        return await self._store.info()

    async def close(self) -> None:
        """Nothing of its own."""

    async def names(self) -> Mapping[str, str]:
        return {self.where.name: self.where.name}

    # Writes

    async def _write(self, call: Callable[[VectorPoints, str], Awaitable[None]]) -> None:
        now: GuardedPoints | None
        try:
            await call(self._points, self.where.physical)
        except NotFound as error:
            now = await self.moved()
            if now is None:
                raise NotFound(f"no collection {self.where.name!r}", place="collection") from error
        except StoreOverloaded:
            now = await self.moved()
            if now is None:
                raise
        else:
            now = await self.moved()
        if now is not None:
            await now._write(call)

    async def upsert(
        self,
        collection: str,
        points: Sequence[Point] | Columns,
        *,
        wait: bool = True,
        ordering: Ordering | None = None,
    ) -> None:
        await self._write(
            lambda into, physical: into.upsert(physical, points, wait=wait, ordering=ordering)
        )

    async def delete(
        self,
        collection: str,
        *,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> None:
        await self._write(
            lambda into, physical: into.delete(physical, ids=ids, filter=filter, wait=wait)
        )

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
        await self._write(
            lambda into, physical: into.change_payload(
                physical,
                change,
                payload=payload,
                fields=fields,
                path=path,
                ids=ids,
                filter=filter,
                wait=wait,
            )
        )

    # Reads

    async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
        try:
            found = await self._points.search(self.where.name, searches)
        except NotFound:
            if (now := await self.moved()) is None:
                raise
        else:
            for search, hits in zip(searches, found, strict=True):
                if not hits or (self._own and of_pool(hits, search.payload)):
                    break
            else:
                return found
            if (now := await self.moved()) is None:
                return found
        return await now.search(collection, searches)

    async def _read(
        self,
        call: Callable[[VectorPoints], Awaitable[T]],
        hits: Callable[[T], Sequence[Found]] | None = None,
        payload: Payload = True,
    ) -> T:
        """What a call gives. `hits` are the points in it; None where it is numbers alone."""
        try:
            found = await call(self._points)
        except NotFound:
            if (now := await self.moved()) is None:
                raise
        else:
            if hits is None:
                doubtful = self._own or not found
            else:
                points = hits(found)
                doubtful = not points or (self._own and of_pool(points, payload))
            if not doubtful or (now := await self.moved()) is None:
                return found
        return await now._read(call, hits, payload)

    async def resolve(self, collection: str) -> Collection:
        return await self._read(lambda points: points.resolve(self.where.name), _unsure)

    async def peek(self, collection: str) -> Collection:
        return await self._read(lambda points: points.peek(self.where.name), _unsure)

    async def retrieve(
        self,
        collection: str,
        ids: Sequence[PointId],
        *,
        payload: Payload = True,
        vectors: bool | Sequence[str] = False,
    ) -> list[Found]:
        return await self._read(
            lambda points: points.retrieve(self.where.name, ids, payload=payload, vectors=vectors),
            lambda found: found,
            payload,
        )

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
        return await self._read(
            lambda points: points.scroll(
                self.where.name,
                filter=filter,
                limit=limit,
                offset=offset,
                payload=payload,
                vectors=vectors,
            ),
            lambda page: page.points,
            payload,
        )

    async def count(
        self, collection: str, *, filter: Json | None = None, exact: bool = True
    ) -> int:
        return await self._read(
            lambda points: points.count(self.where.name, filter=filter, exact=exact)
        )

    async def groups(self, collection: str, search: Search, by: str, size: int) -> list[Group]:
        return await self._read(
            lambda points: points.groups(self.where.name, search, by, size),
            lambda groups: [hit for group in groups for hit in group.hits],
            search.payload,
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
        return await self._read(
            lambda points: points.facet(
                self.where.name, field, filter=filter, limit=limit, exact=exact
            )
        )


def _unsure(_: Collection) -> Sequence[Found]:
    """No point of it is seen."""
    return ()


def of_pool(hits: Sequence[Found], payload: Payload) -> bool:
    """Whether points may come from a pool. `payload` is what was asked for of theirs."""
    if payload is True:
        for hit in hits:
            if TENANT_FIELD in hit.payload:  # type: ignore[operator]
                return True
        return False
    return any(type(hit.id) is str and hit.id[14:15] == "5" for hit in hits)
