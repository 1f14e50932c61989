"""Vectors as Qdrant stores them and scores as Qdrant gives them, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from struct import pack, unpack
from typing import Any

from vectorplane.adapters.vectors.common.schema import Dense


def stored(spec: Dense | None, vector: Any) -> Any:
    """What is read back: 32-bit floats; of unit length under Cosine; a sparse vector sorted by
    index."""
    if spec is None:
        pairs = sorted(zip(vector["indices"], vector["values"], strict=True))
        return {"indices": [i for i, _ in pairs], "values": _float32([v for _, v in pairs])}
    if spec.multi:
        return [_dense(spec, row) for row in vector]
    return _dense(spec, vector)


def prepared(spec: Dense | None, query: Any) -> Any:
    """A query beside stored vectors."""
    if spec is None:
        return dict(zip(query["indices"], query["values"], strict=True))
    if spec.multi:
        return [_unit(row) if spec.distance == "Cosine" else row for row in query]
    return _unit(query) if spec.distance == "Cosine" else query


def dense_score(spec: Dense, query: Any, vector: Any) -> float:
    """The score of a dense or multi vector; of several rows the sum of each query row's best
    (MaxSim)."""
    raw = similarity(spec, query, vector)
    if spec.distance == "Euclid":
        return math.sqrt(abs(raw))
    return abs(raw) if spec.distance == "Manhattan" else raw


def similarity(spec: Dense | None, query: Any, vector: Any) -> float:
    """How near, the greater the nearer: what scores by examples are made of."""
    if spec is None:
        return sparse_score(query, vector) or 0.0
    if spec.multi:
        return sum(max(_raw(spec, q, row) for row in vector) for q in query)
    return _raw(spec, query, vector)


def sparse_score(query: Mapping[int, float], vector: Mapping[str, list[Any]]) -> float | None:
    """The dot product; None where it is nothing, for such a point is no hit."""
    shared = [
        query[i] * v for i, v in zip(vector["indices"], vector["values"], strict=True) if i in query
    ]
    return sum(shared) or None


def idf(query: Mapping[int, float], vectors: Iterable[Mapping[str, list[Any]]]) -> dict[int, float]:
    """The query weighted by how rare each index is (the modifier Idf)."""
    held = [set(v["indices"]) for v in vectors]
    n = len(held)
    weighted = {}
    for index, value in query.items():
        df = sum(index in indices for indices in held)
        weighted[index] = value * math.log((n - df + 0.5) / (df + 0.5) + 1)
    return weighted


def _raw(spec: Dense, query: Sequence[float], row: Sequence[float]) -> float:
    """Greater is nearer, whatever the distance."""
    pairs = zip(query, row, strict=True)
    if spec.distance == "Euclid":
        return -sum((a - b) ** 2 for a, b in pairs)
    if spec.distance == "Manhattan":
        return -sum(abs(a - b) for a, b in pairs)
    return sum(a * b for a, b in pairs)


def _dense(spec: Dense, row: Sequence[float]) -> list[float]:
    if spec.datatype == "Uint8":
        return [float(min(max(int(x), 0), 255)) for x in row]
    kept = _float32(_unit(row) if spec.distance == "Cosine" else row)
    if spec.datatype == "Float16":
        return [_float16(x) for x in kept]
    return kept


def _unit(row: Sequence[float]) -> list[float]:
    norm = math.hypot(*row)
    return [x / norm for x in row] if norm > 1e-7 else list(row)


def _float32(row: Sequence[float]) -> list[float]:
    code = f"{len(row)}f"
    return list(unpack(code, pack(code, *row)))


def _float16(x: float) -> float:
    try:
        kept: float = unpack("e", pack("e", x))[0]
    except OverflowError:
        kept = math.copysign(math.inf, x)
    return kept
