"""The part of the plan for what only a new collection can have: the next physical collection, a
copy, and the way back.

    the resource's collections                           plan
    ---------------------------------------------------  -------------------------------------------
    serving; no copy of it under way                     create the next one, marked with its source
    serving; a copy of it, not as declared now           drop that copy, begin anew
    serving; a copy of it, as declared                   the next slice of the copy
    the copy has the names, records are not final        final records (`plan_change.py`)
    rollback asked for, an earlier one retired           its names back, records
    rollback asked for, done already                     nothing; says that the spec is not served

A copy never serves before every point is in it, and what it replaces is kept for
`rebuild.keepFor`. Interrupted anywhere, the records in Qdrant say where to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vectorplane.domain import names
from vectorplane.domain.actions import (
    Action,
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    DropCollection,
    WriteRecord,
    show_path,
)
from vectorplane.domain.decisions import Plan, Problem, Rebuild
from vectorplane.domain.model import (
    Capability,
    Collection,
    Desired,
    Embed,
    Observed,
    Place,
    Record,
    Settings,
)
from vectorplane.domain.plan_aliases import alias_actions, obsolete_aliases
from vectorplane.domain.policy import (
    Difference,
    Ownership,
    differences,
    immutable,
    indexes_of,
    ownership,
    record_of,
    vector_of,
)


def plan_rebuild(
    desired: Desired,
    observed: Observed,
    current: Collection,
    settings: Settings,
    lacking: tuple[str, ...],
    fixed: Sequence[Difference],
    *,
    tenant: str | None = None,
) -> Plan:
    """`fixed` are the differences that only a new collection can take away. With `tenant`,
    `current` is a pool and only the points of that tenant go over.
    """
    if tenant:
        fixed = [*fixed, *_of_vectors(settings, current)]
    embed, problem = _way_over(desired, observed, current, fixed)
    if problem:
        return Plan(collection=current.name, stalled=problem, lacking=lacking)
    actions: list[Action] = []
    record = record_of(current)
    left = (current.name, desired.now) if tenant else record.left
    if not tenant:
        ended, left = _end_of_the_last(desired, observed, record)
        actions += ended
        record = replace(record, source=None, left=left)
        if ownership(desired, current) is not Ownership.OURS:
            record = replace(record, owner=desired.owner, generation=desired.generation)
        if record != record_of(current):
            actions.append(WriteRecord(current.name, record))
        actions += alias_actions(desired, observed, current, only_own=True)
    copies = _copies(desired, observed, current)
    target = next((c for c in copies if not _differs(settings, c)), None)
    actions += [DropCollection(c.name) for c in copies if c is not target]
    indexes = indexes_of(desired, observed)
    final = Record(
        desired.owner,
        desired.generation,
        frozenset(indexes),
        desired.names,
        desired.embedding,
        desired.tenancy,
        left=left,
    )
    if target is None:
        taken = observed.taken | observed.collections.keys()
        name = names.next_physical(desired.name, taken)
        actions.append(CreateCollection(name, settings, replace(final, source=current.name)))
    else:
        name = target.name
    have = target.indexes if target else {}
    actions += [CreateIndex(name, i) for f, i in sorted(indexes.items()) if f not in have]
    swap = ChangeAliases(
        dict.fromkeys(sorted(desired.names), name), obsolete_aliases(desired, observed, current)
    )
    retire = None if tenant else replace(record, retired=desired.now)
    rebuild = Rebuild(
        Place(current.name, tenant), name, swap, final, retire, desired.rebuild, embed
    )
    return Plan(tuple(actions), current.name, None, lacking, rebuild)


def _end_of_the_last(
    desired: Desired, observed: Observed, record: Record
) -> tuple[list[Action], tuple[str, str] | None]:
    """What is left to write of a rebuild that was stopped after its names had moved, and the pool
    that still has points of this resource."""
    old = observed.collections.get(record.source or "")
    if old is None:
        return [], record.left
    if ownership(desired, old) is not Ownership.OURS:
        return [], (old.name, desired.now)
    return [WriteRecord(old.name, replace(record_of(old), retired=desired.now))], record.left


def plan_rollback(
    desired: Desired,
    observed: Observed,
    current: Collection,
    differs: Callable[[Collection], bool],
) -> Plan | None:
    """The way back to the collection before the last rebuild; None where the plan goes on as ever,
    for what serves is as declared. `differs` says whether a collection is not as declared, in what
    only a new one can have.
    """
    number = names.number(desired.name, current.name) or 0
    ours = [
        (n, c)
        for name, c in sorted(observed.collections.items())
        if (n := names.number(desired.name, name)) is not None
        and ownership(desired, c) is Ownership.OURS
        and record_of(c).source is None
    ]
    newer = [c for n, c in ours if n > number]
    if newer:
        # Back already; perhaps the records are not final.
        actions: list[Action] = [
            WriteRecord(c.name, replace(record_of(c), retired=desired.now))
            for c in newer
            if not record_of(c).retired
        ]
        if record_of(current).retired:
            actions.append(WriteRecord(current.name, _serving(desired, current)))
        problem = _rolled_back(current) if differs(current) else None
        return Plan(tuple(actions), current.name, problem) if actions or problem else None
    earlier = [c for n, c in ours if n < number and record_of(c).retired]
    if not earlier:
        if not differs(current):
            return None
        message = "the annotation vectorplane.dev/rollback asks for a collection that is not kept"
        return Plan((), current.name, Problem("NothingToRollBack", message))
    back = earlier[-1]
    point = dict.fromkeys(sorted(desired.names), back.name)
    return Plan(
        (
            ChangeAliases(point),
            WriteRecord(current.name, replace(record_of(current), retired=desired.now)),
            WriteRecord(back.name, _serving(desired, back)),
        ),
        back.name,
        _rolled_back(back) if differs(back) else None,
    )


def _rolled_back(serving: Collection) -> Problem:
    message = (
        f"{serving.name} serves again, as the annotation vectorplane.dev/rollback asks, and is not "
        "as declared; change the spec back, or remove the annotation to rebuild anew"
    )
    return Problem("RolledBack", message)


def _serving(desired: Desired, collection: Collection) -> Record:
    record = record_of(collection)
    return replace(record, retired=None, aliases=record.aliases | desired.names)


def _copies(desired: Desired, observed: Observed, current: Collection) -> list[Collection]:
    """Unfinished copies of ours, newest first."""
    found = names.numbered(desired.name, observed.collections)
    return [
        c
        for name in found
        if (c := observed.collections[name]) is not current
        and ownership(desired, c) is Ownership.OURS
        and record_of(c).source is not None
    ]


def _differs(settings: Settings, copy: Collection) -> bool:
    return any(immutable(d.path) for d in differences(settings, copy.settings))


def _of_vectors(settings: Settings, pool: Collection) -> list[Difference]:
    """What a tenant declares otherwise of vectors that the pool has too."""
    have = {vector_of(p) for p in pool.settings}
    return [
        d
        for d in differences(settings, pool.settings)
        if immutable(d.path) and (v := vector_of(d.path)) and v in have
    ]


def _way_over(
    desired: Desired, observed: Observed, current: Collection, fixed: Sequence[Difference]
) -> tuple[Embed | None, Problem | None]:
    """How the points come over: as they are, or with one vector made anew from a text."""
    if Capability.REBUILDS not in observed.capabilities:
        return None, Problem("Unsupported", "spec.changePolicy: this engine cannot rebuild")
    embedding = dict(desired.embedding)
    had = dict(record_of(current).embedding)
    vector = embedding.get("vector", "")
    other_model = bool(had) and bool(embedding) and had.get("model") != embedding.get("model")
    embed = None
    for difference in fixed:
        match difference.path:
            case ("vectors", name, "size") if difference.actual is not None:
                if not embedding or name != vector:
                    return None, _no_way(difference, "no embedding makes that vector")
                embed = name
            case ("vectors", _, "multivector"):
                return None, _no_way(difference, "one vector is not many")
    if embed is None and not other_model:
        return None, None
    if "field" not in embedding:
        difference = fixed[0]
        return None, _no_way(difference, "spec.embedding.field names no payload field of texts")
    size = int(desired.settings["vectors", vector, "size"])
    return Embed(vector, embedding["field"], embedding["model"], size), None


def _no_way(difference: Difference, why: str) -> Problem:
    message = (
        f"spec.{show_path(difference.path)} cannot change from {difference.actual} to "
        f"{difference.declared}, not by a rebuild either: {why}; the collection goes on serving as "
        "it is"
    )
    return Problem("ImmutableChange", message)
