"""Points as numpy arrays: the `.npz` that `np.savez` writes.

    np.savez(file, ids=ids, vectors=vectors, payloads=payloads)

- `ids`: integers; or UUIDs, as text or as 16 bytes each (`uint8` of shape (points, 16), or `V16`).
- `vectors`, or `vectors.<name>` for each vector: floats, of shape (points, size).
- `payloads`, if there are any: one `uint8` array that holds a JSON list, with an object or null for
  each point.

Why this one: whoever has numpy has it, the numbers travel as they lie in memory, and neither side
needs another library (Arrow would be a hundred megabytes). The file is a stranger's, so nothing in
it is unpickled or unpacked, and no array is larger than the bytes that came for it.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from ast import literal_eval
from typing import Any
from uuid import UUID

import numpy as np

from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import Columns, PointId
from vectorplane_service.bodies import decode
from vectorplane_service.problems import MalformedBody

Array = np.ndarray[Any, Any]

_SUFFIX = ".npy"
_MOST_ARRAYS = 64
_MOST_HEADER_BYTES = 4096
_UUID_BYTES = 16
_MAGIC = re.compile(rb"\x93NUMPY([\x01\x02])\x00")
_KIND = re.compile(r"[<>|][A-Za-z]\d*(\[\w+\])?")
_LOCAL = struct.Struct("<4s22xHH")
"""The head of a member: signature, length of its name, length of what is extra."""
_LOCAL_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED = 1
_NO_ARCHIVE = (
    zipfile.BadZipFile,
    EOFError,
    OSError,
    NotImplementedError,
    ValueError,
    struct.error,
)
_NO_ARRAY = (
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    MemoryError,
    RecursionError,
    struct.error,
)


def read(body: bytes, most_points: int) -> Columns:
    """Points by column. Raises `MalformedBody`, `InvalidInput`. No number becomes an object, but
    for ids."""
    arrays = _arrays(body)
    if "ids" not in arrays:
        raise InvalidInput("an array of ids is needed", place="ids")
    ids = _ids(arrays.pop("ids"), most_points)
    payloads = arrays.pop("payloads", None)
    vectors = {}
    for name, array in arrays.items():
        word, _, vector = name.partition(".")
        if word != "vectors" or (name != "vectors" and not vector):
            raise InvalidInput("arrays are ids, vectors, vectors.<name>, payloads", place=name)
        vectors[vector] = _vectors(array, name)
    if not vectors:
        raise InvalidInput("an array of vectors is needed", place="vectors")
    return Columns(ids, vectors, None if payloads is None else _payloads(payloads))


def _arrays(body: bytes) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = archive.infolist()
    except _NO_ARCHIVE as error:
        raise MalformedBody("not an .npz file of numpy", place="body") from error
    if len(members) > _MOST_ARRAYS:
        raise MalformedBody(f"at most {_MOST_ARRAYS} arrays", place="body")
    return dict(_array(memoryview(body), member) for member in members)


def _array(body: memoryview, member: zipfile.ZipInfo) -> tuple[str, Array]:
    """A member as an array that lies where it came, in the body."""
    name = member.filename.removesuffix(_SUFFIX)
    if member.compress_type != zipfile.ZIP_STORED:
        raise InvalidInput("use np.savez, not np.savez_compressed", place=name)
    raw = _stored(body, member)
    try:
        dtype, shape, by_column, start = _header(raw)
        if not dtype.hasobject:
            flat = np.frombuffer(raw, dtype, offset=start)
            array = flat.reshape(shape[::-1]).T if by_column else flat.reshape(shape)
            return name, array
    except _NO_ARRAY as error:
        raise MalformedBody("not an array of numpy", place=name) from error
    raise InvalidInput("no Python objects: they would have to be unpickled", place=name)


def _header(raw: memoryview) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
    """Type, shape, order, and where the numbers begin. numpy's own reader also takes headers of
    Python 2, by a way that warns, and fails in many forms. Raises `ValueError` and the like."""
    found = _MAGIC.match(raw)
    if found is None:
        raise ValueError("no header")
    size = struct.Struct("<H" if found[1] == b"\x01" else "<I")
    start = found.end() + size.size
    (length,) = size.unpack(raw[found.end() : start])
    said = literal_eval(
        bytes(raw[start : start + min(length, _MOST_HEADER_BYTES)]).decode("latin1")
    )
    kind, by_column, shape = said["descr"], said["fortran_order"], said["shape"]
    if not (
        isinstance(kind, str)
        and _KIND.fullmatch(kind)
        and isinstance(shape, tuple)
        and all(type(n) is int and n >= 0 for n in shape)
    ):
        raise ValueError("a header of another kind")
    return np.dtype(kind), shape, by_column is True, start + length


def _stored(body: memoryview, member: zipfile.ZipInfo) -> memoryview:
    """The bytes of a member that is not compressed. `zipfile` would copy them twice."""
    start = member.header_offset
    head = bytes(body[start : start + _LOCAL.size])
    if len(head) == _LOCAL.size and not member.flag_bits & _ENCRYPTED:
        signature, name_size, extra_size = _LOCAL.unpack(head)
        start += _LOCAL.size + name_size + extra_size
        raw = body[start : start + member.file_size]
        if (
            signature == _LOCAL_SIGNATURE
            and len(raw) == member.file_size == member.compress_size
            and zlib.crc32(raw) == member.CRC
        ):
            return raw
    raise MalformedBody("a damaged .npz file", place="body")


def _ids(array: Array, most: int) -> list[PointId]:
    if array.dtype == np.uint8 and array.ndim == 2 and array.shape[1] == _UUID_BYTES:
        array = np.ascontiguousarray(array).view(f"V{_UUID_BYTES}")[:, 0]
    if array.ndim != 1:
        raise InvalidInput(f"a list of ids, not of shape {array.shape}", place="ids")
    if not array.size:
        raise InvalidInput("at least one is needed", place="ids")
    if array.size > most:
        raise InvalidInput(f"at most {most} in one request, not {array.size}", place="ids")
    kind = array.dtype.kind
    if kind in "iuU":
        ids: list[PointId] = array.tolist()
        return ids
    if kind == "S":
        return [text.decode("ascii", "replace") for text in array.tolist()]
    if kind == "V" and array.dtype.itemsize == _UUID_BYTES and array.dtype.fields is None:
        return [str(UUID(bytes=raw)) for raw in array.tolist()]
    raise InvalidInput(f"integers, or UUIDs as text or as 16 bytes, not {array.dtype}", place="ids")


def _vectors(array: Array, place: str) -> Array:
    """32-bit floats, one row after the other. A number that does not fit is for the store to
    find."""
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise InvalidInput(f"float32, float64 or float16, not {array.dtype}", place=place)
    with np.errstate(over="ignore"):
        return np.require(array, np.float32, ["C", "ALIGNED"])


def _payloads(array: Array) -> list[Any]:
    if array.dtype != np.uint8 or array.ndim != 1:
        raise InvalidInput("a list of uint8 that holds JSON", place="payloads")
    try:
        payloads = decode(array.tobytes())
    except InvalidInput as error:
        error.place = "payloads" + (error.place or "").removeprefix("body")
        raise
    if not isinstance(payloads, list):
        raise InvalidInput("a JSON list, with an object or null for each point", place="payloads")
    return payloads
