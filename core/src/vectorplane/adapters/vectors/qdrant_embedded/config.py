"""Settings and index definitions as the engine takes them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import qdrant_edge as edge

from vectorplane.adapters.vectors.common.table import quantization_prefix, snake
from vectorplane.domain.model import Capability, Index, Path, Settings, Value
from vectorplane.ports.vectors import StoreInfo

CAPABILITIES = frozenset({Capability.PAYLOAD_INDEXES, Capability.ADD_VECTORS, Capability.TENANTS})
_FOREIGN = ("sharding", "replication", "strictMode", "wal")
"""A server's business: one process has no shards to spread, and no strict mode."""
_OPTIMIZERS = (
    "deletedThreshold",
    "vacuumMinVectorNumber",
    "defaultSegmentNumber",
    "maxSegmentSize",
    "indexingThreshold",
    "preventUnoptimized",
)
HNSW_DEFAULTS = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}


def engine_info() -> StoreInfo:
    return StoreInfo("qdrant-edge", version("qdrant-edge-py"), CAPABILITIES)


def supported(settings: Settings) -> dict[Path, Value]:
    """The settings that this engine has."""
    return {path: value for path, value in settings.items() if path[0] not in _FOREIGN}


def edge_config(settings: Settings) -> edge.EdgeConfig:
    """A shard's whole configuration."""
    return edge.EdgeConfig(
        vectors={name: _vector(settings, name) for name in _names(settings, "vectors")},
        sparse_vectors={
            name: _sparse(settings, name) for name in _names(settings, "sparseVectors")
        },
        on_disk_payload=_get(settings, "onDiskPayload"),
        hnsw_config=_hnsw(settings, ("hnsw",)),
        quantization_config=_quantization(settings, ("quantization",)),
        optimizers=_optimizers(settings),
        wal_enabled=True,
    )


def _names(settings: Settings, kind: str) -> list[str]:
    return sorted({path[1] for path in settings if path[0] == kind and len(path) > 2})


def _get(settings: Settings, *path: str) -> Any:
    return settings.get(path)


def _vector(settings: Settings, name: str) -> edge.EdgeVectorParams:
    def get(field: str) -> Any:
        return settings.get(("vectors", name, field))

    datatype = get("datatype")
    return edge.EdgeVectorParams(
        size=get("size"),
        distance=getattr(edge.Distance, get("distance")),
        on_disk=get("onDisk"),
        multivector_config=multivector(get("multivector")),
        datatype=datatype_of(datatype),
        quantization_config=_quantization(settings, ("vectors", name, "quantization")),
        hnsw_config=_hnsw(settings, ("vectors", name, "hnsw"), ("hnsw",)),
    )


def multivector(comparator: Value | None) -> edge.MultiVectorConfig | None:
    if comparator is None:
        return None
    return edge.MultiVectorConfig(getattr(edge.MultiVectorComparator, str(comparator)))


def datatype_of(word: Value | None) -> edge.VectorStorageDatatype | None:
    datatype: edge.VectorStorageDatatype | None = (
        None if word is None else getattr(edge.VectorStorageDatatype, str(word))
    )
    return datatype


def modifier_of(word: Value | None) -> edge.Modifier | None:
    return edge.Modifier.Idf if word == "Idf" else None


def _sparse(settings: Settings, name: str) -> edge.EdgeSparseVectorParams:
    def get(field: str) -> Any:
        return settings.get(("sparseVectors", name, field))

    return edge.EdgeSparseVectorParams(
        full_scan_threshold=get("fullScanThreshold"),
        on_disk=get("onDisk"),
        modifier=modifier_of(get("modifier")),
        datatype=datatype_of(get("datatype")),
    )


def _hnsw(settings: Settings, *prefixes: Path) -> edge.HnswIndexConfig | None:
    """The engine takes it whole: of each field the first prefix that has it, then the default."""
    given: dict[str, Any] = {}
    for prefix in reversed(prefixes):
        given |= {
            snake(path[-1]): value
            for path, value in settings.items()
            if path[:-1] == prefix and len(path) == len(prefix) + 1
        }
    if not any(path[: len(prefixes[0])] == prefixes[0] for path in settings):
        return None
    return edge.HnswIndexConfig(**(HNSW_DEFAULTS | given))


def _quantization(settings: Settings, prefix: Path) -> Any:
    given = {p[-1]: v for p, v in settings.items() if quantization_prefix(p) == prefix}
    ram: Any = given.get("alwaysRam")
    match given.get("type"):
        case "Scalar":
            quantile: Any = given.get("quantile")
            return edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile, ram)
        case "Product":
            ratio = getattr(edge.CompressionRatio, str(given.get("compression", "X16")))
            return edge.ProductQuantizationConfig(ratio, ram)
        case "Binary":
            return edge.BinaryQuantizationConfig(
                always_ram=ram,
                encoding=_word(edge.BinaryQuantizationEncoding, given.get("encoding")),
                query_encoding=_word(
                    edge.BinaryQuantizationQueryEncoding, given.get("queryEncoding")
                ),
            )
        case "Turbo":
            return edge.TurboQuantQuantizationConfig(
                always_ram=ram, bits=_word(edge.TurboQuantBitSize, given.get("bits"))
            )
        case _:
            return None


def _word(words: Any, word: Value | None) -> Any:
    return None if word is None else getattr(words, str(word))


def _optimizers(settings: Settings) -> edge.EdgeOptimizersConfig:
    given: dict[str, Any] = {
        snake(field): settings["optimizers", field]
        for field in _OPTIMIZERS
        if ("optimizers", field) in settings
    }
    return edge.EdgeOptimizersConfig(**given)


def index_schema(index: Index) -> Any:
    """A payload index as the engine takes it."""
    params: dict[str, Any] = {snake(name): value for name, value in index.params}
    if not params:
        return getattr(edge.PayloadSchemaType, index.type)
    if "tokenizer" in params:
        params["tokenizer"] = getattr(edge.TokenizerType, params["tokenizer"])
    if language := params.pop("stemmer.language", None):
        params["stemmer"] = edge.SnowballParams(getattr(edge.SnowballLanguage, language))
    languages = params.pop("stopwords.languages", ())
    custom = params.pop("stopwords.custom", ())
    if languages or custom:
        found = {getattr(edge.Language, language) for language in languages}
        params["stopwords"] = edge.StopwordsSet(found, set(custom))
    return getattr(edge, f"{index.type}IndexParams")(**params)


def new_vector(name: str, settings: Settings) -> edge.UpdateOperation:
    """The operation that adds a vector; what it cannot say, a configuration says afterwards."""
    if ("vectors", name, "size") not in settings:
        modifier = modifier_of(settings.get(("sparseVectors", name, "modifier")))
        return edge.UpdateOperation.create_sparse_vector(name, modifier)
    return edge.UpdateOperation.create_dense_vector(
        name,
        int(settings["vectors", name, "size"]),
        getattr(edge.Distance, str(settings["vectors", name, "distance"])),
        multivector(settings.get(("vectors", name, "multivector"))),
        datatype_of(settings.get(("vectors", name, "datatype"))),
    )
