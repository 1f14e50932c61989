"""One score of a point out of several: by examples, and by the fusion of rankings. Qdrant's own
formulas."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from vectorplane.adapters.vectors.common.ids import sort_key
from vectorplane.adapters.vectors.common.schema import Dense
from vectorplane.adapters.vectors.memory import scoring
from vectorplane.ports.vectors import Fusion, FusionMethod, PointId, Recommend, Strategy

RRF_K = 2
"""Qdrant's own."""

Scored = tuple[PointId, float]
Weigh = Callable[[dict[int, float]], dict[int, float]]
Score = Callable[[Any], float | None]


def scorer(spec: Dense | None, query: Any, weigh: Weigh) -> Score:
    """How a stored vector is scored; None for what is no hit. `weigh` changes a sparse query."""
    if not isinstance(query, Recommend):
        wanted = _prepared(spec, query, weigh)
        if spec is None:
            return lambda vector: scoring.sparse_score(wanted, vector)
        return lambda vector: scoring.dense_score(spec, wanted, vector)
    positive = [_prepared(spec, example, weigh) for example in query.positive]
    negative = [_prepared(spec, example, weigh) for example in query.negative]
    best = query.strategy == Strategy.BEST_SCORE

    def score(vector: Any) -> float | None:
        likes = [scoring.similarity(spec, example, vector) for example in positive]
        dislikes = [scoring.similarity(spec, example, vector) for example in negative]
        if not best:
            return sum(likes) - sum(dislikes)
        like, dislike = max(likes, default=-math.inf), max(dislikes, default=-math.inf)
        return _squeezed(like) if like > dislike else -_squeezed(dislike)

    return score


def fused(fusion: Fusion, sources: Sequence[Sequence[Scored]]) -> list[Scored]:
    """One ranking, the best first."""
    totals: dict[PointId, float] = {}
    for source in sources:
        ranks = (
            _reciprocal(source, fusion.k) if fusion.method is FusionMethod.RRF else _spread(source)
        )
        for point_id, score in ranks:
            totals[point_id] = totals.get(point_id, 0.0) + score
    return sorted(totals.items(), key=lambda pair: (-pair[1], sort_key(pair[0])))


def _prepared(spec: Dense | None, query: Any, weigh: Weigh) -> Any:
    prepared = scoring.prepared(spec, query)
    return weigh(prepared) if spec is None else prepared


def _squeezed(similarity: float) -> float:
    """Between 0 and 1."""
    return 0.5 * (similarity / (1 + abs(similarity)) + 1)


def _reciprocal(source: Sequence[Scored], k: int | None) -> list[Scored]:
    k = RRF_K if k is None else k
    return [(point_id, 1 / (rank + k)) for rank, (point_id, _) in enumerate(source)]


def _spread(source: Sequence[Scored]) -> list[Scored]:
    """Scores between three standard deviations below and above their mean, as 0 and 1."""
    scores = [score for _, score in source]
    mean = sum(scores) / max(1, len(scores))
    variance = sum((s - mean) ** 2 for s in scores) / max(1, len(scores) - 1)
    reach = 3 * math.sqrt(variance)
    if not reach:
        return [(point_id, 0.5) for point_id, _ in source]
    return [(point_id, (score - mean + reach) / (2 * reach)) for point_id, score in source]
