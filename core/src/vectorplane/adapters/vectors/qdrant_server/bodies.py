"""Settings as Qdrant's REST interface reads and says them. Pure: `common.table` read in both
directions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vectorplane.adapters.vectors.common.table import (
    ANY,
    AUTO,
    ENUMS,
    QUANTIZATION,
    ROWS,
    camel,
    fill,
    name_of,
    pattern,
    quantization_prefix,
    snake,
    words_of,
)
from vectorplane.domain.model import Index, Param, Path, Settings, Value
from vectorplane.domain.record import METADATA_KEY

Json = dict[str, Any]
_BACK = {name: {rest: word for word, rest in words.items()} for name, words in ENUMS.items()}
_VECTORS = ("config", "params", "vectors")


def create_body(settings: Settings, metadata: Mapping[str, Any]) -> Json:
    """The body of `PUT /collections/{name}`."""
    body: Json = {"vectors": {}}
    for path, value in settings.items():
        if path[0] == "sparseVectors" and len(path) > 2:
            _sub(body, ("sparse_vectors", path[1]))
        if quantization_prefix(path) is None:
            row = ROWS[pattern(path)]
            if row.create is not None:
                _put(body, fill(row.create, name_of(path)), _word(path, value))
    _quantize(body, settings)
    if set(body["vectors"]) == {""}:
        body["vectors"] = body["vectors"][""]
    body["metadata"] = body.get("metadata", {}) | dict(metadata)
    return body


def update_body(settings: Settings) -> Json:
    """The body of `PATCH /collections/{name}`: just these settings."""
    body: Json = {}
    for path, value in settings.items():
        if quantization_prefix(path) is None:
            row = ROWS[pattern(path)]
            if row.update:
                _put(body, fill(row.update, name_of(path)), _word(path, value))
    _quantize(body, settings, off="Disabled")
    return body


def later(settings: Settings) -> Settings:
    """What a collection cannot be created with, and must be given right after."""
    return {
        path: value
        for path, value in settings.items()
        if quantization_prefix(path) is None and ROWS[pattern(path)].create is None
    }


def vector_body(name: str, settings: Settings) -> Json:
    """The body of `PUT /collections/{name}/vectors/{vector}`: only what cannot be changed later."""
    body = create_body(settings, {})
    if sparse := body.get("sparse_vectors"):
        config = sparse[name]
        datatype = config.get("index", {}).get("datatype")
        kept = {k: v for k, v in config.items() if k == "modifier"}
        return {"sparse": kept | ({"datatype": datatype} if datatype else {})}
    vectors: Json = body["vectors"]
    fixed = ("size", "distance", "datatype", "multivector_config")
    config = vectors[name] if name else vectors
    return {"dense": {k: v for k, v in config.items() if k in fixed}}


def index_body(index: Index) -> Json:
    """The body of `PUT /collections/{name}/index`."""
    schema: Json = {"type": index.type.lower()}
    for name, value in index.params:
        _put(schema, tuple(map(snake, name.split("."))), _param(name, value))
        if name == "stemmer.language":
            schema["stemmer"]["type"] = "snowball"
    return {"field_name": index.field, "field_schema": schema}


def read_settings(info: Mapping[str, Any]) -> dict[Path, Value]:
    """Every setting that the server says, under the manifest's paths."""
    vectors = _get(info, _VECTORS) or {}
    if isinstance(vectors.get("size"), int):
        info = _with_vectors(info, {"": vectors})
        vectors = {"": vectors}
    settings: dict[Path, Value] = {}
    for row in ROWS.values():
        for name in _names(row.info, info):
            value = _get(info, fill(row.info, name))
            word = _back(row.path, value)
            if word is None:
                word = row.default
            if word is not None:
                settings[fill(row.path, name)] = word
    settings.pop(("metadata", METADATA_KEY), None)
    _read_quantization(settings, ("quantization",), _get(info, ("config", "quantization_config")))
    for name, vector in vectors.items():
        _read_quantization(
            settings, ("vectors", name, "quantization"), vector.get("quantization_config")
        )
    return settings


def read_indexes(info: Mapping[str, Any]) -> dict[str, Index]:
    """The payload indexes that the server says."""
    indexes = {}
    for field, schema in (info.get("payload_schema") or {}).items():
        params = dict(_params((), schema.get("params") or {}))
        kind = str(schema["data_type"]).capitalize()
        indexes[field] = Index(field, kind, tuple(sorted(params.items())))
    return indexes


def _params(path: Path, value: Any) -> Iterator[tuple[str, Param]]:
    """An index's parameters, flat and under the manifest's names."""
    name = ".".join(map(camel, path))
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key != "type":
                yield from _params((*path, key), inner)
    elif name == "stopwords":
        # One language may stand alone.
        yield from _params((*path, "languages"), [value] if isinstance(value, str) else value)
    elif isinstance(value, list) and value:
        words = [_back((name,), word) for word in value]
        yield name, tuple(sorted(map(str, words)))
    elif (word := _back((name,), value)) is not None:
        yield name, word


def _param(name: str, value: Param) -> Any:
    if isinstance(value, tuple):
        return [_word((name,), word) for word in value]
    return _word((name,), value)


def _names(info: Path, said: Mapping[str, Any]) -> list[str | None]:
    """The names that a server has where a row's path has any."""
    if not info:
        return []
    if ANY not in info:
        return [None]
    found = _get(said, info[: info.index(ANY)])
    return list(found) if isinstance(found, Mapping) else []


def _quantize(body: Json, settings: Settings, off: str | None = None) -> None:
    """Put the quantizations in; `off` is what says that there shall be none."""
    for path, kind in settings.items():
        prefix = quantization_prefix(path)
        if prefix is None or path[-1] != "type":
            continue
        where = ("vectors", prefix[1]) if prefix[0] == "vectors" else ()
        if kind == "None":
            if off is not None:
                _put(body, (*where, "quantization_config"), off)
            continue
        config: Json = {"type": "int8"} if kind == "Scalar" else {}
        for field in QUANTIZATION[str(kind)]:
            value = settings.get((*prefix, field))
            if value is not None:
                config[snake(field)] = _word((field,), value)
        _put(body, (*where, "quantization_config"), {str(kind).lower(): config})


def _read_quantization(settings: dict[Path, Value], prefix: Path, config: Any) -> None:
    for kind, fields in QUANTIZATION.items():
        inner = (config or {}).get(kind.lower())
        if inner is None:
            continue
        settings[*prefix, "type"] = kind
        for field in fields:
            word = _back((field,), inner.get(snake(field)))
            if word is not None:
                settings[*prefix, field] = word


def _word(path: Path, value: Value) -> Value:
    if path[-1] == "maxOptimizationThreads" and value == AUTO:
        return "auto"
    words = words_of(path)
    return value if words is None else words[str(value)]


def _back(path: Path, value: Any) -> Value | None:
    if not isinstance(value, str | int | float | bool):
        return None
    words = _BACK.get(pattern(path)[-1])
    return words.get(str(value), str(value)) if words is not None else value


def _put(body: Json, path: Path, value: Any) -> None:
    _sub(body, path[:-1])[path[-1]] = value


def _sub(body: Json, path: Path) -> Json:
    for part in path:
        body = body.setdefault(part, {})
    return body


def _get(source: Any, path: Path) -> Any:
    for part in path:
        if not isinstance(source, Mapping) or part not in source:
            return None
        source = source[part]
    return source


def _with_vectors(info: Mapping[str, Any], vectors: Json) -> Json:
    params = dict(info["config"]["params"]) | {"vectors": vectors}
    return dict(info) | {"config": dict(info["config"]) | {"params": params}}
