"""One strict reading of Qdrant's filter language, for every engine.

Qdrant itself is lenient in places and says of a mistake only that "some form of condition" was
expected. Here a mistake has a place (`filter.must[0].match`), an unknown word is a mistake, and
what comes out has one form: clauses are lists and never empty, ids are canonical. So engines need
no checks of their own and agree on the corner cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from vectorplane.adapters.vectors.common.datetimes import read_time
from vectorplane.adapters.vectors.common.ids import check_ids, shown
from vectorplane.adapters.vectors.common.jsonpath import check_path
from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import Json

MAX_DEPTH = 24
CLAUSES = ("must", "should", "must_not")
_BOUNDS = ("gte", "gt", "lte", "lt")
_INT64 = range(-(2**63), 2**63)


def check_filter(raw: object, place: str = "filter") -> Json | None:
    """The filter in its one form; None where it filters nothing. Raises `InvalidInput`."""
    if raw is None:
        return None
    return _filter(raw, place, 0, nested=False) or None


def _filter(raw: object, place: str, depth: int, *, nested: bool) -> Json:
    if depth > MAX_DEPTH:
        raise InvalidInput(f"a filter nests at most {MAX_DEPTH} deep", place=place)
    source = _object(raw, place, (*CLAUSES, "min_should"))
    checked: Json = {}
    for clause in CLAUSES:
        conditions = source.get(clause)
        if conditions is None:
            continue
        where = f"{place}.{clause}"
        if isinstance(conditions, dict):
            checked[clause] = [_condition(conditions, where, depth, nested=nested)]
        elif listed := _list(conditions, where):
            checked[clause] = [
                _condition(c, f"{where}[{i}]", depth, nested=nested) for i, c in enumerate(listed)
            ]
    if (raw_min := source.get("min_should")) is not None:
        where = f"{place}.min_should"
        min_should = _object(raw_min, where, ("conditions", "min_count"))
        conditions = _list(min_should.get("conditions"), f"{where}.conditions")
        if not conditions:
            raise InvalidInput("needs at least one condition", place=f"{where}.conditions")
        checked["min_should"] = {
            "conditions": [
                _condition(c, f"{where}.conditions[{i}]", depth, nested=nested)
                for i, c in enumerate(conditions)
            ],
            "min_count": _count(min_should.get("min_count"), f"{where}.min_count", least=1),
        }
    return checked


def _condition(raw: object, place: str, depth: int, *, nested: bool) -> Json:
    if not isinstance(raw, dict):
        raise InvalidInput(f"a condition is an object, not {shown(raw)}", place=place)
    if "key" in raw:
        return _field(raw, place)
    for word, check in _CONDITIONS.items():
        if word in raw:
            _object(raw, place, (word,))
            if nested and word in ("has_id", "has_vector"):
                raise InvalidInput("belongs to the point, not to a nested object", place=place)
            checked = check(raw[word], f"{place}.{word}")
            if word == "is_null":
                # The other spelling also sees a null in a list; this one does so on some engines
                # and only with an index on others.
                return {"key": checked["key"], "is_null": True}
            return {word: checked}
    if "nested" in raw:
        inner = _object(
            _object(raw, place, ("nested",))["nested"], f"{place}.nested", ("key", "filter")
        )
        return {
            "nested": {
                "key": check_path(inner.get("key"), f"{place}.nested.key"),
                "filter": _filter(
                    inner.get("filter"), f"{place}.nested.filter", depth + 1, nested=True
                ),
            }
        }
    if raw and set(raw) <= {*CLAUSES, "min_should"}:
        return _filter(raw, place, depth + 1, nested=nested)
    raise InvalidInput(
        f"a condition has a `key` and one of {', '.join(_FIELD)}; or it is one of "
        f"{', '.join(_CONDITIONS)}, nested; or it is a filter",
        place=place,
    )


def _field(raw: dict[str, Any], place: str) -> Json:
    _object(raw, place, ("key", *_FIELD))
    given = [word for word in _FIELD if raw.get(word) is not None]
    key = check_path(raw["key"], f"{place}.key")
    if len(given) != 1:
        # Qdrant takes several and means "or" without an index, and one of them with one.
        raise InvalidInput(f"one of {', '.join(_FIELD)}, and one only", place=place)
    word = given[0]
    condition = {"key": key, word: _FIELD[word](raw[word], f"{place}.{word}")}
    if word == "values_count" and _admits_none(condition[word]):
        # A field that is not there has no values. Newer engines count it so, Qdrant 1.18 leaves it
        # out of every count; said like this, they agree.
        return {"should": [condition, {"is_empty": {"key": key}}]}
    return condition


def _match(raw: object, place: str) -> Json:
    source = _object(raw, place, tuple(_MATCH))
    if len(source) != 1:
        raise InvalidInput(f"one of {', '.join(_MATCH)}, and one only", place=place)
    word, value = next(iter(source.items()))
    return {word: _MATCH[word](value, f"{place}.{word}")}


def _value(raw: object, place: str) -> str | int | bool:
    if isinstance(raw, bool | str) or (isinstance(raw, int) and raw in _INT64):
        return raw
    raise InvalidInput(f"a string, an integer or a boolean, not {shown(raw)}", place=place)


def _values(raw: object, place: str) -> list[Any]:
    values = _list(raw, place)
    if all(isinstance(v, str) for v in values):
        return values
    if all(isinstance(v, int) and not isinstance(v, bool) and v in _INT64 for v in values):
        return values
    raise InvalidInput("a list of strings, or a list of integers", place=place)


def _text(raw: object, place: str) -> str:
    if isinstance(raw, str):
        return raw
    raise InvalidInput(f"a string, not {shown(raw)}", place=place)


def _bool(raw: object, place: str) -> bool:
    if isinstance(raw, bool):
        return raw
    raise InvalidInput(f"true or false, not {shown(raw)}", place=place)


def _range(raw: object, place: str) -> Json:
    bounds = {k: v for k, v in _object(raw, place, _BOUNDS).items() if v is not None}
    if not bounds:
        raise InvalidInput(f"at least one of {', '.join(_BOUNDS)}", place=place)
    times = isinstance(next(iter(bounds.values())), str)
    for word, bound in bounds.items():
        if times:
            if not isinstance(bound, str) or read_time(bound) is None:
                raise InvalidInput(
                    f"a time like 2026-01-31T12:00:00Z, not {shown(bound)}", place=f"{place}.{word}"
                )
        else:
            bounds[word] = _number(bound, f"{place}.{word}")
    return bounds


def _values_count(raw: object, place: str) -> Json:
    bounds = {k: v for k, v in _object(raw, place, _BOUNDS).items() if v is not None}
    if not bounds:
        raise InvalidInput(f"at least one of {', '.join(_BOUNDS)}", place=place)
    return {word: _count(bound, f"{place}.{word}", least=0) for word, bound in bounds.items()}


def _admits_none(bounds: Json) -> bool:
    return bounds.get("gte", 0) <= 0 and "gt" not in bounds and bounds.get("lt", 1) > 0


def _geo_point(raw: object, place: str) -> Json:
    source = _object(raw, place, ("lon", "lat"))
    lon, lat = (_number(source.get(k), f"{place}.{k}") for k in ("lon", "lat"))
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise InvalidInput("lon is within [-180, 180] and lat within [-90, 90]", place=place)
    return {"lon": lon, "lat": lat}


def _geo_radius(raw: object, place: str) -> Json:
    source = _object(raw, place, ("center", "radius"))
    radius = _number(source.get("radius"), f"{place}.radius")
    if radius < 0:
        raise InvalidInput("a radius in metres, not negative", place=f"{place}.radius")
    return {"center": _geo_point(source.get("center"), f"{place}.center"), "radius": radius}


def _geo_box(raw: object, place: str) -> Json:
    source = _object(raw, place, ("top_left", "bottom_right"))
    return {k: _geo_point(source.get(k), f"{place}.{k}") for k in ("top_left", "bottom_right")}


def _geo_polygon(raw: object, place: str) -> Json:
    source = _object(raw, place, ("exterior", "interiors"))
    checked: Json = {"exterior": _ring(source.get("exterior"), f"{place}.exterior")}
    if interiors := _list(source.get("interiors") or [], f"{place}.interiors"):
        checked["interiors"] = [
            _ring(ring, f"{place}.interiors[{i}]") for i, ring in enumerate(interiors)
        ]
    return checked


def _ring(raw: object, place: str) -> Json:
    points = [
        _geo_point(p, f"{place}.points[{i}]")
        for i, p in enumerate(
            _list(_object(raw, place, ("points",)).get("points"), f"{place}.points")
        )
    ]
    if len(points) < 4 or points[0] != points[-1]:
        raise InvalidInput("at least four points, the last the same as the first", place=place)
    return {"points": points}


def _payload_field(raw: object, place: str) -> Json:
    return {"key": check_path(_object(raw, place, ("key",)).get("key"), f"{place}.key")}


def _has_id(raw: object, place: str) -> list[Any]:
    return check_ids(_list(raw, place), place)


def _object(raw: object, place: str, words: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise InvalidInput(f"an object with {', '.join(words)}, not {shown(raw)}", place=place)
    for word in raw:
        if word not in words:
            raise InvalidInput(
                f"unknown word {shown(word)}; it may be {', '.join(words)}", place=place
            )
    return raw


def _list(raw: object, place: str) -> list[Any]:
    if isinstance(raw, list | tuple):
        return list(raw)
    raise InvalidInput(f"a list, not {shown(raw)}", place=place)


def _number(raw: object, place: str) -> float:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        try:
            if math.isfinite(number := float(raw)):
                return number
        except OverflowError:
            pass
    raise InvalidInput(f"a finite number, not {shown(raw)}", place=place)


def _count(raw: object, place: str, *, least: int) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool) and least <= raw < 2**63:
        return raw
    raise InvalidInput(f"an integer of at least {least}, not {shown(raw)}", place=place)


_Check = Callable[[object, str], Any]

_MATCH: dict[str, _Check] = {
    "value": _value,
    "text": _text,
    "text_any": _text,
    "phrase": _text,
    "any": _values,
    "except": _values,
}
_FIELD: dict[str, _Check] = {
    "match": _match,
    "range": _range,
    "geo_radius": _geo_radius,
    "geo_bounding_box": _geo_box,
    "geo_polygon": _geo_polygon,
    "values_count": _values_count,
    "is_empty": _bool,
    "is_null": _bool,
}
_CONDITIONS: dict[str, _Check] = {
    "is_empty": _payload_field,
    "is_null": _payload_field,
    "has_id": _has_id,
    "has_vector": _text,
}
