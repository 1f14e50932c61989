"""The decision: what must be done so that the store has what a resource declares. Pure, total,
deterministic.

    resource   the name's collection      policy     plan
    ---------  -------------------------  ---------  -------------------------------------------
    paused     any                        any        nothing at all
    deleting   ours                       Retain     release the record; data and aliases stay
    deleting   ours                       Delete     drop every collection of ours
    deleting   ours                       Snapshot   a snapshot of what serves, then as Delete
    deleting   a pool's, our marker       Retain     drop the marker; points and alias stay
    deleting   a pool's, our marker       Delete     drop our points, then alias and marker
    deleting   foreign, nobody's, none    any        nothing
    older      any                        any        nothing; stalled ResourceConflict, names the
    rival                                            winner
    live       none                       any        create, restore, indexes, then aliases
    live       nobody's                   Never      nothing; stalled NotOwned
    live       nobody's                   IfUnowned  write the record, then as ours
    live       foreign                    any        nothing; stalled NotOwned, names the owner
    live       ours, immutable differs    Refuse     keep its name pointing; stalled
                                                     ImmutableChange
    live       ours, immutable differs    Rebuild    the next collection, a copy, then the names
    live       ours, an alias is taken    any        keep its name pointing; stalled NotOwned
    live       ours, otherwise differs    any        record of intent, settings, vectors, indexes,
                                                     aliases, final record
    live       ours, as declared          any        nothing, or what fell due: a snapshot, the
                                                     end of a retired collection

Tenants of a pool have a table of their own in `plan_partition.py`. An edit is carried out whole or
not at all: a refused part refuses the rest, so nobody finds half of it.
Properties (tests/unit/core/test_plan_properties.py): a plan that is carried out leaves nothing to
plan; no plan touches what the resource does not own; stopped after any action and begun again, it
ends in the same state.
"""

from __future__ import annotations

from dataclasses import replace

from vectorplane.domain import names
from vectorplane.domain.actions import (
    Action,
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    DropCollection,
    RestoreSnapshot,
    TakeSnapshot,
    WriteRecord,
)
from vectorplane.domain.decisions import Plan, Problem
from vectorplane.domain.model import (
    AdoptionPolicy,
    Capability,
    Collection,
    DeletionPolicy,
    Desired,
    Index,
    Observed,
    Record,
    Rival,
)
from vectorplane.domain.plan_aliases import taken_alias
from vectorplane.domain.plan_change import plan_change
from vectorplane.domain.plan_partition import (
    plan_promotion,
    plan_tenant,
    plan_tenant_deletion,
    tenant_of,
)
from vectorplane.domain.policy import (
    Ownership,
    indexes_of,
    ownership,
    possible,
    record_of,
    without_holds,
)

__all__ = ["Plan", "Problem", "plan"]


def plan(desired: Desired, observed: Observed) -> Plan:
    """What to do; see the table above. Never raises."""
    if desired.paused:
        return _plan(desired, observed)
    freed, observed = without_holds(desired, observed)
    planned = _plan(desired, observed)
    return replace(planned, actions=(*freed, *planned.actions))


def _plan(desired: Desired, observed: Observed) -> Plan:
    if desired.deleting:
        return _plan_deletion(desired, observed)
    pool = tenant_of(desired, observed)
    current, problem = (pool, None) if pool or desired.pool else _choose(desired, observed)
    if desired.paused:
        return Plan(collection=current.name if current else None)
    if rival := _winner(desired, observed, pool):
        message = f"the name {rival.claim} belongs to the older VectorCollection {rival.key}"
        return Plan(stalled=Problem("ResourceConflict", message))
    if desired.pool:
        return plan_tenant(desired, observed, pool)
    if pool:
        return plan_promotion(desired, observed, pool)
    if problem:
        # A name that points nowhere is a list that is older than a drop: the next one will tell.
        gone = observed.aliases.get(desired.name, desired.name) not in observed.collections
        return Plan(stalled=problem, due=1.0 if gone else None)
    if current is None:
        taken = taken_alias(desired, observed, None)
        return Plan(stalled=taken) if taken else _plan_creation(desired, observed)
    return plan_change(desired, observed, current)


def _winner(desired: Desired, observed: Observed, pool: Collection | None) -> Rival | None:
    """The first older claim to a name that our collection does not have yet. A name that serves is
    never taken away: else an edit of somebody else would move its readers, or block both.
    """
    for rival in desired.rivals:
        holder = observed.collections.get(observed.aliases.get(rival.claim, rival.claim))
        ours = holder and (holder is pool or ownership(desired, holder) is Ownership.OURS)
        if not ours:
            return rival
    return None


