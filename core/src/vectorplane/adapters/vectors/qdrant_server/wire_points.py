"""Points as Qdrant's gRPC interface reads them, written without an object for each number.

The generated classes copy every float into a list and out again. In the wire format a vector is its
float32 numbers one after the other, which is what an array in memory is; so it is copied as it is.
The format: https://protobuf.dev/programming-guides/encoding/. The messages and the numbers of their
fields: `points.proto` and `json_with_int.proto` of Qdrant; the tests read what is written here with
Qdrant's own classes.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from struct import pack
from typing import Any

import numpy

from vectorplane.ports.vectors import Columns, Json, Ordering, PointId

_LITTLE = numpy.dtype("<f4")
_INTEGERS = range(-(2**63), 2**63)
_ORDERINGS = {Ordering.WEAK: 0, Ordering.MEDIUM: 1, Ordering.STRONG: 2}
_DENSE, _SPARSE, _MULTI = 101, 102, 103


def upsert_message(
    collection: str,
    points: Mapping[PointId, tuple[Mapping[str, Any], Json]] | Columns,
    *,
    wait: bool,
    ordering: Ordering | None = None,
) -> bytes:
    """An `UpsertPoints`. Points are checked before. Raises `ValueError` for text that is no
    Unicode."""
    parts = [_text(1, collection), _number(2, int(wait))]
    made = _columns(points) if isinstance(points, Columns) else _rows(points)
    parts += [_field(3, point) for point in made]
    if ordering is not None:
        parts.append(_field(4, _number(1, _ORDERINGS[ordering])))
    return b"".join(parts)


def _rows(points: Mapping[PointId, tuple[Mapping[str, Any], Json]]) -> Iterator[bytes]:
    for point_id, (vectors, payload) in points.items():
        yield b"".join(
            (
                _id(point_id),
                _vectors({name: _vector(vector) for name, vector in vectors.items()}),
                _payload(payload),
            )
        )


def _columns(points: Columns) -> Iterator[bytes]:
    tables = {
        name: numpy.ascontiguousarray(table, dtype=_LITTLE).data.cast("B")
        for name, table in points.vectors.items()
    }
    sizes = {name: table.shape[1] * 4 for name, table in points.vectors.items()}
    for row, point_id in enumerate(points.ids):
        payload = points.payloads[row] if points.payloads is not None else None
        vectors = {
            name: _dense(table[row * sizes[name] : (row + 1) * sizes[name]])
            for name, table in tables.items()
        }
        yield b"".join((_id(point_id), _vectors(vectors), _payload(payload or {})))


def _id(point_id: PointId) -> bytes:
    if isinstance(point_id, int):
        return _field(1, _number(1, point_id))
    return _field(1, _text(2, point_id))


def _vectors(vectors: Mapping[str, bytes]) -> bytes:
    if vectors.keys() == {""}:
        return _field(4, _field(1, vectors[""]))
    named = (_field(1, _text(1, name) + _field(2, vector)) for name, vector in vectors.items())
    return _field(4, _field(2, b"".join(named)))


def _vector(vector: Any) -> bytes:
    """A dense, sparse or multi vector."""
    if isinstance(vector, Mapping):
        indices = b"".join(map(_varint, vector["indices"]))
        return _field(_SPARSE, _field(1, _floats(vector["values"])) + _field(2, indices))
    if len(vector) and isinstance(vector[0], list | tuple):
        rows = (_field(1, _field(1, _floats(row))) for row in vector)
        return _field(_MULTI, b"".join(rows))
    return _dense(_floats(vector))


def _dense(floats: bytes | memoryview) -> bytes:
    return _field(_DENSE, _field(1, floats))


def _floats(numbers: Sequence[float]) -> bytes:
    made = array("f", numbers)
    if sys.byteorder == "little":
        return made.tobytes()
    made.byteswap()
    return made.tobytes()


def _payload(payload: Json) -> bytes:
    return b"".join(
        _field(3, _text(1, name) + _field(2, _value(value))) for name, value in payload.items()
    )


def _value(value: Any) -> bytes:
    if value is None:
        return _number(1, 0)
    if value is True or value is False:
        return _number(5, int(value))
    if isinstance(value, str):
        return _text(4, value)
    if isinstance(value, int) and value in _INTEGERS:
        return _number(3, value & 0xFFFFFFFFFFFFFFFF)
    if isinstance(value, int | float):
        # An integer of more than 64 bits is a float for Qdrant's REST interface too.
        number = float(value)
        if not math.isfinite(number):
            raise ValueError("a payload holds a number that does not fit")
        return b"\x11" + pack("<d", number)
    if isinstance(value, Mapping):
        fields = (_field(1, _text(1, k) + _field(2, _value(v))) for k, v in value.items())
        return _field(6, b"".join(fields))
    return _field(7, b"".join(_field(1, _value(item)) for item in value))


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _field(number: int, content: bytes | memoryview) -> bytes:
    """A field of bytes: a text, a message, or packed numbers."""
    return b"".join((_varint(number << 3 | 2), _varint(len(content)), content))


def _varint(value: int) -> bytes:
    if value < 128:
        return _BYTES[value]
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)


_BYTES = [bytes((n,)) for n in range(128)]
