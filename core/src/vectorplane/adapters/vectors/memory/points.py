"""The points of one collection in memory, searched by looking at each."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from vectorplane.adapters.vectors.common.ids import sort_key
from vectorplane.adapters.vectors.common.jsonpath import parse, select, values_at
from vectorplane.adapters.vectors.common.schema import Schema, unwrap
from vectorplane.adapters.vectors.common.searches import Checked
from vectorplane.adapters.vectors.memory import scoring
from vectorplane.adapters.vectors.memory.filtering import Subject, matches
from vectorplane.ports.vectors import Found, Json, PointId


@dataclass(slots=True)
class Stored:
    vectors: dict[str, Any]
    payload: Json


@dataclass(slots=True)
class Points:
    schema: Schema
    held: dict[PointId, Stored] = field(default_factory=dict)

    def upsert(self, points: dict[PointId, tuple[dict[str, Any], Json]]) -> None:
        for point_id, (vectors, payload) in points.items():
            kept = {n: scoring.stored(self.schema.dense.get(n), v) for n, v in vectors.items()}
            self.held[point_id] = Stored(kept, copy.deepcopy(payload))

    def ids(self, flt: Json | None) -> Iterable[PointId]:
        return [i for i, p in self.held.items() if self._passes(flt, i, p)]

    def found(
        self,
        point_id: PointId,
        payload: bool | list[str],
        vectors: bool | list[str],
        score: float | None = None,
    ) -> Found:
        point = self.held[point_id]
        return Found(
            id=point_id,
            payload=_payload(point.payload, payload),
            vector=_vectors(point.vectors, vectors),
            score=score,
        )

    def page(self, flt: Json | None, offset: PointId | None, count: int) -> list[PointId]:
        """`count` ids in order, from `offset` on."""
        ordered = sorted(self.ids(flt), key=sort_key)
        if offset is not None:
            ordered = [i for i in ordered if sort_key(i) >= sort_key(offset)]
        return ordered[:count]

    def search(self, search: Checked) -> list[Found]:
        scored = self._scores(search)
        ascending = self._ascending(search.using)
        if (threshold := search.score_threshold) is not None:
            scored = [(i, s) for i, s in scored if (s < threshold if ascending else s > threshold)]
        scored.sort(key=lambda pair: (pair[1] if ascending else -pair[1], sort_key(pair[0])))
        best = scored[search.offset : search.offset + search.limit]
        return [self.found(i, search.payload, search.vectors, s) for i, s in best]

    def _scores(self, search: Checked) -> list[tuple[PointId, float]]:
        name = search.using
        spec = self.schema.dense.get(name)
        query = scoring.prepared(spec, search.query)
        if spec is None and self.schema.sparse[name] == "Idf":
            query = scoring.idf(
                query, [p.vectors[name] for p in self.held.values() if name in p.vectors]
            )
        scored = []
        for point_id, point in self.held.items():
            vector = point.vectors.get(name)
            if vector is None or not self._passes(search.filter, point_id, point):
                continue
            score = (
                scoring.sparse_score(query, vector)
                if spec is None
                else scoring.dense_score(spec, query, vector)
            )
            if score is not None:
                scored.append((point_id, score))
        return scored

    def _ascending(self, name: str) -> bool:
        spec = self.schema.dense.get(name)
        return spec is not None and spec.distance in scoring.ASCENDING

    def _passes(self, flt: Json | None, point_id: PointId, point: Stored) -> bool:
        return flt is None or matches(flt, Subject(point.payload, point_id, point.vectors.keys()))


def words_at(payload: Json, field: str) -> set[str]:
    """The words that a Keyword index has of a payload: of an array each."""
    found = values_at(payload, parse(field) or ())
    items = [item for value in found for item in (value if isinstance(value, list) else [value])]
    return {item for item in items if isinstance(item, str)}


def _payload(payload: Json, wanted: bool | list[str]) -> Json | None:
    if wanted is False:
        return None
    if wanted is True:
        return copy.deepcopy(payload)
    return copy.deepcopy(select(payload, [parse(path) or () for path in wanted]))


def _vectors(vectors: dict[str, Any], wanted: bool | list[str]) -> Any:
    if wanted is False:
        return None
    if wanted is True:
        return copy.deepcopy(unwrap(vectors))
    return copy.deepcopy(unwrap({n: v for n, v in vectors.items() if n in wanted}))
