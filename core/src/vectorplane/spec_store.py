"""The VectorStore as the platform team writes it: where collections live, and what is allowed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from vectorplane.spec import Snapshots
from vectorplane.spec_base import ObjectName, Part, Positive, rule, rules
from vectorplane.spec_indexes import PayloadIndex
from vectorplane.spec_settings import (
    Hnsw,
    Metadata,
    Optimizers,
    Quantization,
    Replication,
    Sharding,
    StrictMode,
    Wal,
)

LabelKey = Annotated[str, StringConstraints(min_length=1, max_length=317)]
LabelValue = Annotated[str, StringConstraints(max_length=63)]


class SecretKeyRef(Part):
    """One key of a Secret."""

    namespace: ObjectName
    """The Secret's namespace."""
    name: ObjectName
    """The Secret."""
    key: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    """The key in it."""


class Tls(Part):
    """How the store's certificate is checked."""

    ca_secret_ref: SecretKeyRef | None = None
    """A PEM bundle of the CAs to trust, instead of the system's."""
    insecure_skip_verify: bool = False
    """Check nothing. For trials only."""


class Qdrant(Part):
    """Where a Qdrant is, and how to speak with it."""

    url: Annotated[
        str, StringConstraints(min_length=8, max_length=2048, pattern=r"^https?://[!-?A-~]+$")
    ]
    """Its REST address, e.g. `http://qdrant.qdrant.svc:6333`; without a user or key in it."""
    api_key_secret_ref: SecretKeyRef | None = None
    """Its API key. Read again at every probe, and at once where Qdrant refuses it."""
    tls: Tls | None = None
    """How its certificate is checked."""
    timeout_seconds: Annotated[int, Field(ge=1, le=600)] = 10
    """Seconds that one call may take."""
    snapshots_path: Annotated[str, StringConstraints(max_length=1024, pattern=r"^/[!-~]*$")] = (
        "/qdrant/snapshots"
    )
    """Qdrant's own folder of snapshots (`storage.snapshots_path` of its configuration), as Qdrant
    sees it: `restoreFrom` reads there."""


class LabelRequirement(Part):
    """One expression about a label."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(self.operator in ['In', 'NotIn']) == (size(self.values) > 0)",
                "values go with the operators In and NotIn, and these need some",
                ".values",
            )
        )
    )

    key: LabelKey
    """The label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label and the values stand to each other."""
    values: Annotated[
        list[LabelValue], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """The values of In and NotIn."""


class LabelSelector(Part):
    """Labels that a namespace must have. All that is said must hold; {} fits every namespace."""

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=64)] = {}
    """Labels with their values."""
    match_expressions: Annotated[list[LabelRequirement], Field(max_length=64)] = []
    """Expressions about labels."""


class CollectionDefaults(Part):
    """Settings for collections whose manifest leaves them out; what a manifest says wins, field by
    field. Not for tenants of a pool, for a pool has the shape that its tenants declare."""

    hnsw: Hnsw | None = None
    """The HNSW graph of every vector that has none of its own."""
    quantization: Quantization | None = None
    """Quantization; a manifest with another type has nothing of this."""
    sharding: Sharding | None = None
    """How a collection is split, where it is made."""
    replication: Replication | None = None
    """Copies of each shard."""
    optimizers: Optimizers | None = None
    """When segments are merged, vacuumed and indexed."""
    wal: Wal | None = None
    """The write-ahead log, where a collection is made."""
    on_disk_payload: bool | None = None
    """Keep payloads on disk instead of in memory."""
    strict_mode: StrictMode | None = None
    """Limits that Qdrant holds for every request."""
    payload_indexes: (
        Annotated[
            list[PayloadIndex],
            Field(max_length=256, json_schema_extra={"x-kubernetes-list-map-keys": ["field"]}),
        ]
        | None
    ) = None
    """Payload indexes, by field, beside those of the manifest."""
    metadata: Metadata | None = None
    """Texts in the collection's metadata, by key."""
    snapshots: Snapshots | None = None
    """Snapshots on a schedule; a manifest with a schedule has nothing of this."""


class Limits(Part):
    """What may stand in the store. What stands there already is never taken away: where a limit is
    lowered, it holds for what is new and for what is edited."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.maxCollections) || !has(self.maxCollectionsPerNamespace) ||"
                " self.maxCollectionsPerNamespace <= self.maxCollections",
                "maxCollectionsPerNamespace cannot be more than maxCollections",
                ".maxCollectionsPerNamespace",
            )
        )
    )

    max_collections: Positive | None = None
    """VectorCollections in the store; the oldest ones have their place."""
    max_collections_per_namespace: Positive | None = None
    """VectorCollections of one namespace in the store."""
    max_vector_size: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Dimensions of a dense vector."""
    max_replication_factor: Annotated[int, Field(ge=1, le=100)] | None = None
    """Copies of each shard."""


class VectorStoreSpec(Part):
    """Where collections live. The platform team's."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.limits) || !has(self.limits.maxReplicationFactor) ||"
                " !has(self.defaults) || !has(self.defaults.replication) ||"
                " !has(self.defaults.replication.factor) ||"
                " self.defaults.replication.factor <= self.limits.maxReplicationFactor",
                "the default factor cannot be more than limits.maxReplicationFactor",
                ".defaults.replication.factor",
            )
        )
    )

    qdrant: Qdrant
    """The Qdrant behind it."""
    default: bool = False
    """Whether collections that name no store live here; the oldest one where several say so."""
    allowed_namespaces: LabelSelector | None = None
    """The namespaces that may have collections here; every one where it is left out. A collection
    that is here already stays."""
    defaults: CollectionDefaults | None = None
    """Settings for collections whose manifest leaves them out."""
    limits: Limits | None = None
    """What may stand in the store."""
    deletion_policy: Literal["Retain", "Delete", "Snapshot"] | None = None
    """What a deletion does where a VectorCollection does not say: Retain where this is left out
    too. Tenants of a pool, which have no snapshots of their own, are retained under Snapshot."""
