"""The decision: what must be done so that the store has what a resource declares. Pure, total,
deterministic.

    resource        the name's collection        policy        plan
    -------------   --------------------------   -----------
    ------------------------------------------------
    paused          any                          any           nothing at all
    deleting        ours                         Retain        release the record; data and aliases
    stay
    deleting        ours                         Delete        drop every collection of ours
    deleting        foreign, nobody's, none      any           nothing
    older rival     any                          any           nothing; stalled ResourceConflict,
    names the winner
    live            none                         any           create, indexes, then aliases
    live            nobody's                     Never         nothing; stalled NotOwned
    live            nobody's                     IfUnowned     write the record, then as ours
    live            foreign                      any           nothing; stalled NotOwned, names the
    owner
    live            ours, immutable differs      Refuse        keep its name pointing; stalled
    ImmutableChange
    live            ours, an alias is taken      any           keep its name pointing; stalled
    NotOwned
    live            ours, otherwise differs      any           record of intent, settings, vectors,
    indexes,
                                                               aliases, final record
    live            ours, as declared            any           nothing

An edit is carried out whole or not at all: a refused part refuses the rest, so nobody finds half
of it.
Properties (tests/unit/test_plan_properties.py): a plan that is carried out leaves nothing to plan;
no plan touches
what the resource does not own; stopped after any action and begun again, it ends in the same state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    show_path,
)
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
    Settings,
)
from vectorplane.domain.policy import (
    Ownership,
    differences,
    immutable,
    needs,
    ownership,
    unit,
    vector_of,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a plan cannot give what is declared until a person acts. `reason` is fit for a
    condition."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in the order to take them, and what stands in the way of the rest."""

    actions: tuple[Action, ...] = ()
    collection: str | None = None
    """The physical collection that serves the resource (after the actions)."""
    stalled: Problem | None = None
    lacking: tuple[str, ...] = ()
    """What the engine cannot do and the manifest asks for: left out, and said."""


def plan(desired: Desired, observed: Observed) -> Plan:
    """What to do; see the table above. Never raises."""
    if desired.deleting:
        return _plan_deletion(desired, observed)
    current, problem = _choose(desired, observed)
    if desired.paused:
        return Plan(collection=current.name if current else None)
    if rival := _winner(desired, observed):
        message = f"the name {rival.claim} belongs to the older VectorCollection {rival.key}"
        return Plan(stalled=Problem("ResourceConflict", message))
    if problem:
        return Plan(stalled=problem)
    settings, lacking = _possible(desired, observed.capabilities)
    if current is None:
        taken = _taken_alias(desired, observed, None)
        if taken:
            return Plan(stalled=taken)
        return _plan_creation(desired, observed, settings, lacking)
    return _plan_change(desired, observed, current, settings, lacking)


def _winner(desired: Desired, observed: Observed) -> Rival | None:
    """The first older claim to a name that our collection does not have yet. A name that serves is
    never taken away: else an edit of somebody else would move its readers, or block both.
    """
    for rival in desired.rivals:
        holder = observed.collections.get(observed.aliases.get(rival.claim, rival.claim))
        if holder is None or ownership(desired, holder) is not Ownership.OURS:
            return rival
    return None


def _plan_deletion(desired: Desired, observed: Observed) -> Plan:
    if desired.paused:
        return Plan()
    ours = [
        c
        for _, c in sorted(observed.collections.items())
        if ownership(desired, c) is Ownership.OURS
    ]
    if desired.deletion_policy is DeletionPolicy.DELETE:
        return Plan(tuple(DropCollection(c.name) for c in ours))
    return Plan(tuple(WriteRecord(c.name, replace(_record(c), owner=None)) for c in ours))


def _choose(desired: Desired, observed: Observed) -> tuple[Collection | None, Problem | None]:
    """The collection that serves this resource, or why none may."""
    target = observed.aliases.get(desired.name)
    if target is None and desired.name in observed.collections:
        target = desired.name
    if target is not None:
        found = observed.collections.get(target)
        return _claim(desired, found, target)
    candidates = names.numbered(desired.name, observed.collections)
    if desired.hint and desired.hint in observed.collections:
        candidates.append(desired.hint)
    for wanted in (Ownership.OURS, Ownership.NOBODYS):
        for name in candidates:
            found = observed.collections[name]
            if ownership(desired, found) is wanted:
                if wanted is Ownership.OURS or desired.adoption_policy is AdoptionPolicy.IF_UNOWNED:
                    return found, None
    return None, None


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


def _possible(
    desired: Desired, capabilities: frozenset[Capability]
) -> tuple[Settings, tuple[str, ...]]:
    """The declared settings that this engine can have, and what it lacks of the rest."""
    missing = {
        need
        for path in desired.settings
        if (need := needs(path)) is not None and need not in capabilities
    }
    if desired.indexes and Capability.PAYLOAD_INDEXES not in capabilities:
        missing.add(Capability.PAYLOAD_INDEXES)
    settings = {p: v for p, v in desired.settings.items() if needs(p) not in missing}
    return settings, tuple(sorted(missing))


def _plan_creation(
    desired: Desired, observed: Observed, settings: Settings, lacking: tuple[str, ...]
) -> Plan:
    collection = names.next_physical(desired.name, observed.taken | observed.collections.keys())
    indexes = _indexes(desired, observed)
    record = Record(
        desired.owner,
        desired.generation,
        frozenset(indexes),
        desired.names,
        desired.embedding,
        desired.tenancy,
    )
    actions: list[Action] = [CreateCollection(collection, settings, record)]
    actions += [CreateIndex(collection, index) for _, index in sorted(indexes.items())]
    actions.append(ChangeAliases(dict.fromkeys(sorted(desired.names), collection)))
    return Plan(tuple(actions), collection, None, lacking)


