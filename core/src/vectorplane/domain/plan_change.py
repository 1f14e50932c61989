"""The part of the plan for a collection that is there and may be ours: what differs, and what fell
due. See `plan.py` for the table."""

from __future__ import annotations

from dataclasses import replace

from vectorplane.domain.actions import (
    Action,
    AddVector,
    ChangeAliases,
    CreateIndex,
    DropCollection,
    DropIndex,
    DropSnapshot,
    PurgeTenant,
    RestoreSnapshot,
    TakeSnapshot,
    UpdateCollection,
    WriteRecord,
    show_path,
)
from vectorplane.domain.decisions import Plan, Problem
from vectorplane.domain.model import (
    Capability,
    ChangePolicy,
    Collection,
    Desired,
    Observed,
    Record,
    Settings,
)
from vectorplane.domain.plan_aliases import alias_actions, obsolete_aliases, taken_alias
from vectorplane.domain.plan_rebuild import plan_rebuild, plan_rollback
from vectorplane.domain.policy import (
    Difference,
    Ownership,
    differences,
    immutable,
    indexes_of,
    ownership,
    possible,
    record_of,
    seconds_until,
    unit,
    vector_of,
)


def plan_change(desired: Desired, observed: Observed, current: Collection) -> Plan:
    """`current` serves the resource's name, or shall again."""
    settings, lacking = possible(desired, observed.capabilities)
    fixed = _immutable_differences(desired, observed, current, settings)

    def differs(collection: Collection) -> bool:
        return bool(_immutable_differences(desired, observed, collection, settings))

    if desired.rollback and (back := plan_rollback(desired, observed, current, differs)):
        return replace(back, lacking=lacking)
    problem = taken_alias(desired, observed, current) or _taken_index(desired, current)
    if fixed and not problem:
        if desired.change_policy is ChangePolicy.REBUILD and not desired.rollback:
            return plan_rebuild(desired, observed, current, settings, lacking, fixed)
        problem = _refusal(fixed[0])
    if problem:
        ours = ownership(desired, current) is Ownership.OURS
        serving = alias_actions(desired, observed, current, only_own=True)
        actions = tuple(serving) if ours else ()
        return Plan(actions, current.name, problem, lacking)
    return _plan_update(desired, observed, current, settings, lacking)


def _plan_update(
    desired: Desired,
    observed: Observed,
    current: Collection,
    settings: Settings,
    lacking: tuple[str, ...],
) -> Plan:
    record = record_of(current)
    wanted = indexes_of(desired, observed)
    replaced = {
        f
        for f, index in wanted.items()
        if f in current.indexes and not index.matches(current.indexes[f])
    }
    obsolete = {f for f in record.indexes - wanted.keys() if f in current.indexes}
    made = {f for f in wanted if f not in current.indexes or f in record.indexes}
    dropped_aliases = obsolete_aliases(desired, observed, current)
    made_aliases = {
        a
        for a in desired.names
        if a != current.name
        and (a in record.aliases or observed.aliases.get(a) != current.name or a == desired.name)
    }
    old = observed.collections.get(record.source or "")
    left, end_of_left, due = _left(desired, observed, old, record)
    final = Record(
        desired.owner,
        desired.generation,
        frozenset(made),
        frozenset(made_aliases),
        desired.embedding,
        desired.tenancy,
        left=left,
    )
    # What never served begins with what the manifest says now, not with what it said then.
    restore = desired.restore if record.restore else None
    intent = replace(
        final,
        indexes=final.indexes | obsolete,
        aliases=final.aliases | dropped_aliases,
        restore=restore,
        source=record.source,
        left=left or record.left,
    )
    actions: list[Action] = []
    if intent != current.record:
        actions.append(WriteRecord(current.name, intent))
    if restore:
        actions.append(RestoreSnapshot(current.name, restore))
    actions += _settings_actions(current, settings)
    actions += [DropIndex(current.name, f) for f in sorted(obsolete | replaced)]
    actions += [
        CreateIndex(current.name, index)
        for f, index in sorted(wanted.items())
        if f not in current.indexes or f in replaced
    ]
    actions += alias_actions(desired, observed, current, drop=dropped_aliases)
    # The end of a rebuild that was stopped after its names had moved.
    if old and ownership(desired, old) is Ownership.OURS:
        actions.append(WriteRecord(old.name, replace(record_of(old), retired=desired.now)))
    actions += end_of_left
    if final != intent:
        actions.append(WriteRecord(current.name, final))
    others, due_others = _others(desired, observed, current)
    actions += others
    actions += _snapshots(desired, observed, current)
    waits = (due, due_others, desired.snapshot.next)
    soonest = min((wait for wait in waits if wait is not None), default=None)
    return Plan(tuple(actions), current.name, None, lacking, due=soonest)


