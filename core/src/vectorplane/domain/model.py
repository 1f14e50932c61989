"""What the plan speaks about: a resource's wish (`Desired`) and what the store has (`Observed`).

Settings are flat: a path of manifest field names to a scalar, e.g. `("hnsw", "m"): 16` or
`("vectors", "", "size"): 256`. A field that a manifest leaves out has no path, so "compare only
what is declared" is
a look at the declared paths, and a new setting of Qdrant needs a line in an adapter's table, not
code here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DEDICATED, PARTITION = "Dedicated", "Partition"
"""The modes of tenancy."""

Path = tuple[str, ...]
Value = str | int | float | bool
Param = Value | tuple[str, ...]
"""A parameter of a payload index; a list of words is sorted."""
Settings = Mapping[Path, Value]
"""Flat settings: path of manifest field names (vector names stand in it as they are) to a JSON
scalar."""


class Capability(StrEnum):
    """What an engine can do beyond holding and searching points. What it lacks is not planned, and
    a condition says so."""

    PAYLOAD_INDEXES = "payload indexes"
    ADD_VECTORS = "new vectors in an existing collection"
    SHARDING = "sharding"
    SHARD_KEYS = "custom shard keys"
    REPLICATION = "replication"
    STRICT_MODE = "strict mode"
    WAL = "write-ahead log settings"
    REBUILDS = "rebuilds"
    SNAPSHOTS = "snapshots"
    TENANTS = "tenants of a shared collection"


class DeletionPolicy(StrEnum):
    RETAIN = "Retain"
    DELETE = "Delete"
    SNAPSHOT = "Snapshot"


class ChangePolicy(StrEnum):
    REFUSE = "Refuse"
    REBUILD = "Rebuild"


class AdoptionPolicy(StrEnum):
    NEVER = "Never"
    IF_UNOWNED = "IfUnowned"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A VectorCollection's place: namespace and name."""

    namespace: str
    name: str

    @property
    def collection(self) -> str:
        """The name that clients and Qdrant see: `<namespace>.<name>`."""
        return f"{self.namespace}.{self.name}"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who made a collection: the resource's UID, its place, and the cluster (or local folder) it
    lives in."""

    uid: str
    namespace: str
    name: str
    cluster: str

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}"
        return f"VectorCollection {place} (uid {self.uid}) of cluster {self.cluster}"


@dataclass(frozen=True, slots=True)
class Record:
    """What we write into a collection's own metadata: whose it is, and what of it we made.

    `indexes` and `aliases` are intents: written before the index or alias is made, removed after
    it is dropped, so
    only what we made (or were about to make) is ever dropped, whenever we are interrupted.
    """

    owner: Owner | None
    generation: int = 0
    indexes: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    embedding: tuple[tuple[str, str], ...] = ()
    tenancy: str = DEDICATED
    source: str | None = None
    """The collection that this one is being copied from; it serves nobody yet."""
    retired: str | None = None
    """When it stopped serving (RFC 3339, UTC): a rebuild or a rollback took its place."""
    held: Settings | None = None
    """Writes to it are held back for the end of a rebuild: the strict mode that it had before."""
    restore: str | None = None
    """The snapshot that must come into it before it serves."""
    left: tuple[str, str] | None = None
    """A pool that still holds this resource's points as a tenant, and since when."""


@dataclass(frozen=True, slots=True)
class Index:
    """A payload index: `type` as in the manifest (`Keyword`, `Float`, ...) and the declared
    parameters."""

    field: str
    type: str
    params: tuple[tuple[str, Param], ...] = ()

    def matches(self, other: Index) -> bool:
        """True where `other` (observed) has everything that this one (declared) says."""
        return self.type == other.type and set(self.params) <= set(other.params)


@dataclass(frozen=True, slots=True)
class Collection:
    """A physical collection as the store shows it."""

    name: str
    settings: Settings
    indexes: Mapping[str, Index] = field(default_factory=dict)
    record: Record | None = None
    points: int = 0
    indexed_vectors: int = 0
    state: str = "green"


