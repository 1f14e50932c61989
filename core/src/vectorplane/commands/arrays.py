"""`load` of numpy files: `.npy` is vectors, `.npz` is the binary body of the API."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from vectorplane.client.wire import Columns
from vectorplane.commands.sources import ColumnNames, Rows, finite
from vectorplane.errors import InvalidInput


class Arrays:
    """Vectors by row; `.npy` is mapped into memory, so that it may be larger than it."""

    def __init__(self, path: Path, columns: ColumnNames) -> None:
        self._path = path
        ids: Any = None
        payloads: Any = None
        if path.suffix == ".npz":
            arrays = _opened_npz(path)
            vectors = _vectors_of(path, arrays)
            ids, payloads = arrays.get("ids"), _payloads_of(path, arrays.get("payloads"))
        else:
            vectors = {"": _opened(path)}
        for name, array in vectors.items():
            if array.ndim != 2 or array.dtype.kind not in "fiu":
                raise InvalidInput(
                    f"{path}: vectors are numbers of shape (points, size); {name or 'the array'} "
                    f"is {array.dtype} of shape {array.shape}"
                )
        self.total: int | None = len(next(iter(vectors.values())))
        if columns.ids_file is not None:
            ids = _opened(columns.ids_file)
        if ids is None:
            ids = range(columns.first_id, columns.first_id + self.total)
        try:
            self._all = Columns(ids, vectors, payloads)
        except ValueError as error:
            raise InvalidInput(f"{path}: {error}") from None

    def batches(self, start: int, size: int) -> Iterator[Rows]:
        for first in range(start, len(self._all), size):
            part = self._all.part(first, first + size)

            def place(i: int, first: int = first) -> str:
                return f"{self._path}: row {first + i}"

            vectors = {name: finite(array, place) for name, array in part.named().items()}
            yield Rows(first, Columns(part.ids, vectors, part.payloads), place)


def _opened(path: Path) -> NDArray[Any]:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InvalidInput(f"{path}: no array of numbers: {error}") from None
    if not isinstance(found, np.ndarray):
        raise InvalidInput(f"{path}: one array is wanted, not an archive")
    return found


def _opened_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise InvalidInput(f"{path}: no archive of arrays of numbers: {error}") from None


def _vectors_of(path: Path, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    if "vectors" in arrays:
        return {"": arrays["vectors"]}
    named = {
        name.removeprefix("vectors."): array
        for name, array in arrays.items()
        if name.startswith("vectors.")
    }
    if not named:
        has = ", ".join(sorted(arrays)) or "nothing"
        raise InvalidInput(f"{path}: it has {has}; `vectors` or `vectors.NAME` is wanted")
    return named


def _payloads_of(path: Path, array: NDArray[Any] | None) -> Any:
    if array is None:
        return None
    try:
        found = orjson.loads(array.tobytes())
    except orjson.JSONDecodeError:
        found = None
    if array.dtype != np.uint8 or not isinstance(found, list):
        raise InvalidInput(f"{path}: `payloads` is a JSON list in an array of uint8")
    return found
