"""VectorCollections as files: `resources/<namespace>/<name>.json`, each what a Kubernetes API would
hold (uid, generation, finalizers, spec, status) and where it came from.

The files are the interface between the processes: `vectorplane apply` and `vectorplane dev` change
them under one lock, and whoever holds the engine acts on them. So nothing is lost when one of the
two dies, there is no second protocol and no port to guard, and `apply` works the same whether a
`dev` runs or not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from vectorplane.domain.model import Key
from vectorplane.errors import Conflict, InvalidInput, Stalled
from vectorplane.ports.resources import Resource
from vectorplane.spec_base import API_VERSION
from vectorplane_service.local.data import DataFolder
from vectorplane_service.local.files import locked, remove, sweep, write_json

Document = dict[str, Any]
Verb = Literal["created", "configured", "unchanged"]
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class DamagedFile(Stalled):
    """A resource file that is not what we wrote: somebody must look at it."""

    reason = "DamagedFile"


@dataclass(frozen=True, slots=True)
class Source:
    """The file of a watched folder that a resource came from. A resource that a command made has
    none, and no folder removes it."""

    folder: str
    file: str


@dataclass(frozen=True, slots=True)
class Wish:
    """A VectorCollection as somebody wrote it: valid, with the defaults filled in."""

    key: Key
    spec: Mapping[str, Any]
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """What one file holds."""

    resource: Resource
    source: Source | None
    document: Document
    """The object as a Kubernetes API would give it."""


class ResourceFiles:
    """The files. Every change is a read, a decision and a write under the folder's lock."""

    def __init__(self, data: DataFolder) -> None:
        self._folder = data.resources
        self._lock = data.lock

    @property
    def folder(self) -> Path:
        return self._folder

    def tidy(self) -> None:
        """Remove what killed writers left."""
        with locked(self._lock):
            sweep(self._folder)

    def keys(self) -> list[Key]:
        """Every resource that has a file."""
        found = sorted(self._folder.glob("*/*.json"))
        return [key for path in found if (key := self.key_of(path)) is not None]

    def all(self) -> list[Resource]:
        """Every resource. Raises `DamagedFile`."""
        return [stored.resource for key in self.keys() if (stored := self.read(key)) is not None]

    def key_of(self, path: Path) -> Key | None:
        """The resource that a path belongs to; None for any other file."""
        name = path.name.removesuffix(".json")
        if path.parent.parent != self._folder or name == path.name:
            return None
        key = Key(path.parent.name, name)
        return key if _is_name(key) else None

    def read(self, key: Key) -> Stored | None:
        """What is stored, or None. Raises `DamagedFile`."""
        path = self._path(key)
        try:
            return _stored(key, json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedFile(f"{path} cannot be read ({error}): mend or remove it") from error

    def signature(self, key: Key) -> tuple[int, int, int] | None:
        """Another one whenever the file was written; None where there is none."""
        try:
            found = self._path(key).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def apply(self, wish: Wish, source: Source | None = None) -> tuple[Verb, Stored]:
        """Make a resource what somebody wrote. What is so already is not written again.

        Without a `source` the one that stands there is kept.
        """
        with locked(self._lock):
            before = self.read(wish.key)
            if before and before.resource.deleting:
                raise Conflict(f"{wish.key} is being deleted; apply it again when it is gone")
            document = _applied(before, wish, source)
            if before and document == _complete(before):
                return "unchanged", before
            write_json(self._path(wish.key), document)
            return ("configured" if before else "created"), _stored(wish.key, document)

    def delete(self, key: Key) -> Stored | None:
        """Ask for a resource to go: it does at once where nothing is to be done for it first."""

        def edit(document: Document) -> Document | None:
            document["metadata"].setdefault("deletionTimestamp", now())
            return document

        return self.change(key, None, edit)

    def change(
        self, key: Key, uid: str | None, edit: Callable[[Document], Document | None]
    ) -> Stored | None:
        """Change a document in place; nothing happens where it is gone or has another uid. What is
        being deleted and has no finalizer left goes."""
        with locked(self._lock):
            before = self.read(key)
            if before is None or (uid is not None and before.resource.uid != uid):
                return before
            document = edit(json.loads(json.dumps(_complete(before))))
            metadata = document["metadata"] if document else {}
            if document is None or (
                metadata.get("deletionTimestamp") and not metadata.get("finalizers")
            ):
                remove(self._path(key))
                return None
            if document != _complete(before):
                write_json(self._path(key), document)
            return _stored(key, document)

    def _path(self, key: Key) -> Path:
        if not _is_name(key):
            raise InvalidInput(f"{key} is no namespace and name of Kubernetes")
        return self._folder / key.namespace / f"{key.name}.json"


def now() -> str:
    """RFC 3339 in UTC. Microseconds, for "the oldest wins" must be able to tell."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _is_name(key: Key) -> bool:
    return all(_NAME.fullmatch(part) for part in (key.namespace, key.name))


def _applied(before: Stored | None, wish: Wish, source: Source | None) -> Document:
    if before is None:
        metadata: Document = {
            "namespace": wish.key.namespace,
            "name": wish.key.name,
            "uid": str(uuid4()),
            "generation": 1,
            "creationTimestamp": now(),
        }
        document: Document = {
            "apiVersion": API_VERSION,
            "kind": "VectorCollection",
            "metadata": metadata,
        }
    else:
        document = _complete(before)
        metadata = document["metadata"] = dict(document["metadata"])
        if document["spec"] != wish.spec:
            metadata["generation"] += 1
    for name, values in (("annotations", wish.annotations), ("labels", wish.labels)):
        metadata.pop(name, None)
        if values:
            metadata[name] = dict(values)
    document["spec"] = dict(wish.spec)
    if source:
        document["source"] = {"folder": source.folder, "file": source.file}
    return document


def _complete(stored: Stored) -> Document:
    """The document with its source, as it stands in the file."""
    if stored.source is None:
        return dict(stored.document)
    source = {"folder": stored.source.folder, "file": stored.source.file}
    return {**stored.document, "source": source}


def _stored(key: Key, document: Document) -> Stored:
    metadata = document["metadata"]
    if (metadata["namespace"], metadata["name"]) != (key.namespace, key.name):
        raise ValueError("it is another resource's")
    raw = document.get("source")
    resource = Resource(
        key=key,
        uid=str(metadata["uid"]),
        generation=int(metadata["generation"]),
        created=str(metadata["creationTimestamp"]),
        spec=dict(document["spec"]),
        status=dict(document.get("status") or {}),
        annotations=dict(metadata.get("annotations") or {}),
        finalizers=tuple(metadata.get("finalizers") or ()),
        deleting=bool(metadata.get("deletionTimestamp")),
    )
    source = Source(str(raw["folder"]), str(raw["file"])) if raw else None
    return Stored(resource, source, {k: v for k, v in document.items() if k != "source"})
