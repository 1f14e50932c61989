"""Fields of Kong's entities: their types, defaults and checks, and the words with which Kong
refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Check = Callable[[Any], str | None]
_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "string": ("a string", lambda v: isinstance(v, str)),
    "boolean": ("a boolean", lambda v: isinstance(v, bool)),
    "integer": ("an integer", lambda v: _number(v) and float(v).is_integer()),
    "number": ("a number", lambda v: _number(v)),
    "array": ("an array", lambda v: isinstance(v, list)),
    "set": ("a set", lambda v: isinstance(v, list)),
    "record": ("a record", lambda v: isinstance(v, dict)),
    "map": ("a map", lambda v: isinstance(v, dict)),
}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PROTOCOLS = ["grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp"]
METHODS = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
AUTO = object()
"""A default that the store makes: ids and times."""


@dataclass(frozen=True)
class Field:
    kind: str
    default: Any = None
    required: bool = False
    check: Check | None = None
    element: Field | None = None
    fields: Mapping[str, Field] = field(default_factory=dict)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_uuid(text: Any) -> bool:
    return isinstance(text, str) and bool(_UUID.fullmatch(text))


def filled(fields: Mapping[str, Field], given: Mapping[str, Any]) -> tuple[Json, Json]:
    """What is stored, with its defaults, and the errors by field."""
    stored: Json = {}
    errors: Json = {name: "unknown field" for name in given if name not in fields}
    for name, one in fields.items():
        if one.default is AUTO and given.get(name) is None:
            continue
        value = given[name] if name in given else one.default
        stored[name], error = value_of(one, value)
        if error is not None:
            errors[name] = error
    return stored, errors


def value_of(one: Field, value: Any) -> tuple[Any, Any]:
    if one.kind == "record" and value is None and not one.required:
        value = {}
    if value is None:
        return None, "required field missing" if one.required else None
    if one.kind == "foreign":
        if not isinstance(value, dict) or "id" not in value:
            return value, {"id": "missing primary key"}
        if not is_uuid(value["id"]):
            return value, {"id": "expected a valid UUID"}
        return {"id": value["id"]}, None
    if one.kind in ("set", "array") and value == {}:
        value = []  # Lua does not tell the two apart
    words, right = _TYPES[one.kind]
    if not right(value):
        return value, f"expected {words}"
    if one.kind == "record":
        value, errors = filled(one.fields, value)
        return value, errors or None
    if one.kind in ("set", "array") and one.element:
        errors = [value_of(one.element, member)[1] for member in value]
        if any(errors):
            while errors[-1] is None:
                errors.pop()
            return value, errors
        if one.kind == "set":
            value = list(dict.fromkeys(value))
    if one.kind == "string" and not value:
        return value, "length must be at least 1"
    return value, one.check(value) if one.check else None


def violation(errors: Json) -> Json:
    """Kong's answer to something that is not as its schema says."""
    said = [str(error) for error in errors.get("@entity", ())]
    said += _flat({name: error for name, error in errors.items() if name != "@entity"})
    count = "schema violation" if len(said) == 1 else f"{len(said)} schema violations"
    message = f"{count} ({'; '.join(said)})"
    return {"name": "schema violation", "code": 2, "message": message, "fields": errors}


def _flat(errors: Json) -> Iterator[str]:
    for name in sorted(errors):
        error = errors[name]
        if isinstance(error, list):
            error = {str(n): one for n, one in enumerate(error, 1) if one is not None}
        if isinstance(error, dict):
            yield from (f"{name}.{part}: {error[part]}" for part in sorted(error))
        else:
            yield f"{name}: {error}"


def one_of(*allowed: str) -> Check:
    return lambda v: None if v in allowed else f"expected one of: {', '.join(allowed)}"


def between(low: int, high: int) -> Check:
    return lambda v: None if low <= v <= high else f"value should be between {low} and {high}"


def positive(value: float) -> str | None:
    return None if value > 0 else "value must be greater than 0"


def host(value: str) -> str | None:
    if re.fullmatch(r"[\w.-]+:\d+", value):
        return "must not have a port"
    return None if re.fullmatch(r"[\w.-]+|\[[0-9a-f:]+\]", value) else f"invalid value: {value}"


def name(value: str) -> str | None:
    if re.fullmatch(r"[A-Za-z0-9.\-_~\u0080-\U0010ffff]+", value):
        return None
    return (
        f"invalid value '{value}': the only accepted ascii characters are alphanumerics or"
        " ., -, _, and ~"
    )


def tag(value: str) -> str | None:
    if re.fullmatch(r"[ !-+\-.0-~\u0080-\U0010ffff]+", value):
        return None
    return (
        f"invalid tag '{value}': expected printable ascii (except `,` and `/`) or valid utf-8"
        + (" sequences")
    )


def path(value: str) -> str | None:
    if not value.startswith("/"):
        return "should start with: /"
    if "//" in value:
        return "must not have empty segments"
    if not re.fullmatch(r"/[\w.\-~/%:@!$&'()*+,;=]*", value, re.ASCII):
        return (
            f"invalid path: '{value}' (characters outside of the reserved list of RFC 3986 found)"
        )
    return None


def route_path(value: str) -> str | None:
    if not value.startswith(("/", "~/")):
        return "should start with: / (fixed path) or ~/ (regex path)"
    if "//" in value:
        return "must not have empty segments"
    if value.startswith("~"):
        try:
            re.compile(regex(value))
        except re.error as error:
            return f"invalid regex: '{value[1:]}' (PCRE returned: {error})"
    return None


def regex(path: str) -> str:
    """A path of a route, as Python has it."""
    return path[1:].replace("(?<", "(?P<")


def matches(pattern: str) -> Check:
    return lambda v: None if re.fullmatch(pattern, v) else f"invalid value: {v}"


def header(value: str) -> str | None:
    if re.fullmatch(r"[A-Za-z0-9_-]+", value):
        return None
    return f"bad header name '{value}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"
