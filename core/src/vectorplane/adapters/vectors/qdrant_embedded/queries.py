"""Searches as the engine's own objects. Points as queries and averages are vectors by now."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from vectorplane.adapters.vectors.common.searches import Checked, CheckedPrefetch
from vectorplane.adapters.vectors.qdrant_embedded.filters import edge_filter, payload_selector
from vectorplane.ports.vectors import Fusion, FusionMethod, Json, Recommend, Strategy

RRF_K = 2
"""The default of Qdrant's server."""


def edge_query(search: Checked) -> edge.QueryRequest:
    return edge.QueryRequest(
        limit=search.limit,
        offset=search.offset or None,
        query=_query(search),
        prefetches=[_prefetch(p) for p in search.prefetch] or None,
        filter=None if search.filter is None else edge_filter(search.filter),
        score_threshold=search.score_threshold,
        params=_params(search.params) if search.params else None,
        with_payload=payload_selector(search.payload),
        with_vector=search.vectors,
    )


def edge_vector(vector: Any) -> Any:
    if isinstance(vector, dict):
        return edge.SparseVector(vector["indices"], vector["values"])
    return vector


def _prefetch(prefetch: CheckedPrefetch) -> edge.Prefetch:
    return edge.Prefetch(
        limit=prefetch.limit,
        query=_query(prefetch),
        prefetches=[_prefetch(p) for p in prefetch.prefetch] or None,
        params=_params(prefetch.params) if prefetch.params else None,
        filter=None if prefetch.filter is None else edge_filter(prefetch.filter),
        score_threshold=prefetch.score_threshold,
    )


def _query(search: Checked | CheckedPrefetch) -> Any:
    query, using = search.query, search.using or None
    if isinstance(query, Fusion):
        if query.method is FusionMethod.DBSF:
            return edge.Fusion.Dbsf()
        return edge.Fusion.Rrf(RRF_K if query.k is None else query.k)
    if isinstance(query, Recommend):
        examples = edge.RecommendQuery(
            [edge_vector(v) for v in query.positive], [edge_vector(v) for v in query.negative]
        )
        if query.strategy == Strategy.BEST_SCORE:
            return edge.Query.RecommendBestScore(examples, using)
        return edge.Query.RecommendSumScores(examples, using)
    return edge.Query.Nearest(edge_vector(query), using)


def _params(params: Json) -> edge.SearchParams:
    given = dict(params)
    if (quantization := given.get("quantization")) is not None:
        given["quantization"] = edge.QuantizationSearchParams(**quantization)
    if (acorn := given.get("acorn")) is not None:
        given["acorn"] = edge.AcornSearchParams(**acorn)
    return edge.SearchParams(**given)
