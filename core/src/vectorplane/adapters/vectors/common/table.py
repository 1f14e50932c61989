"""Every setting that vectorplane knows, and where Qdrant's REST interface keeps it: one table, read
both ways.

A row says where a manifest field stands in the body that creates a collection, in the body that
changes one (None: it cannot be changed), and in what the server says of a collection. `{}` in a
path stands for a vector's name. A new setting of Qdrant is a word in `_GROUPS`. Names follow one
rule (`efConstruct` is `ef_construct`), words of enumerations another table.

Of a quantization, Qdrant makes an object named after its type; `QUANTIZATION` says which field
belongs to which type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vectorplane.domain.model import Path, Value

ANY = "{}"
"""A vector's name in a row's path."""


@dataclass(frozen=True, slots=True)
class Row:
    path: Path
    create: Path | None
    update: Path | None
    info: Path
    default: Value | None = None
    """What the server means where it says nothing, of settings that cannot be changed."""


@dataclass(frozen=True, slots=True)
class _Group:
    path: Path
    fields: str
    create: Path | None
    update: Path | None
    info: Path


_HNSW = "m efConstruct fullScanThreshold maxIndexingThreads onDisk payloadM"
_VECTOR = ("config", "params", "vectors", ANY)
_SPARSE = ("config", "params", "sparse_vectors", ANY)
_PARAMS = ("config", "params")

_GROUPS = (
    _Group(("vectors", ANY), "onDisk", ("vectors", ANY), ("vectors", ANY), _VECTOR),
    _Group(
        ("vectors", ANY, "hnsw"),
        _HNSW,
        ("vectors", ANY, "hnsw_config"),
        ("vectors", ANY, "hnsw_config"),
        (*_VECTOR, "hnsw_config"),
    ),
    _Group(
        ("sparseVectors", ANY),
        "onDisk fullScanThreshold",
        ("sparse_vectors", ANY, "index"),
        ("sparse_vectors", ANY, "index"),
        (*_SPARSE, "index"),
    ),
    _Group(("hnsw",), _HNSW, ("hnsw_config",), ("hnsw_config",), ("config", "hnsw_config")),
    _Group(
        ("optimizers",),
        "deletedThreshold vacuumMinVectorNumber defaultSegmentNumber maxSegmentSize "
        "indexingThreshold flushIntervalSec maxOptimizationThreads preventUnoptimized",
        ("optimizers_config",),
        ("optimizers_config",),
        ("config", "optimizer_config"),
    ),
    _Group(
        ("wal",), "walCapacityMb walSegmentsAhead", ("wal_config",), None, ("config", "wal_config")
    ),
    _Group((), "onDiskPayload", (), ("params",), _PARAMS),
    _Group(
        ("strictMode",),
        "enabled maxQueryLimit maxTimeout unindexedFilteringRetrieve unindexedFilteringUpdate "
        "searchMaxHnswEf searchAllowExact searchMaxOversampling upsertMaxBatchsize "
        "searchMaxBatchsize maxCollectionVectorSizeBytes readRateLimit writeRateLimit "
        "maxCollectionPayloadSizeBytes "
        "maxPointsCount filterMaxConditions conditionMaxSize",
        ("strict_mode_config",),
        ("strict_mode_config",),
        ("config", "strict_mode_config"),
    ),
)

_ODD_ONES = (
    Row(("vectors", ANY, "size"), ("vectors", ANY, "size"), None, (*_VECTOR, "size")),
    Row(("vectors", ANY, "distance"), ("vectors", ANY, "distance"), None, (*_VECTOR, "distance")),
    Row(
        ("vectors", ANY, "datatype"),
        ("vectors", ANY, "datatype"),
        None,
        (*_VECTOR, "datatype"),
        "Float32",
    ),
    Row(
        ("vectors", ANY, "multivector"),
        ("vectors", ANY, "multivector_config", "comparator"),
        None,
        (*_VECTOR, "multivector_config", "comparator"),
    ),
    Row(
        ("sparseVectors", ANY, "modifier"),
        ("sparse_vectors", ANY, "modifier"),
        ("sparse_vectors", ANY, "modifier"),
        (*_SPARSE, "modifier"),
        "None",
    ),
    Row(
        ("sparseVectors", ANY, "datatype"),
        ("sparse_vectors", ANY, "index", "datatype"),
        None,
        (*_SPARSE, "index", "datatype"),
        "Float32",
    ),
    Row(("sharding", "number"), ("shard_number",), None, (*_PARAMS, "shard_number")),
    Row(("sharding", "method"), ("sharding_method",), None, (*_PARAMS, "sharding_method"), "Auto"),
    Row(
        ("replication", "factor"),
        ("replication_factor",),
        ("params", "replication_factor"),
        (*_PARAMS, "replication_factor"),
    ),
    Row(
        ("replication", "writeConsistencyFactor"),
        ("write_consistency_factor",),
        ("params", "write_consistency_factor"),
        (*_PARAMS, "write_consistency_factor"),
    ),
    Row(
        # A collection is made without it; it can only be changed.
        ("replication", "readFanOutFactor"),
        None,
        ("params", "read_fan_out_factor"),
        (*_PARAMS, "read_fan_out_factor"),
    ),
)

QUANTIZATION: Mapping[str, tuple[str, ...]] = {
    "Scalar": ("quantile", "alwaysRam"),
    "Product": ("compression", "alwaysRam"),
    "Binary": ("encoding", "queryEncoding", "alwaysRam"),
}
"""Type of quantization to its fields."""

ENUMS: Mapping[str, Mapping[str, str]] = {
    "distance": {w: w for w in ("Cosine", "Euclid", "Dot", "Manhattan")},
    "datatype": {"Float32": "float32", "Float16": "float16", "Uint8": "uint8"},
    "multivector": {"MaxSim": "max_sim"},
    "modifier": {"None": "none", "Idf": "idf"},
    "method": {"Auto": "auto", "Custom": "custom"},
    "compression": {w: w.lower() for w in ("X4", "X8", "X16", "X32", "X64")},
    "encoding": {
        "OneBit": "one_bit",
        "TwoBits": "two_bits",
        "OneAndHalfBits": "one_and_half_bits",
    },
    "queryEncoding": {w: w.lower() for w in ("Default", "Binary", "Scalar4Bits", "Scalar8Bits")},
    "tokenizer": {w: w.lower() for w in ("Prefix", "Whitespace", "Word", "Multilingual")},
}
"""Manifest word to Qdrant's, by the last part of a path."""

