"""Groups of a search's results, for an engine that has none: exact, by as few searches as it takes.

The best groups are those of the best points. So a first search gives the beginning of all results.
If that has too few groups, further ones leave out the groups and points that are known. Groups that
the first search did not fill are then searched each for itself, all in one batch.

Results of prefetched searches depend on each other, so there nothing may be left out: one search
gives all of them. What is prefetched is more by the size of a group, as on Qdrant's server. (That
one fills such groups by searches without what it has, and mixes scores of different rankings.)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace

from vectorplane.adapters.vectors.common.jsonpath import WILDCARD, elements_at, parse
from vectorplane.adapters.vectors.common.resolving import both, without
from vectorplane.adapters.vectors.common.searches import MAX_COUNT, Checked, CheckedPrefetch
from vectorplane.ports.vectors import Found, Group, Json, PointId

Key = str | int
Find = Callable[[list[Checked]], Awaitable[list[list[Found]]]]
_INT64 = range(-(2**63), 2**63)


def keys_of(payload: Json | None, by: str) -> list[Key]:
    """The groups of a point: of an array each element. None where one of them is neither a string
    nor an integer, as on Qdrant's server."""
    keys = elements_at(payload or {}, by)
    if all(type(k) is str or (type(k) is int and k in _INT64) for k in keys):
        return list(dict.fromkeys(keys))
    return []


def collect(hits: Iterable[Found], by: str, limit: int, size: int) -> list[Group]:
    """The first `limit` groups of hits that stand in order, with at most `size` of each."""
    groups: dict[Key, list[Found]] = {}
    for hit in hits:
        for key in keys_of(hit.payload, by):
            groups.setdefault(key, []).append(hit)
    return [Group(key, of[:size]) for key, of in list(groups.items())[:limit]]


def groupable(search: Checked, by: str, size: int) -> Checked:
    """The search whose results are grouped, with nothing but the keys of each point."""
    field_ = by.removesuffix("[]") if (parse(by) or ())[-1:] == (WILDCARD,) else by
    return replace(
        search,
        filter=both(search.filter, {"must_not": [{"is_empty": {"key": by}}]}),
        payload=[field_],
        vectors=False,
        prefetch=_widened(search.prefetch, size),
    )


@dataclass(slots=True)
class _Pages:
    """What the searches gave so far. `groups` are in order."""

    by: str
    groups: dict[Key, list[Found]] = field(default_factory=dict)
    seen: list[PointId] = field(default_factory=list)

    def add(self, hits: list[Found]) -> None:
        for hit in hits:
            self.seen.append(hit.id)
            for key in keys_of(hit.payload, self.by):
                self.groups.setdefault(key, []).append(hit)


async def grouped(find: Find, search: Checked, by: str, size: int, points: int) -> list[Group]:
    """The best `search.limit` groups. `points` is how many there are at most; hits have no more
    payload than their keys."""
    limit = search.limit
    bare = groupable(search, by, size)
    if search.prefetch:
        whole = min(sum(p.limit for p in bare.prefetch), max(points, 1))
        [hits] = await find([replace(bare, limit=whole)])
        return collect(hits, by, limit, size)
    page = min(limit * size, max(points, 1), MAX_COUNT)
    [hits] = await find([replace(bare, limit=page)])
    pages = _Pages(by)
    pages.add(hits)
    if len(hits) < page:
        return collect(hits, by, limit, size)
    full = {key for key, of in pages.groups.items() if len(of) >= size}
    while len(hits) == page and len(pages.groups) < limit:
        page = min(2 * page, MAX_COUNT)  # what is in no group must not take a search for each few
        flt = both(without(bare.filter, pages.seen), _none_of(by, pages.groups))
        [hits] = await find([replace(bare, limit=page, filter=flt)])
        pages.add(hits)
    chosen = list(pages.groups)[:limit]
    filled = await _fill(find, bare, by, size, [key for key in chosen if key not in full])
    return [Group(key, (filled.get(key) or pages.groups[key])[:size]) for key in chosen]


async def _fill(
    find: Find, bare: Checked, by: str, size: int, keys: list[Key]
) -> dict[Key, list[Found]]:
    """The best points of each of these groups."""
    filled: dict[Key, list[Found]] = {}
    page = size
    while keys:
        batch = [
            replace(
                bare,
                limit=page,
                filter=both(bare.filter, {"must": [{"key": by, "match": {"value": key}}]}),
            )
            for key in keys
        ]
        again: list[Key] = []
        for key, hits in zip(keys, await find(batch), strict=True):
            # A point that matches a key is in no group where another value of it is no key.
            filled[key] = [hit for hit in hits if key in keys_of(hit.payload, by)]
            if len(filled[key]) < size and len(hits) == page:
                again.append(key)
        keys, page = again, min(2 * page, MAX_COUNT)
    return filled


def _none_of(by: str, keys: Iterable[Key]) -> Json | None:
    """Passes points that have a key besides these. (`except` asks whether any element differs.)"""
    words = [key for key in keys if isinstance(key, str)]
    numbers = [key for key in keys if isinstance(key, int)]
    conditions = [{"key": by, "match": {"except": known}} for known in (words, numbers) if known]
    return {"must": conditions} if conditions else None


def _widened(prefetches: tuple[CheckedPrefetch, ...], size: int) -> tuple[CheckedPrefetch, ...]:
    return tuple(
        replace(p, limit=min(p.limit * size, MAX_COUNT), prefetch=_widened(p.prefetch, size))
        for p in prefetches
    )
