"""Points and searches as Qdrant's own JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from vectorplane.adapters.vectors.common.columns import as_points, rows_of
from vectorplane.adapters.vectors.common.schema import unwrap
from vectorplane.adapters.vectors.common.searches import Checked, CheckedPrefetch
from vectorplane.ports.vectors import ById, Columns, Fusion, Json, PointId, Recommend

PIECE_NUMBERS = 1_000_000
"""Numbers of one body: about 12 MB of digits, where Qdrant takes 32 MB."""


def point_body(points: Mapping[PointId, tuple[Mapping[str, Any], Json]]) -> Json:
    return {
        "points": [
            {
                "id": point_id,
                "vector": unwrap({name: _vector(v) for name, v in vectors.items()}),
                "payload": payload,
            }
            for point_id, (vectors, payload) in points.items()
        ]
    }


def column_bodies(columns: Columns) -> Iterator[bytes]:
    """Checked columns in pieces. The digits are written from the arrays themselves."""
    numbers = sum(array.shape[1] for array in columns.vectors.values())
    rows = max(1, PIECE_NUMBERS // max(1, numbers))
    for start in range(0, len(columns.ids), rows):
        piece = rows_of(columns, start, start + rows)
        batch = {
            "ids": piece.ids,
            "vectors": unwrap(piece.vectors),
            "payloads": piece.payloads,
        }
        try:
            yield orjson.dumps({"batch": batch}, option=orjson.OPT_SERIALIZE_NUMPY)
        except TypeError:  # an integer of more than 64 bits in a payload
            yield json.dumps(point_body(as_points(piece))).encode()


def search_body(search: Checked) -> Json:
    body = _body(search)
    body["with_payload"] = search.payload
    body["with_vector"] = search.vectors
    if search.offset:
        body["offset"] = search.offset
    return body


def _body(search: Checked | CheckedPrefetch) -> Json:
    body: Json = {"query": _query(search.query), "limit": search.limit}
    if search.using:
        body["using"] = search.using
    if search.filter is not None:
        body["filter"] = search.filter
    if search.params:
        body["params"] = search.params
    if search.score_threshold is not None:
        body["score_threshold"] = search.score_threshold
    if search.prefetch:
        body["prefetch"] = [_body(prefetch) for prefetch in search.prefetch]
    return body


def _query(query: Any) -> Any:
    if isinstance(query, Recommend):
        return {
            "recommend": {
                "positive": [_example(example) for example in query.positive],
                "negative": [_example(example) for example in query.negative],
                "strategy": query.strategy.value,
            }
        }
    if isinstance(query, Fusion):
        if query.k is None:
            return {"fusion": query.method.value}
        return {"rrf": {"k": query.k}}
    return _example(query)


def _example(example: Any) -> Any:
    return example.id if isinstance(example, ById) else _vector(example)


def _vector(vector: Any) -> Any:
    """Qdrant takes two rows of integers, `[[1, 0], [0, 1]]`, for a sparse vector; 1.0 is none."""
    if isinstance(vector, dict) or not isinstance(vector[0], list | tuple):
        return vector
    return [[float(x) for x in row] for row in vector]