def _plan_change(
    desired: Desired,
    observed: Observed,
    current: Collection,
    settings: Settings,
    lacking: tuple[str, ...],
) -> Plan:
    changes, problem = _settings_actions(desired, observed, current, settings)
    problem = problem or _taken_alias(desired, observed, current) or _taken_index(desired, current)
    serving = _aliases(desired, observed, current, only_own=True)
    if problem:
        ours = ownership(desired, current) is Ownership.OURS
        return Plan(tuple(serving) if ours else (), current.name, problem, lacking)

    record = _record(current)
    wanted = _indexes(desired, observed)
    replaced = {
        f
        for f, index in wanted.items()
        if f in current.indexes and not index.matches(current.indexes[f])
    }
    obsolete = {f for f in record.indexes - wanted.keys() if f in current.indexes}
    made = {f for f in wanted if f not in current.indexes or f in record.indexes}
    dropped_aliases = _obsolete_aliases(desired, observed, current)
    made_aliases = {
        a
        for a in desired.names
        if a != current.name
        and (a in record.aliases or observed.aliases.get(a) != current.name or a == desired.name)
    }
    final = Record(
        desired.owner,
        desired.generation,
        frozenset(made),
        frozenset(made_aliases),
        desired.embedding,
        desired.tenancy,
    )
    intent = replace(
        final, indexes=final.indexes | obsolete, aliases=final.aliases | dropped_aliases
    )
    actions: list[Action] = []
    if intent != current.record:
        actions.append(WriteRecord(current.name, intent))
    actions += changes
    actions += [DropIndex(current.name, f) for f in sorted(obsolete | replaced)]
    actions += [
        CreateIndex(current.name, index)
        for f, index in sorted(wanted.items())
        if f not in current.indexes or f in replaced
    ]
    actions += _aliases(desired, observed, current, drop=dropped_aliases)
    if final != intent:
        actions.append(WriteRecord(current.name, final))
    return Plan(tuple(actions), current.name, None, lacking)


def _settings_actions(
    desired: Desired, observed: Observed, current: Collection, settings: Settings
) -> tuple[list[Action], Problem | None]:
    """The settings that differ, as actions; or the first immutable one, with both values."""
    have = {v for p in current.settings if (v := vector_of(p))}
    new = {v for p in settings if (v := vector_of(p)) and v not in have}
    changed = set()
    for difference in differences(settings, current.settings):
        vector = vector_of(difference.path)
        if vector in new:
            if Capability.ADD_VECTORS in observed.capabilities:
                continue
            message = (
                f"spec.{vector[0]}: {vector[1]!r} cannot be added to an existing collection of "
                "this store; remove it, or make a new VectorCollection"
            )
            return [], Problem("ImmutableChange", message)
        if immutable(difference.path):
            message = (
                f"spec.{show_path(difference.path)} cannot change from {difference.actual} to "
                f"{difference.declared}: only a new collection can have it; the collection goes on "
                "serving as it is"
            )
            return [], Problem("ImmutableChange", message)
        changed.add(unit(difference.path))
    actions: list[Action] = []
    update = {p: v for p, v in settings.items() if unit(p) in changed}
    if update:
        actions.append(UpdateCollection(current.name, update))
    for vector in sorted(new):
        of_vector = {p: v for p, v in settings.items() if vector_of(p) == vector}
        actions.append(AddVector(current.name, vector[1], of_vector))
    return actions, None


def _aliases(
    desired: Desired,
    observed: Observed,
    current: Collection,
    *,
    drop: frozenset[str] = frozenset(),
    only_own: bool = False,
) -> list[Action]:
    """At most one action: all aliases in one atomic call."""
    wanted = {desired.name} if only_own else desired.names
    point = {
        a: current.name
        for a in sorted(wanted)
        if a != current.name and observed.aliases.get(a) != current.name
    }
    return [ChangeAliases(point, drop)] if point or drop else []


def _obsolete_aliases(desired: Desired, observed: Observed, current: Collection) -> frozenset[str]:
    """Aliases that we made, that are no longer declared, and that still point at our collection."""
    return frozenset(
        a
        for a in _record(current).aliases - desired.names
        if observed.aliases.get(a) == current.name
    )


def _taken_alias(
    desired: Desired, observed: Observed, current: Collection | None
) -> Problem | None:
    """The first further name that somebody else's collection has, in the store itself."""
    for alias in sorted(desired.aliases):
        target = observed.aliases.get(alias)
        if target is None and alias not in observed.taken:
            continue
        found = observed.collections.get(target or alias)
        if target and found:
            if current and found.name == current.name:
                continue
            if ownership(desired, found) is Ownership.OURS:
                continue
        owner = found.record.owner if found and found.record else None
        whose = f"which belongs to {owner}" if owner else "which this resource does not own"
        message = f"the name {alias} is taken by collection {target or alias}, {whose}"
        return Problem("NotOwned", message)
    return None


def _taken_index(desired: Desired, current: Collection) -> Problem | None:
    """An index that somebody else made, of another kind than declared: not ours to drop."""
    for field, index in sorted(desired.indexes.items()):
        have = current.indexes.get(field)
        if have and not index.matches(have) and field not in _record(current).indexes:
            message = (
                f"spec.payloadIndexes: {field} has an index of type {have.type} that vectorplane "
                "did not make; drop it, or declare it as it is"
            )
            return Problem("IndexConflict", message)
    return None


def _indexes(desired: Desired, observed: Observed) -> dict[str, Index]:
    if Capability.PAYLOAD_INDEXES not in observed.capabilities:
        return {}
    return dict(desired.indexes)


def _record(collection: Collection) -> Record:
    return collection.record or Record(owner=None)
