"""Where each field of a VectorCollection stands in Qdrant's REST interface, and what Qdrant does
where it is left out: two columns of the field table.

The places are read from the table that the adapters work with, so the documentation cannot say
another name than the one that is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from vectorplane.adapters.vectors.common.table import (
    ANY,
    INDEX_PARAMS,
    QUANTIZATION,
    ROWS,
    snake,
)
from vectorplane.domain.model import Path

OURS = "vectorplane"
NAME = "{name}"
"""What stands for a name that people choose."""

_NAMED = {
    "vectors[].name": "vectors",
    "sparseVectors[].name": "sparse_vectors",
    "strictMode.multivector[].name": "strict_mode_config.multivector_config",
    "strictMode.sparse[].name": "strict_mode_config.sparse_config",
    "sharding.keys": "shard_key",
    "aliases": "create_alias.alias_name",
    "payloadIndexes[].field": "field_name",
}
"""Names, and what is made by a call of its own."""

_HNSW = {
    "m": "16",
    "efConstruct": "100",
    "fullScanThreshold": "10000",
    "maxIndexingThreads": "0",
    "onDisk": "false",
    "payloadM": "as `m`",
    "inlineStorage": "false",
}
_ALL = "the collection's"
DEFAULTS: Mapping[str, str] = {
    "vectors[].datatype": "Float32",
    "vectors[].onDisk": "false",
    "vectors[].multivector": "one vector",
    "vectors[].hnsw": _ALL,
    "vectors[].quantization": _ALL,
    **{f"vectors[].hnsw.{field}": _ALL for field in _HNSW},
    "sparseVectors[].onDisk": "false",
    "sparseVectors[].datatype": "Float32",
    "sparseVectors[].fullScanThreshold": "5000",
    **{f"hnsw.{field}": value for field, value in _HNSW.items()},
    "quantization": "none",
    "sharding.number": "1, or one a peer",
    "sharding.method": "Auto",
    "sharding.keys": "none",
    "replication.factor": "1",
    "replication.writeConsistencyFactor": "1",
    "replication.readFanOutFactor": "as the load asks",
    "replication.readFanOutDelayMs": "0",
    "optimizers.deletedThreshold": "0.2",
    "optimizers.vacuumMinVectorNumber": "1000",
    "optimizers.defaultSegmentNumber": "0",
    "optimizers.maxSegmentSize": "follows the CPUs",
    "optimizers.indexingThreshold": "10000",
    "optimizers.flushIntervalSec": "5",
    "optimizers.maxOptimizationThreads": "-1",
    "optimizers.preventUnoptimized": "false",
    "wal.walCapacityMb": "32",
    "wal.walSegmentsAhead": "0",
    "wal.walRetainClosed": "1",
    "onDiskPayload": "true",
    "metadata": "none",
    "strictMode.enabled": "false",
    "payloadIndexes[].onDisk": "false",
    "payloadIndexes[].enableHnsw": "true",
    "payloadIndexes[].isTenant": "false",
    "payloadIndexes[].isPrincipal": "false",
    "payloadIndexes[].lookup": "true",
    "payloadIndexes[].range": "true",
    "payloadIndexes[].tokenizer": "Word",
    "payloadIndexes[].lowercase": "true",
    "payloadIndexes[].asciiFolding": "false",
    "payloadIndexes[].phraseMatching": "false",
    "payloadIndexes[].stopwords": "none",
    "payloadIndexes[].stemmer": "none",
}
"""What Qdrant 1.18 does where a field is left out, by its source; a server's own configuration may
say otherwise. Of fields that stand nowhere here, there is no stable default."""


def sources(field: str) -> tuple[str, ...]:
    """Where a field (`vectors[].hnsw.m`) stands in Qdrant's bodies, dotted; none where it is our
    own. A field of several types of quantization stands at several places.
    """
    if field in _NAMED:
        return (_NAMED[field],)
    if field.startswith("payloadIndexes[]."):
        return (f"field_schema.{snake(field.partition('[].')[2])}",)
    path = _path(field)
    if found := [at for p, at in _places() if p == path]:
        return tuple(dict.fromkeys(map(_dotted, found)))
    below = [at for p, at in _places() if p[: len(path)] == path]
    common = _common(below)
    return (_dotted(common),) if common else ()


def default(field: str) -> str:
    """What the column `default` says of a field that the API server gives no default."""
    if not sources(field):
        return ""
    known = DEFAULTS.get(field)
    return f"Qdrant's own ({known})" if known else "Qdrant's own"


def _places() -> list[tuple[Path, Path]]:
    """Every setting's path, and where it stands: in the body that creates, or else that changes."""
    found = [(row.path, place) for row in ROWS.values() if (place := row.create or row.update)]
    for prefix, where in ((("quantization",), ()), (("vectors", ANY, "quantization"), _VECTOR)):
        for kind, fields in QUANTIZATION.items():
            config = (*where, "quantization_config")
            found.append(((*prefix, "type"), config))
            found += [((*prefix, f), (*config, kind.lower(), snake(f))) for f in fields]
    indexes = {parameter for parameters in INDEX_PARAMS.values() for parameter in parameters}
    found += [(("payloadIndexes", *p.split(".")), ("field_schema",)) for p in sorted(indexes)]
    return found


_VECTOR = ("vectors", ANY)


def _path(field: str) -> Path:
    path: list[str] = []
    for part in field.split("."):
        path += [part[:-2], ANY] if part.endswith("[]") else [part]
    return (*path, ANY) if field == "metadata" else tuple(path)


def _common(paths: list[Path]) -> Path:
    """The beginning that all have, without a name at its end."""
    columns = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    common = [parts[0] for parts in columns]
    while common and common[-1] == ANY:
        common.pop()
    return tuple(common)


def _dotted(path: Path) -> str:
    shown = path[:-1] if path == ("metadata", ANY) else path
    return ".".join(NAME if part == ANY else part for part in shown)
