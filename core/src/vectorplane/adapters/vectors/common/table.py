"""Every setting that vectorplane knows, and where Qdrant's REST interface keeps it: one table, read
both ways.

A row says where a manifest field stands in the body that creates a collection, in the body that
changes one (None: it cannot be changed), and in what the server says of a collection. `{}` in a
path stands for a name that people choose: a vector's, a key of the metadata, a shard key. A new
setting of Qdrant is a word in `_GROUPS`. Names follow one rule (`efConstruct` is `ef_construct`),
words of enumerations another table.

Of a quantization, Qdrant makes an object named after its type; `QUANTIZATION` says which field
belongs to which type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vectorplane.domain.model import Path, Value

ANY = "{}"
"""A name that people choose, in a row's path."""
AUTO = -1
"""A number of threads that Qdrant chooses itself; it says "auto", and shows nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    path: Path
    create: Path | None
    update: Path | None
    """None: it cannot be changed. Empty: it is changed by a call of its own."""
    info: Path
    """Empty: the server shows it elsewhere."""
    default: Value | None = None
    """What the server means where it says nothing, of settings that cannot be changed."""


@dataclass(frozen=True, slots=True)
class _Group:
    path: Path
    fields: str
    create: Path | None
    update: Path | None
    info: Path


_HNSW = "m efConstruct fullScanThreshold maxIndexingThreads onDisk payloadM inlineStorage"
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
        ("wal",),
        "walCapacityMb walSegmentsAhead walRetainClosed",
        ("wal_config",),
        None,
        ("config", "wal_config"),
    ),
    _Group((), "onDiskPayload", (), ("params",), _PARAMS),
    _Group(
        ("strictMode",),
        "enabled maxQueryLimit maxTimeout unindexedFilteringRetrieve unindexedFilteringUpdate "
        "searchMaxHnswEf searchAllowExact searchMaxOversampling upsertMaxBatchsize "
        "searchMaxBatchsize maxCollectionVectorSizeBytes readRateLimit writeRateLimit "
        "maxCollectionPayloadSizeBytes "
        "maxPointsCount filterMaxConditions conditionMaxSize maxPayloadIndexCount "
        "maxResidentMemoryPercent maxDiskUsagePercent",
        ("strict_mode_config",),
        ("strict_mode_config",),
        ("config", "strict_mode_config"),
    ),
    _Group(
        ("strictMode", "multivector", ANY),
        "maxVectors",
        ("strict_mode_config", "multivector_config", ANY),
        ("strict_mode_config", "multivector_config", ANY),
        ("config", "strict_mode_config", "multivector_config", ANY),
    ),
    _Group(
        ("strictMode", "sparse", ANY),
        "maxLength",
        ("strict_mode_config", "sparse_config", ANY),
        ("strict_mode_config", "sparse_config", ANY),
        ("config", "strict_mode_config", "sparse_config", ANY),
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
    # A collection is made without these; they can only be changed.
    Row(
        ("replication", "readFanOutFactor"),
        None,
        ("params", "read_fan_out_factor"),
        (*_PARAMS, "read_fan_out_factor"),
    ),
    Row(
        ("replication", "readFanOutDelayMs"),
        None,
        ("params", "read_fan_out_delay_ms"),
        (*_PARAMS, "read_fan_out_delay_ms"),
    ),
    Row(("sharding", "keys", ANY), None, (), ()),
    Row(("metadata", ANY), ("metadata", ANY), ("metadata", ANY), ("config", "metadata", ANY)),
)

QUANTIZATION: Mapping[str, tuple[str, ...]] = {
    "None": (),
    "Scalar": ("quantile", "alwaysRam"),
    "Product": ("compression", "alwaysRam"),
    "Binary": ("encoding", "queryEncoding", "alwaysRam"),
    "Turbo": ("bits", "alwaysRam"),
}
"""Type of quantization to its fields. None says that there is none."""

_STOPWORDS = (
    "Arabic Azerbaijani Basque Bengali Catalan Chinese Danish Dutch English Finnish French German "
    "Greek Hebrew Hinglish Hungarian Indonesian Italian Japanese Kazakh Nepali Norwegian "
    "Portuguese Romanian Russian Slovene Spanish Swedish Tajik Turkish"
)
_STEMMERS = (
    "Arabic Armenian Danish Dutch English Finnish French German Greek Hungarian Italian Norwegian "
    "Portuguese Romanian Russian Spanish Swedish Tamil Turkish"
)


def _lower(words: str) -> dict[str, str]:
    return {word: word.lower() for word in words.split()}


ENUMS: Mapping[str, Mapping[str, str]] = {
    "distance": {w: w for w in ("Cosine", "Euclid", "Dot", "Manhattan")},
    "datatype": _lower("Float32 Float16 Uint8"),
    "multivector": {"MaxSim": "max_sim"},
    "modifier": {"None": "none", "Idf": "idf"},
    "method": {"Auto": "auto", "Custom": "custom"},
    "compression": _lower("X4 X8 X16 X32 X64"),
    "bits": _lower("Bits1 Bits1_5 Bits2 Bits4"),
    "encoding": {
        "OneBit": "one_bit",
        "TwoBits": "two_bits",
        "OneAndHalfBits": "one_and_half_bits",
    },
    "queryEncoding": _lower("Default Binary Scalar4Bits Scalar8Bits"),
    "tokenizer": _lower("Prefix Whitespace Word Multilingual"),
    "stopwords.languages": _lower(_STOPWORDS),
    "stemmer.language": _lower(_STEMMERS),
}
"""Manifest word to Qdrant's, by the last part of a path, or by an index's parameter."""

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
        "stopwords.languages",
        "stopwords.custom",
        "stemmer.language",
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


def name_of(path: Path) -> str | None:
    """The name in a setting's path that people choose, or None where there is none."""
    at = _name_at(path)
    return None if at is None else path[at]


def pattern(path: Path) -> Path:
    """The row's path of a setting: a name becomes `{}`."""
    at = _name_at(path)
    return path if at is None else (*path[:at], ANY, *path[at + 1 :])


def fill(path: Path, name: str | None) -> Path:
    """A row's path with a name in it."""
    return path if name is None else tuple(name if part == ANY else part for part in path)


def words_of(path: Path) -> Mapping[str, str] | None:
    """The words of an enumeration, or None where a setting is none."""
    return ENUMS.get(pattern(path)[-1])


def _name_at(path: Path) -> int | None:
    match path:
        case ("vectors" | "sparseVectors", _, _, *_) | ("metadata", _):
            return 1
        case ("strictMode", "multivector" | "sparse", _, _) | ("sharding", "keys", _):
            return 2
        case _:
            return None


def whole(path: Path) -> Path | None:
    """The part of a path that Qdrant replaces as one, or None where it merges."""
    if len(path) == 4 and path[0] == "strictMode":
        return path[:2]
    return quantization_prefix(path)


def quantization_prefix(path: Path) -> Path | None:
    """The part before a quantization's field (`("quantization",)` or that of one vector), or
    None."""
    if len(path) == 2 and path[0] == "quantization":
        return path[:1]
    if len(path) == 4 and path[0] == "vectors" and path[2] == "quantization":
        return path[:3]
    return None
