"""The checks of settings, index definitions and names that every engine makes before it changes
anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vectorplane.adapters.vectors.common.jsonpath import parse
from vectorplane.adapters.vectors.common.table import (
    ENUMS,
    INDEX_PARAMS,
    QUANTIZATION,
    ROWS,
    pattern,
    quantization_prefix,
    whole,
    words_of,
)
from vectorplane.domain.actions import show_path
from vectorplane.domain.model import Index, Path, Settings, Value
from vectorplane.domain.record import METADATA_KEY
from vectorplane.errors import StoreRejected

MAX_SIZE = 65536
MAX_NAME = 255
_BAD_CHARACTERS = frozenset('<>:"/\\|?*\0\x1f')


def check_name(name: str) -> None:
    """A collection's or alias's name, by Qdrant's rules: names become folders."""
    if not name or len(name.encode()) > MAX_NAME or _BAD_CHARACTERS & set(name):
        raise StoreRejected(f"{name!r} cannot be a collection's name")


def check_new(settings: Settings) -> None:
    """Settings of a new collection or vector: known, and each vector whole."""
    check_known(settings)
    for name in {p[1] for p in settings if p[0] == "vectors"}:
        if "/" in name or _BAD_CHARACTERS & set(name):
            raise StoreRejected(f"{name!r} cannot be a vector's name")
        for field in ("size", "distance"):
            if ("vectors", name, field) not in settings:
                raise StoreRejected(f'vectors["{name}"] has no {field}')


def check_update(present: Settings, changes: Settings) -> None:
    """Changes of a collection: known, and none of what cannot be changed."""
    check_known(changes)
    for path, value in changes.items():
        if quantization_prefix(path) is None and ROWS[pattern(path)].update is None:
            if present.get(path) != value:
                raise StoreRejected(
                    f"{show_path(path)} cannot be changed (from {present.get(path)} to {value})"
                )
        if path[0] in ("vectors", "sparseVectors") and not any(p[:2] == path[:2] for p in present):
            raise StoreRejected(f"there is no {show_path(path[:2])}")


def check_known(settings: Settings) -> None:
    """Every path is in the table, every word of an enumeration is one of it."""
    for path, value in settings.items():
        if not _known(path, settings):
            raise StoreRejected(f"unknown setting {show_path(path)}")
        words = words_of(path)
        if words is not None and value not in words:
            raise StoreRejected(f"{show_path(path)} is one of {', '.join(words)}, not {value!r}")
        if path[0] == "vectors" and path[-1] == "size":
            if not isinstance(value, int) or not 1 <= value <= MAX_SIZE:
                raise StoreRejected(f"{show_path(path)} is between 1 and {MAX_SIZE}, not {value!r}")


def _known(path: Path, settings: Settings) -> bool:
    prefix = quantization_prefix(path)
    if prefix is None:
        return pattern(path) in ROWS and path != ("metadata", METADATA_KEY)
    kind = settings.get((*prefix, "type"))
    return kind in QUANTIZATION and (path[-1] == "type" or path[-1] in QUANTIZATION[str(kind)])


def check_index(index: Index) -> None:
    """An index definition: a path, a known type, parameters of that type."""
    if parse(index.field) is None:
        raise StoreRejected(f"{index.field!r} is no payload field")
    if index.type not in INDEX_PARAMS:
        raise StoreRejected(
            f"a payload index is one of {', '.join(INDEX_PARAMS)}, not {index.type!r}"
        )
    known = INDEX_PARAMS[index.type]
    for name, value in index.params:
        if name not in known:
            raise StoreRejected(f"a {index.type} index has no {name!r}; it has {', '.join(known)}")
        words = ENUMS.get(name)
        said = value if isinstance(value, tuple) else (value,)
        if words is not None and not words.keys() >= set(said):
            raise StoreRejected(f"{name} is one of {', '.join(words)}, not {value!r}")


def with_defaults(settings: Settings) -> Settings:
    """Settings with the defaults of what cannot be changed, as an engine would observe them."""
    full: dict[Path, Value] = {}
    for path, name in _vectors(settings):
        for row in ROWS.values():
            if row.default is not None and row.path[:2] == (path, "{}"):
                full[path, name, row.path[2]] = row.default
    return full | dict(settings)


def _vectors(settings: Settings) -> set[tuple[str, str]]:
    return {(p[0], p[1]) for p in settings if p[0] in ("vectors", "sparseVectors") and len(p) > 2}


def replace_quantization(present: Mapping[Path, Any], changes: Settings) -> dict[Path, Value]:
    """Settings after a change. A quantization is replaced whole, as Qdrant does."""
    replaced = {prefix for path in changes if (prefix := whole(path))}
    kept = {p: v for p, v in present.items() if whole(p) not in replaced}
    return kept | dict(changes)
