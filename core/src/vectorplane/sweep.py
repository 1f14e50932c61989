"""One look at a whole store: which resources are as their status says, and which want a look.

A sweep only reads and decides: one survey of the store, then `plan` for each resource that lives
there, without a call for any of them. What differs is put into the queue, and its own look, on
fresh answers, acts. So drift is found by a few list calls, and after a restart thousands of
unchanged resources are verified without one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from vectorplane.desired import desired_of
from vectorplane.domain.model import Key, Rival
from vectorplane.domain.plan import plan
from vectorplane.domain.status import READY, Exposed, condition_of, status_of
from vectorplane.errors import CallerError, Stalled, Waiting
from vectorplane.observe import observed_of, outcome_of
from vectorplane.ports.resources import FINALIZER, Resource, Stores
from vectorplane.ports.vectors import Survey

_SLICE = 0.01
"""Seconds of deciding between two turns of the event loop: a new resource does not wait for it."""

log = structlog.get_logger(__name__)


def settled(resource: Resource) -> bool:
    """Whether a resource says of itself that it is as declared, and wants no look of its own."""
    return (
        not resource.deleting
        and FINALIZER in resource.finalizers
        and resource.status.get("observedGeneration") == resource.generation
        and condition_of(resource.status, READY).get("reason") == "Ready"
    )


class Known(Protocol):
    """What a sweep needs of the resources."""

    def all(self) -> Iterable[Resource]: ...

    def rivals(self, key: Key) -> tuple[Rival, ...]: ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep came to."""

    resources: int
    looks: int
    """How many of them want a look."""
    decided: int
    """How many were not simply as the last sweep saw them."""


Print = tuple[Any, ...]
"""All that a decision rests on. While it is the same, so is the decision."""


class Sweeper:
    """Sweeps one store at a time. `look` puts a key into the queue; `lives_in` says whether a
    resource lives in a store, or would.
    """

    def __init__(
        self,
        resources: Known,
        stores: Stores,
        *,
        cluster: str,
        look: Callable[[Key], None],
        lives_in: Callable[[Resource, str], bool],
        exposed: Callable[[Resource], Exposed] = lambda resource: Exposed(),
    ) -> None:
        self._resources = resources
        self._stores = stores
        self._cluster = cluster
        self._look = look
        self._lives_in = lives_in
        self._exposed = exposed
        self._settled: dict[Key, Print | None] = {}
        """What was found as declared, with all that this rests on; None for what a clock may
        change, and for what its own look settled."""

    @property
    def unverified(self) -> int:
        """Resources that nobody has looked at since the start."""
        return sum(resource.key not in self._settled for resource in self._resources.all())

    def looked(self, key: Key) -> None:
        """A look of its own has settled it."""
        self._settled.setdefault(key, None)

    def forget(self) -> None:
        """Verify everything anew."""
        self._settled.clear()

    async def sweep(self, store: str) -> Swept:
        """Raises an error of ours where the store cannot be surveyed: then all of its
        resources that do not say so yet are put into the queue."""
        mine = [r for r in self._resources.all() if self._lives_in(r, store)]
        try:
            name, admin = await self._stores.find(store)
            survey = await admin.survey()
        except (Waiting, Stalled, CallerError) as error:
            for resource in mine:
                if condition_of(resource.status, READY).get("reason") != error.reason:
                    self._look(resource.key)
            raise
        looks = decided = 0
        loop = asyncio.get_running_loop()
        until = loop.time() + _SLICE
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for resource in mine:
            key = resource.key
            if self._unchanged(resource, survey):
                continue
            decided += 1
            if not self._as_declared(resource, name, survey, now):
                looks += 1
                if key in self._settled:
                    self._settled[key] = None
                self._look(key)
            if loop.time() > until:
                await asyncio.sleep(0)
                until = loop.time() + _SLICE
        self._tidy()
        return Swept(len(mine), looks, decided)

    def _unchanged(self, resource: Resource, survey: Survey) -> bool:
        before = self._settled.get(resource.key)
        return before is not None and before == self._print(resource, before[0], survey)

    def _as_declared(self, resource: Resource, store: str, survey: Survey, now: str) -> bool:
        """Whether a look would change nothing: neither the store, nor the status."""
        status = resource.status
        if (
            resource.deleting
            or FINALIZER not in resource.finalizers
            or status.get("observedGeneration") != resource.generation
            or (status.get("rebuild") or {}).get("phase") not in (None, "Done")
        ):
            return False
        try:
            admitted = self._stores.admit(store, resource)
            rivals = self._resources.rivals(resource.key)
            desired = desired_of(admitted, self._cluster, rivals, now)
        except (Waiting, Stalled):
            return False
        observed = observed_of(desired, survey)
        planned = plan(desired, observed)
        if not planned.nothing:
            return False
        said = status_of(
            desired,
            outcome_of(desired, planned, observed),
            status,
            now=now,
            store=store,
            exposed=self._exposed(resource),
        )
        if said != status:
            return False
        timed = planned.due is not None or resource.spec.get("snapshots")
        names = tuple(sorted({*desired.names, desired.marker}))
        families = tuple(b for b in (desired.name, desired.pool) if b)
        shape = (names, families, desired.hint)
        self._settled[resource.key] = None if timed else self._print(resource, shape, survey)
        return True

    @staticmethod
    def _print(resource: Resource, shape: Any, survey: Survey) -> Print:
        """Resources by their version, collections as they are: to compare them is a look at
        their identity where an adapter gives the same object as long as nothing changed."""
        names, families, hint = shape
        listing = survey.listing
        targets = tuple(listing.aliases.get(name) for name in names)
        bases = tuple(listing.families.get(base) for base in families)
        nearby = {c for c in targets if c} | {c for base in bases for c in base or ()} | {hint}
        found = tuple(survey.collections.get(c) for c in sorted(nearby, key=str) if c)
        tenant = survey.tenants.get(names[0]) if len(families) > 1 else None
        return shape, resource.version, resource.generation, targets, bases, found, tenant

    def _tidy(self) -> None:
        """Forget the deleted."""
        if len(self._settled) > 1000 + sum(1 for _ in self._resources.all()):
            known = {resource.key for resource in self._resources.all()}
            self._settled = {k: v for k, v in self._settled.items() if k in known}
