"""The fourth step: no key twice in a list that is a map, no value twice in one that is a set."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from vectorplane.schema.fields import field_of
from vectorplane.schema.problems import Problem, child, duplicate, go_json, invalid


def check_lists(value: Any, schema: Mapping[str, Any], place: str = "") -> Iterator[Problem]:
    """What stands twice, in a value and in all below it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if (node := field_of(schema, key)) is not None:
                yield from check_lists(inner, node, child(place, key))
    elif isinstance(value, list):
        match schema.get("x-kubernetes-list-type"):
            case "set":
                for index in _again(value):
                    yield duplicate(f"{place}[{index}]", value[index])
            case "map":
                yield from _map(value, schema["x-kubernetes-list-map-keys"], place)
        for index, inner in enumerate(value):
            yield from check_lists(inner, schema.get("items", {}), f"{place}[{index}]")


def _map(value: list[Any], keys: Sequence[str], place: str) -> Iterator[Problem]:
    for index, inner in enumerate(value):
        if inner is not None and not isinstance(inner, Mapping):
            detail = "must be an object for an array of list-type map"
            yield invalid(f"{place}[{index}]", inner, detail)
            return
    named = [{k: inner[k] for k in keys if k in inner} if inner else {} for inner in value]
    for index in _again(named):
        yield duplicate(f"{place}[{index}]", named[index])


def _again(values: Sequence[Any]) -> list[int]:
    """Where a value stands for the second time; the third and later times are not told."""
    seen: dict[Hashable, int] = {}
    again = []
    for index, value in enumerate(values):
        identity = (type(value).__name__, go_json(value))
        seen[identity] = seen.get(identity, 0) + 1
        if seen[identity] == 2:
            again.append(index)
    return again
