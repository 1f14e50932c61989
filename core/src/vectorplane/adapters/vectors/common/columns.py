"""The check of points by column, at the speed of numpy: no Python object for a number.

numpy is imported when the first columns come: who sends none needs none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vectorplane.adapters.vectors.common.ids import MAX_ID, check_id, shown
from vectorplane.adapters.vectors.common.schema import Schema, check_payload
from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import Columns, Json, PointId


def check_columns(schema: Schema, columns: Columns) -> Columns:
    """The same points with canonical ids, each id once: of two with one id the last counts.

    Raises `InvalidInput` with a place like `vectors.image[3][17]` or `ids[5]`.
    """
    ids = _ids(columns.ids)
    vectors = {
        name: _array(schema, name, array, len(ids)) for name, array in columns.vectors.items()
    }
    payloads = _payloads(columns.payloads, len(ids))
    last = dict(zip(ids, range(len(ids)), strict=True))
    if len(last) == len(ids):
        return Columns(ids, vectors, payloads)
    rows = list(last.values())
    return Columns(
        list(last),
        {name: array[rows] for name, array in vectors.items()},
        None if payloads is None else [payloads[row] for row in rows],
    )


def rows_of(columns: Columns, start: int, stop: int) -> Columns:
    """A piece of checked columns, not copied."""
    return Columns(
        columns.ids[start:stop],
        {name: array[start:stop] for name, array in columns.vectors.items()},
        None if columns.payloads is None else columns.payloads[start:stop],
    )


def as_points(columns: Columns) -> dict[PointId, tuple[dict[str, Any], Json]]:
    """Checked columns as what `check_points` gives. Numbers become objects: for pieces."""
    names = list(columns.vectors)
    lists = [array.tolist() for array in columns.vectors.values()]
    rows = zip(*lists, strict=True) if lists else ([()] * len(columns.ids))
    payloads = columns.payloads or [None] * len(columns.ids)
    return {
        point_id: (dict(zip(names, row, strict=True)), payload or {})
        for point_id, row, payload in zip(columns.ids, rows, payloads, strict=True)
    }


def _ids(raw: Any) -> list[PointId]:
    ids: list[Any] = raw.tolist() if hasattr(raw, "tolist") else list(raw)
    if set(map(type, ids)) == {int} and min(ids) >= 0 and max(ids) <= MAX_ID:
        return ids
    return [check_id(point_id, f"ids[{i}]") for i, point_id in enumerate(ids)]


def _array(schema: Schema, name: str, raw: Any, count: int) -> Any:
    import numpy as np

    place = f"vectors.{name}" if name else "vectors"
    spec = schema.dense.get(name)
    if spec is None or spec.multi:
        schema.check_using(name, place)
        raise InvalidInput("columns hold vectors of one row of numbers alone", place=place)
    shape = (count, spec.size)
    if not isinstance(raw, np.ndarray) or raw.dtype != np.float32:
        kind = raw.dtype if isinstance(raw, np.ndarray) else type(raw).__name__
        raise InvalidInput(f"an array of 32-bit floats, not {kind}", place=place)
    if raw.shape != shape:
        raise InvalidInput(
            f"an array of {shape[0]} by {shape[1]} numbers, not of shape {raw.shape}", place=place
        )
    array = np.ascontiguousarray(raw)
    if array.size and not np.isfinite(array).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise InvalidInput(
            f"a finite 32-bit number, not {shown(float(array[row, column]))}",
            place=f"{place}[{row}][{column}]",
        )
    return array


def _payloads(raw: Sequence[Json | None] | None, count: int) -> Sequence[Json | None] | None:
    if raw is None:
        return None
    if not isinstance(raw, list | tuple):
        raise InvalidInput(f"a list of payloads, not {shown(raw)}", place="payloads")
    if len(raw) != count:
        raise InvalidInput(f"{count} payloads, not {len(raw)}", place="payloads")
    for i, payload in enumerate(raw):
        if payload is not None:
            check_payload(payload, f"payloads[{i}]")
    return raw
