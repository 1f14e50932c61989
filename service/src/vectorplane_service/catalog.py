"""What the service knows of a collection, by the name that clients use.

One look-up gives it, and it is kept for some seconds: requests go to the store by name, so an alias
that moves is followed at once, and what may be old here is only the shape that input is checked
against. A check that fails is therefore made again with `fresh` before anybody is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vectorplane.domain.model import DEDICATED, Collection, Settings
from vectorplane.domain.tenancy import is_public
from vectorplane.errors import NotFound, Unsupported
from vectorplane.ports.vectors import VectorPoints

KEPT_SECONDS = 5.0
"""Long against a request, short against a person who waits for a change."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A collection: its name for clients, the sizes of its dense vectors, its embedding."""

    name: str
    physical: str
    sizes: Mapping[str, int]
    embedding: Mapping[str, str] | None

    def only_vector(self) -> str | None:
        """The vector that is meant where none is named: the unnamed one, else the only one."""
        if "" in self.sizes:
            return ""
        return next(iter(self.sizes)) if len(self.sizes) == 1 else None


def visible(name: str, collection: Collection) -> bool:
    """False for the physical name of a managed collection, a pool and the marker of a tenant.

    Keys are granted by the names that clients use; a second way in would go past them. An alias,
    and a collection that nobody manages, are names for clients.
    """
    record = collection.record
    own = collection.name != name or record is None or record.owner is None
    return own and is_public(name)


def serves(collection: Collection) -> bool:
    """False for a pool: every request would reach the points of all its tenants."""
    return is_public(collection.name) and (
        collection.record is None or collection.record.tenancy == DEDICATED
    )


def check(name: str, collection: Collection) -> None:
    """Raises `NotFound` for a name that is none of clients', `Unsupported` for a tenant's."""
    if not visible(name, collection):
        raise unknown(name)
    if not serves(collection):
        raise Unsupported(
            f"collection {name} is a tenant of a pool: this service does not serve tenants yet"
        )


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
        self._loading: dict[str, asyncio.Task[Entry]] = {}

    async def entry(self, name: str) -> Entry:
        """The collection of that name. Raises `NotFound`."""
        kept = self._kept.get(name)
        if kept is not None and self._clock() < kept[1]:
            return kept[0]
        return await self.fresh(name)

    async def fresh(self, name: str) -> Entry:
        """The same, looked up now; those who ask while one looks share the answer."""
        loading = self._loading.get(name)
        if loading is None:
            loading = self._loading[name] = asyncio.create_task(self._load(name))
            loading.add_done_callback(lambda _: self._loading.pop(name, None))
        # One caller who goes away must not take the answer from the others.
        return await asyncio.shield(loading)

    async def _load(self, name: str) -> Entry:
        self._kept.pop(name, None)
        if not is_public(name):
            raise unknown(name)
        try:
            collection = await self._points.resolve(name)
        except NotFound as error:
            raise unknown(name) from error
        check(name, collection)
        record = collection.record
        entry = Entry(
            name=name,
            physical=collection.name,
            sizes=sizes(collection.settings),
            embedding=dict(record.embedding) if record and record.embedding else None,
        )
        self._kept[name] = (entry, self._clock() + self._kept_seconds)
        return entry
