"""What a plan is: actions in their order, and what stands in the way of the rest."""

from __future__ import annotations

from dataclasses import dataclass

from vectorplane.domain.actions import Action, ChangeAliases
from vectorplane.domain.model import Embed, Place, RebuildPolicy, Record


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a plan cannot give what is declared until a person acts. `reason` is fit for a
    condition."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Copy a resource's points into a new collection, and let that one serve. Done in slices: one
    look does one slice, and the status says how far it is."""

    source: Place
    target: str
    swap: ChangeAliases
    """Moves every name, in one atomic call, once the copy is complete."""
    final: Record
    """Of the target, once it serves."""
    retire: Record | None
    """Of the source, once it serves no more; None for a pool, which goes on for its others."""
    policy: RebuildPolicy
    embed: Embed | None = None

    def __str__(self) -> str:
        return f"rebuild {self.source.collection} as {self.target}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in the order to take them, then the rebuild, and what is in the way."""

    actions: tuple[Action, ...] = ()
    collection: str | None = None
    """The physical collection that serves the resource (after the actions)."""
    stalled: Problem | None = None
    lacking: tuple[str, ...] = ()
    """What the engine cannot do and the manifest asks for: left out, and said."""
    rebuild: Rebuild | None = None
    due: float | None = None
    """Seconds until something falls due by itself, e.g. a retired collection goes."""

    @property
    def nothing(self) -> bool:
        """Nothing is to be done in the store."""
        return not self.actions and self.rebuild is None
