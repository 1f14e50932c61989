"""The checked filter language as the engine's own objects."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from vectorplane.adapters.vectors.common.filters import CLAUSES
from vectorplane.ports.vectors import Json

_MATCH = {
    "value": edge.MatchValue,
    "text": edge.MatchText,
    "text_any": edge.MatchTextAny,
    "phrase": edge.MatchPhrase,
    "any": edge.MatchAny,
    "except": edge.MatchExcept,
}


class bool_:
    """A boolean that the library does not take for an integer.

    It tries an integer first, and Python's `True` is one, so `MatchValue(True)` would look for 1.
    It does know numpy's booleans, by the name of their type; this is one without numpy.
    """

    def __init__(self, truth: bool) -> None:
        self._truth = truth

    def __bool__(self) -> bool:
        return self._truth


bool_.__module__ = "numpy"
_TRUTH: dict[bool, Any] = {True: bool_(True), False: bool_(False)}


def edge_filter(flt: Json) -> edge.Filter:
    clauses: Json = {c: [_condition(x) for x in flt[c]] for c in CLAUSES if c in flt}
    if least := flt.get("min_should"):
        conditions = [_condition(x) for x in least["conditions"]]
        clauses["min_should"] = edge.MinShould(conditions, least["min_count"])
    return edge.Filter(**clauses)


def _condition(condition: Json) -> Any:
    if "key" in condition:
        return _field(condition)
    if "is_empty" in condition:
        return edge.IsEmptyCondition(condition["is_empty"]["key"])
    if "has_id" in condition:
        return edge.HasIdCondition(set(condition["has_id"]))
    if "has_vector" in condition:
        return edge.HasVectorCondition(condition["has_vector"])
    if "nested" in condition:
        nested = condition["nested"]
        return edge.NestedCondition(nested["key"], edge_filter(nested["filter"]))
    return edge_filter(condition)


def _field(condition: Json) -> edge.FieldCondition:
    word = next(w for w in condition if w != "key")
    return edge.FieldCondition(condition["key"], **{word: _value(word, condition[word])})


def _value(word: str, value: Any) -> Any:
    match word:
        case "match":
            kind, wanted = next(iter(value.items()))
            return _MATCH[kind](_TRUTH[wanted] if isinstance(wanted, bool) else wanted)
        case "range":
            times = isinstance(next(iter(value.values())), str)
            return edge.RangeDateTime(**value) if times else edge.RangeFloat(**value)
        case "values_count":
            return edge.ValuesCount(**value)
        case "geo_radius":
            return edge.GeoRadius(_geo(value["center"]), value["radius"])
        case "geo_bounding_box":
            return edge.GeoBoundingBox(_geo(value["top_left"]), _geo(value["bottom_right"]))
        case "geo_polygon":
            rings = [_ring(ring) for ring in value.get("interiors", ())]
            return edge.GeoPolygon(_ring(value["exterior"]), rings or None)
        case _:
            return value


def _geo(point: Json) -> edge.GeoPoint:
    return edge.GeoPoint(point["lon"], point["lat"])


def _ring(ring: Json) -> list[edge.GeoPoint]:
    return [_geo(point) for point in ring["points"]]


def payload_selector(wanted: bool | list[str]) -> Any:
    return wanted if isinstance(wanted, bool) else edge.PayloadSelector.Include(wanted)