_INDEX = ("onDisk", "enableHnsw")
INDEX_PARAMS: Mapping[str, tuple[str, ...]] = {
    "Keyword": ("isTenant", *_INDEX),
    "Integer": ("lookup", "range", "isPrincipal", *_INDEX),
    "Float": ("isPrincipal", *_INDEX),
    "Bool": _INDEX,
    "Geo": _INDEX,
    "Datetime": ("isPrincipal", *_INDEX),
    "Text": (
        "tokenizer",
        "minTokenLen",
        "maxTokenLen",
        "lowercase",
        "asciiFolding",
        "phraseMatching",
        *_INDEX,
    ),
    "Uuid": ("isTenant", *_INDEX),
}
"""Type of payload index to its parameters."""


def snake(word: str) -> str:
    """A manifest's field name as Qdrant writes it."""
    return re.sub(r"([A-Z])", r"_\1", word).lower()


def camel(word: str) -> str:
    """Qdrant's field name as a manifest writes it."""
    first, *rest = word.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _rows() -> Iterator[Row]:
    for group in _GROUPS:
        for field in group.fields.split():
            name = snake(field)
            yield Row(
                (*group.path, field),
                None if group.create is None else (*group.create, name),
                None if group.update is None else (*group.update, name),
                (*group.info, name),
            )
    yield from _ODD_ONES


ROWS: Mapping[Path, Row] = {row.path: row for row in _rows()}


def pattern(path: Path) -> Path:
    """The row's path of a setting: a vector's name becomes `{}`."""
    if len(path) > 2 and path[0] in ("vectors", "sparseVectors"):
        return path[0], ANY, *path[2:]
    return path


def fill(path: Path, name: str) -> Path:
    """A row's path with a vector's name in it."""
    return tuple(name if part == ANY else part for part in path)


def quantization_prefix(path: Path) -> Path | None:
    """The part before a quantization's field (`("quantization",)` or that of one vector), or
    None."""
    if len(path) == 2 and path[0] == "quantization":
        return path[:1]
    if len(path) == 4 and path[0] == "vectors" and path[2] == "quantization":
        return path[:3]
    return None
