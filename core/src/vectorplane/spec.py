"""The VectorCollection as people write it. With `spec_settings.py` and `spec_store.py` the
source of the CRDs.

`make generate` makes `manifests/crd-*.yaml` from these models: descriptions, bounds, enums,
defaults, list-map keys and CEL rules (`x-kubernetes-validations`) included. A field stands here
from the day that something serves it: the API server refuses what nothing would do.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from vectorplane.spec_base import Alias, ObjectName, Part, VectorName, rule, rules
from vectorplane.spec_settings import (
    DenseVector,
    Hnsw,
    Optimizers,
    PayloadIndex,
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
    """The model; `wordllama` gives 256 dimensions."""
    vector: VectorName = ""
    """The dense vector that texts are embedded for."""


class Tenancy(Part):
    """Whose points stand in the collection behind a resource."""

    mode: Literal["Dedicated"] = "Dedicated"
    """Dedicated: a collection of its own. Immutable."""


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
                " v.name != self.embedding.vector || v.size == 256)",
                "the vector of embedding model wordllama must have size 256",
                ".embedding.vector",
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
    """How the collection is split. Immutable."""
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
    aliases: Annotated[
        list[Alias], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """Further names in this namespace: `live` becomes `<namespace>.live`."""
    embedding: Embedding | None = None
    """Lets the endpoint take text as well as vectors."""
    tenancy: Tenancy | None = None
    """Whose points stand in the collection behind it."""
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """What a deletion of this resource does to its collection: Retain releases it with its data."""
    adoption_policy: Literal["Never", "IfUnowned"] = "Never"
    """Whether an existing collection that nobody owns is taken over."""
    change_policy: Literal["Refuse"] = "Refuse"
    """What a change of an immutable setting does: Refuse keeps serving as it is and says so."""
