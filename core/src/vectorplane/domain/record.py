"""The ownership record as it stands in a collection's metadata, under one key of our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vectorplane.domain.model import DEDICATED, Owner, Record, Settings, Value

METADATA_KEY = "vectorplane"
UNREADABLE = Owner(uid="?", namespace="?", name="?", cluster="?")
"""Stands for a record that somebody damaged: owned, but by nobody that we know. Nothing touches
such a collection."""


def to_metadata(record: Record) -> dict[str, Any]:
    """The metadata to merge into a collection's. The whole key is replaced, so a released owner is
    an explicit null."""
    owner = record.owner
    rest: dict[str, Any] = {
        "source": record.source,
        "retired": record.retired,
        "restore": record.restore,
        "left": list(record.left) if record.left else None,
        "held": None
        if record.held is None
        else [[list(path), value] for path, value in sorted(record.held.items())],
    }
    return {
        METADATA_KEY: {
            "owner": None
            if owner is None
            else {
                "uid": owner.uid,
                "namespace": owner.namespace,
                "name": owner.name,
                "cluster": owner.cluster,
            },
            "generation": record.generation,
            "indexes": sorted(record.indexes),
            "aliases": sorted(record.aliases),
            "embedding": dict(record.embedding),
            "tenancy": record.tenancy,
        }
        | {key: value for key, value in rest.items() if value is not None}
    }


def from_metadata(metadata: Mapping[str, Any] | None) -> Record | None:
    """The record in a collection's metadata, or None where there is none. Total: damage gives
    `UNREADABLE`."""
    raw = (metadata or {}).get(METADATA_KEY)
    if raw is None:
        return None
    try:
        owner = raw["owner"]
        return Record(
            owner=None
            if owner is None
            else Owner(*(_text(owner[part]) for part in ("uid", "namespace", "name", "cluster"))),
            generation=int(raw.get("generation", 0)),
            indexes=frozenset(map(_text, raw.get("indexes", ()))),
            aliases=frozenset(map(_text, raw.get("aliases", ()))),
            embedding=tuple(
                sorted((_text(k), _text(v)) for k, v in raw.get("embedding", {}).items())
            ),
            tenancy=_text(raw.get("tenancy", DEDICATED)),
            source=_maybe(raw.get("source")),
            retired=_maybe(raw.get("retired")),
            held=_held(raw.get("held")),
            restore=_maybe(raw.get("restore")),
            left=_pair(raw.get("left")),
        )
    except (TypeError, KeyError, ValueError, AttributeError):
        return Record(owner=UNREADABLE)


def _maybe(value: object) -> str | None:
    return None if value is None else _text(value)


def _pair(value: Any) -> tuple[str, str] | None:
    if value is None:
        return None
    first, second = value
    return _text(first), _text(second)


def _held(value: Any) -> Settings | None:
    if value is None:
        return None
    return {tuple(map(_text, path)): _scalar(setting) for path, setting in value}


def _scalar(value: object) -> Value:
    if not isinstance(value, str | int | float | bool):
        raise TypeError(f"not a scalar: {value!r}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a string: {value!r}")
    return value
