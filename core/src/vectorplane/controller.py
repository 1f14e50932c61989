"""The loop around reconcile, the same in a cluster and on one machine: finalizer first, then the
store, then the status. A front end fills the resources, adds keys to the queue, and that is all.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from vectorplane.desired import bare_of, desired_of
from vectorplane.domain.model import Desired, Key
from vectorplane.domain.status import (
    Event,
    Exposed,
    Outcome,
    Status,
    Trouble,
    events_of,
    last_words,
    repairs_of,
    status_of,
)
from vectorplane.errors import Stalled, StoreMissing, Waiting
from vectorplane.ports.embeddings import Embedders
from vectorplane.ports.resources import FINALIZER, FORCE_DELETE, Resource, Resources, Stores
from vectorplane.ports.vectors import VectorAdmin
from vectorplane.queue import backoff
from vectorplane.reconcile import reconcile

log = structlog.get_logger(__name__)


class Watcher(Protocol):
    """Is told what happened, for metrics and progress."""

    def reconciled(self, key: Key, store: str, outcome: Outcome, seconds: float) -> None:
        """`seconds` in the store; `store` is "" where none is known."""

    def repaired(self, key: Key, event: Event) -> None:
        """Somebody else's change of a collection was undone, or a lost one made again."""


class Controller:
    """Looks at one resource at a time; `look` is the handler of a `KeyedQueue`.

    `resync` is the time in seconds after which a resource with nothing to do is looked at again
    (None: when something happens; a `Sweeper` finds the rest); `per_store` bounds the looks under
    way at one store, so a store that hangs holds up no other.
    """

    def __init__(
        self,
        resources: Resources,
        stores: Stores,
        *,
        cluster: str,
        exposed: Callable[[Resource], Exposed] = lambda resource: Exposed(),
        watcher: Watcher | None = None,
        resync: float | None = 60.0,
        per_store: int = 64,
        embedders: Embedders | None = None,
    ) -> None:
        self._resources = resources
        self._stores = stores
        self._cluster = cluster
        self._exposed = exposed
        self._watcher = watcher
        self._resync = resync
        self._embedders = embedders
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(per_store)
        )
        self._failures: defaultdict[Key, int] = defaultdict(int)

    async def look(self, key: Key) -> float | None:
        """Bring one resource to what it declares; gives the seconds until the next look."""
        resource = self._resources.get(key)
        if resource is None or (resource.deleting and FINALIZER not in resource.finalizers):
            self._failures.pop(key, None)
            return None
        try:
            return await self._handle(resource)
        except Waiting as error:
            # The API that we read from and answer to is away; nothing can be said there now.
            log.warning("api_waiting", key=str(key), reason=error.reason, message=error.message)
            return self._retry(key, error.retry_after)

    async def _handle(self, resource: Resource) -> float | None:
        if not resource.deleting and FINALIZER not in resource.finalizers:
            finalized = await self._resources.add_finalizer(resource)
            if finalized is None:
                return None
            resource = finalized
        name, outcome, desired = await self._reconcile(resource)
        for change in outcome.changed:
            log.info("changed", key=str(resource.key), store=name, action=change)
        for taken in outcome.snapshots:
            log.info("snapshot_taken", key=str(resource.key), store=name, snapshot=taken.name)
        if outcome.deleted or (resource.deleting and resource.says(FORCE_DELETE)):
            for event in last_words(outcome):
                await self._resources.record_event(resource, event)
            await self._resources.remove_finalizer(resource)
            self._failures.pop(resource.key, None)
            return None
        await self._say(resource, desired, name, outcome)
        if outcome.changed:
            # It gets on, however often it is interrupted: no reason to wait ever longer.
            self._failures.pop(resource.key, None)
        if outcome.trouble and outcome.trouble.retry:
            return self._retry(resource.key, outcome.retry_after)
        if outcome.collection is None and not (outcome.trouble or desired.paused):
            # Made, and gone again before it was looked at.
            return self._retry(resource.key, None)
        self._failures.pop(resource.key, None)
        progress = outcome.progress
        if progress and progress.phase not in ("Done", "Failed"):
            return 0.0
        soonest = [s for s in (self._resync, outcome.due) if s is not None]
        return min(soonest, default=None)

    async def _reconcile(self, resource: Resource) -> tuple[str | None, Outcome, Desired]:
        name, seconds = resource.status.get("store") or resource.spec.get("store"), 0.0
        desired = bare_of(resource, self._cluster, _now())
        try:
            name, store, moved = await self._store(resource)
        except (Waiting, Stalled) as error:
            trouble = Trouble(error.reason, error.message, store=True, retry=True)
            # What never was anywhere has nothing to be released: it may go.
            nowhere = isinstance(error, StoreMissing) and not resource.status.get("collection")
            outcome = Outcome(trouble=trouble, deleted=nowhere and desired.may_go)
        else:
            desired, outcome, seconds = await self._within(name, store, resource, desired)
            if moved and not outcome.trouble:
                outcome = replace(outcome, trouble=moved)
        if self._watcher:
            self._watcher.reconciled(resource.key, name or "", outcome, seconds)
        return name, outcome, desired

    async def _within(
        self, name: str, store: VectorAdmin, resource: Resource, desired: Desired
    ) -> tuple[Desired, Outcome, float]:
        """What comes of it in its store, and the seconds that took there."""
        try:
            admitted = self._stores.admit(name, resource)
            rivals = self._resources.rivals(resource.key)
            desired = desired_of(admitted, self._cluster, rivals, desired.now)
        except Stalled as error:
            return desired, Outcome(trouble=Trouble(error.reason, error.message)), 0.0
        async with self._slots[name]:
            begun = asyncio.get_running_loop().time()
            outcome = await reconcile(desired, store, self._embedders, where=name)
            return desired, outcome, asyncio.get_running_loop().time() - begun

    async def _store(self, resource: Resource) -> tuple[str, VectorAdmin, Trouble | None]:
        """The store that a resource's collection lives in, or shall. One that lives somewhere stays
        there, whatever becomes the default store; a changed `spec.store` is refused, not followed:
        the points would stay behind.
        """
        wanted = resource.spec.get("store")
        home = resource.status.get("store") if resource.status.get("collection") else None
        if home is None or wanted == home:
            return *await self._stores.find(wanted), None
        try:
            name, store = await self._stores.find(home)
        except StoreMissing:
            if wanted is None or resource.deleting:
                raise
            return *await self._stores.find(wanted), None
        if wanted is None or resource.deleting or await self._name_of(wanted) == name:
            return name, store, None
        message = (
            f"spec.store cannot change from {name} to {wanted}: the collection and its points live "
            f"in {name}, and go on serving there"
        )
        return name, store, Trouble("ImmutableChange", message)

    async def _name_of(self, wanted: str) -> str:
        try:
            return (await self._stores.find(wanted))[0]
        except (Waiting, Stalled):
            return wanted

    async def _say(
        self, resource: Resource, desired: Desired, store: str | None, outcome: Outcome
    ) -> None:
        """Write what changed, and nothing where nothing did."""
        status = status_of(
            desired,
            outcome,
            resource.status,
            now=desired.now,
            store=store,
            exposed=self._exposed(resource),
        )
        if not _same(status, resource.status):
            await self._resources.write_status(resource, status)
        repairs = repairs_of(desired, outcome, resource.status)
        for event in (*repairs, *events_of(resource.status, status)):
            await self._resources.record_event(resource, event)
        if self._watcher:
            for event in repairs:
                self._watcher.repaired(resource.key, event)

    def _retry(self, key: Key, retry_after: float | None) -> float:
        self._failures[key] += 1
        return max(retry_after or 0.0, backoff(self._failures[key]))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _same(status: Status, previous: Mapping[str, Any]) -> bool:
    return dict(previous) == status
