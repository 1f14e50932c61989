"""`vectorplane plan`: what a reconcile would do now, in words. It changes nothing, takes no lock.

The manifest is planned as the resource of its name: as the one in the data folder or the cluster,
or as the one that the ownership record in Qdrant names; without any of these, as a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from vectorplane.cache import ResourceCache
from vectorplane.desired import desired_of
from vectorplane.domain.actions import (
    Action,
    AddVector,
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    DropCollection,
    DropIndex,
)
from vectorplane.domain.model import Key, Owner, Record
from vectorplane.domain.plan import Plan
from vectorplane.domain.status import COLLECTION_READY, READY, condition_of
from vectorplane.errors import VectorplaneError
from vectorplane.ports.resources import Resource
from vectorplane.ports.vectors import VectorAdmin
from vectorplane.reconcile import preview
from vectorplane_service.local.records import Wish, now


@dataclass(frozen=True, slots=True)
class Preview:
    """The plan of one resource, or why none could be made."""

    key: Key
    plan: Plan | None
    error: VectorplaneError | None = None
    notes: tuple[str, ...] = ()
    """What the resource that is there says of itself."""

    @property
    def changes(self) -> bool:
        return bool(self.plan and not self.plan.nothing)

    @property
    def stands(self) -> bool:
        """False where a person must act first."""
        return self.plan is not None and self.plan.stalled is None

    def lines(self) -> Iterator[str]:
        if self.plan is None:
            said = f"{self.error.reason}: {self.error.message}" if self.error else "no plan"
            yield f"{self.key}: {said}"
            return
        plan = self.plan
        if plan.nothing and not plan.stalled and not self.notes:
            yield f"{self.key}: no changes"
        else:
            yield f"{self.key}:"
        new = any(isinstance(action, CreateCollection) for action in plan.actions)
        for action in plan.actions:
            yield f"  {_sign(action, new)} {action}"
        if plan.rebuild:
            yield f"  ~ {plan.rebuild}"
        if plan.stalled:
            yield f"  ! stalled: {plan.stalled.reason}: {plan.stalled.message}"
        if plan.lacking:
            yield f"  left out, for this engine has none: {', '.join(plan.lacking)}"
        if plan.nothing and not plan.stalled and self.notes:
            yield "  nothing is to be done in the store"
        yield from (f"  {note}" for note in self.notes)


async def previews(
    wishes: Sequence[Wish],
    known: Iterable[Resource],
    store: VectorAdmin,
    cluster: str | None,
    *,
    admit: Callable[[Resource], Resource] = lambda resource: resource,
    likely: str = "new",
) -> list[Preview]:
    """One for each wish. `known` are the resources that there are; `cluster` is None where only
    the records in the store tell, and `likely` stands for it where they do not. `admit` makes of a
    resource what the store takes."""
    cache = ResourceCache()
    for resource in known:
        cache.put(resource)
    records = {} if cluster else {wish.key: await _record(wish.key, store) for wish in wishes}
    live = {wish.key: cache.get(wish.key) for wish in wishes}
    wished = [_wished(wish, cache.get(wish.key), records.get(wish.key)) for wish in wishes]
    for resource in wished:
        cache.put(resource)
    found = []
    for resource in wished:
        owner = _owner(records.get(resource.key))
        theirs = owner.cluster if owner and owner.uid == resource.uid else None
        try:
            here = cluster or theirs or await _pool_cluster(resource, store) or likely
            rivals = cache.rivals(resource.key)
            desired = desired_of(admit(resource), here, rivals, now())
            planned, _ = await preview(desired, store)
            notes = tuple(_notes(resource, live[resource.key], planned))
            found.append(Preview(resource.key, planned, notes=notes))
        except VectorplaneError as error:
            found.append(Preview(resource.key, None, error))
    return found


def _wished(wish: Wish, live: Resource | None, record: Record | None) -> Resource:
    """The resource as it would be once the wish was applied."""
    if live:
        generation = live.generation + (live.spec != wish.spec)
        return replace(live, spec=wish.spec, generation=generation, annotations=wish.annotations)
    owner = _owner(record)
    uid = owner.uid if owner else str(uuid4())
    generation = record.generation if record else 1
    return Resource(wish.key, uid, generation, now(), wish.spec, annotations=wish.annotations)


async def _record(key: Key, store: VectorAdmin) -> Record | None:
    """The store's record of the collection of a name, where a resource of this name owns it."""
    physical = (await store.listing()).aliases.get(key.collection)
    found = await store.describe(physical) if physical else None
    owner = _owner(found.record) if found else None
    if found is None or owner is None:
        return None
    return found.record if (owner.namespace, owner.name) == (key.namespace, key.name) else None


async def _pool_cluster(resource: Resource, store: VectorAdmin) -> str | None:
    """The cluster of the pool that a resource is a tenant of."""
    marker = f"{resource.key.collection}@{resource.uid}"
    pool = (await store.listing()).aliases.get(marker)
    owner = _owner(found.record) if pool and (found := await store.describe(pool)) else None
    return owner.cluster if owner else None


def _notes(resource: Resource, live: Resource | None, plan: Plan) -> Iterator[str]:
    """What of a plan comes from an edit, and what from somebody else."""
    if live is None:
        return
    status = live.status
    ready, collection = condition_of(status, READY), condition_of(status, COLLECTION_READY)
    same = live.spec == resource.spec and collection.get("observedGeneration") == live.generation
    if same and collection.get("reason") == "AsDeclared" and not plan.nothing:
        yield "drift: the resource was as declared, and something in the store was changed since"
    rebuild = status.get("rebuild") or {}
    if rebuild.get("phase") not in (None, "Done"):
        done = f"{rebuild.get('copied', 0)} of {rebuild.get('total', 0)} points copied"
        yield f"rebuild: {rebuild['phase']}, {rebuild.get('target')}: {done}"
    if ready and ready.get("status") != "True":
        yield f"now: Ready is {ready['status']}, {ready['reason']}: {ready['message']}"


def _owner(record: Record | None) -> Owner | None:
    return record.owner if record else None


def _sign(action: Action, new: bool) -> str:
    match action:
        case CreateCollection() | AddVector() | CreateIndex():
            return "+"
        case DropCollection() | DropIndex():
            return "-"
        case ChangeAliases():
            return "+" if new else "~" if action.point else "-"
        case _:
            return "~"
