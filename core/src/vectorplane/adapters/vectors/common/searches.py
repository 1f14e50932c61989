"""The check of a search, the same for every engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vectorplane.adapters.vectors.common.filters import check_filter
from vectorplane.adapters.vectors.common.ids import check_id, shown
from vectorplane.adapters.vectors.common.jsonpath import check_path
from vectorplane.adapters.vectors.common.schema import Schema, check_selection
from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import (
    ById,
    Fusion,
    FusionMethod,
    Json,
    Prefetch,
    Recommend,
    Search,
    Strategy,
)

MAX_COUNT = 2**32 - 1
MAX_PREFETCH_DEPTH = 4
MAX_PREFETCHES = 16
"""In all of one search."""


@dataclass(frozen=True, slots=True)
class CheckedPrefetch:
    """A prefetch that every engine can run as it is."""

    query: Any
    using: str
    limit: int
    filter: Json | None
    params: Json
    score_threshold: float | None
    prefetch: tuple[CheckedPrefetch, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """A search that every engine can run as it is. `query` is a vector (lists, or the object of a
    sparse one), or a `ById`, `Recommend` or `Fusion` of checked parts."""

    query: Any
    using: str
    limit: int
    offset: int
    filter: Json | None
    params: Json
    score_threshold: float | None
    payload: bool | list[str]
    vectors: bool | list[str]
    prefetch: tuple[CheckedPrefetch, ...] = ()


def check_searches(schema: Schema, searches: Sequence[Search]) -> list[Checked]:
    """All searches, or `InvalidInput` with the place of the first mistake: `searches[2].query`."""
    return [check_search(schema, search, f"searches[{i}]") for i, search in enumerate(searches)]


def check_search(schema: Schema, search: Search, place: str) -> Checked:
    return Checked(
        query=_query(schema, search, place),
        using=search.using,
        limit=check_count(search.limit, f"{place}.limit", least=1),
        offset=check_count(search.offset, f"{place}.offset", least=0),
        filter=check_filter(search.filter, f"{place}.filter"),
        params=check_params(search.params, f"{place}.params"),
        score_threshold=None
        if search.score_threshold is None
        else _threshold(schema, search, place),
        payload=check_selection(search.payload, f"{place}.payload"),
        vectors=schema.check_names(search.vectors, f"{place}.vectors"),
        prefetch=_prefetches(schema, search.prefetch, place, 1, [0]) if search.prefetch else (),
    )


def check_groups(schema: Schema, search: Search, by: object, size: object) -> Checked:
    """The search whose results are grouped; its place is `searches[0]`."""
    checked = check_search(schema, search, "searches[0]")
    check_path(by, "by")
    check_count(size, "size", least=1)
    if checked.offset:
        raise InvalidInput("groups have no offset", place="searches[0].offset")
    return checked


def check_count(raw: object, place: str, *, least: int) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool) and least <= raw <= MAX_COUNT:
        return raw
    raise InvalidInput(f"an integer of at least {least}, not {shown(raw)}", place=place)


def check_params(raw: object, place: str, words: dict[str, Any] | None = None) -> Json:
    """Search parameters in Qdrant's words, without those that are null."""
    if raw is None:
        return {}
    words = _PARAMS if words is None else words
    if not isinstance(raw, dict):
        raise InvalidInput(f"an object with {', '.join(words)}, not {shown(raw)}", place=place)
    checked: Json = {}
    for word, value in raw.items():
        check = words.get(word)
        if check is None:
            raise InvalidInput(
                f"unknown word {shown(word)}; it may be {', '.join(words)}", place=place
            )
        if value is None:
            continue
        where = f"{place}.{word}"
        checked[word] = (
            check_params(value, where, check) if isinstance(check, dict) else check(value, where)
        )
    return checked


def _query(schema: Schema, search: Search | Prefetch, place: str) -> Any:
    query = search.query
    if type(query) is list:  # nearly always
        return schema.check_query(query, search.using, place)
    if isinstance(query, ById):
        schema.check_using(search.using, f"{place}.using")
        return ById(check_id(query.id, f"{place}.query"))
    if isinstance(query, Recommend):
        schema.check_using(search.using, f"{place}.using")
        return _recommend(schema, query, search.using, f"{place}.query")
    if isinstance(query, Fusion):
        if search.using:
            raise InvalidInput("a fusion has no vector of its own", place=f"{place}.using")
        if not search.prefetch:
            raise InvalidInput("a fusion needs something to fuse", place=f"{place}.prefetch")
        return _fusion(query, f"{place}.query")
    return schema.check_query(query, search.using, place)


