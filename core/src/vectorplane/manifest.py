"""Manifests without a cluster: read, completed and judged as the Kubernetes API server would.

`vectorplane apply` and local mode say the same words as `kubectl apply`, because both judge with
the schema of the CRD, generated from `spec.py`, and evaluate the same CEL rules. What differs:

- a namespace that is no Kubernetes name is refused for that; a server says that it is not there;
- `generateName` is refused as `kubectl apply` does it, for nothing could be applied a second time;
- a number within a billionth of an integer is no integer here;
- a key that stands twice in a mapping is refused, where kubectl takes the last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vectorplane.crd import KINDS, shared_schema
from vectorplane.errors import InvalidInput
from vectorplane.schema.lists import check_lists
from vectorplane.schema.meta import check_metadata, unknown_metadata, unreadable
from vectorplane.schema.problems import BAD_REQUEST, NOT_SENT, ROOT, UNKNOWN, Problem, unknown
from vectorplane.schema.rules import BLOCKING, NOT_CHECKED, check_rules, has_rules
from vectorplane.schema.structure import completed, decoded, unknown_fields
from vectorplane.schema.text import BadText, read_documents
from vectorplane.schema.values import check_value
from vectorplane.spec_base import API_VERSION, GROUP, VERSION

__all__ = [
    "BadManifest",
    "Document",
    "Problem",
    "defaulted",
    "describe_refusal",
    "load",
    "validate",
]

_TOO_DEEP = Problem(ROOT, "exceeded max depth", NOT_SENT)


class BadManifest(InvalidInput):
    """A text that is no manifest. `place` says the file, the document and the line."""

    reason = "BadManifest"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a manifest; `object` is any JSON."""

    object: Any
    file: str = ""
    index: int = 1
    line: int = 1

    @property
    def api_version(self) -> str:
        return self._text("apiVersion")

    @property
    def kind(self) -> str:
        return self._text("kind")

    @property
    def name(self) -> str:
        return self._meta("name")

    @property
    def namespace(self) -> str:
        """The namespace that the document names, or ""."""
        return self._meta("namespace")

    @property
    def ours(self) -> bool:
        """True for a kind of the group vectorplane.dev, known or not. Any other document is
        somebody else's: local mode leaves it out and says so.
        """
        return self.api_version.partition("/")[0] == GROUP

    @property
    def place(self) -> str:
        """Where it stands: `shop.yaml, document 2, line 14`."""
        file = f"{self.file}, " if self.file else ""
        return f"{file}document {self.index}, line {self.line}"

    def _text(self, key: str) -> str:
        value = self.object.get(key) if isinstance(self.object, Mapping) else None
        return value if isinstance(value, str) else ""

    def _meta(self, key: str) -> str:
        metadata = self.object.get("metadata") if isinstance(self.object, Mapping) else None
        value = metadata.get(key) if isinstance(metadata, Mapping) else None
        return value if isinstance(value, str) else ""


def load(source: str | Path, *, file: str = "") -> list[Document]:
    """The documents of a manifest, YAML or JSON: of a file (a `Path`) or of a text.

    `file` is the name of a text in messages. A `List` becomes its items. Raises `BadManifest`
    where the text is no YAML; a document that is no resource is told by `validate`.
    """
    if isinstance(source, Path):
        file = file or str(source)
        try:
            source = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problem = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
            raise BadManifest(f"cannot read {file}: {problem}", place=file) from error
    try:
        found = list(read_documents(source))
    except BadText as error:
        place = f"{file}, {error.place}" if file else error.place
        raise BadManifest(f"{place}: {error.problem}", place=place) from error
    documents = []
    for index, line, value in found:
        document = Document(value, file, index, line)
        if document.kind == "List" and isinstance(value.get("items"), list):
            documents += [Document(item, file, index, line) for item in value["items"]]
        else:
            documents.append(document)
    return documents


def validate(document: Document) -> list[Problem]:
    """What the API server would refuse, or nothing. Never raises, whatever the document is."""
    try:
        return list(_problems(document))
    except RecursionError:
        return [_TOO_DEEP]


def defaulted(document: Document) -> dict[str, Any]:
    """The resource as the API server would store it: its defaults filled in, nulls dropped, and
    without a status. For a document that `validate` takes.
    """
    whole: dict[str, Any] = completed(decoded(document.object), shared_schema(document.kind))
    whole.pop("status", None)
    return whole


def describe_refusal(document: Document, problems: Sequence[Problem]) -> str:
    """The problems as kubectl prints them."""
    words = list(dict.fromkeys(map(str, problems)))
    if any(p.reason == NOT_SENT for p in problems):
        file = f'error validating "{document.file}": ' if document.file else ""
        return f"error: {file}{', '.join(words)}"
    if any(p.reason in (BAD_REQUEST, UNKNOWN) for p in problems):
        text = ", ".join(words)
        if all(p.reason == UNKNOWN for p in problems):
            text = f"strict decoding error: {text}"
        file = f'error when creating "{document.file}": ' if document.file else ""
        handled = f'{document.kind} in version "{VERSION}" cannot be handled as a {document.kind}'
        return f"Error from server (BadRequest): {file}{handled}: {text}"
    head = f'The {document.kind} "{document.name}" is invalid: '
    if len(words) == 1:
        return head + words[0]
    return "\n".join([head, *(f"* {word}" for word in words)])


def _problems(document: Document) -> Iterator[Problem]:
    resource = decoded(document.object)
    odd = next(_no_json(resource), None)
    if odd is not None:
        yield Problem(ROOT, f"json: unsupported value: {odd}", NOT_SENT)
        return
    stranger = _stranger(document)
    if stranger:
        yield stranger
        return
    schema = shared_schema(document.kind)
    wrong = unreadable(resource.get("metadata"))
    if wrong:
        yield wrong
        return
    strange = unknown_metadata(resource.get("metadata")) + unknown_fields(resource, schema)
    if strange:
        yield from map(unknown, strange)
        return
    yield from _invalid(defaulted(document), schema, KINDS[document.kind].namespaced)


def _invalid(
    resource: Mapping[str, Any], schema: Mapping[str, Any], namespaced: bool
) -> Iterator[Problem]:
    problems = [
        *check_metadata(resource.get("metadata") or {}, namespaced=namespaced),
        *check_value(resource, schema),
        *check_lists(resource, schema),
    ]
    yield from problems
    if not any(p.reason in BLOCKING for p in problems):
        yield from check_rules(resource, schema)
    elif has_rules(schema):
        yield NOT_CHECKED


def _stranger(document: Document) -> Problem | None:
    """What is said of a document that is no resource of ours."""
    if not isinstance(document.object, Mapping):
        return Problem(ROOT, "a document must be an object with apiVersion and kind", NOT_SENT)
    missing = [f"{key} not set" for key in ("apiVersion", "kind") if not document._text(key)]
    if missing:
        return Problem(ROOT, f"[{', '.join(missing)}]", NOT_SENT)
    if document.api_version == API_VERSION and document.kind in KINDS:
        return None
    *others, last = KINDS
    takes = f"{', '.join(others)} and {last}"
    message = (
        f'no matches for kind "{document.kind}" in version "{document.api_version}"'
        f" (vectorplane takes {takes} in version {API_VERSION})"
    )
    return Problem("kind", message, NOT_SENT)


def _no_json(value: Any) -> Iterator[str]:
    """The numbers that JSON does not have."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _no_json(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _no_json(inner)
    elif isinstance(value, float) and not math.isfinite(value):
        yield str(value)
