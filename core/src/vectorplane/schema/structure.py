"""The first step: numbers as Go holds them, unknown fields, nulls, and defaults.

Every function takes JSON and gives new JSON; nothing is changed in place.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from typing import Any

from vectorplane.schema.fields import field_of
from vectorplane.schema.problems import child

_META = frozenset({"apiVersion", "kind", "metadata"})
_INT64 = range(-(2**63), 2**63)


def decoded(value: Any) -> Any:
    """JSON as kubectl sends it and the API server reads it: an integer is 64 bits wide or a float,
    a float without a fraction is an integer, and half of a surrogate pair is no character.
    """
    if isinstance(value, Mapping):
        return {decoded(key): decoded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [decoded(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value in _INT64 else _float(value)
    if isinstance(value, float) and value.is_integer() and int(value) in _INT64:
        return int(value)
    return value


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def unknown_fields(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """The places of fields that stand in no schema, in the API server's order."""
    return sorted(_unknown(value, schema, ""))


def _unknown(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not place and key in _META:
                continue
            if (node := field_of(schema, key)) is not None:
                yield from _unknown(inner, node, child(place, key))
            else:
                yield child(place, key)
    elif isinstance(value, list):
        # The API server looks for fields in a list of whatever the schema says of it.
        for index, inner in enumerate(value):
            yield from _unknown(inner, schema.get("items", {}), f"{place}[{index}]")


def completed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Without the nulls of fields that take none, and with the defaults of fields left out."""
    if isinstance(value, Mapping):
        whole = {k: v for k, v in value.items() if v is not None or field_of(schema, k) is None}
        for key, inner in schema.get("properties", {}).items():
            if "default" in inner and key not in whole:
                whole[key] = copy.deepcopy(inner["default"])
        return {k: completed(v, field_of(schema, k) or {}) for k, v in whole.items()}
    if isinstance(value, list):
        return [completed(inner, schema.get("items", {})) for inner in value]
    return value