def _plan_deletion(desired: Desired, observed: Observed) -> Plan:
    if desired.paused:
        return Plan()
    serving = observed.aliases.get(desired.name)
    actions: list[Action] = []
    for _, found in sorted(observed.collections.items()):
        if ownership(desired, found) is not Ownership.OURS:
            continue
        record = record_of(found)
        unfinished = record.source is not None and serving != found.name
        if desired.deletion_policy is DeletionPolicy.RETAIN and not unfinished:
            bare = replace(record, owner=None, source=None, left=None)
            actions.append(WriteRecord(found.name, bare))
            continue
        copies = desired.deletion_policy is DeletionPolicy.SNAPSHOT
        if copies and not unfinished and not record.retired:
            if Capability.SNAPSHOTS not in observed.capabilities:
                message = "spec.deletionPolicy: this engine takes no snapshots; set it to Retain"
                return Plan(stalled=Problem("Unsupported", message))
            actions.append(TakeSnapshot(found.name))
        actions.append(DropCollection(found.name))
    return Plan((*plan_tenant_deletion(desired, observed), *actions))


def _choose(desired: Desired, observed: Observed) -> tuple[Collection | None, Problem | None]:
    """The collection that serves this resource, or why none may."""
    target = observed.aliases.get(desired.name)
    if target is None and desired.name in observed.collections:
        target = desired.name
    if target is not None:
        return _claim(desired, observed.collections.get(target), target)
    candidates = names.numbered(desired.name, observed.collections)
    if desired.hint and desired.hint in observed.collections:
        candidates.append(desired.hint)
    # What serves nobody any more, or not yet, stands behind what could go on serving.
    candidates.sort(key=lambda c: _spare(observed.collections[c]))
    for wanted in (Ownership.OURS, Ownership.NOBODYS):
        for name in candidates:
            found = observed.collections[name]
            if ownership(desired, found) is wanted:
                if wanted is Ownership.OURS or desired.adoption_policy is AdoptionPolicy.IF_UNOWNED:
                    return found, None
    return None, None


def _spare(collection: Collection) -> int:
    record = record_of(collection)
    return 2 if record.source else 1 if record.retired else 0


def _claim(
    desired: Desired, found: Collection | None, target: str
) -> tuple[Collection | None, Problem | None]:
    if found is None:
        # An alias whose target was dropped between two list calls: the next look will tell.
        return None, Problem("NotOwned", f"alias {desired.name} points at {target}, which is gone")
    whose = ownership(desired, found)
    if whose is Ownership.FOREIGN and found.record:
        message = f"collection {found.name} belongs to {found.record.owner}"
        return None, Problem("NotOwned", message)
    if whose is Ownership.NOBODYS and desired.adoption_policy is AdoptionPolicy.NEVER:
        message = (
            f"collection {found.name} exists and nobody owns it; "
            "set spec.adoptionPolicy to IfUnowned to take it over"
        )
        return None, Problem("NotOwned", message)
    return found, None


def _plan_creation(desired: Desired, observed: Observed) -> Plan:
    settings, lacking = possible(desired, observed.capabilities)
    if desired.restore and Capability.SNAPSHOTS not in observed.capabilities:
        message = "spec.restoreFrom: this engine has no snapshots"
        return Plan(stalled=Problem("Unsupported", message))
    collection = names.next_physical(desired.name, observed.taken | observed.collections.keys())
    indexes: dict[str, Index] = indexes_of(desired, observed)
    final = Record(
        desired.owner,
        desired.generation,
        frozenset(indexes),
        desired.names,
        desired.embedding,
        desired.tenancy,
    )
    actions: list[Action] = []
    if desired.restore:
        actions.append(
            CreateCollection(collection, settings, replace(final, restore=desired.restore))
        )
        actions.append(RestoreSnapshot(collection, desired.restore))
        actions.append(WriteRecord(collection, final))
    else:
        actions.append(CreateCollection(collection, settings, final))
    actions += [CreateIndex(collection, index) for _, index in sorted(indexes.items())]
    actions.append(ChangeAliases(dict.fromkeys(sorted(desired.names), collection)))
    return Plan(tuple(actions), collection, None, lacking)
