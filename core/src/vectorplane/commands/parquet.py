"""`load` of Parquet, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vectorplane.client.wire import Columns
from vectorplane.commands.sources import ColumnNames, Rows, finite
from vectorplane.errors import InvalidInput


class Parquet:
    """Columns of a Parquet file. Vectors are lists of numbers; a column that is nothing else is
    payload."""

    def __init__(self, path: Path, columns: ColumnNames) -> None:
        self._path = path
        try:
            self._file = pq.ParquetFile(path)
        except pa.ArrowInvalid as error:
            raise InvalidInput(f"{path}: no Parquet file: {error}") from None
        self.total: int | None = self._file.metadata.num_rows
        self._columns = columns
        self._schema = self._file.schema_arrow
        self._payload = self._checked()

    def _checked(self) -> tuple[str, ...]:
        """The columns of the payload. Raises `InvalidInput` for one that is not there."""
        has = self._schema.names
        options = {self._columns.id: "--id-column"}
        options |= dict.fromkeys((self._columns.vectors or {}).values(), "--vector-column")
        options |= dict.fromkeys(self._columns.payload or (), "--payload-columns")
        if self._columns.text is not None:
            options[self._columns.text] = "--text-column"
        for name, option in options.items():
            if name not in has:
                raise InvalidInput(
                    f"{self._path}: there is no column {name!r} ({', '.join(has)}); see {option}"
                )
        taken = self._columns.taken()
        wanted = self._columns.payload
        return tuple(name for name in has if name not in taken) if wanted is None else wanted

    def batches(self, start: int, size: int) -> Iterator[Rows]:
        groups, skip = self._from(start)
        if not groups:
            return
        wanted = [*dict.fromkeys((*self._columns.taken(), *self._payload))]
        first = start - skip
        for batch in self._read(first, size, groups, wanted):
            end = first + batch.num_rows
            if end > start:
                begin = max(start, first)
                yield self._rows(begin, batch.slice(begin - first))
            first = end

    def _read(
        self, first: int, size: int, groups: list[int], columns: list[str]
    ) -> Iterator[pa.RecordBatch]:
        """The batches of some groups. Raises `InvalidInput` where the file is broken."""
        read = first
        try:
            for batch in self._file.iter_batches(size, row_groups=groups, columns=columns):
                yield batch
                read += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            said = str(error).partition("\n")[0]
            raise InvalidInput(
                f"{self._path}: row {read} or after it cannot be read: {said}"
            ) from error

    def _from(self, start: int) -> tuple[list[int], int]:
        """The row groups from a row on, and how many rows of the first are to be passed over."""
        metadata = self._file.metadata
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            if start < rows:
                return list(range(group, metadata.num_row_groups)), start
            start -= rows
        return [], 0

    def _rows(self, first: int, batch: pa.RecordBatch) -> Rows:
        def place(i: int) -> str:
            return f"{self._path}: row {first + i}"

        ids = _ids(batch.column(self._columns.id), self._columns.id, place)
        payloads = self._payloads(batch)
        if self._columns.text is not None:
            texts = batch.column(self._columns.text).to_pylist()
            for i, text in enumerate(texts):
                if not isinstance(text, str):
                    raise InvalidInput(f"{place(i)}: {self._columns.text!r} is no text")
            points = [
                {"id": id, "text": text, "payload": payload}
                for id, text, payload in zip(ids, texts, payloads, strict=True)
            ]
            return Rows(first, points, place)
        vectors = {
            name: _matrix(batch.column(column), column, place)
            for name, column in (self._columns.vectors or {}).items()
        }
        return Rows(first, Columns(ids, vectors, payloads), place)

    def _payloads(self, batch: pa.RecordBatch) -> list[dict[str, Any]]:
        columns = {name: batch.column(name).to_pylist() for name in self._payload}
        found = [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ] or [{} for _ in range(batch.num_rows)]
        return [{name: self._plain(value, name) for name, value in row.items()} for row in found]

    def _plain(self, value: Any, column: str) -> Any:
        """A value that JSON has a word for."""
        match value:
            case Decimal():
                return float(value)
            case bytes() | memoryview():
                raise InvalidInput(
                    f"{self._path}: column {column!r} holds bytes, which no payload can; leave it "
                    "out with --payload-columns"
                )
            case list():
                return [self._plain(inner, column) for inner in value]
            case dict():
                return {str(key): self._plain(inner, column) for key, inner in value.items()}
        return value


def _ids(column: pa.Array, name: str, place: Any) -> Any:
    if column.null_count:
        raise InvalidInput(f"{place(_first_null(column))}: {name!r} is empty; it is the id")
    if pa.types.is_integer(column.type):
        ids: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        below = np.flatnonzero(ids < 0)
        if len(below):
            raise InvalidInput(f"{place(int(below[0]))}: an id is not below 0")
        return ids
    found = column.to_pylist()
    if found and isinstance(found[0], bytes) and len(found[0]) == 16:
        return [str(UUID(bytes=value)) for value in found]
    if not all(isinstance(value, str | UUID) for value in found):
        raise InvalidInput(f"{place(0)}: {name!r} is {column.type}; an id is a number or a UUID")
    return [str(value) for value in found]


def _matrix(column: pa.Array, name: str, place: Any) -> NDArray[np.float32]:
    """A column of lists as one array, without an object per number."""
    if not (
        pa.types.is_list(column.type)
        or pa.types.is_large_list(column.type)
        or pa.types.is_fixed_size_list(column.type)
    ) or not _is_number(column.type.value_type):
        raise InvalidInput(f"{place(0)}: {name!r} is {column.type}; a vector is a list of numbers")
    if column.null_count:
        raise InvalidInput(f"{place(_first_null(column))}: {name!r} is empty; it is the vector")
    sizes = _sizes(column)
    odd = np.flatnonzero(sizes != sizes[0])
    if len(odd) or not sizes[0]:
        at = int(odd[0]) if len(odd) else 0
        raise InvalidInput(
            f"{place(at)}: the vector has {sizes[at]} numbers"
            + (f", the ones before have {sizes[0]}" if at else "")
        )
    flat = column.flatten()
    if flat.null_count:
        at = _first_null(flat) // int(sizes[0])
        raise InvalidInput(f"{place(at)}: the vector has an empty number")
    values: NDArray[Any] = flat.to_numpy(zero_copy_only=False)
    return finite(values.reshape(len(column), int(sizes[0])), place)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _sizes(column: pa.Array) -> NDArray[Any]:
    if pa.types.is_fixed_size_list(column.type):
        return np.full(len(column), column.type.list_size)
    return np.diff(column.offsets.to_numpy())


def _first_null(column: pa.Array) -> int:
    nulls: Sequence[bool] = column.is_null().to_pylist()
    return nulls.index(True)
