"""The fields of an object: those that have names of their own, and those of a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def field_of(schema: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """The schema of one field, or None where the object has no such field."""
    found: Mapping[str, Any] | None = schema.get("properties", {}).get(key)
    return schema.get("additionalProperties") if found is None else found
