"""The order of things, on one screen: observe, plan, apply, and look again."""

from __future__ import annotations

from dataclasses import replace

from vectorplane.domain.model import Collection, Desired, Observed
from vectorplane.domain.plan import Plan, plan
from vectorplane.domain.status import Outcome, Taken, Trouble
from vectorplane.domain.tenancy import TENANT_FIELD
from vectorplane.errors import CallerError, Conflict, Stalled, Waiting
from vectorplane.perform import perform
from vectorplane.ports.embeddings import Embedders
from vectorplane.ports.vectors import Listing, Survey, VectorAdmin
from vectorplane.rebuild import advance
from vectorplane.tracing import span

_TRIES = 3


async def reconcile(
    desired: Desired, store: VectorAdmin, embedders: Embedders | None = None, *, where: str = ""
) -> Outcome:
    """Bring one resource's collection to what it declares; of a rebuild, one slice. Errors become
    part of the outcome. `where` is the store's name, for traces."""
    key = desired.key
    with span("reconcile", namespace=key.namespace, name=key.name, store=where) as current:
        outcome = await _patiently(desired, store, embedders)
        current.set_attribute("result", outcome.result)
        return outcome


async def _patiently(desired: Desired, store: VectorAdmin, embedders: Embedders | None) -> Outcome:
    done: list[str] = []
    taken: list[Taken] = []
    retry_after: float | None = None
    for left in reversed(range(_TRIES)):
        try:
            return await _reconcile(desired, store, embedders, done, taken)
        except Conflict as error:
            # Somebody made it a moment ago, another tenant a pool for instance: look again.
            if left == 0:
                trouble = Trouble(error.reason, error.message, retry=True)
        except Waiting as error:
            trouble = Trouble(error.reason, error.message, store=True, retry=True)
            retry_after = error.retry_after
            break
        except (Stalled, CallerError) as error:
            trouble = Trouble(error.reason, error.message)
            break
    return Outcome(None, trouble, (), tuple(done), snapshots=tuple(taken), retry_after=retry_after)


async def _reconcile(
    desired: Desired,
    store: VectorAdmin,
    embedders: Embedders | None,
    done: list[str],
    taken: list[Taken],
) -> Outcome:
    """What was done and taken is added to the lists as it happens: trouble later leaves it so."""
    observed = await observe(desired, store)
    with span("plan"):
        planned = plan(desired, observed)
    for action in planned.actions:
        if snapshot := await perform(action, store):
            # By our clock, as the schedule is: the store's may go otherwise.
            taken.append(replace(snapshot, time=desired.now or snapshot.time))
        done.append(str(action))
    progress = None
    if planned.rebuild:
        with span("rebuild", action=str(planned.rebuild)):
            progress = await advance(planned.rebuild, desired, store, embedders)
    if not planned.nothing and planned.collection and not desired.deleting:
        observed = await observe(desired, store)
    outcome = outcome_of(desired, planned, observed)
    return replace(outcome, changed=tuple(done), snapshots=tuple(taken), progress=progress)


async def preview(desired: Desired, store: VectorAdmin) -> tuple[Plan, Collection | None]:
    """What a reconcile would do now, and the collection that serves the resource today."""
    observed = await observe(desired, store)
    planned = plan(desired, observed)
    return planned, collection_of(desired, planned, observed)


def outcome_of(desired: Desired, planned: Plan, observed: Observed) -> Outcome:
    """What is to be said of a plan that is carried out. Pure."""
    stalled = planned.stalled
    return Outcome(
        collection_of(desired, planned, observed),
        Trouble(stalled.reason, stalled.message) if stalled else None,
        planned.lacking,
        deleted=desired.may_go and stalled is None,
        due=planned.due,
    )


def collection_of(desired: Desired, planned: Plan, observed: Observed) -> Collection | None:
    """What serves the resource, with its own points: of a pool those of the tenant."""
    serving = observed.aliases.get(desired.name, planned.collection or "")
    found = observed.collections.get(serving) if planned.collection else None
    if found is None or not desired.pool:
        return found
    return replace(found, points=observed.tenants.get(desired.name, 0), indexed_vectors=0)


async def observe(desired: Desired, store: VectorAdmin) -> Observed:
    """All in the store that bears on one resource."""
    with span("observe"):
        return await _observe(desired, store)


async def _observe(desired: Desired, store: VectorAdmin) -> Observed:
    info, listing = await store.info(), await store.listing()
    found = {n: await store.describe(n) for n in sorted(relevant(desired, listing))}
    collections = {n: c for n, c in found.items() if c is not None}
    tenants: dict[str, int] = {}
    pool = listing.aliases.get(desired.marker)
    if pool in collections:
        tenants = dict(await store.tally(pool, TENANT_FIELD))
    return Observed(collections, listing.aliases, listing.collections, info.capabilities, tenants)


def observed_of(desired: Desired, survey: Survey) -> Observed:
    """The same, out of a survey of the whole store."""
    listing = survey.listing
    collections = {
        name: survey.collections[name]
        for name in relevant(desired, listing)
        if name in survey.collections
    }
    return Observed(
        collections,
        listing.aliases,
        listing.collections,
        survey.info.capabilities,
        survey.tenants,
    )


def relevant(desired: Desired, listing: Listing) -> set[str]:
    """The collections that bear on one resource."""
    names = {*listing.families.get(desired.name, ()), desired.name}
    names |= {listing.aliases[n] for n in (*desired.names, desired.marker) if n in listing.aliases}
    names |= {desired.hint} if desired.hint else set()
    names |= set(listing.families.get(desired.pool, ())) if desired.pool else set()
    return names & listing.collections
