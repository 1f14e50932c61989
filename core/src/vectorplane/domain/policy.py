"""Rules that the plan follows, each by name: what may change, who owns, who wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from vectorplane.domain.model import (
    Capability,
    Collection,
    Desired,
    Key,
    Path,
    Rival,
    Settings,
    Value,
)

# What Qdrant's PATCH /collections/{name} cannot change (its UpdateCollection schema, 1.18).
_IMMUTABLE_OF_VECTOR = frozenset({"size", "distance", "datatype", "multivector"})
_IMMUTABLE_OF_SPARSE = frozenset({"datatype"})

# Qdrant's own default of what it leaves out of its answer where nobody set it.
_IMPLIED: Mapping[Path, Value] = {("sharding", "method"): "Auto"}
_IMPLIED_OF_VECTOR: Mapping[str, Value] = {"datatype": "Float32", "onDisk": False}
_IMPLIED_OF_SPARSE: Mapping[str, Value] = {
    "datatype": "Float32",
    "onDisk": False,
    "modifier": "None",
}

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
        case ("sharding" | "wal", _):
            return True
        case _:
            return False


def needs(path: Path) -> Capability | None:
    """The capability that a setting asks of the engine, or None where each engine has it."""
    return _NEEDS.get(path[0])


def implied(path: Path) -> Value | None:
    """What a store means that does not show a setting at all."""
    match path:
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
    """What is sent as one: Qdrant replaces a quantization whole, so its fields go together."""
    return path[: path.index("quantization") + 1] if "quantization" in path else path


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
