"""What a plan is made of: data that says what to do. `ports.vectors.VectorAdmin` can do each of
them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vectorplane.domain.model import Index, Record, Settings


@dataclass(frozen=True, slots=True)
class CreateCollection:
    collection: str
    settings: Settings
    record: Record

    def __str__(self) -> str:
        return f"create collection {self.collection} ({show(self.settings)})"


@dataclass(frozen=True, slots=True)
class UpdateCollection:
    """Change settings. `settings` holds what differs; of a quantization, which Qdrant replaces
    whole, all that is declared."""

    collection: str
    settings: Settings

    def __str__(self) -> str:
        return f"update collection {self.collection} ({show(self.settings)})"


@dataclass(frozen=True, slots=True)
class AddVector:
    """A new named vector: every path of `settings` begins with `("vectors", name)` or
    `("sparseVectors", name)`."""

    collection: str
    name: str
    settings: Settings

    def __str__(self) -> str:
        return f"add vector {self.name!r} to {self.collection} ({show(self.settings)})"


@dataclass(frozen=True, slots=True)
class WriteRecord:
    collection: str
    record: Record

    def __str__(self) -> str:
        return (
            f"{'release' if self.record.owner is None else 'record'} ownership of {self.collection}"
        )


@dataclass(frozen=True, slots=True)
class CreateIndex:
    collection: str
    index: Index

    def __str__(self) -> str:
        return f"create {self.index.type} index on {self.index.field} of {self.collection}"


@dataclass(frozen=True, slots=True)
class DropIndex:
    collection: str
    field: str

    def __str__(self) -> str:
        return f"drop index on {self.field} of {self.collection}"


@dataclass(frozen=True, slots=True)
class ChangeAliases:
    """Move and drop aliases in one atomic call: an alias that is moved never points nowhere."""

    point: Mapping[str, str] = field(default_factory=dict)
    """Alias to physical collection."""
    drop: frozenset[str] = frozenset()

    def __str__(self) -> str:
        moved = [f"point alias {a} at {c}" for a, c in sorted(self.point.items())]
        return ", ".join(moved + [f"drop alias {a}" for a in sorted(self.drop)])


@dataclass(frozen=True, slots=True)
class DropCollection:
    """Drop a collection with its points; its aliases go with it."""

    collection: str

    def __str__(self) -> str:
        return f"drop collection {self.collection} and its points"


@dataclass(frozen=True, slots=True)
class ReleaseWrites:
    """Let writes through again that a rebuild held back. `before` is the strict mode from then."""

    collection: str
    before: Settings

    def __str__(self) -> str:
        return f"let writes to {self.collection} through again"


@dataclass(frozen=True, slots=True)
class PurgeTenant:
    """Delete one tenant's points from a pool, and nothing else of it."""

    collection: str
    tenant: str

    def __str__(self) -> str:
        return f"delete the points of tenant {self.tenant} from {self.collection}"


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    collection: str

    def __str__(self) -> str:
        return f"take a snapshot of {self.collection}"


@dataclass(frozen=True, slots=True)
class DropSnapshot:
    """Drop one snapshot that we took; nothing happens where it is gone."""

    collection: str
    snapshot: str

    def __str__(self) -> str:
        return f"drop snapshot {self.snapshot} of {self.collection}"


@dataclass(frozen=True, slots=True)
class RestoreSnapshot:
    """Fill a collection from a snapshot, `<collection it was taken of>/<snapshot>`."""

    collection: str
    snapshot: str

    def __str__(self) -> str:
        return f"restore {self.snapshot} into {self.collection}"


Action = (
    CreateCollection
    | UpdateCollection
    | AddVector
    | WriteRecord
    | CreateIndex
    | DropIndex
    | ChangeAliases
    | DropCollection
    | ReleaseWrites
    | PurgeTenant
    | TakeSnapshot
    | DropSnapshot
    | RestoreSnapshot
)


def show(settings: Settings) -> str:
    """Settings in one line, e.g. `hnsw.m: 16, vectors[""].size: 256`."""
    return ", ".join(f"{show_path(path)}: {value}" for path, value in sorted(settings.items()))


def show_path(path: tuple[str, ...]) -> str:
    """A path as a person writes it: `vectors["image"].size`."""
    if path and path[0] in ("vectors", "sparseVectors") and len(path) > 1:
        return ".".join((f'{path[0]}["{path[1]}"]', *path[2:]))
    return ".".join(path)
