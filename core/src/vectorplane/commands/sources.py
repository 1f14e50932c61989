"""Files as rows of points: what `load` reads, a batch at a time, from any row on.

Whatever is wrong with a file is said with its name and the row, before it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from vectorplane.client.wire import Columns
from vectorplane.errors import InvalidInput

Points = Columns | Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """Which columns are what. `vectors` is vector name to column ("" is the unnamed vector);
    `payload` None is every column that is nothing else."""

    id: str = "id"
    vectors: Mapping[str, str] | None = None
    text: str | None = None
    payload: tuple[str, ...] | None = None
    first_id: int = 0
    ids_file: Path | None = None

    def taken(self) -> set[str]:
        """The columns that are no payload by themselves."""
        return {self.id, *(self.vectors or {}).values(), *([self.text] if self.text else [])}


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a file, ready to be sent. `first` is the number of the first, from 0."""

    first: int
    points: Points
    place: Callable[[int], str]
    """Where the n-th of them stands, in words."""

    def __len__(self) -> int:
        return len(self.points)

    @property
    def end(self) -> int:
        return self.first + len(self)


class Source(Protocol):
    """A file of points."""

    total: int | None
    """Rows in it, where that is known without reading them."""

    def batches(self, start: int, size: int) -> Iterator[Rows]:
        """From row `start` on, at most `size` at a time."""


def stack(vectors: Sequence[Any], place: Callable[[int], str]) -> NDArray[np.float32]:
    """Lists of numbers as one array. Raises `InvalidInput` for the first row that is not like the
    ones before it."""
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0, dtype=np.float32)
    if array.ndim != 2 or not array.shape[1]:
        raise InvalidInput(_odd_one(vectors, place))
    return finite(array, place)


def finite(array: NDArray[Any], place: Callable[[int], str]) -> NDArray[np.float32]:
    """The array as float32. Raises `InvalidInput` for the first row with NaN or infinity."""
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    good = np.isfinite(array).all(axis=1)
    if not good.all():
        raise InvalidInput(
            f"{place(int(np.flatnonzero(~good)[0]))}: the vector has NaN or infinity in it"
        )
    return array


def _odd_one(vectors: Sequence[Any], place: Callable[[int], str]) -> str:
    size = 0
    for i, vector in enumerate(vectors):
        try:
            row = np.asarray(vector, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            row = np.empty(0, dtype=np.float64)
        if row.ndim != 1 or not row.size:
            return f"{place(i)}: the vector is no list of numbers"
        if size and row.size != size:
            return f"{place(i)}: the vector has {row.size} numbers, the ones before have {size}"
        size = row.size
    return f"{place(0)}: the vectors are no lists of numbers"


class JsonLines:
    """One JSON object per line: a point as the API takes it, or a flat row whose other fields are
    the payload."""

    def __init__(self, path: Path, columns: ColumnNames) -> None:
        self._path = path
        self._columns = columns
        self.total: int | None = None

    def batches(self, start: int, size: int) -> Iterator[Rows]:
        points: list[dict[str, Any]] = []
        lines: list[int] = []
        row = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                row += 1
                if row <= start:
                    continue
                points.append(self._point(line, f"{self._path}: line {number}"))
                lines.append(number)
                if len(points) == size:
                    yield self._rows(row - len(points), points, lines)
                    points, lines = [], []
        if points:
            yield self._rows(row - len(points), points, lines)

    def _rows(self, first: int, points: list[dict[str, Any]], lines: list[int]) -> Rows:
        def place(i: int) -> str:
            return f"{self._path}: line {lines[i]}"

        if not all(isinstance(point.get("vector"), list) for point in points):
            return Rows(first, points, place)
        vectors = [point["vector"] for point in points]
        if any(vector and isinstance(vector[0], list) for vector in vectors):
            return Rows(first, points, place)
        return Rows(
            first,
            Columns(
                [point["id"] for point in points],
                stack(vectors, place),
                [point.get("payload") for point in points],
            ),
            place,
        )

    def _point(self, line: bytes, place: str) -> dict[str, Any]:
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"{place}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise InvalidInput(f"{place}: a JSON object is wanted")
        point = flat_point(row, self._columns, place)
        if point["id"] is None or isinstance(point["id"], float | bool | list | dict):
            raise InvalidInput(f"{place}: the id is a number or a UUID")
        return point


def flat_point(row: Mapping[str, Any], columns: ColumnNames, place: str) -> dict[str, Any]:
    """A row as a point. Raises `InvalidInput` where a column is missing."""
    if columns.id not in row:
        raise InvalidInput(f"{place}: there is no {columns.id!r}; see --id-column")
    point: dict[str, Any] = {"id": row[columns.id]}
    if columns.text is not None:
        if not isinstance(row.get(columns.text), str):
            raise InvalidInput(f"{place}: {columns.text!r} is no text")
        point["text"] = row[columns.text]
    for name, column in (columns.vectors or {}).items():
        if row.get(column) is None:
            if "text" in row and columns.text is None:
                point["text"] = row["text"]
                continue
            raise InvalidInput(f"{place}: there is no {column!r}; see --vector-column")
        if name:
            point.setdefault("vector", {})[name] = row[column]
        else:
            point["vector"] = row[column]
    point["payload"] = _payload(row, columns, point)
    return point


def _payload(row: Mapping[str, Any], columns: ColumnNames, point: Mapping[str, Any]) -> Any:
    taken = columns.taken() | ({"text"} if "text" in point else set())
    if columns.payload is not None:
        return {name: row[name] for name in columns.payload if name in row}
    rest = {name: value for name, value in row.items() if name not in taken}
    if list(rest) == ["payload"] and isinstance(rest["payload"], dict | None):
        # The row is a point as the API takes it.
        return rest["payload"]
    return rest
