"""Points named in a search as its vectors, for engines that do not look them up themselves.

Qdrant's server has the same rules: a point that a search names is not among its results, wherever
in the search it is named; an example without the vector that is searched is left out; an average is
twice the positive one less the negative one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vectorplane.adapters.vectors.common.schema import Schema
from vectorplane.adapters.vectors.common.searches import Checked, CheckedPrefetch
from vectorplane.errors import InvalidInput, NotFound
from vectorplane.ports.vectors import ById, Json, PointId, Recommend, Strategy

Known = Mapping[PointId, Mapping[str, Any]]
"""The vectors of points by name."""


def plain(search: Checked | CheckedPrefetch) -> bool:
    """True where there is nothing to resolve."""
    return not search.prefetch and not isinstance(search.query, ById | Recommend)


def named(searches: Sequence[Checked]) -> tuple[list[PointId], list[str]]:
    """Every point that searches name, and the vectors that are wanted of them."""
    found = [reference for search in searches for reference in _references(search, "")]
    ids = list(dict.fromkeys(point_id for _, point_id, _ in found))
    return ids, list(dict.fromkeys(using for _, _, using in found))


def scores_by_points(search: Checked | CheckedPrefetch) -> bool:
    """True where scores are made of points alone, none of which may have the vector: Qdrant's
    server then scores all points, by nothing."""
    query = search.query
    return (
        isinstance(query, Recommend)
        and query.strategy != Strategy.AVERAGE_VECTOR
        and all(isinstance(example, ById) for example in query.positive)
    ) or any(map(scores_by_points, search.prefetch))


def resolve(schema: Schema, search: Checked, known: Known, place: str) -> Checked:
    """The same search by vectors: what is left is a vector, or a fusion, or examples of which none
    is a point and whose strategy is none of averages. Raises `NotFound` with the place of a point
    that is not there.
    """
    if plain(search):
        return search
    gone = []
    for where, point_id, _ in _references(search, place):
        if point_id not in known:
            raise NotFound(f"there is no point {point_id}", place=where)
        gone.append(point_id)
    return replace(
        search,
        query=_query(schema, search, known, place),
        filter=without(search.filter, gone),
        prefetch=_prefetches(schema, search.prefetch, known, place),
    )


def by_name(schema: Schema, vector: Any) -> Mapping[str, Any]:
    """The vectors of a point as it was read back."""
    if not isinstance(vector, Mapping):
        return {"": vector}
    unnamed = "" in schema.sparse and vector.keys() == {"indices", "values"}
    return {"": vector} if unnamed else vector


def without(flt: Json | None, ids: Sequence[PointId]) -> Json | None:
    """A checked filter that lets none of these points through."""
    if not ids:
        return flt
    flt = flt or {}
    barred = {"has_id": list(dict.fromkeys(ids))}
    return {**flt, "must_not": [*flt.get("must_not", ()), barred]}


def both(one: Json | None, other: Json | None) -> Json | None:
    """A filter that passes what passes both checked ones."""
    if one and other:
        return {"must": [one, other]}
    return one or other


def _references(
    search: Checked | CheckedPrefetch, place: str
) -> Iterator[tuple[str, PointId, str]]:
    """Place, point and name of the vector."""
    query = search.query
    if isinstance(query, ById):
        yield f"{place}.query", query.id, search.using
    elif isinstance(query, Recommend):
        for kind, examples in (("positive", query.positive), ("negative", query.negative)):
            for i, example in enumerate(examples):
                if isinstance(example, ById):
                    yield f"{place}.query.{kind}[{i}]", example.id, search.using
    for i, prefetch in enumerate(search.prefetch):
        yield from _references(prefetch, f"{place}.prefetch[{i}]")


def _prefetches(
    schema: Schema, prefetches: Sequence[CheckedPrefetch], known: Known, place: str
) -> tuple[CheckedPrefetch, ...]:
    return tuple(
        replace(
            prefetch,
            query=_query(schema, prefetch, known, f"{place}.prefetch[{i}]"),
            prefetch=_prefetches(schema, prefetch.prefetch, known, f"{place}.prefetch[{i}]"),
        )
        for i, prefetch in enumerate(prefetches)
    )


def _query(schema: Schema, search: Checked | CheckedPrefetch, known: Known, place: str) -> Any:
    query, using = search.query, search.using
    if isinstance(query, ById):
        vector = known[query.id].get(using)
        if vector is None:
            name = f'vector "{using}"' if using else "unnamed vector"
            raise NotFound(f"point {query.id} has no {name}", place=f"{place}.query")
        return vector
    if not isinstance(query, Recommend):
        return query
    positive, negative = (
        [v for e in examples if (v := _example(e, using, known)) is not None]
        for examples in (query.positive, query.negative)
    )
    if not positive:
        raise InvalidInput("none of the examples has the vector", place=f"{place}.query.positive")
    if query.strategy != Strategy.AVERAGE_VECTOR:
        return Recommend(positive, negative, query.strategy)
    spec = schema.dense.get(using)
    if spec is None:
        return _sparse_target(positive, negative)
    if spec.multi:
        rows = [row for vector in positive for row in vector]
        return rows + [[-x for x in row] for vector in negative for row in vector]
    mean = _mean(positive)
    if not negative:
        return mean
    return [p + p - n for p, n in zip(mean, _mean(negative), strict=True)]


def _example(example: Any, using: str, known: Known) -> Any:
    return known[example.id].get(using) if isinstance(example, ById) else example


def _mean(vectors: Sequence[Sequence[float]]) -> list[float]:
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def _sparse_target(positive: Sequence[Json], negative: Sequence[Json]) -> Json:
    target = _sparse_mean(positive)
    if negative:
        target = {index: 2 * value for index, value in target.items()}
        for index, value in _sparse_mean(negative).items():
            target[index] = target.get(index, 0.0) - value
    indices = sorted(target)
    return {"indices": indices, "values": [target[index] for index in indices]}


def _sparse_mean(vectors: Sequence[Json]) -> dict[int, float]:
    total: dict[int, float] = {}
    for vector in vectors:
        for index, value in zip(vector["indices"], vector["values"], strict=True):
            total[index] = total.get(index, 0.0) + value
    return {index: value / len(vectors) for index, value in total.items()}
