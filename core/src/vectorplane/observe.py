"""What a plan looks at: all in a store that bears on one resource, and what is to be said after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vectorplane.domain.model import Collection, Desired, Observed
from vectorplane.domain.plan import Plan
from vectorplane.domain.status import Outcome, Trouble
from vectorplane.domain.tenancy import TENANT_FIELD
from vectorplane.ports.vectors import Listing, Survey, VectorAdmin
from vectorplane.tracing import span


async def observe(desired: Desired, store: VectorAdmin) -> Observed:
    """All in the store that bears on one resource."""
    with span("observe"):
        return await _observe(desired, store)


async def _observe(desired: Desired, store: VectorAdmin) -> Observed:
    info, listing = await store.info(), await store.listing()
    found = {n: await store.describe(n) for n in sorted(relevant(desired, listing))}
    collections = {n: c for n, c in found.items() if c is not None}
    tenants: Mapping[str, int] = {}
    pool = listing.aliases.get(desired.marker)
    if pool in collections:
        tenants = await store.tally(pool, TENANT_FIELD)
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