@dataclass(frozen=True, slots=True)
class Observed:
    """All that bears on one resource: its candidate collections, and the whole alias table by
    name."""

    collections: Mapping[str, Collection] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    """Names of all physical collections of the store: an alias cannot take one of these."""
    capabilities: frozenset[Capability] = frozenset(Capability)
    tenants: Mapping[str, int] = field(default_factory=dict)
    """Points by tenant, of the pools among `collections`."""


@dataclass(frozen=True, slots=True)
class Rival:
    """An older resource that claims a name that this one claims too."""

    claim: str
    key: Key


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource's points lie: a collection, or one tenant's share of a pool."""

    collection: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Embed:
    """Vectors made anew from a text in the payload."""

    vector: str
    field: str
    model: str
    size: int


@dataclass(frozen=True, slots=True)
class RebuildPolicy:
    """How a rebuild goes about. `per_second` is in points (None: as fast as the store takes
    them), `keep` in seconds."""

    keep: float = 24 * 3600.0
    per_second: int | None = None
    recall: float = 0.9
    """The least recall@10 on a sample, from 0 to 1, that the new collection must have."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is. It stands in the status, so that another process goes on from here."""

    source: str
    target: str
    phase: str = "Copying"
    """Copying (every point once, by `cursor`), CatchingUp (what was written meanwhile, in passes),
    Holding (writes are held, the last pass), Done, Failed (`message` says why)."""
    cursor: int | str | None = None
    """The id that the next page begins at."""
    copied: int = 0
    total: int = 0
    passes: int = 0
    """Passes of catching up that ended."""
    changed: int = 0
    """Points that the last pass found different."""
    started: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class SnapshotWish:
    """What the schedule asks for now."""

    due: bool = False
    surplus: tuple[tuple[str, str], ...] = ()
    """Collection and snapshot, of those that we took and that are no longer kept."""
    next: float | None = None
    """Seconds until the schedule asks again."""


@dataclass(frozen=True, slots=True)
class Desired:
    """One VectorCollection, as the plan needs it."""

    key: Key
    uid: str
    cluster: str
    generation: int = 1
    settings: Settings = field(default_factory=dict)
    indexes: Mapping[str, Index] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()
    """Further full names, `<namespace>.<alias>`; the collection's own name is not among them."""
    embedding: tuple[tuple[str, str], ...] = ()
    tenancy: str = DEDICATED
    pool: str | None = None
    """With tenancy Partition: the base name of the pool of this shape."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    adoption_policy: AdoptionPolicy = AdoptionPolicy.NEVER
    change_policy: ChangePolicy = ChangePolicy.REFUSE
    rebuild: RebuildPolicy = RebuildPolicy()
    progress: Progress | None = None
    """Of the rebuild that the status tells of."""
    rollback: bool = False
    """A person asks for the collection before the last rebuild."""
    snapshot: SnapshotWish = SnapshotWish()
    restore: str | None = None
    """The snapshot that a new collection begins with: `<physical collection>/<snapshot>`."""
    now: str = ""
    """The time of this look, RFC 3339 in UTC."""
    deleting: bool = False
    paused: bool = False
    rivals: tuple[Rival, ...] = ()
    hint: str | None = None
    """The physical collection that the status names: found again even where its alias was removed
    by somebody."""

    @property
    def name(self) -> str:
        return self.key.collection

    @property
    def names(self) -> frozenset[str]:
        """Every name that this resource claims."""
        return self.aliases | {self.name}

    @property
    def marker(self) -> str:
        """The alias that says in Qdrant that this very resource is a tenant of the pool that it
        points at. No name of a client has an @."""
        return f"{self.name}@{self.uid}"

    @property
    def may_go(self) -> bool:
        """Being deleted, and nothing holds it: paused stops a deletion too."""
        return self.deleting and not self.paused

    @property
    def owner(self) -> Owner:
        return Owner(self.uid, self.key.namespace, self.key.name, self.cluster)
