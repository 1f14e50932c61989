"""Changes of one payload, and the values that an index has of it, as Qdrant makes them."""

from __future__ import annotations

import copy
from typing import Any

from vectorplane.adapters.vectors.common.changes import Change
from vectorplane.adapters.vectors.common.ids import check_id
from vectorplane.adapters.vectors.common.jsonpath import WILDCARD, Step, elements_at, parse
from vectorplane.domain.model import Value
from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import Json, PayloadChange


def changed(payload: Json, change: Change) -> None:
    """Change a payload in place."""
    match change.kind:
        case PayloadChange.SET if change.path is not None:
            _set(payload, parse(change.path) or (), change.payload)
        case PayloadChange.SET:
            _merge(payload, change.payload)
        case PayloadChange.DELETE:
            for path in change.fields:
                _remove(payload, parse(path) or ())
        case _:
            payload.clear()
            payload.update(copy.deepcopy(change.payload))


def indexed_at(payload: Json, path: str, kind: str) -> set[Value]:
    """The values that an index of this type has of a payload: of an array each."""
    items = elements_at(payload, path)
    if kind == "Uuid":
        return {uuid for item in items if (uuid := _uuid(item)) is not None}
    wanted: Any = {"Keyword": str, "Integer": int, "Bool": bool}[kind]
    return {item for item in items if type(item) is wanted}


def _uuid(raw: Any) -> str | None:
    if not isinstance(raw, str):
        return None
    try:
        return str(check_id(raw, ""))
    except InvalidInput:
        return None


def _merge(into: Json, payload: Json) -> None:
    """Null removes a field."""
    for key, value in payload.items():
        if value is None:
            into.pop(key, None)
        else:
            into[key] = copy.deepcopy(value)


def _set(into: Any, steps: tuple[Step, ...], payload: Json) -> Any:
    """Merge at a path, and make the path where something else is in its way. Gives what is to
    stand there."""
    if not steps:
        into = into if isinstance(into, dict) else {}
        _merge(into, payload)
        return into
    head, tail = steps[0], steps[1:]
    if isinstance(head, str):
        into = into if isinstance(into, dict) else {}
        into[head] = _set(into.get(head), tail, payload)
        return into
    if not isinstance(into, list):
        return []
    for i in range(len(into)) if head == WILDCARD else [head] if head < len(into) else []:
        into[i] = _set(into[i], tail, payload)
    return into


def _remove(value: Any, steps: tuple[Step, ...]) -> None:
    head, tail = steps[0], steps[1:]
    if isinstance(value, dict) and isinstance(head, str):
        if not tail:
            value.pop(head, None)
        elif head in value:
            _remove(value[head], tail)
    elif isinstance(value, list) and isinstance(head, int):
        if not tail:
            if head == WILDCARD:
                value.clear()  # a single element is never removed: twice, it would be another one
            return
        for item in value if head == WILDCARD else value[head : head + 1]:
            _remove(item, tail)
