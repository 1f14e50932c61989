"""The collection settings of a manifest: vectors, graph, quantization, sharding, optimizers and
strict mode; payload indexes stand in `spec_indexes.py`. No setting has a default here, for a
default would be declared, sent and compared; Qdrant has its own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from vectorplane.spec_base import Natural, Part, Positive, Positive64, VectorName, rule, rules

MAX_METADATA = 64
Metadata = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=4096)]],
    Field(
        max_length=MAX_METADATA,
        json_schema_extra=rules(
            rule("!('vectorplane' in self)", "the key vectorplane is vectorplane's own"),
            rule(
                "self.all(key, size(key) > 0 && size(key) <= 63)",
                "a key has 1 to 63 characters",
            ),
        ),
    ),
]
ShardKey = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Percent = Annotated[int, Field(ge=1, le=100)]


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
    inline_storage: bool | None = None
    """Keep copies of the vectors in the graph's file, for fewer reads from disk. Qdrant leaves it
    out of account without a quantization, and with multivectors."""


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
            rule(
                "!has(self.bits) || self.type == 'Turbo'",
                "bits goes only with type Turbo",
                ".bits",
            ),
            rule(
                "!has(self.alwaysRam) || self.type != 'None'",
                "alwaysRam goes with every type but None",
                ".alwaysRam",
            ),
        )
    )

    type: Literal["Scalar", "Product", "Binary", "Turbo", "None"]
    """Scalar (8 bits a dimension), Product, Binary, or Turbo (TurboQuant, 1 to 4 bits a dimension).
    None switches a quantization off; left out, it stays as it is."""
    quantile: Annotated[float, Field(ge=0.5, le=1.0)] | None = None
    """Scalar: the share of values inside the range that is kept."""
    compression: Literal["X4", "X8", "X16", "X32", "X64"] | None = None
    """Product: how much smaller."""
    encoding: Literal["OneBit", "TwoBits", "OneAndHalfBits"] | None = None
    """Binary: bits a dimension."""
    query_encoding: Literal["Default", "Binary", "Scalar4Bits", "Scalar8Bits"] | None = None
    """Binary: how the query is encoded."""
    bits: Literal["Bits1", "Bits1_5", "Bits2", "Bits4"] | None = None
    """Turbo: bits a dimension."""
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
    """How the collection is split."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.keys) || has(self.method) && self.method == 'Custom'",
                "keys goes only with method Custom",
                ".keys",
            )
        )
    )

    number: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Shards (per shard key, with method Custom). Immutable."""
    method: Literal["Auto", "Custom"] | None = None
    """Auto spreads points by id; Custom by shard keys. Immutable."""
    keys: (
        Annotated[
            list[ShardKey],
            Field(max_length=256, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Custom: the shard keys. A key may be added; one that is removed here stays in Qdrant, with
    its points. Needs a Qdrant in distributed mode."""


class Replication(Part):
    """Copies of each shard."""

    factor: Annotated[int, Field(ge=1, le=100)] | None = None
    """Copies of each shard. In a cluster, shards are copied or dropped where it changes; there are
    never more copies than peers."""
    write_consistency_factor: Annotated[int, Field(ge=1, le=100)] | None = None
    """Copies that must confirm a write."""
    read_fan_out_factor: Annotated[int, Field(ge=0, le=100)] | None = None
    """Further copies that a read asks at once."""
    read_fan_out_delay_ms: Natural | None = None
    """Milliseconds after which a read that is slow asks a further copy; 0 never does."""


class Optimizers(Part):
    """When Qdrant merges, vacuums and indexes segments."""

    deleted_threshold: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Share of deleted points that starts a vacuum."""
    vacuum_min_vector_number: Annotated[int, Field(ge=100, le=2**31 - 1)] | None = None
    """Points that a segment must have before a vacuum."""
    default_segment_number: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Segments aimed at; 0 follows the CPUs."""
    max_segment_size: Positive | None = None
    """Kilobytes that a segment grows to."""
    indexing_threshold: Natural | None = None
    """Kilobytes from which a segment is indexed; 0 never indexes."""
    flush_interval_sec: Positive | None = None
    """Seconds between flushes."""
    max_optimization_threads: Annotated[int, Field(ge=-1, le=1024)] | None = None
    """Jobs per shard that optimize; 0 stops optimizing, -1 lets Qdrant choose."""
    prevent_unoptimized: bool | None = None
    """Hold back points of segments that are not optimized yet."""


class Wal(Part):
    """The write-ahead log. Immutable."""

    # Qdrant takes this room on disk at once, for each shard, used or not.
    wal_capacity_mb: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Megabytes of one log file. Immutable."""
    wal_segments_ahead: Annotated[int, Field(ge=0, le=64)] | None = None
    """Log files made ahead. Immutable."""
    wal_retain_closed: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Closed log files that are kept. Immutable."""


class StrictMultivector(Part):
    """A limit of one vector with `multivector`."""

    name: VectorName = ""
    """The vector's name."""
    max_vectors: Positive
    """Vectors that one point may have of it."""


class StrictSparse(Part):
    """A limit of one sparse vector."""

    name: Annotated[VectorName, Field(min_length=1)]
    """The vector's name."""
    max_length: Positive
    """Values that one point may have of it."""


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
    search_max_batchsize: Positive | None = None
    """Searches of one batch."""
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
    multivector: (
        Annotated[
            list[StrictMultivector],
            Field(max_length=64, json_schema_extra={"x-kubernetes-list-map-keys": ["name"]}),
        ]
        | None
    ) = None
    """Limits of vectors with `multivector`, by name. Replaced as a whole."""
    sparse: (
        Annotated[
            list[StrictSparse],
            Field(max_length=64, json_schema_extra={"x-kubernetes-list-map-keys": ["name"]}),
        ]
        | None
    ) = None
    """Limits of sparse vectors, by name. Replaced as a whole."""
    max_payload_index_count: Natural | None = None
    """Payload indexes of the collection."""
    max_resident_memory_percent: Percent | None = None
    """Share of the machine's memory from which on writes that need more are refused."""
    max_disk_usage_percent: Percent | None = None
    """Share of the disk from which on writes that need more are refused."""
