"""The part of the plan for names: which aliases to move, to drop, and which are somebody else's."""

from __future__ import annotations

from vectorplane.domain.actions import Action, ChangeAliases
from vectorplane.domain.decisions import Problem
from vectorplane.domain.model import Collection, Desired, Observed
from vectorplane.domain.policy import Ownership, ownership, record_of


def alias_actions(
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


def obsolete_aliases(desired: Desired, observed: Observed, current: Collection) -> frozenset[str]:
    """Aliases that we made, that are no longer declared, and that still point at our collection."""
    return frozenset(
        a
        for a in record_of(current).aliases - desired.names
        if observed.aliases.get(a) == current.name
    )


def taken_alias(desired: Desired, observed: Observed, current: Collection | None) -> Problem | None:
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
