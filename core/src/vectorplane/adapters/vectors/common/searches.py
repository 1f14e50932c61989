"""The check of a search, the same for every engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vectorplane.adapters.vectors.common.filters import check_filter
from vectorplane.adapters.vectors.common.ids import shown
from vectorplane.adapters.vectors.common.schema import Schema, check_selection
from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import Json, Search

MAX_COUNT = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Checked:
    """A search that every engine can run as it is."""

    query: Any
    using: str
    limit: int
    offset: int
    filter: Json | None
    params: Json
    score_threshold: float | None
    payload: bool | list[str]
    vectors: bool | list[str]


def check_searches(schema: Schema, searches: Sequence[Search]) -> list[Checked]:
    """All searches, or `InvalidInput` with the place of the first mistake: `searches[2].query`."""
    return [check_search(schema, search, f"searches[{i}]") for i, search in enumerate(searches)]


def check_search(schema: Schema, search: Search, place: str) -> Checked:
    return Checked(
        query=schema.check_query(search.query, search.using, place),
        using=search.using,
        limit=check_count(search.limit, f"{place}.limit", least=1),
        offset=check_count(search.offset, f"{place}.offset", least=0),
        filter=check_filter(search.filter, f"{place}.filter"),
        params=check_params(search.params, f"{place}.params"),
        score_threshold=None
        if search.score_threshold is None
        else _number(search.score_threshold, f"{place}.score_threshold"),
        payload=check_selection(search.payload, f"{place}.payload"),
        vectors=schema.check_names(search.vectors, f"{place}.vectors"),
    )


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
