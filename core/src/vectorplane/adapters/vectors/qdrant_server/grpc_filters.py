"""The checked filter language as nested arguments of Qdrant's protobuf messages. Pure; imports no
protobuf.

A protobuf message is built from nested dictionaries in one call, which costs a fraction of building
each part.
"""

from __future__ import annotations

from typing import Any

from vectorplane.adapters.vectors.common.datetimes import read_time
from vectorplane.adapters.vectors.common.filters import CLAUSES
from vectorplane.ports.vectors import Json, PointId

_PLAIN = ("geo_radius", "geo_bounding_box", "values_count", "is_empty", "is_null")


def id_message(point_id: PointId) -> Json:
    return {"num": point_id} if isinstance(point_id, int) else {"uuid": point_id}


def filter_message(flt: Json) -> Json:
    message: Json = {
        clause: [_condition(c) for c in flt[clause]] for clause in CLAUSES if clause in flt
    }
    if least := flt.get("min_should"):
        message["min_should"] = {
            "conditions": [_condition(c) for c in least["conditions"]],
            "min_count": least["min_count"],
        }
    return message


def _condition(condition: Json) -> Json:
    if "key" in condition:
        return {"field": _field(condition)}
    if "is_empty" in condition:
        return dict(condition)
    if "has_id" in condition:
        return {"has_id": {"has_id": [id_message(i) for i in condition["has_id"]]}}
    if "has_vector" in condition:
        return {"has_vector": {"has_vector": condition["has_vector"]}}
    if "nested" in condition:
        nested = condition["nested"]
        return {"nested": {"key": nested["key"], "filter": filter_message(nested["filter"])}}
    return {"filter": filter_message(condition)}


def _field(condition: Json) -> Json:
    message: Json = {"key": condition["key"]}
    for word in _PLAIN:
        if word in condition:
            message[word] = condition[word]
    if match := condition.get("match"):
        message["match"] = _match(*next(iter(match.items())))
    if polygon := condition.get("geo_polygon"):
        message["geo_polygon"] = polygon
    if bounds := condition.get("range"):
        if isinstance(next(iter(bounds.values())), str):
            message["datetime_range"] = {k: _timestamp(v) for k, v in bounds.items()}
        else:
            message["range"] = bounds
    return message


def _match(word: str, value: Any) -> Json:
    if word == "value":
        if isinstance(value, bool):
            return {"boolean": value}
        return {"integer": value} if isinstance(value, int) else {"keyword": value}
    if word in ("any", "except"):
        prefix = "except_" if word == "except" else ""
        if value and isinstance(value[0], int):
            return {f"{prefix}integers": {"integers": value}}
        return {f"{prefix}keywords": {"strings": value}}
    return {word: value}


def _timestamp(text: str) -> Json:
    moment = read_time(text)
    assert moment is not None  # checked with the filter
    return {"seconds": int(moment.timestamp() // 1), "nanos": moment.microsecond * 1000}
