"""What a collection's vectors look like, and the check of points and searches against it.

A batch is refused whole, with the place of its first mistake, before anything of it is written:
engines differ in how much of a bad batch they keep. The checks run over every number of every
vector, so they are built from calls that loop in C.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vectorplane.adapters.vectors.common.ids import check_id, shown
from vectorplane.adapters.vectors.common.jsonpath import check_path
from vectorplane.domain.model import Settings
from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import Json, Point, PointId

MAX_FLOAT32 = 3.4028234e38
MAX_INDEX = 2**32 - 1
_NUMBERS = {float, int}


@dataclass(frozen=True, slots=True)
class Dense:
    size: int
    distance: str
    datatype: str = "Float32"
    multi: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """The vectors of one collection."""

    dense: Mapping[str, Dense]
    sparse: Mapping[str, str]
    """Sparse vector name to modifier."""

    @classmethod
    def of(cls, settings: Settings) -> Schema:
        names = dict.fromkeys(p[1] for p in settings if p[0] == "vectors" and len(p) > 2)
        sparse = dict.fromkeys(p[1] for p in settings if p[0] == "sparseVectors" and len(p) > 2)
        return cls(
            dense={
                name: Dense(
                    size=int(settings["vectors", name, "size"]),
                    distance=str(settings["vectors", name, "distance"]),
                    datatype=str(settings.get(("vectors", name, "datatype"), "Float32")),
                    multi=("vectors", name, "multivector") in settings,
                )
                for name in names
            },
            sparse={
                name: str(settings.get(("sparseVectors", name, "modifier"), "None"))
                for name in sparse
            },
        )

    def check_vectors(self, raw: object, place: str) -> dict[str, Any]:
        """The vectors of one point by name. Raises `InvalidInput`."""
        if isinstance(raw, list | tuple):
            return {"": self._vector("", raw, place)}
        if isinstance(raw, Mapping):
            if raw.keys() == {"indices", "values"} and not raw.keys() & self._names():
                return {"": self._vector("", raw, place)}
            return {
                name: self._vector(name, vector, f"{place}.{name}" if name else place)
                for name, vector in raw.items()
            }
        raise InvalidInput(f"a vector or an object of named vectors, not {shown(raw)}", place=place)

    def check_query(self, raw: object, using: object, place: str) -> Any:
        """The query vector of one search. Raises `InvalidInput`."""
        return self.check_example(raw, self.check_using(using, f"{place}.using"), f"{place}.query")

    def check_using(self, using: object, place: str) -> str:
        """The name of the vector that is searched. Raises `InvalidInput`."""
        if not isinstance(using, str) or (using not in self.dense and using not in self.sparse):
            raise InvalidInput(self._unknown(using), place=place)
        return using

    def check_example(self, raw: object, using: str, place: str) -> Any:
        """A vector to search by, of a name that exists. Raises `InvalidInput`."""
        spec = self.dense.get(using)
        if spec is not None and spec.multi and isinstance(raw, list) and raw and _flat(raw):
            raw = [raw]
        vector = self._vector(using, raw, place)
        if spec is None and not vector["indices"]:
            raise InvalidInput("a sparse query needs at least one index", place=place)
        return vector

    def ascending(self, name: object) -> bool:
        """True where scores are distances: the smallest is the best."""
        spec = self.dense.get(name) if isinstance(name, str) else None
        return spec is not None and spec.distance in ("Euclid", "Manhattan")

    def check_names(self, raw: bool | Sequence[str], place: str) -> bool | list[str]:
        """Which vectors to give back. Raises `InvalidInput`."""
        if isinstance(raw, bool):
            return raw
        for i, name in enumerate(raw):
            if name not in self._names():
                raise InvalidInput(self._unknown(name), place=f"{place}[{i}]")
        return list(raw)

    def _vector(self, name: str, raw: object, place: str) -> Any:
        spec = self.dense.get(name)
        if spec is None:
            if name in self.sparse:
                return check_sparse(raw, place)
            raise InvalidInput(self._unknown(name), place=place)
        if not spec.multi:
            return check_dense(raw, spec.size, place)
        if not isinstance(raw, list | tuple) or not raw or not isinstance(raw[0], list | tuple):
            raise InvalidInput(f"a non-empty list of vectors of {spec.size} numbers", place=place)
        return [check_dense(row, spec.size, f"{place}[{i}]") for i, row in enumerate(raw)]

    def _names(self) -> set[str]:
        return {*self.dense, *self.sparse}

    def _unknown(self, name: object) -> str:
        known = ", ".join(f'"{n}"' for n in sorted(self._names()))
        if name == "":
            return f"the collection has no unnamed vector; name one of {known}"
        return f"the collection has no vector {shown(name)}; it has {known}"


def check_points(
    schema: Schema, points: Sequence[Point]
) -> dict[PointId, tuple[dict[str, Any], Json]]:
    """Points by id, each with its vectors by name and its payload. Of two with one id the last
    counts."""
    checked: dict[PointId, tuple[dict[str, Any], Json]] = {}
    for i, point in enumerate(points):
        place = f"points[{i}]"
        point_id = check_id(point.id, f"{place}.id")
        vectors = schema.check_vectors(point.vector, f"{place}.vector")
        check_payload(point.payload, f"{place}.payload")
        checked.pop(point_id, None)
        checked[point_id] = (vectors, point.payload)
    return checked


def check_dense(raw: object, size: int, place: str) -> Sequence[float]:
    """A vector of `size` finite numbers that fit a 32-bit float."""
    if not isinstance(raw, list | tuple):
        raise InvalidInput(f"a vector of {size} numbers, not {shown(raw)}", place=place)
    if len(raw) != size:
        raise InvalidInput(f"a vector of {size} numbers, not of {len(raw)}", place=place)
    check_numbers(raw, place)
    return raw


def check_sparse(raw: object, place: str) -> dict[str, list[Any]]:
    """A sparse vector: unique indices, each with its value."""
    if not isinstance(raw, Mapping) or raw.keys() != {"indices", "values"}:
        raise InvalidInput("a sparse vector is an object with indices and values", place=place)
    indices, values = raw["indices"], raw["values"]
    if not isinstance(indices, list | tuple) or not isinstance(values, list | tuple):
        raise InvalidInput("indices and values are lists", place=place)
    if len(indices) != len(values):
        raise InvalidInput(f"{len(indices)} indices but {len(values)} values", place=place)
    for i, index in enumerate(indices):
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index <= MAX_INDEX:
            raise InvalidInput(
                f"an unsigned 32-bit integer, not {shown(index)}", place=f"{place}.indices[{i}]"
            )
    if len(set(indices)) != len(indices):
        raise InvalidInput("indices must be unique", place=f"{place}.indices")
    check_numbers(values, f"{place}.values")
    return {"indices": list(indices), "values": list(values)}


def check_numbers(raw: Sequence[Any], place: str) -> None:
    """One call over all numbers: the norm is infinite or no number where one of them is, or is
    too large."""
    if set(map(type, raw)) <= _NUMBERS:
        try:
            if math.hypot(*raw) <= MAX_FLOAT32:
                return
        except OverflowError:
            pass
    for i, number in enumerate(raw):
        if isinstance(number, bool) or not isinstance(number, float | int):
            raise InvalidInput(f"a number, not {shown(number)}", place=f"{place}[{i}]")
        if not abs(number) <= MAX_FLOAT32:
            raise InvalidInput(
                f"a finite 32-bit number, not {shown(number)}", place=f"{place}[{i}]"
            )


def check_payload(raw: object, place: str) -> None:
    """A payload is a JSON object; the engines' own encoders would meet NaN or a lone surrogate
    too late."""
    if not isinstance(raw, dict):
        raise InvalidInput(f"a payload is an object, not {shown(raw)}", place=place)
    if not raw:
        return
    try:
        json.dumps(raw, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            "a payload is JSON: finite numbers, text, lists and objects", place=place
        ) from error


def check_selection(raw: bool | Sequence[str], place: str) -> bool | list[str]:
    """Which payload fields to give back. Raises `InvalidInput`."""
    if isinstance(raw, bool):
        return raw
    return [check_path(path, f"{place}[{i}]") for i, path in enumerate(raw)]


def unwrap(vectors: Mapping[str, Any]) -> Any:
    """Vectors as they are given back: the unnamed one alone stands for itself."""
    return vectors[""] if len(vectors) == 1 and "" in vectors else dict(vectors)


def _flat(raw: list[Any]) -> bool:
    return not isinstance(raw[0], list | tuple)
