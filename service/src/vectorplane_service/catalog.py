"""What the service knows of a collection, by the name that clients use.

One look-up gives it, and it is kept for some seconds. What is done with a name goes by what it
leads to at that moment all the same: see `tenancy.guard`. Of the shape that input is checked
against, a check that fails is made again with `fresh` before anybody is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from vectorplane.domain.model import PARTITION, Collection, Settings
from vectorplane.domain.names import number
from vectorplane.domain.tenancy import is_public
from vectorplane.errors import NotFound
from vectorplane.ports.vectors import VectorPoints
from vectorplane_service.sharing import Shared
from vectorplane_service.tenancy.guard import GuardedPoints, Where
from vectorplane_service.tenancy.points import TenantPoints

KEPT_SECONDS = 5.0
"""Long against a request, short against a person who waits for a change."""
_ALL = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A collection: its name for clients, the sizes of its dense vectors, its embedding, the tenant
    of a pool that it is (None: a collection of its own), and its points."""

    name: str
    physical: str
    sizes: Mapping[str, int]
    embedding: Mapping[str, str] | None
    tenant: str | None = None
    points: GuardedPoints = field(kw_only=True, repr=False, compare=False)

    def only_vector(self) -> str | None:
        """The vector that is meant where none is named: the unnamed one, else the only one."""
        if "" in self.sizes:
            return ""
        return next(iter(self.sizes)) if len(self.sizes) == 1 else None


def visible(name: str, physical: str, collection: Collection) -> bool:
    """False for the physical name of a managed collection, a pool and the marker of a tenant.

    Keys are granted by the names that clients use; a second way in would go past them. An alias,
    and a collection that nobody manages, are names for clients.
    """
    record = collection.record
    own = physical != name or record is None or record.owner is None
    return own and is_public(name)


def pooled(physical: str, collection: Collection) -> bool:
    """Whether a physical collection is a pool: each request must be bound to one of its tenants."""
    record = collection.record
    return not is_public(physical) or (record is not None and record.tenancy == PARTITION)


async def shown(points: VectorPoints, name: str, physical: str) -> tuple[str | None, Collection]:
    """The tenant that a name of the store's list is, if any, and the collection as clients see it.
    Raises `NotFound` where it is none for them, or has gone since it was listed."""
    found = await points.peek(name)
    if not visible(name, physical, found):
        raise unknown(name)
    if pooled(physical, found):
        return name, await TenantPoints(points, name).own(found, name)
    return None, replace(found, name=physical)


def sizes(settings: Settings) -> dict[str, int]:
    """The dense vectors by name, with their sizes."""
    return {
        path[1]: int(value)
        for path, value in settings.items()
        if len(path) == 3 and path[0] == "vectors" and path[2] == "size"
    }


def unknown(name: str) -> NotFound:
    return NotFound(f"no collection {name!r}", place="collection")


class Catalog:
    """Entries by name. Also who tells `GuardedPoints` what a name leads to."""

    def __init__(
        self,
        points: VectorPoints,
        *,
        kept_seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._points = points
        self._kept_seconds = kept_seconds
        self._clock = clock
        self._kept: dict[str, tuple[Entry, float]] = {}
        self._loads = Shared(self._load)
        self._peeks = Shared(points.peek)
        self._lists = Shared(self._list)
        self._pools: Mapping[str, str] = {}
        """Pools by the names of their tenants, of the last list."""

    async def entry(self, name: str) -> Entry:
        """The collection of that name. Raises `NotFound`."""
        kept = self._kept.get(name)
        if kept is not None and self._clock() < kept[1]:
            return kept[0]
        return await self.fresh(name)

    async def fresh(self, name: str) -> Entry:
        """The same, looked up now; those who ask while one looks share the answer."""
        return await self._loads.any(name)

    async def anew(self, name: str) -> GuardedPoints:
        """See `tenancy.guard.Names`."""
        return (await self._loads.later(name)).points

    async def still(self, where: Where) -> bool:
        """See `tenancy.guard.Names`."""
        try:
            if not where.like(await self._peeks.later(where.name)):
                return False
            if where.managed:
                return True
            # Nothing in it says which one it is.
            return (await self._lists.later(_ALL)).get(where.name) == where.physical
        except NotFound:
            return False

    async def _list(self, _: str) -> Mapping[str, str]:
        names = await self._points.names()
        self._pools = {n: p for n, p in names.items() if not is_public(p)}
        return names

    async def _load(self, name: str) -> Entry:
        self._kept.pop(name, None)
        if not is_public(name):
            raise unknown(name)
        try:
            where = await self._look(name)
        except NotFound as error:
            raise unknown(name) from error
        record = where.seen.record
        entry = Entry(
            name=name,
            physical=where.physical,
            sizes=sizes(where.seen.settings),
            embedding=dict(record.embedding) if record and record.embedding else None,
            tenant=where.tenant,
            points=GuardedPoints(self._points, self, where),
        )
        self._kept[name] = (entry, self._clock() + self._kept_seconds)
        return entry

    async def _look(self, name: str) -> Where:
        """What a name leads to. The physical collection is looked at by its own name, so that what
        is known of it is never another's."""
        if (pool := self._pools.get(name)) is not None:
            # The list of all names is long where there are many tenants; none of them moves to
            # another pool.
            where = Where(name, pool, name, await self._points.peek(pool))
            if _is_pool(where) and where.like(await self._points.peek(name)):
                return where
        physical = (await self._lists.later(_ALL)).get(name)
        if physical is None:
            raise unknown(name)
        seen = await self._points.peek(physical)
        if not visible(name, physical, seen):
            raise unknown(name)
        return Where(name, physical, name if pooled(physical, seen) else None, seen)


def _is_pool(where: Where) -> bool:
    record = where.seen.record
    return (
        record is not None
        and record.owner is not None
        and record.tenancy == PARTITION
        and number(record.owner.name, where.physical) is not None
    )
