"""The VectorCollection as people write it. With `spec_settings.py` and `spec_store.py` the
source of the CRDs.

`make generate` makes `manifests/crd-*.yaml` from these models: descriptions, bounds, enums,
defaults, list-map keys and CEL rules (`x-kubernetes-validations`) included. A field stands here
from the day that something serves it: the API server refuses what nothing would do.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from vectorplane.spec_base import (
    Alias,
    Duration,
    ObjectName,
    Part,
    Positive,
    VectorName,
    rule,
    rules,
)
from vectorplane.spec_exposure import Discovery, Gateway
from vectorplane.spec_indexes import PayloadIndex
from vectorplane.spec_settings import (
    DenseVector,
    Hnsw,
    Metadata,
    Optimizers,
    Quantization,
    Replication,
    Sharding,
    SparseVector,
    StrictMode,
    Wal,
)


class Embedding(Part):
    """Lets the endpoint take text as well as vectors."""

    provider: Literal["local"]
    """Who embeds: `local` runs inside the service."""
    model: Literal["wordllama"]
    """The model; `wordllama` gives 64, 128 or 256 dimensions."""
    vector: VectorName = ""
    """The dense vector that texts are embedded for."""
    field: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    """The payload field that holds the text: a rebuild makes the vectors anew from it."""


class Tenancy(Part):
    """Whose points stand in the collection behind a resource."""

    mode: Literal["Dedicated", "Partition"] = "Dedicated"
    """Dedicated: a collection of its own. Partition: a tenant's share of a pool, that is of one
    collection for all who declare the same settings. From Partition to Dedicated by a rebuild."""


class Rebuild(Part):
    """How a rebuild goes about, with changePolicy Rebuild."""

    keep_for: Duration = "24h"
    """How long the collection before it is kept, for `vectorplane.dev/rollback`."""
    points_per_second: Positive | None = None
    """The most that is copied in a second; as fast as the store takes it where it is left out."""
    recall: Annotated[float, Field(ge=0.0, le=1.0)] = 0.9
    """The least recall@10, on a sample of points, that the new collection must have to serve."""


class Snapshots(Part):
    """Snapshots that the store takes of the collection and keeps."""

    schedule: Annotated[str, StringConstraints(max_length=100, pattern=r"^\S+( +\S+){4}$")]
    """When, as a cron line of five fields, in UTC."""
    keep: Annotated[int, Field(ge=1, le=100)] = 7
    """How many of those taken are kept; the oldest go first."""


class RestoreFrom(Part):
    """What a new collection begins with. Looked at only when the collection is made."""

    collection: ObjectName
    """The VectorCollection of this namespace that the snapshot was taken of; it may be gone."""
    snapshot: Annotated[str, StringConstraints(max_length=255, pattern=r"^[^/\\]+\.snapshot$")]
    """The snapshot, as `status.snapshots.kept[].name` had it."""


class VectorCollectionSpec(Part):
    """A vector collection as it should be. A setting that is left out is Qdrant's own business."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "size(self.vectors) > 0 || size(self.sparseVectors) > 0",
                "a collection needs at least one entry in vectors or sparseVectors",
                ".vectors",
            ),
            rule(
                "!has(self.embedding) || self.vectors.exists(v, v.name == self.embedding.vector)",
                "embedding.vector must name an entry of vectors",
                ".embedding.vector",
            ),
            rule(
                "!has(self.embedding) || self.embedding.model != 'wordllama' || self.vectors.all(v,"
                " v.name != self.embedding.vector || v.size in [64, 128, 256])",
                "the vector of embedding model wordllama must have size 64, 128 or 256",
                ".embedding.vector",
            ),
            rule(
                "!has(self.tenancy) || self.tenancy.mode != 'Partition' || size(self.aliases) == 0",
                "a tenant of a pool (tenancy.mode Partition) has one name, and no aliases",
                ".aliases",
            ),
            rule(
                "!has(self.tenancy) || self.tenancy.mode != 'Partition' ||"
                " !(has(self.snapshots) || has(self.restoreFrom) || has(self.metadata) ||"
                " (has(self.deletionPolicy) && self.deletionPolicy == 'Snapshot'))",
                "snapshots and metadata are of whole collections: not with tenancy.mode Partition",
                ".tenancy.mode",
            ),
            rule(
                "self.sparseVectors.all(s, !self.vectors.exists(v, v.name == s.name))",
                "a name may stand in vectors or in sparseVectors, not in both",
                ".sparseVectors",
            ),
        )
    )

    store: ObjectName | None = None
    """The VectorStore; the default one where it is left out. A collection stays in its store: once
    it is made, another store is refused. Immutable."""
    vectors: Annotated[
        list[DenseVector],
        Field(max_length=64, json_schema_extra={"x-kubernetes-list-map-keys": ["name"]}),
    ] = []
    """Dense vectors, by name."""
    sparse_vectors: Annotated[
        list[SparseVector],
        Field(max_length=64, json_schema_extra={"x-kubernetes-list-map-keys": ["name"]}),
    ] = []
    """Sparse vectors, by name."""
    hnsw: Hnsw | None = None
    """The HNSW graph of every vector that has none of its own."""
    quantization: Quantization | None = None
    """Quantization of every vector that has none of its own."""
    sharding: Sharding | None = None
    """How the collection is split."""
    replication: Replication | None = None
    """Copies of each shard."""
    optimizers: Optimizers | None = None
    """When segments are merged, vacuumed and indexed."""
    wal: Wal | None = None
    """The write-ahead log. Immutable."""
    on_disk_payload: bool | None = None
    """Keep payloads on disk instead of in memory."""
    strict_mode: StrictMode | None = None
    """Limits that Qdrant holds for every request."""
    payload_indexes: Annotated[
        list[PayloadIndex],
        Field(max_length=256, json_schema_extra={"x-kubernetes-list-map-keys": ["field"]}),
    ] = []
    """Payload indexes, by field."""
    metadata: Metadata | None = None
    """Texts of your own in the collection's metadata. A key that is removed here stays in the
    store."""
    aliases: Annotated[
        list[Alias], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """Further names in this namespace: `live` becomes `<namespace>.live`."""
    embedding: Embedding | None = None
    """Lets the endpoint take text as well as vectors."""
    tenancy: Tenancy | None = None
    """Whose points stand in the collection behind it."""
    gateway: Gateway | None = None
    """The way through the gateway."""
    discovery: Discovery | None = None
    """The entry in the service registry."""
    deletion_policy: Literal["Retain", "Delete", "Snapshot"] | None = None
    """What a deletion of this resource does to its collection: Retain releases it with its data,
    Snapshot takes a snapshot before it drops it. The store's policy where it is left out, and
    Retain where the store has none."""
    adoption_policy: Literal["Never", "IfUnowned"] = "Never"
    """Whether an existing collection that nobody owns is taken over."""
    change_policy: Literal["Refuse", "Rebuild"] = "Refuse"
    """What a change of an immutable setting does: Refuse keeps serving as it is and says so;
    Rebuild makes a new collection, copies the points, and moves the names when it is complete."""
    rebuild: Rebuild | None = None
    """How a rebuild goes about."""
    snapshots: Snapshots | None = None
    """Snapshots on a schedule."""
    restore_from: RestoreFrom | None = None
    """The snapshot that the collection begins with, when it is made."""
