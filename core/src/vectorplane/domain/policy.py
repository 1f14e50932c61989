"""Rules that the plan follows, each by name: what may change, who owns, who wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from vectorplane.domain.actions import Action, ReleaseWrites, WriteRecord
from vectorplane.domain.model import (
    Capability,
    Collection,
    Desired,
    Index,
    Key,
    Observed,
    Path,
    Record,
    Rival,
    Settings,
    Value,
)

# What Qdrant's PATCH /collections/{name} cannot change (its UpdateCollection schema, 1.18).
_IMMUTABLE_OF_VECTOR = frozenset({"size", "distance", "datatype", "multivector"})
_IMMUTABLE_OF_SPARSE = frozenset({"datatype"})

# Qdrant's own default of what it leaves out of its answer where nobody set it.
_IMPLIED: Mapping[Path, Value] = {
    ("sharding", "method"): "Auto",
    ("optimizers", "maxOptimizationThreads"): -1,
    ("quantization", "type"): "None",
}
_IMPLIED_OF_VECTOR: Mapping[str, Value] = {"datatype": "Float32", "onDisk": False}
_IMPLIED_OF_SPARSE: Mapping[str, Value] = {
    "datatype": "Float32",
    "onDisk": False,
    "modifier": "None",
}

HOLDER: Path = ("by",)
"""In a pool's record of held writes: for which tenant they are held."""

_NEEDS: Mapping[str, Capability] = {
    "sharding": Capability.SHARDING,
    "replication": Capability.REPLICATION,
    "strictMode": Capability.STRICT_MODE,
    "wal": Capability.WAL,
}


def immutable(path: Path) -> bool:
    """True for a setting that only a new collection can have."""
    match path:
        case ("vectors", _, field):
            return field in _IMMUTABLE_OF_VECTOR
        case ("sparseVectors", _, field):
            return field in _IMMUTABLE_OF_SPARSE
        case ("wal", _) | ("sharding", "number" | "method"):
            return True
        case _:
            return False


def needs(path: Path) -> Capability | None:
    """The capability that a setting asks of the engine, or None where each engine has it."""
    return Capability.SHARD_KEYS if path[:2] == ("sharding", "keys") else _NEEDS.get(path[0])


def implied(path: Path) -> Value | None:
    """What a store means that does not show a setting at all."""
    match path:
        case ("vectors", _, "quantization", "type"):
            return "None"
        case ("vectors", _, field):
            return _IMPLIED_OF_VECTOR.get(field)
        case ("sparseVectors", _, field):
            return _IMPLIED_OF_SPARSE.get(field)
        case _:
            return _IMPLIED.get(path)


def vector_of(path: Path) -> tuple[str, str] | None:
    """The vector that a path speaks of, as `("vectors", name)` or `("sparseVectors", name)`."""
    return (path[0], path[1]) if path[0] in ("vectors", "sparseVectors") else None


def unit(path: Path) -> Path:
    """What is sent as one: Qdrant replaces a quantization whole, and the limits of vectors by name,
    so their fields go together."""
    match path:
        case ("quantization", _):
            return path[:1]
        case ("strictMode", "multivector" | "sparse", _, _):
            return path[:2]
        case ("vectors", _, "quantization", _):
            return path[:3]
        case _:
            return path


@dataclass(frozen=True, slots=True)
class Difference:
    """One declared setting that the store has otherwise. `actual` is None where the store has
    none."""

    path: Path
    declared: Value
    actual: Value | None


def differences(declared: Settings, actual: Settings) -> list[Difference]:
    """What is declared and not so. What is not declared is never compared."""
    return [
        Difference(path, value, have)
        for path, value in sorted(declared.items())
        if (have := actual.get(path, implied(path))) != value
    ]


def possible(
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


def indexes_of(desired: Desired, observed: Observed) -> dict[str, Index]:
    """The declared payload indexes, as far as the engine has any."""
    if Capability.PAYLOAD_INDEXES not in observed.capabilities:
        return {}
    return dict(desired.indexes)


def record_of(collection: Collection) -> Record:
    """Its ownership record; of one that has none, an empty one."""
    return collection.record or Record(owner=None)


def without_holds(desired: Desired, observed: Observed) -> tuple[list[Action], Observed]:
    """Let writes through again that a rebuild of this resource holds back, and the store as it is
    then. A rebuild holds them within one look only: who finds them held in the next one finds what
    a killed process left.
    """
    actions: list[Action] = []
    collections = dict(observed.collections)
    for name, found in sorted(observed.collections.items()):
        record = record_of(found)
        holder = held_by(found)
        ours = ownership(desired, found) is Ownership.OURS and holder is None
        if record.held is None or not (ours or holder == desired.marker):
            continue
        before = {path: value for path, value in record.held.items() if path != HOLDER}
        free = replace(record, held=None)
        actions += [ReleaseWrites(name, before), WriteRecord(name, free)]
        collections[name] = replace(found, record=free, settings={**found.settings, **before})
    return actions, replace(observed, collections=collections)


def held_by(collection: Collection) -> str | None:
    """The marker of the tenant whose rebuild holds the writes of a pool."""
    held = record_of(collection).held or {}
    return str(held[HOLDER]) if HOLDER in held else None


def seconds_until(since: str, wait: float, now: str) -> float:
    """Seconds from `now` until `wait` s after `since`, both RFC 3339; 0 where that is past. A time
    that cannot be read counts as now: what waits is kept."""
    try:
        passed = datetime.fromisoformat(now) - datetime.fromisoformat(since)
    except (ValueError, TypeError):
        return wait
    return max(0.0, wait - passed.total_seconds())


class Ownership(Enum):
    OURS = auto()
    NOBODYS = auto()
    FOREIGN = auto()


def ownership(desired: Desired, collection: Collection) -> Ownership:
    """Whose a collection is, by the record in it and by nothing else."""
    record = collection.record
    if record is None or record.owner is None:
        return Ownership.NOBODYS
    ours = record.owner.uid == desired.uid and record.owner.cluster == desired.cluster
    return Ownership.OURS if ours else Ownership.FOREIGN


@dataclass(frozen=True, slots=True)
class Claim:
    """A resource and every full name that it claims. `created` is its creationTimestamp (RFC 3339,
    so text sorts)."""

    key: Key
    uid: str
    created: str
    names: frozenset[str]


def rivals(of: Claim, among: Iterable[Claim]) -> tuple[Rival, ...]:
    """Where two resources claim one name the oldest wins (then the lower uid): the winners over
    `of`, by name."""
    return tuple(
        Rival(name, other.key)
        for other in sorted(among, key=lambda c: (c.created, c.uid))
        if other.uid != of.uid and (other.created, other.uid) < (of.created, of.uid)
        for name in sorted(other.names & of.names)
    )
