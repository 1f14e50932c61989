"""The third step: types, bounds, enums, patterns and required fields (kube-openapi's validator)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from vectorplane.schema.problems import (
    Problem,
    child,
    go_number,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
    type_invalid,
)


def check_value(value: Any, schema: Mapping[str, Any], place: str = "") -> Iterator[Problem]:
    """What is wrong with a value, and with all below it."""
    expected, found = schema["type"], type_of(value)
    if found != expected and not (found == "integer" and expected == "number"):
        yield type_invalid(place, expected, found)
    # A value of the wrong type is looked at all the same, as what it is.
    if isinstance(value, str):
        yield from _string(value, schema, place)
    elif found in ("integer", "number"):
        yield from _number(value, schema, place)
    elif isinstance(value, list):
        yield from _list(value, schema, place)
    if "enum" in schema and value not in schema["enum"]:
        yield not_supported(place, value, schema["enum"])
    if isinstance(value, Mapping):
        yield from _object(value, schema, place)


def type_of(value: Any) -> str:
    """The name of a JSON type."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _string(value: str, schema: Mapping[str, Any], place: str) -> Iterator[Problem]:
    if len(value) > schema.get("maxLength", len(value)):
        yield too_long(place, schema["maxLength"])
    elif len(value) < schema.get("minLength", 0):
        detail = f"{place} in body should be at least {schema['minLength']} chars long"
        yield invalid(place, value, detail)
    elif "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield invalid(place, value, f"{place} in body should match '{schema['pattern']}'")


def _number(value: float, schema: Mapping[str, Any], place: str) -> Iterator[Problem]:
    # A bound becomes an integer where the value is one: quantile 0 is not below 0.5. The rules in
    # spec.py see to such a bound.
    kind = int if isinstance(value, int) else float
    if "minimum" in schema and value < (limit := kind(schema["minimum"])):
        detail = f"{place} in body should be greater than or equal to {go_number(limit)}"
        yield invalid(place, value, detail)
    if "maximum" in schema and value > (limit := kind(schema["maximum"])):
        detail = f"{place} in body should be less than or equal to {go_number(limit)}"
        yield invalid(place, value, detail)


def _list(value: list[Any], schema: Mapping[str, Any], place: str) -> Iterator[Problem]:
    if "items" in schema:
        for index, inner in enumerate(value):
            yield from check_value(inner, schema["items"], f"{place}[{index}]")
    if len(value) > schema.get("maxItems", len(value)):
        yield too_many(place, len(value), schema["maxItems"])


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], place: str) -> Iterator[Problem]:
    for key, inner in schema.get("properties", {}).items():
        if key in value:
            yield from check_value(value[key], inner, child(place, key))
    if "additionalProperties" in schema:
        for key, inner in value.items():
            yield from check_value(inner, schema["additionalProperties"], child(place, key))
    if len(value) > schema.get("maxProperties", len(value)):
        yield too_many(place, len(value), schema["maxProperties"])
    for key in schema.get("required", ()):
        if key not in value:
            yield required(child(place, key))


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    r"""A pattern as Go means it: `$` is the end of the text, and classes are ASCII."""
    return re.compile(re.sub(r"\$$", r"\\Z", pattern), re.ASCII)