def _recommend(schema: Schema, query: Recommend, using: str, place: str) -> Recommend:
    def examples(raw: object, where: str) -> list[Any]:
        if not isinstance(raw, list | tuple):
            raise InvalidInput(f"a list of vectors and points, not {shown(raw)}", place=where)
        return [
            ById(check_id(example.id, f"{where}[{i}]"))
            if isinstance(example, ById)
            else schema.check_example(example, using, f"{where}[{i}]")
            for i, example in enumerate(raw)
        ]

    positive = examples(query.positive, f"{place}.positive")
    if not positive:
        raise InvalidInput("at least one example", place=f"{place}.positive")
    negative = examples(query.negative, f"{place}.negative")
    try:
        strategy = Strategy(query.strategy)
    except ValueError as error:
        raise InvalidInput(
            f"one of {', '.join(Strategy)}, not {shown(query.strategy)}", place=f"{place}.strategy"
        ) from error
    return Recommend(positive, negative, strategy)


def _fusion(query: Fusion, place: str) -> Fusion:
    try:
        method = FusionMethod(query.method)
    except ValueError as error:
        raise InvalidInput(
            f"one of {', '.join(FusionMethod)}, not {shown(query.method)}", place=f"{place}.method"
        ) from error
    if query.k is None:
        return Fusion(method)
    if method is not FusionMethod.RRF:
        raise InvalidInput("only rrf has a k", place=f"{place}.k")
    return Fusion(method, check_count(query.k, f"{place}.k", least=1))


def _prefetches(
    schema: Schema, raw: object, place: str, depth: int, number: list[int]
) -> tuple[CheckedPrefetch, ...]:
    """`number` counts over the whole search."""
    if not isinstance(raw, list | tuple):
        raise InvalidInput(f"a list, not {shown(raw)}", place=f"{place}.prefetch")
    if depth > MAX_PREFETCH_DEPTH:
        raise InvalidInput(
            f"a prefetch nests at most {MAX_PREFETCH_DEPTH} deep", place=f"{place}.prefetch"
        )
    checked = []
    for i, prefetch in enumerate(raw):
        where = f"{place}.prefetch[{i}]"
        number[0] += 1
        if number[0] > MAX_PREFETCHES:
            raise InvalidInput(f"at most {MAX_PREFETCHES} in one search", place=where)
        checked.append(_prefetch(schema, prefetch, where, depth, number))
    return tuple(checked)


def _prefetch(
    schema: Schema, prefetch: Prefetch, place: str, depth: int, number: list[int]
) -> CheckedPrefetch:
    return CheckedPrefetch(
        query=_query(schema, prefetch, place),
        using=prefetch.using,
        limit=check_count(prefetch.limit, f"{place}.limit", least=1),
        filter=check_filter(prefetch.filter, f"{place}.filter"),
        params=check_params(prefetch.params, f"{place}.params"),
        score_threshold=None
        if prefetch.score_threshold is None
        else _threshold(schema, prefetch, place),
        prefetch=_prefetches(schema, prefetch.prefetch, place, depth + 1, number)
        if prefetch.prefetch
        else (),
    )


def _threshold(schema: Schema, search: Search | Prefetch, place: str) -> float:
    number = _number(search.score_threshold, f"{place}.score_threshold")
    query = search.query
    if (
        isinstance(query, Recommend)
        and query.strategy != Strategy.AVERAGE_VECTOR
        and schema.ascending(search.using)
    ):
        # Their scores are better the greater they are, and Qdrant compares them like distances.
        raise InvalidInput(
            f"{query.strategy} has no threshold where vectors are compared by distance",
            place=f"{place}.score_threshold",
        )
    return number


def _bool(raw: object, place: str) -> bool:
    if isinstance(raw, bool):
        return raw
    raise InvalidInput(f"true or false, not {shown(raw)}", place=place)


def _number(raw: object, place: str) -> float:
    if isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw):
        return float(raw)
    raise InvalidInput(f"a finite number, not {shown(raw)}", place=place)


def _ef(raw: object, place: str) -> int:
    return check_count(raw, place, least=1)


def _oversampling(raw: object, place: str) -> float:
    number = _number(raw, place)
    if number < 1:
        raise InvalidInput("at least 1", place=place)
    return number


def _selectivity(raw: object, place: str) -> float:
    number = _number(raw, place)
    if not 0 <= number <= 1:
        raise InvalidInput("between 0 and 1", place=place)
    return number


_Check = Callable[[object, str], Any]
_PARAMS: dict[str, _Check | dict[str, _Check]] = {
    "hnsw_ef": _ef,
    "exact": _bool,
    "indexed_only": _bool,
    "quantization": {"ignore": _bool, "rescore": _bool, "oversampling": _oversampling},
    "acorn": {"enable": _bool, "max_selectivity": _selectivity},
}
