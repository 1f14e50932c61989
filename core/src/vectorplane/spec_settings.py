"""The collection settings of a manifest: vectors, graph, quantization, sharding, optimizers, strict
mode and payload indexes. No setting has a default here, for a default would be declared, sent and
compared; Qdrant has its own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from vectorplane.spec_base import Natural, Part, Positive, Positive64, VectorName, rule, rules


class Hnsw(Part):
    """The HNSW graph."""

    m: Annotated[int, Field(ge=0, le=10000)] | None = None
    """Edges per node; 0 builds no graph."""
    ef_construct: Annotated[int, Field(ge=4, le=10000)] | None = None
    """Neighbours considered while the graph is built."""
    full_scan_threshold: Annotated[int, Field(ge=10, le=2**31 - 1)] | None = None
    """Below this size in kilobytes a segment is scanned instead of using the graph."""
    max_indexing_threads: Annotated[int, Field(ge=0, le=1024)] | None = None
    """Threads that build the graph; 0 lets Qdrant choose."""
    on_disk: bool | None = None
    """Keep the graph on disk instead of in memory."""
    payload_m: Annotated[int, Field(ge=0, le=10000)] | None = None
    """Edges per node of the graphs for payload values."""


class Quantization(Part):
    """Compressed vectors for the search. Replaced as a whole."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.quantile) || self.type == 'Scalar'",
                "quantile goes only with type Scalar",
                ".quantile",
            ),
            rule(
                # The API server rounds a bound to an integer where the value is one.
                "!has(self.quantile) || self.quantile >= 0.5",
                "quantile should be between 0.5 and 1",
                ".quantile",
            ),
            rule(
                "has(self.compression) == (self.type == 'Product')",
                "compression goes with type Product, and Product needs it",
                ".compression",
            ),
            rule(
                "!(has(self.encoding) || has(self.queryEncoding)) || self.type == 'Binary'",
                "encoding and queryEncoding go only with type Binary",
            ),
        )
    )

    type: Literal["Scalar", "Product", "Binary"]
    """Scalar (8 bits a dimension), Product, or Binary."""
    quantile: Annotated[float, Field(ge=0.5, le=1.0)] | None = None
    """Scalar: the share of values inside the range that is kept."""
    compression: Literal["X4", "X8", "X16", "X32", "X64"] | None = None
    """Product: how much smaller."""
    encoding: Literal["OneBit", "TwoBits", "OneAndHalfBits"] | None = None
    """Binary: bits a dimension."""
    query_encoding: Literal["Default", "Binary", "Scalar4Bits", "Scalar8Bits"] | None = None
    """Binary: how the query is encoded."""
    always_ram: bool | None = None
    """Keep the compressed vectors in memory."""


class DenseVector(Part):
    """One dense vector per point (or a list of them, with `multivector`)."""

    name: VectorName = ""
    """Its name; "" is Qdrant's unnamed vector."""
    size: Annotated[int, Field(ge=1, le=65536)]
    """Dimensions. Immutable."""
    distance: Literal["Cosine", "Dot", "Euclid", "Manhattan"]
    """How two vectors are compared. Immutable."""
    datatype: Literal["Float32", "Float16", "Uint8"] | None = None
    """How the numbers are stored. Immutable."""
    on_disk: bool | None = None
    """Keep the vectors on disk (memory-mapped) instead of in memory."""
    multivector: Literal["MaxSim"] | None = None
    """Many vectors per point, compared by their best matches. Immutable."""
    hnsw: Hnsw | None = None
    """Overrides `spec.hnsw` for this vector."""
    quantization: Quantization | None = None
    """Overrides `spec.quantization` for this vector."""


class SparseVector(Part):
    """One sparse vector per point."""

    name: Annotated[VectorName, Field(min_length=1)]
    """Its name."""
    modifier: Literal["None", "Idf"] = "None"
    """Idf weighs each dimension by how rare it is."""
    on_disk: bool | None = None
    """Keep the index on disk."""
    datatype: Literal["Float32", "Float16", "Uint8"] | None = None
    """How the weights are stored. Immutable."""
    full_scan_threshold: Natural | None = None
    """Below this number of vectors the search scans."""


class Sharding(Part):
    """How the collection is split. Immutable."""

    number: Annotated[int, Field(ge=1, le=10000)] | None = None
    """Shards (per shard key, with method Custom). Immutable."""
    method: Literal["Auto", "Custom"] | None = None
    """Auto spreads points by id; Custom by shard keys. Immutable."""


class Replication(Part):
    """Copies of each shard."""

    factor: Annotated[int, Field(ge=1, le=100)] | None = None
    """Copies of each shard."""
    write_consistency_factor: Annotated[int, Field(ge=1, le=100)] | None = None
    """Copies that must confirm a write."""
    read_fan_out_factor: Annotated[int, Field(ge=0, le=100)] | None = None
    """Further copies that a read asks at once."""


