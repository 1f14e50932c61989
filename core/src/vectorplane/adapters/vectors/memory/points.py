"""The points of one collection in memory, searched by looking at each."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from vectorplane.adapters.vectors.common.changes import Change
from vectorplane.adapters.vectors.common.grouping import collect, groupable
from vectorplane.adapters.vectors.common.ids import sort_key
from vectorplane.adapters.vectors.common.jsonpath import parse, select
from vectorplane.adapters.vectors.common.resolving import both, resolve
from vectorplane.adapters.vectors.common.schema import Schema, unwrap
from vectorplane.adapters.vectors.common.searches import Checked, CheckedPrefetch
from vectorplane.adapters.vectors.memory import ranking, scoring
from vectorplane.adapters.vectors.memory.filtering import Subject, matches
from vectorplane.adapters.vectors.memory.payloads import changed, indexed_at
from vectorplane.domain.model import Value
from vectorplane.ports.vectors import Found, Fusion, Group, Json, PointId, Recommend


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
        best = self._ranked(search)[search.offset : search.offset + search.limit]
        return [self.found(i, search.payload, search.vectors, s) for i, s in best]

    def groups(self, search: Checked, by: str, size: int) -> list[Group]:
        scores = dict(self._ranked(groupable(search, by, size)))
        hits = [self.found(i, True, False) for i in scores]
        return [
            Group(
                group.key,
                [
                    self.found(hit.id, search.payload, search.vectors, scores[hit.id])
                    for hit in group.hits
                ],
            )
            for group in collect(hits, by, search.limit, size)
        ]

    def resolved(self, search: Checked, place: str) -> Checked:
        """A search without ids of points in it. Raises `NotFound`."""
        known = {i: point.vectors for i, point in self.held.items()}
        return resolve(self.schema, search, known, place)

    def facet(self, path: str, kind: str, flt: Json | None, limit: int) -> list[tuple[Value, int]]:
        """The values of a field that an index of this type has, the most frequent first."""
        counts = Counter(
            value
            for point_id in self.ids(flt)
            for value in indexed_at(self.held[point_id].payload, path, kind)
        )
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]

    def change(self, change: Change) -> None:
        for point_id in self.ids(change.filter or None):
            changed(self.held[point_id].payload, change)

    def _ranked(
        self, search: Checked | CheckedPrefetch, inherited: Json | None = None
    ) -> list[ranking.Scored]:
        """All that a search finds, the best first. A filter holds for what is prefetched too."""
        flt = both(inherited, search.filter)
        sources = [self._ranked(p, flt)[: p.limit] for p in search.prefetch]
        threshold = search.score_threshold
        if isinstance(search.query, Fusion):
            fused = ranking.fused(search.query, sources)
            return [(i, s) for i, s in fused if threshold is None or s >= threshold]
        among: Iterable[PointId] = (
            {i for source in sources for i, _ in source} if sources else self.ids(flt)
        )
        scored = self._scores(search, among)
        ascending = not isinstance(search.query, Recommend) and self.schema.ascending(search.using)
        if threshold is not None:
            scored = [(i, s) for i, s in scored if (s < threshold if ascending else s > threshold)]
        scored.sort(key=lambda pair: (pair[1] if ascending else -pair[1], sort_key(pair[0])))
        return scored

    def _scores(
        self, search: Checked | CheckedPrefetch, among: Iterable[PointId]
    ) -> list[ranking.Scored]:
        name = search.using
        held = [(i, self.held[i].vectors[name]) for i in among if name in self.held[i].vectors]
        score = ranking.scorer(self.schema.dense.get(name), search.query, self._rarity(name))
        return [(i, s) for i, vector in held if (s := score(vector)) is not None]

    def _rarity(self, name: str) -> Any:
        """What weighs a sparse query: nothing, or how rare each index is among all points."""
        if self.schema.sparse.get(name) != "Idf":
            return lambda q: q
        vectors = [p.vectors[name] for p in self.held.values() if name in p.vectors]
        return lambda q: scoring.idf(q, vectors)

    def _passes(self, flt: Json | None, point_id: PointId, point: Stored) -> bool:
        return flt is None or matches(flt, Subject(point.payload, point_id, point.vectors.keys()))


def words_at(payload: Json, field: str) -> set[Value]:
    """The words that a Keyword index has of a payload: of an array each."""
    return indexed_at(payload, field, "Keyword")


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
