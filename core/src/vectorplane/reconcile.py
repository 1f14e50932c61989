"""The order of things, on one screen: observe, plan, apply, and look again."""

from __future__ import annotations

from typing import assert_never

from vectorplane.domain import names
from vectorplane.domain.actions import (
    Action,
    AddVector,
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    DropCollection,
    DropIndex,
    UpdateCollection,
    WriteRecord,
)
from vectorplane.domain.model import Collection, Desired, Observed
from vectorplane.domain.plan import Plan, plan
from vectorplane.domain.status import Outcome, Trouble
from vectorplane.errors import CallerError, Stalled, Waiting
from vectorplane.ports.vectors import VectorAdmin


async def reconcile(desired: Desired, store: VectorAdmin) -> Outcome:
    """Bring one resource's collection to what it declares. Errors become part of the outcome."""
    done: list[str] = []
    try:
        planned, current = await preview(desired, store)
        for action in planned.actions:
            await perform(action, store)
            done.append(str(action))
        if planned.actions and planned.collection and not desired.deleting:
            current = await store.describe(planned.collection)
    except Waiting as error:
        trouble = Trouble(error.reason, error.message, store=True, retry=True)
        return Outcome(None, trouble, (), tuple(done), retry_after=error.retry_after)
    except (Stalled, CallerError) as error:
        return Outcome(None, Trouble(error.reason, error.message), (), tuple(done))
    stalled = planned.stalled
    trouble_ = Trouble(stalled.reason, stalled.message) if stalled else None
    return Outcome(current, trouble_, planned.lacking, tuple(done), desired.may_go)


async def preview(desired: Desired, store: VectorAdmin) -> tuple[Plan, Collection | None]:
    """What a reconcile would do now, and the collection that serves the resource today."""
    observed = await observe(desired, store)
    planned = plan(desired, observed)
    return planned, observed.collections.get(planned.collection or "")


async def observe(desired: Desired, store: VectorAdmin) -> Observed:
    """All in the store that bears on one resource."""
    info, listing = await store.info(), await store.listing()
    relevant = {*names.numbered(desired.name, listing.collections), desired.name}
    relevant |= {listing.aliases[name] for name in desired.names if name in listing.aliases}
    relevant |= {desired.hint} if desired.hint else set()
    found = {n: await store.describe(n) for n in sorted(relevant & listing.collections)}
    collections = {n: c for n, c in found.items() if c is not None}
    return Observed(collections, listing.aliases, listing.collections, info.capabilities)


async def perform(action: Action, store: VectorAdmin) -> None:
    """Take one action."""
    match action:
        case CreateCollection():
            await store.create(action.collection, action.settings, action.record)
        case UpdateCollection():
            await store.update(action.collection, action.settings)
        case AddVector():
            await store.add_vector(action.collection, action.name, action.settings)
        case WriteRecord():
            await store.write_record(action.collection, action.record)
        case CreateIndex():
            await store.create_index(action.collection, action.index)
        case DropIndex():
            await store.drop_index(action.collection, action.field)
        case ChangeAliases():
            await store.change_aliases(action.point, action.drop)
        case DropCollection():
            await store.drop(action.collection)
        case _:
            assert_never(action)
