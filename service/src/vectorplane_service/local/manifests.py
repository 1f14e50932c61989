"""Manifests as local mode takes them: VectorCollections become wishes, VectorStores are accepted
(the embedded engine stands in for every store), and what is of other kinds is left out and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vectorplane.domain.model import Key
from vectorplane.errors import InvalidInput
from vectorplane.manifest import (
    BadManifest,
    Document,
    defaulted,
    describe_refusal,
    load,
    validate,
)
from vectorplane_service.local.records import Wish

STAND_IN = "VectorStores: in local mode the embedded engine stands in for every store"
KEYS_HERE = "VectorAccesses: in local mode keys are made through /api/v1/keys"
_SUFFIXES = (".yaml", ".yml", ".json")
_SILENT = frozenset({("v1", "Namespace")})
"""Needs no making here."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What manifests say; with a `problem`, nothing of it counts."""

    wishes: tuple[Wish, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know, and need not act on."""
    problem: str | None = None


def manifest_files(folder: Path) -> list[Path]:
    """The manifests of a folder, in the order of their names; not those of folders in it."""
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return []
    return [p for p in found if p.suffix in _SUFFIXES and p.name[0] != "." and p.is_file()]


def read_file(path: Path) -> Reading:
    """One file of a watched folder. A document that is no resource at all is left out: such a
    folder may hold anything."""
    try:
        documents = load(path, file=path.name)
    except BadManifest as error:
        return Reading(problem=error.message.removeprefix(f"{path.name}, "))
    foreign = [d for d in documents if not (d.api_version or d.kind)]
    notes = [f"{d.place}: no manifest, left out" for d in foreign]
    reading = read_documents([d for d in documents if d not in foreign])
    return Reading(reading.wishes, (*notes, *reading.notes), reading.problem)


def read_all(paths: Iterable[Path]) -> Reading:
    """The manifests that a command was given. Raises `InvalidInput` with every refusal."""
    documents: list[Document] = []
    for path in paths:
        files = manifest_files(path) if path.is_dir() else [path]
        if not files:
            raise InvalidInput(f"there is no manifest in {path}")
        for file in files:
            documents += load(file)
    reading = read_documents(documents)
    if reading.problem:
        raise InvalidInput(reading.problem)
    return reading


def read_documents(documents: Sequence[Document]) -> Reading:
    """The wishes among documents, or all that is wrong with them."""
    wishes: dict[Key, Wish] = {}
    notes: dict[str, None] = {}
    refusals: list[str] = []
    for document in documents:
        if document.api_version and document.kind and not document.ours:
            if (document.api_version, document.kind) not in _SILENT:
                notes[f"{document.kind} {document.name}: left out, local mode has none"] = None
            continue
        problems = validate(document)
        if problems:
            refusals.append(f"{describe_refusal(document, problems)} ({document.place})")
        elif document.kind == "VectorStore":
            notes[STAND_IN] = None
        elif document.kind == "VectorAccess":
            notes[KEYS_HERE] = None
        else:
            wish = _wish(document)
            if wish.key in wishes:
                refusals.append(f"{wish.key} stands there twice ({document.place})")
            wishes[wish.key] = wish
    if refusals:
        return Reading(problem="\n".join(refusals))
    return Reading(tuple(wishes.values()), tuple(notes))


def _wish(document: Document) -> Wish:
    resource = defaulted(document)
    metadata = resource["metadata"]
    return Wish(
        Key(metadata.get("namespace") or "default", metadata["name"]),
        resource["spec"],
        metadata.get("annotations") or {},
        metadata.get("labels") or {},
    )
