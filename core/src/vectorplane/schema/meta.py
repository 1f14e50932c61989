"""The second step: metadata, which each kind of resource has alike (apimachinery's validation)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from vectorplane.schema.problems import (
    BAD_REQUEST,
    NOT_SENT,
    Problem,
    go_json,
    invalid,
    required,
    too_long,
)

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_CHARS = "alphanumeric characters, '-', '_' or '.'"
_ENDS = "must start and end with an alphanumeric character"
_ANNOTATIONS_LIMIT = 256 * 1024

# The types of Go's metav1.ObjectMeta, as far as JSON shows them.
_OWNER: dict[str, Any] = {
    "apiVersion": "string",
    "blockOwnerDeletion": "bool",
    "controller": "bool",
    "kind": "string",
    "name": "string",
    "uid": "types.UID",
}
_MANAGED: dict[str, Any] = {
    "apiVersion": "string",
    "fieldsType": "string",
    "fieldsV1": "any",
    "manager": "string",
    "operation": "v1.ManagedFieldsOperationType",
    "subresource": "string",
    "time": "time",
}
_FIELDS: dict[str, Any] = {
    "annotations": "map[string]string",
    "creationTimestamp": "time",
    "deletionGracePeriodSeconds": "int64",
    "deletionTimestamp": "time",
    "finalizers": "[]string",
    "generateName": "string",
    "generation": "int64",
    "labels": "map[string]string",
    "managedFields": ("[]v1.ManagedFieldsEntry", _MANAGED),
    "name": "string",
    "namespace": "string",
    "ownerReferences": ("[]v1.OwnerReference", _OWNER),
    "resourceVersion": "string",
    "selfLink": "string",
    "uid": "types.UID",
}
_TIMES = ("metadata.creationTimestamp", "metadata.deletionTimestamp", "].time")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)


def unreadable(metadata: Any) -> Problem | None:
    """What keeps metadata from being read at all: the first wrong type, or no name to apply."""
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        return _unreadable("metadata", metadata, "value", "v1.ObjectMeta")
    found = list(_wrong_types(metadata, _FIELDS, "ObjectMeta", "metadata"))
    # Go stops at a time that it cannot read, and goes on after any other wrong type.
    found.sort(key=lambda problem: not problem.place.endswith(_TIMES))
    wrong = found[0] if found else None
    if not wrong and metadata.get("generateName") and not metadata.get("name"):
        # The API server would make a name; kubectl refuses what it could not apply a second time.
        detail = f"from {metadata['generateName']}: cannot use generate name with apply"
        return Problem("metadata.generateName", detail, NOT_SENT)
    return wrong


def unknown_metadata(metadata: Any) -> list[str]:
    """The places of fields that metadata does not have. It can be read."""
    return list(_unknown(metadata or {}, _FIELDS, "metadata"))


def check_metadata(metadata: Mapping[str, Any], *, namespaced: bool) -> Iterator[Problem]:
    """What is wrong with metadata that can be read."""
    name = metadata.get("name") or ""
    if not name:
        yield required("metadata.name", "name or generateName is required")
    for message in _subdomain(name) if name else ():
        yield invalid("metadata.name", name, message)
    namespace = metadata.get("namespace") or ""
    if namespaced and namespace:
        for message in _label(namespace):
            yield invalid("metadata.namespace", namespace, message)
    for key, value in (metadata.get("labels") or {}).items():
        for message in _qualified(key):
            yield invalid("metadata.labels", key, message)
        for message in _label_value(value or ""):
            yield invalid("metadata.labels", value, message)
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        for message in _qualified(key.lower()):
            yield invalid("metadata.annotations", key, message)
    if sum(_size(k) + _size(v or "") for k, v in annotations.items()) > _ANNOTATIONS_LIMIT:
        yield too_long("metadata.annotations", _ANNOTATIONS_LIMIT)
    owners = metadata.get("ownerReferences") or ()
    yield from dict.fromkeys(problem for owner in owners for problem in _owner(owner or {}))
    for finalizer in metadata.get("finalizers") or ():
        for message in _qualified(finalizer or ""):
            yield invalid("metadata.finalizers", finalizer or "", message)


def _owner(owner: Mapping[str, Any]) -> Iterator[Problem]:
    for field in ("apiVersion", "kind", "name", "uid"):
        if not owner.get(field):
            what = "version must not be empty" if field == "apiVersion" else "must not be empty"
            yield invalid(f"metadata.ownerReferences.{field}", "", what)


def _wrong_types(
    value: Mapping[str, Any], fields: Mapping[str, Any], struct: str, place: str
) -> Iterator[Problem]:
    for key in sorted(value):
        if key not in fields or value[key] is None:
            continue
        inner, kind, where = value[key], fields[key], f"{place}.{key}"
        target = f"struct field {struct}.{key}"
        if isinstance(kind, tuple):
            listed, entries = kind
            name = listed.removeprefix("[]")
            if not isinstance(inner, list):
                yield _unreadable(where, inner, target, listed)
                continue
            for index, entry in enumerate(inner):
                if isinstance(entry, Mapping):
                    deeper = f"{name.removeprefix('v1.')}.{key}"
                    yield from _wrong_types(entry, entries, deeper, f"{where}[{index}]")
                elif entry is not None:
                    yield _unreadable(f"{where}[{index}]", entry, target, name)
        elif kind == "map[string]string" and isinstance(inner, Mapping):
            for word in sorted(inner):
                if inner[word] is not None and not isinstance(inner[word], str):
                    yield _unreadable(f"{where}.{word}", inner[word], target, "string")
        elif kind == "[]string" and isinstance(inner, list):
            for index, word in enumerate(inner):
                if word is not None and not isinstance(word, str):
                    yield _unreadable(f"{where}[{index}]", word, target, "string")
        elif kind == "time":
            if not isinstance(inner, str):
                yield _unreadable(where, inner, target, "string")
            elif not _TIME.match(inner):
                yield Problem(where, f'parsing time "{inner}": it is no RFC 3339', BAD_REQUEST)
        elif not _is(inner, kind):
            yield _unreadable(where, inner, target, kind)


def _is(value: Any, kind: str) -> bool:
    if kind == "any":
        return True
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "int64":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str) and kind not in ("[]string", "map[string]string")


def _unreadable(place: str, value: Any, target: str, kind: str) -> Problem:
    found = "object"
    if isinstance(value, bool):
        found = "bool"
    elif isinstance(value, int | float):
        found = f"number {go_json(value)}" if kind == "int64" else "number"
    elif isinstance(value, str):
        found = "string"
    elif isinstance(value, list):
        found = "array"
    return Problem(
        place, f"json: cannot unmarshal {found} into Go {target} of type {kind}", BAD_REQUEST
    )


def _unknown(value: Mapping[str, Any], fields: Mapping[str, Any], place: str) -> Iterator[str]:
    for key in sorted(value):
        if key not in fields:
            yield f"{place}.{key}"
        elif isinstance(fields[key], tuple):
            for index, entry in enumerate(value[key] or ()):
                yield from _unknown(entry or {}, fields[key][1], f"{place}.{key}[{index}]")


def _subdomain(value: str) -> Iterator[str]:
    if _size(value) > 253:
        yield _longest(253)
    if not _is_all(_SUBDOMAIN, value):
        yield (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters,"
            f" '-' or '.', and {_ENDS}{_example(_SUBDOMAIN, 'example.com')}"
        )


def _label(value: str) -> Iterator[str]:
    if _size(value) > 63:
        yield _longest(63)
    if _is_all(_LABEL, value):
        return
    if _is_all(_SUBDOMAIN, value):
        yield "must not contain dots"
        return
    yield (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
        f" and {_ENDS}{_example(_LABEL, 'my-name', '123-abc')}"
    )


def _label_value(value: str) -> Iterator[str]:
    if _size(value) > 63:
        yield _longest(63)
    if not _is_all(_LABEL_VALUE, value):
        yield (
            f"a valid label must be an empty string or consist of {_CHARS},"
            f" and {_ENDS}{_example(_LABEL_VALUE, 'MyValue', 'my_value', '12345')}"
        )


def _qualified(value: str) -> Iterator[str]:
    example = _example(_QUALIFIED, "MyName", "my.name", "123-abc")
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        yield (
            f"a qualified name must consist of {_CHARS}, and {_ENDS}{example}"
            " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )
        return
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif prefix:
        yield from (f"prefix part {message}" for message in _subdomain(prefix))
    if not name:
        yield "name part must be non-empty"
    elif _size(name) > 63:
        yield f"name part {_longest(63)}"
    if not _is_all(_QUALIFIED, name):
        yield f"name part must consist of {_CHARS}, and {_ENDS}{example}"


def _example(pattern: str, *examples: str) -> str:
    # Two blanks before "or": the API server's own.
    shown = " or ".join(f"'{example}', " for example in examples)
    return f" (e.g. {shown}regex used for validation is '{pattern}')"


def _longest(limit: int) -> str:
    return f"must be no more than {limit} characters"


def _is_all(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value, re.ASCII) is not None


def _size(value: str) -> int:
    return len(value.encode())
