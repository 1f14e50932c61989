"""The `Resources` port over files: what a controller sees of a data folder, and what it may write.

The cache is filled by reading files on the event loop's own thread, after every write too, so what
it holds never goes back to something older, whoever else writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from vectorplane.cache import ResourceCache
from vectorplane.domain.model import Key, Rival
from vectorplane.domain.status import Event, Status
from vectorplane.errors import Waiting
from vectorplane.ports.resources import FINALIZER, Resource
from vectorplane_service.local.records import DamagedFile, Document, ResourceFiles

Look = Callable[[Key], None]
"""Is called for every key that must be looked at (again)."""


class FolderResources:
    """`look` is told whom a change concerns, `damaged` what cannot be read, `recorded` events."""

    def __init__(
        self,
        files: ResourceFiles,
        *,
        look: Look = lambda key: None,
        damaged: Callable[[Key, str], None] = lambda key, message: None,
        recorded: Callable[[Key, Event], None] = lambda key, event: None,
    ) -> None:
        self._files = files
        self._look = look
        self._damaged = damaged
        self._recorded = recorded
        self._cache = ResourceCache()
        self._seen: dict[Key, object] = {}

    def refresh(self, keys: Iterable[Key] | None = None) -> None:
        """See what the files say now, of these resources or of all."""
        if keys is None:
            keys = {*self._files.keys(), *(resource.key for resource in self._cache.all())}
        for key in sorted(keys):
            self._refresh(key)

    def all(self) -> list[Resource]:
        return sorted(self._cache.all(), key=lambda resource: resource.key)

    def get(self, key: Key) -> Resource | None:
        return self._cache.get(key)

    def rivals(self, key: Key) -> tuple[Rival, ...]:
        return self._cache.rivals(key)

    async def add_finalizer(self, resource: Resource) -> Resource:
        def edit(document: Document) -> Document:
            finalizers = document["metadata"].setdefault("finalizers", [])
            if FINALIZER not in finalizers:
                finalizers.append(FINALIZER)
            return document

        await self._change(resource, edit)
        now = self._cache.get(resource.key)
        if now is None or now.uid != resource.uid or FINALIZER not in now.finalizers:
            raise Waiting(f"{resource.key} went while it was looked at")
        return now

    async def remove_finalizer(self, resource: Resource) -> None:
        def edit(document: Document) -> Document:
            finalizers = document["metadata"].get("finalizers", [])
            document["metadata"]["finalizers"] = [f for f in finalizers if f != FINALIZER]
            return document

        await self._change(resource, edit)

    async def write_status(self, resource: Resource, status: Status) -> None:
        def edit(document: Document) -> Document:
            document["status"] = status
            return document

        await self._change(resource, edit)

    async def record_event(self, resource: Resource, event: Event) -> None:
        self._recorded(resource.key, event)

    async def _change(self, resource: Resource, edit: Callable[[Document], Document]) -> None:
        try:
            await asyncio.to_thread(self._files.change, resource.key, resource.uid, edit)
        except DamagedFile as error:
            self._damaged(resource.key, error.message)
        except OSError as error:
            raise Waiting(f"{self._files.folder} cannot be written: {error}") from error
        self._refresh(resource.key)

    def _refresh(self, key: Key) -> None:
        signature = self._files.signature(key)
        if signature is not None and signature == self._seen.get(key):
            return
        self._seen[key] = signature
        try:
            stored = self._files.read(key)
        except DamagedFile as error:
            # What was known of it still holds: a file that cannot be read deletes nothing.
            self._damaged(key, error.message)
            return
        before = self._cache.get(key)
        if stored is None:
            del self._seen[key]
            concerned = self._cache.remove(key) | ({key} if before else set())
        else:
            concerned = self._cache.put(stored.resource)
            if before is None or _wish(before) != _wish(stored.resource):
                concerned.add(key)
        for other in sorted(concerned):
            self._look(other)


def _wish(resource: Resource) -> tuple[Any, ...]:
    """What the resource asks for, without what was answered."""
    return (
        resource.uid,
        resource.generation,
        resource.spec,
        resource.annotations,
        resource.deleting,
    )