def _others(
    desired: Desired, observed: Observed, current: Collection
) -> tuple[list[Action], float | None]:
    """Ours that serve nobody: an unfinished copy that is no longer wanted goes at once, a retired
    one at its time. And the seconds until the next one goes."""
    actions: list[Action] = []
    due: float | None = None
    for name, other in sorted(observed.collections.items()):
        if name in (current.name, record_of(current).source):
            continue
        if ownership(desired, other) is not Ownership.OURS:
            continue
        record = record_of(other)
        if record.source is not None:
            actions.append(DropCollection(name))
        elif record.retired is not None:
            wait = seconds_until(record.retired, desired.rebuild.keep, desired.now)
            if wait <= 0.0:
                actions.append(DropCollection(name))
            else:
                due = wait if due is None else min(due, wait)
    return actions, due


def _left(
    desired: Desired, observed: Observed, old: Collection | None, record: Record
) -> tuple[tuple[str, str] | None, list[Action], float | None]:
    """What becomes of the points that a pool still has of a promoted tenant."""
    left = record.left
    if old is not None and ownership(desired, old) is not Ownership.OURS:
        left = (old.name, desired.now)
    if left is None:
        return None, [], None
    wait = seconds_until(left[1], desired.rebuild.keep, desired.now)
    if wait > 0.0:
        return left, [], wait
    if observed.aliases.get(desired.marker) != left[0]:
        return None, [], None
    purge: list[Action] = [
        PurgeTenant(left[0], desired.name),
        ChangeAliases({}, frozenset({desired.marker})),
    ]
    return None, purge, None


def _snapshots(desired: Desired, observed: Observed, current: Collection) -> list[Action]:
    if Capability.SNAPSHOTS not in observed.capabilities:
        return []
    taken: list[Action] = [TakeSnapshot(current.name)] if desired.snapshot.due else []
    return taken + [DropSnapshot(c, s) for c, s in desired.snapshot.surplus]


def _immutable_differences(
    desired: Desired, observed: Observed, current: Collection, settings: Settings
) -> list[Difference]:
    """What only a new collection can have."""
    new = _new_vectors(current, settings)
    can_add = Capability.ADD_VECTORS in observed.capabilities
    fixed = [
        d
        for d in differences(settings, current.settings)
        if vector_of(d.path) not in new and immutable(d.path)
    ]
    return fixed if can_add else fixed + [Difference(v, "declared", None) for v in sorted(new)]


def _new_vectors(current: Collection, settings: Settings) -> set[tuple[str, str]]:
    have = {v for p in current.settings if (v := vector_of(p))}
    return {v for p in settings if (v := vector_of(p)) and v not in have}


def _refusal(difference: Difference) -> Problem:
    if len(difference.path) == 2 and (vector := vector_of(difference.path)):
        message = (
            f"spec.{vector[0]}: {vector[1]!r} cannot be added to an existing collection of "
            "this store; remove it, or set spec.changePolicy to Rebuild"
        )
        return Problem("ImmutableChange", message)
    message = (
        f"spec.{show_path(difference.path)} cannot change from {difference.actual} to "
        f"{difference.declared}: only a new collection can have it; the collection goes on "
        "serving as it is (spec.changePolicy: Rebuild makes a new one and moves the points)"
    )
    return Problem("ImmutableChange", message)


def _settings_actions(current: Collection, settings: Settings) -> list[Action]:
    new = _new_vectors(current, settings)
    changed = {
        unit(d.path)
        for d in differences(settings, current.settings)
        if vector_of(d.path) not in new
    }
    actions: list[Action] = []
    update = {p: v for p, v in settings.items() if unit(p) in changed}
    if update:
        actions.append(UpdateCollection(current.name, update))
    for vector in sorted(new):
        of_vector = {p: v for p, v in settings.items() if vector_of(p) == vector}
        actions.append(AddVector(current.name, vector[1], of_vector))
    return actions


def _taken_index(desired: Desired, current: Collection) -> Problem | None:
    """An index that somebody else made, of another kind than declared: not ours to drop."""
    for field, index in sorted(desired.indexes.items()):
        have = current.indexes.get(field)
        if have and not index.matches(have) and field not in record_of(current).indexes:
            message = (
                f"spec.payloadIndexes: {field} has an index of type {have.type} that vectorplane "
                "did not make; drop it, or declare it as it is"
            )
            return Problem("IndexConflict", message)
    return None
