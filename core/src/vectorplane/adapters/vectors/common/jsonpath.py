"""Qdrant's paths into a payload: `a.b[].c[0]."quoted key"`. Parsed to check them; walked by the
memory engine."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from vectorplane.errors import InvalidInput

WILDCARD = -1
"""Stands for `[]`: every element."""

Step = str | int
_KEY = r'(?:[\w-]+|"[^"\\]*")'
_PATH = re.compile(rf"{_KEY}(?:\.{_KEY}|\[\d*\])*")
_STEP = re.compile(r'"([^"\\]*)"|([\w-]+)|\[(\d*)\]')


@lru_cache(maxsize=1024)
def parse(path: str) -> tuple[Step, ...] | None:
    """The steps of a path, or None where it is none."""
    if not _PATH.fullmatch(path):
        return None
    steps: list[Step] = []
    for match in _STEP.finditer(path):
        quoted, plain, index = match.groups()
        if index is not None:
            steps.append(int(index) if index else WILDCARD)
        else:
            steps.append(plain if quoted is None else quoted)
    return tuple(steps)


def check_path(raw: object, place: str) -> str:
    """A payload path as it was given. Raises `InvalidInput`."""
    if isinstance(raw, str) and parse(raw) is not None:
        return raw
    raise InvalidInput(
        "a payload field is a path like `price`, `shop.name` or `tags[].id`", place=place
    )


def values_at(payload: Any, steps: tuple[Step, ...]) -> list[Any]:
    """All values that a path reaches. As in Qdrant, a path that ends at an array gives the array
    as one value."""
    if not steps:
        return [payload]
    head, tail = steps[0], steps[1:]
    if isinstance(head, str):
        return (
            values_at(payload[head], tail) if isinstance(payload, dict) and head in payload else []
        )
    if not isinstance(payload, list):
        return []
    if head == WILDCARD:
        return [value for item in payload for value in values_at(item, tail)]
    return values_at(payload[head], tail) if head < len(payload) else []


def elements_at(payload: Any, path: str) -> list[Any]:
    """What a path reaches as an index has it: of an array each element."""
    return [
        element
        for value in values_at(payload, parse(path) or ())
        for element in (value if isinstance(value, list) else [value])
    ]


def select(payload: dict[str, Any], patterns: list[tuple[Step, ...]]) -> dict[str, Any]:
    """The part of a payload that the patterns name, in its own nesting (Qdrant's include
    selector)."""
    return {
        key: _select(value, (key,), patterns)
        for key, value in payload.items()
        if _included((key,), patterns)
    }


def _select(value: Any, path: tuple[Step, ...], patterns: list[tuple[Step, ...]]) -> Any:
    if isinstance(value, dict):
        return {
            key: _select(inner, (*path, key), patterns)
            for key, inner in value.items()
            if _included((*path, key), patterns)
        }
    if isinstance(value, list):
        inside = (*path, WILDCARD)
        return [_select(item, inside, patterns) for item in value if _included(inside, patterns)]
    return value


def _included(path: tuple[Step, ...], patterns: list[tuple[Step, ...]]) -> bool:
    return any(all(a == b for a, b in zip(path, pattern, strict=False)) for pattern in patterns)