class Optimizers(Part):
    """When Qdrant merges, vacuums and indexes segments."""

    deleted_threshold: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Share of deleted points that starts a vacuum."""
    vacuum_min_vector_number: Annotated[int, Field(ge=100, le=2**31 - 1)] | None = None
    """Points that a segment must have before a vacuum."""
    default_segment_number: Natural | None = None
    """Segments aimed at; 0 follows the CPUs."""
    max_segment_size: Positive | None = None
    """Kilobytes that a segment grows to."""
    indexing_threshold: Natural | None = None
    """Kilobytes from which a segment is indexed; 0 never indexes."""
    flush_interval_sec: Positive | None = None
    """Seconds between flushes."""
    max_optimization_threads: Natural | None = None
    """Threads per shard that optimize."""
    prevent_unoptimized: bool | None = None
    """Hold back points of segments that are not optimized yet."""


class Wal(Part):
    """The write-ahead log. Immutable."""

    wal_capacity_mb: Positive | None = None
    """Megabytes of one log file. Immutable."""
    wal_segments_ahead: Natural | None = None
    """Log files made ahead. Immutable."""


class StrictMode(Part):
    """Limits that Qdrant itself holds for every request to the collection."""

    enabled: bool | None = None
    """Whether the limits hold."""
    max_query_limit: Positive | None = None
    """Results that one search may ask for."""
    max_timeout: Positive | None = None
    """Seconds that a request may ask for."""
    unindexed_filtering_retrieve: bool | None = None
    """Whether a search may filter on a field without an index."""
    unindexed_filtering_update: bool | None = None
    """Whether an update or delete may filter on a field without an index."""
    search_max_hnsw_ef: Positive | None = None
    """Largest hnsw_ef of a search."""
    search_allow_exact: bool | None = None
    """Whether a search may be exact."""
    search_max_oversampling: Annotated[float, Field(ge=1.0)] | None = None
    """Largest oversampling of a search."""
    upsert_max_batchsize: Positive | None = None
    """Points of one upsert."""
    max_collection_vector_size_bytes: Positive64 | None = None
    """Bytes of all vectors."""
    max_collection_payload_size_bytes: Positive64 | None = None
    """Bytes of all payloads."""
    max_points_count: Positive64 | None = None
    """Points of the collection."""
    read_rate_limit: Positive | None = None
    """Reads a minute and replica."""
    write_rate_limit: Positive | None = None
    """Writes a minute and replica."""
    filter_max_conditions: Natural | None = None
    """Conditions of one filter."""
    condition_max_size: Natural | None = None
    """Values of one condition."""


class PayloadIndex(Part):
    """An index on a payload field, so that filters on it are quick."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.lookup) || has(self.range)) || self.type == 'Integer'",
                "lookup and range go only with type Integer",
            ),
            rule(
                "!has(self.isTenant) || self.type in ['Keyword', 'Uuid']",
                "isTenant goes only with type Keyword or Uuid",
                ".isTenant",
            ),
            rule(
                "!has(self.isPrincipal) || self.type in ['Integer', 'Float', 'Datetime']",
                "isPrincipal goes only with type Integer, Float or Datetime",
                ".isPrincipal",
            ),
            rule(
                "!(has(self.tokenizer) || has(self.minTokenLen) || has(self.maxTokenLen)"
                " || has(self.lowercase) || has(self.phraseMatching)) || self.type == 'Text'",
                "tokenizer, minTokenLen, maxTokenLen, lowercase and phraseMatching go only with"
                " type Text",
            ),
        )
    )

    field: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    """The payload field, as a path: `price`, `address.city`, `tags[].name`."""
    type: Literal["Keyword", "Integer", "Float", "Bool", "Geo", "Datetime", "Text", "Uuid"]
    """What its values are."""
    on_disk: bool | None = None
    """Keep the index on disk."""
    is_tenant: bool | None = None
    """Keyword, Uuid: store points of one value side by side."""
    is_principal: bool | None = None
    """Integer, Float, Datetime: most filters are on this field."""
    lookup: bool | None = None
    """Integer: filters for equality."""
    range: bool | None = None
    """Integer: filters for ranges."""
    tokenizer: Literal["Prefix", "Whitespace", "Word", "Multilingual"] | None = None
    """Text: how it is split into words."""
    min_token_len: Natural | None = None
    """Text: shorter words are left out."""
    max_token_len: Natural | None = None
    """Text: longer words are left out."""
    lowercase: bool | None = None
    """Text: ignore case."""
    phrase_matching: bool | None = None
    """Text: filters for whole phrases."""
