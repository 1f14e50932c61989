"""The filter language over one point, in plain Python: Qdrant's own rules without an index,
corner cases included."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from vectorplane.adapters.vectors.common.datetimes import read_time
from vectorplane.adapters.vectors.common.jsonpath import WILDCARD, parse, values_at
from vectorplane.ports.vectors import Json, PointId

EARTH_RADIUS = 6_371_008.8
"""Metres; the mean radius that Qdrant's geometry library uses."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a filter looks at. Inside a nested object there is no id and no vector."""

    payload: Json
    id: PointId | None = None
    vectors: Set[str] = frozenset()


def matches(flt: Json | None, subject: Subject) -> bool:
    """True where the point passes a filter in its checked form."""
    if not flt:
        return True
    should = flt.get("should")
    least = flt.get("min_should")
    return (
        (should is None or any(_holds(c, subject) for c in should))
        and (
            least is None
            or sum(_holds(c, subject) for c in least["conditions"]) >= least["min_count"]
        )
        and all(_holds(c, subject) for c in flt.get("must", ()))
        and not any(_holds(c, subject) for c in flt.get("must_not", ()))
    )


def _holds(condition: Json, subject: Subject) -> bool:
    if "key" in condition:
        values = values_at(subject.payload, parse(condition["key"]) or ())
        return _field(condition, values)
    if "is_empty" in condition:
        values = values_at(subject.payload, parse(condition["is_empty"]["key"]) or ())
        return all(v is None or v == [] for v in values)
    if "has_id" in condition:
        return subject.id in condition["has_id"]
    if "has_vector" in condition:
        return condition["has_vector"] in subject.vectors
    if "nested" in condition:
        return _nested(condition["nested"], subject)
    return matches(condition, subject)


def _nested(nested: Json, subject: Subject) -> bool:
    steps = parse(nested["key"]) or ()
    if steps[-1] != WILDCARD:
        steps = (*steps, WILDCARD)
    return any(
        isinstance(value, dict) and matches(nested["filter"], Subject(value))
        for value in values_at(subject.payload, steps)
    )


def _field(condition: Json, values: list[Any]) -> bool:
    if (want := condition.get("is_empty")) is not None:
        return any((v is None or v == []) == want for v in values) if values else bool(want)
    if (want := condition.get("is_null")) is not None:
        return any(_null(v) == want for v in values) if values else not want
    if (bounds := condition.get("values_count")) is not None:
        return any(_within(_size(v), bounds) for v in values)
    items = [item for v in values for item in (v if isinstance(v, list) else [v])]
    if (match := condition.get("match")) is not None:
        return any(_match(match, item) for item in items)
    if (bounds := condition.get("range")) is not None:
        return any(_in_range(bounds, item) for item in items)
    return any(_in_area(condition, item) for item in items)


def _null(value: Any) -> bool:
    return value is None or (isinstance(value, list) and any(v is None for v in value))


def _size(value: Any) -> int:
    if value is None:
        return 0
    return len(value) if isinstance(value, list) else 1


def _match(match: Json, stored: Any) -> bool:
    word, wanted = next(iter(match.items()))
    if word == "value":
        return _same(stored, wanted)
    if word == "any":
        return any(_same(stored, w) for w in wanted)
    if word == "except":
        if isinstance(stored, list | dict):
            return True
        return stored is not None and not any(_same(stored, w) for w in wanted)
    if not isinstance(stored, str):
        return False
    return _reads(word, _words(wanted), _words(stored))


def _reads(word: str, wanted: list[str], stored: list[str]) -> bool:
    """Full-text conditions, word by word, as with a text index."""
    if not wanted:
        return False
    if word == "text":
        return set(wanted) <= set(stored)
    if word == "text_any":
        return not set(wanted).isdisjoint(stored)
    starts = range(len(stored) - len(wanted) + 1)
    return any(stored[i : i + len(wanted)] == wanted for i in starts)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _same(stored: Any, wanted: Any) -> bool:
    """Equal and of one JSON type: 1 is not true, and 1.0 is no integer."""
    return type(stored) is type(wanted) and stored == wanted


def _within(value: Any, bounds: Mapping[str, Any]) -> bool:
    return (
        ("gte" not in bounds or value >= bounds["gte"])
        and ("gt" not in bounds or value > bounds["gt"])
        and ("lte" not in bounds or value <= bounds["lte"])
        and ("lt" not in bounds or value < bounds["lt"])
    )


def _in_range(bounds: Mapping[str, Any], stored: Any) -> bool:
    if isinstance(next(iter(bounds.values())), str):
        moment = read_time(stored) if isinstance(stored, str) else None
        return moment is not None and _within(moment, {k: read_time(v) for k, v in bounds.items()})
    number = isinstance(stored, int | float) and not isinstance(stored, bool)
    return number and _within(stored, bounds)


def _in_area(condition: Json, stored: Any) -> bool:
    if not isinstance(stored, dict):
        return False
    lon, lat = _coordinate(stored, "lon"), _coordinate(stored, "lat")
    if lon is None or lat is None:
        return False
    if radius := condition.get("geo_radius"):
        center = radius["center"]
        return bool(_distance(center["lon"], center["lat"], lon, lat) < radius["radius"])
    if box := condition.get("geo_bounding_box"):
        left, right = box["top_left"]["lon"], box["bottom_right"]["lon"]
        across = lon > left or lon < right if left > right else left < lon < right
        return bool(across and box["bottom_right"]["lat"] < lat < box["top_left"]["lat"])
    polygon = condition["geo_polygon"]
    return _inside(polygon["exterior"]["points"], lon, lat) and not any(
        _inside(ring["points"], lon, lat) for ring in polygon.get("interiors", ())
    )


def _coordinate(stored: Json, name: str) -> float | None:
    value = stored.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _distance(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Metres over the sphere (haversine)."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    half = (
        math.sin((phi2 - phi1) / 2) ** 2
        + math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_RADIUS * math.asin(math.sqrt(half))


def _inside(ring: list[Json], lon: float, lat: float) -> bool:
    """Even-odd rule over a closed ring."""
    inside = False
    for a, b in zip(ring, ring[1:], strict=False):
        if (a["lat"] > lat) != (b["lat"] > lat):
            slope = (b["lon"] - a["lon"]) / (b["lat"] - a["lat"])
            inside ^= lon < a["lon"] + slope * (lat - a["lat"])
    return inside
