"""The embedded engine's catalogue: what collections and aliases there are. A value, read and
written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vectorplane.domain.model import Collection, Index, Param, Settings
from vectorplane.domain.record import from_metadata
from vectorplane.errors import StoreRejected

FILE = "catalogue.json"
VERSION = 1
SHARDS = "shards"


@dataclass(frozen=True, slots=True)
class Entry:
    """One collection. `shard` is a folder's name below `shards`."""

    shard: str
    settings: Settings
    metadata: Mapping[str, Any] = field(default_factory=dict)
    indexes: Mapping[str, Index] = field(default_factory=dict)

    def collection(
        self, name: str, points: int = 0, indexed: int = 0, state: str = "green"
    ) -> Collection:
        return Collection(
            name=name,
            settings=dict(self.settings),
            indexes=dict(self.indexes),
            record=from_metadata(self.metadata),
            points=points,
            indexed_vectors=indexed,
            state=state,
        )


@dataclass(frozen=True, slots=True)
class EmbeddedCatalogue:
    collections: Mapping[str, Entry] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> EmbeddedCatalogue:
        """The catalogue of an engine's folder; empty where there is none yet. Needs no lock."""
        try:
            raw = json.loads((path / FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as error:
            raise StoreRejected(f"{path / FILE} cannot be read: {error}") from error
        try:
            if raw["version"] != VERSION:
                raise StoreRejected(
                    f"{path} was written by another vectorplane (format {raw['version']}, "
                    f"this one reads {VERSION})"
                )
            return cls(
                {name: _entry(entry) for name, entry in raw["collections"].items()},
                dict(raw["aliases"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreRejected(f"{path / FILE} is damaged: {error!r}") from error

    def write(self, path: Path) -> None:
        """Replace the file: whole or not at all, and on disk when this returns."""
        text = json.dumps(
            {
                "version": VERSION,
                "collections": {n: _raw(e) for n, e in sorted(self.collections.items())},
                "aliases": dict(sorted(self.aliases.items())),
            },
            indent=1,
        )
        temporary = path / f"{FILE}.new"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path / FILE)
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def having(self, name: str, entry: Entry) -> EmbeddedCatalogue:
        return replace(self, collections={**self.collections, name: entry})

    def without(self, name: str) -> EmbeddedCatalogue:
        """Without a collection and its aliases."""
        return EmbeddedCatalogue(
            {n: e for n, e in self.collections.items() if n != name},
            {a: c for a, c in self.aliases.items() if c != name},
        )


def _raw(entry: Entry) -> dict[str, Any]:
    return {
        "shard": entry.shard,
        "settings": [[list(path), value] for path, value in sorted(entry.settings.items())],
        "metadata": entry.metadata,
        "indexes": [
            {"field": i.field, "type": i.type, "params": dict(i.params)}
            for _, i in sorted(entry.indexes.items())
        ],
    }


def _entry(raw: Mapping[str, Any]) -> Entry:
    indexes = [Index(i["field"], i["type"], _params(i["params"])) for i in raw["indexes"]]
    return Entry(
        shard=raw["shard"],
        settings={tuple(path): value for path, value in raw["settings"]},
        metadata=raw["metadata"],
        indexes={i.field: i for i in indexes},
    )


def _params(raw: Mapping[str, Any]) -> tuple[tuple[str, Param], ...]:
    return tuple(
        (name, tuple(value) if isinstance(value, list) else value)
        for name, value in sorted(raw.items())
    )
