"""Many points as bodies of a bearable size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from vectorplane.client.wire import JSON, NPZ, Columns, columns_json, json_bytes

LARGEST = 8 * 1024 * 1024
"""Bytes of a body, about: a quarter of what the service takes by default."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The body of one write."""

    body: bytes
    media_type: str
    points: int

    @classmethod
    def of(cls, points: Sequence[bytes]) -> Batch:
        """Points that are JSON already."""
        return cls(b'{"points":[' + b",".join(points) + b"]}", JSON, len(points))


def packed(columns: Columns) -> Batch:
    """Columns in binary; as JSON where the ids are numbers and UUIDs side by side, which no array
    holds."""
    ids = () if isinstance(columns.ids, np.ndarray | range) else columns.ids
    if len({isinstance(id, str | UUID) for id in ids}) > 1:
        return Batch(json_bytes(columns_json(columns)), JSON, len(columns))
    return Batch(columns.npz(), NPZ, len(columns))


def batches_of(columns: Columns, most: int) -> Iterator[Columns]:
    """Columns in parts of at most `most` points, fewer where the vectors are large."""
    step = max(1, min(most, LARGEST // columns.bytes_per_point()))
    for start in range(0, len(columns), step):
        yield columns.part(start, start + step)
