"""Whether a copy is good enough to serve: how much of the truth its searches find."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from vectorplane.domain.model import Place, Settings
from vectorplane.ports.vectors import Found, Point, Search, VectorPoints
from vectorplane.rebuilds.carrying import Dense, dense_of

TOP = 10
SAMPLE = 20
_EXACT = {"exact": True}
_ASCENDING = ("Euclid", "Manhattan")
_TIE = 1e-5


class Sample:
    """Some points of all that go by, each with the same chance."""

    def __init__(self, size: int = SAMPLE) -> None:
        self.points: list[Point] = []
        self._size = size
        self._seen = 0
        self._dice = random.Random(0)

    def add(self, points: Sequence[Point]) -> None:
        for point in points:
            self._seen += 1
            if len(self.points) < self._size:
                self.points.append(point)
            elif (place := self._dice.randrange(self._seen)) < self._size:
                self.points[place] = point


async def recall(
    points: VectorPoints,
    source: Place,
    target: str,
    settings: tuple[Settings, Settings],
    sample: Sequence[Point],
) -> float | None:
    """The least recall@10 among the target's dense vectors, from 0 to 1; None where it cannot be
    told: no vectors, or a strict mode that allows no exact search.

    The truth is an exact search of the source. Where the vector is of another kind there, or the
    source is a pool, an exact search of the target itself.
    """
    if any(of.get(("strictMode", "searchAllowExact")) is False for of in settings):
        return None
    before, after = map(dense_of, settings)
    ids = [point.id for point in sample]
    stored = {p.id: p for p in await points.retrieve(target, ids, payload=False, vectors=True)}
    found = []
    for name, spec in after.items():
        queries = [v for i in ids if i in stored and (v := _vector(stored[i], name)) is not None]
        if queries:
            truth = source.collection if spec == before.get(name) and not source.tenant else target
            found.append(await _recall(points, truth, target, name, spec, queries))
    return min(found, default=None)


async def _recall(
    points: VectorPoints, truth: str, target: str, name: str, spec: Dense, queries: list[Any]
) -> float:
    def searches(params: dict[str, Any] | None) -> list[Search]:
        return [Search(q, TOP, name, params=params, payload=False) for q in queries]

    ascending = spec.distance in _ASCENDING
    right = await points.search(truth, searches(_EXACT))
    given = await points.search(target, searches(None))
    shares = [_share(r, g, ascending) for r, g in zip(right, given, strict=True) if r]
    return sum(shares) / len(shares) if shares else 1.0


def _share(right: Sequence[Found], given: Sequence[Found], ascending: bool) -> float:
    """How much of the truth was found. One that is as near as the last of the truth counts too."""
    ids = {f.id for f in right}
    last = right[-1].score or 0.0
    most = _TIE * max(1.0, abs(last))

    def good(hit: Found) -> bool:
        score = hit.score or 0.0
        return hit.id in ids or (score <= last + most if ascending else score >= last - most)

    return min(1.0, sum(map(good, given)) / len(right))


def _vector(found: Found, name: str) -> Any:
    vector = found.vector
    if isinstance(vector, Mapping):
        return vector.get(name)
    return vector if name == "" else None
