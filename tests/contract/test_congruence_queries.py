"""The engines agree on queries by points and examples, on fusion, groups, facets and changes of
payloads: everything is made up at random and asked of two of them.

Numbers are of full length, so that no two scores are equal by chance: where scores tie, engines may
order as they like, and what is fused or cut off below would differ.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.stores import Stores
from support.twins import Twins, same
from vectorplane.domain.model import Index, Settings
from vectorplane.errors import CallerError
from vectorplane.ports.vectors import (
    ById,
    Fusion,
    FusionMethod,
    PayloadChange,
    Point,
    Prefetch,
    Recommend,
    Search,
    Strategy,
)

SIZE = 5
COUNT = 26
NAMES = ("", "late", "text", "weighed")
INDEXES = (
    Index("color", "Keyword"),
    Index("stock", "Integer"),
    Index("yes", "Bool"),
    Index("tag", "Uuid"),
)


class Making:
    """Points, searches and changes from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def dense(self) -> list[float]:
        return [self._random.gauss(0, 1) for _ in range(SIZE)]

    def sparse(self) -> dict[str, list[Any]]:
        # Two always share an index: of scores that are nothing there would be many.
        indices = self._random.sample(range(8), self._random.randint(5, 7))
        return {"indices": indices, "values": [self._random.uniform(0.1, 2) for _ in indices]}

    def vector(self, name: str) -> Any:
        if name == "late":
            return [self.dense() for _ in range(self._random.randint(1, 3))]
        return self.sparse() if name in ("text", "weighed") else self.dense()

    def payload(self) -> dict[str, Any]:
        pick = self._random.choice
        fields = {
            "color": pick(["red", "blue", ["red", "green"], ["red", "red"], 5, None, "amber"]),
            "stock": pick([1, 2, [2, 3], 2.5, "2", -4]),
            "yes": pick([True, False, [True, False], 1]),
            "tag": pick(["00000000-0000-4000-8000-00000000000A", "x", ["0" * 32]]),
            # All of them keys: Qdrant's server gives up on groups that stand behind much else.
            "key": pick(["a", "b", "c", 7, ["a", 7], ["b", "b"], ["c"], [], None]),
            "size": pick([1, 2.5, 3]),
            "deep": {"er": [{"x": pick([1, 2, "p"])}, {"x": pick(["q", 3])}]},
        }
        return {name: value for name, value in fields.items() if self._random.random() < 0.8}

    def points(self) -> list[Point]:
        """Point 0 lacks every vector but one."""
        full = [
            Point(
                i,
                {n: self.vector(n) for n in NAMES if i % 9 or n == "late" or i == 9},
                self.payload(),
            )
            for i in range(COUNT)
        ]
        return [Point(0, {"late": self.vector("late")}, {"color": "red"}), *full[1:]]

    def example(self, name: str) -> Any:
        if self._random.random() < 0.5:
            return self.vector(name)
        return ById(COUNT + 5 if self._random.random() < 0.03 else self._random.randrange(COUNT))

    def query(self, name: str) -> Any:
        if self._random.random() < 0.5:
            return self.example(name)
        return Recommend(
            [self.example(name) for _ in range(self._random.randint(1, 3))],
            [self.example(name) for _ in range(self._random.randint(0, 2))],
            self._random.choice(list(Strategy)),
        )

    def filter(self) -> dict[str, Any] | None:
        return self._random.choice(
            [
                None,
                None,
                {"must": [{"key": "color", "match": {"any": ["red", "blue"]}}]},
                {"must_not": [{"has_id": self._random.sample(range(COUNT), 4)}]},
                {"should": [{"key": "size", "range": {"gte": 2}}, {"has_id": [1, 2, 3]}]},
            ]
        )

    def prefetch(self, limit: int | None = None) -> Prefetch:
        name = self._random.choice(NAMES)
        return Prefetch(
            self.query(name),
            limit or self._random.randint(1, 12),
            using=name,
            filter=self.filter(),
            params={"exact": True},
        )

    def fusion(self) -> Fusion:
        return self._random.choice(
            [
                Fusion(FusionMethod.RRF),
                Fusion(FusionMethod.RRF, self._random.randint(1, 90)),
                Fusion(FusionMethod.DBSF),
            ]
        )

    def search(self) -> Search:
        kind = self._random.choice(["plain", "plain", "fused", "over", "over fused"])
        rest: dict[str, Any] = {"filter": self.filter(), "params": {"exact": True}}
        limit = self._random.randint(1, COUNT)
        if kind == "fused":
            below = [self.prefetch() for _ in range(self._random.randint(1, 3))]
            return Search(self.fusion(), limit, prefetch=below, **rest)
        name = self._random.choice(NAMES)
        if kind == "plain":
            return Search(self.query(name), limit, using=name, **rest)
        below = [self.prefetch() for _ in range(2)]
        if kind == "over fused":
            # All of it: what ties within the fusion must not be cut off.
            below = [Prefetch(self.fusion(), 2 * COUNT, prefetch=below)]
        return Search(self.query(name), limit, using=name, prefetch=below, **rest)

    def grouped(self) -> Search:
        name = self._random.choice(["", "late"])
        query = self.query(name)
        return Search(
            query, self._random.randint(1, 6), using=name, filter=self.filter(), params=EXACT
        )

    def change(self) -> tuple[PayloadChange, dict[str, Any]]:
        where: dict[str, Any] = (
            {"ids": self._random.sample(range(COUNT + 3), 5)}
            if self._random.random() < 0.5
            else {"filter": self.filter() or {}}
        )
        kind = self._random.choice(list(PayloadChange))
        if kind is PayloadChange.DELETE:
            paths = ["color", "deep.er[].x", "deep.er[0]", "key[]", "stock", "nowhere.at", "deep"]
            return kind, where | {"fields": self._random.sample(paths, 2)}
        if kind is PayloadChange.CLEAR:
            return kind, where
        # No null: on a point whose payload was cleared Qdrant sets it, elsewhere it takes away.
        payload = {name: value for name, value in self.payload().items() if value is not None}
        given = where | {"payload": payload}
        if kind is PayloadChange.SET and self._random.random() < 0.6:
            paths = ["deep", "deep.er[]", "deep.er[1].y", "new.one", "color.x", "key[0]", "stock[]"]
            given["path"] = self._random.choice(paths)
        return kind, given


EXACT = {"exact": True}


def shape(distance: str, late: str) -> Settings:
    return {
        ("vectors", "", "size"): SIZE,
        ("vectors", "", "distance"): distance,
        ("vectors", "late", "size"): SIZE,
        ("vectors", "late", "distance"): late,
        ("vectors", "late", "multivector"): "MaxSim",
        ("sparseVectors", "text", "modifier"): "None",
        ("sparseVectors", "weighed", "modifier"): "Idf",
    }


async def told(call: Coroutine[Any, Any, Any]) -> Any:
    """The answer, or what is wrong and where."""
    try:
        return await call
    except CallerError as error:
        return type(error).__name__, error.place, error.message


seeds = st.integers(0, 2**32)
distances = st.sampled_from(["Cosine", "Dot", "Euclid", "Manhattan"])
many: Callable[..., Any] = settings(
    max_examples=30,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.timeout(600)
@many
@given(seed=seeds, distance=distances, late=distances)
def test_searches(twins: Twins, seed: int, distance: str, late: str) -> None:
    making = Making(seed)
    points = making.points()
    searches = [making.search() for _ in range(8)]

    async def run(store: Stores) -> list[Any]:
        async with store.passing(shape(distance, late)) as name:
            await store.points.upsert(name, points)
            alone = [await told(store.points.search(name, [search])) for search in searches]
            fine = [s for s, a in zip(searches, alone, strict=True) if isinstance(a, list)]
            together = await store.points.search(name, fine)
            assert [len(a[0]) for a in alone if isinstance(a, list)] == [len(a) for a in together]
            return alone

    for search, ours, theirs in zip(searches, *twins.both(run), strict=True):
        if isinstance(ours, list) and isinstance(theirs, list):
            same(ours[0], theirs[0], search.limit)
        else:
            assert ours == theirs, search


@pytest.mark.timeout(600)
@many
@given(seed=seeds, distance=distances, size=st.integers(1, 4), by=st.sampled_from(["key", "color"]))
def test_groups(twins: Twins, seed: int, distance: str, size: int, by: str) -> None:
    making = Making(seed)
    points = making.points()
    searches = [making.grouped() for _ in range(4)]

    async def run(store: Stores) -> list[Any]:
        async with store.passing(shape(distance, distance)) as name:
            await store.points.upsert(name, points)
            return [await told(store.points.groups(name, s, by, size)) for s in searches]

    for search, ours, theirs in zip(searches, *twins.both(run), strict=True):
        if not isinstance(ours, list) or not isinstance(theirs, list):
            assert ours == theirs, search
            continue
        # A point of two groups may be the best of both, and then either comes first.
        best = [[group.hits[0].score for group in groups] for groups in (ours, theirs)]
        assert best[0] == pytest.approx(best[1], abs=1e-4)
        last = best[0][-1] if len(ours) == search.limit else None
        mine, other = (
            {g.key: g.hits for g in groups if g.hits[0].score != pytest.approx(last, abs=1e-4)}
            for groups in (ours, theirs)
        )
        assert mine.keys() == other.keys()
        for key, hits in mine.items():
            same(hits, other[key], size)


@pytest.mark.timeout(600)
@many
@given(seed=seeds, indexed=st.integers(0, 3))
def test_changes_and_facets(twins: Twins, seed: int, indexed: int) -> None:
    making = Making(seed)
    points = making.points()
    changes = [making.change() for _ in range(indexed + 2)]
    flt = making.filter()

    async def run(store: Stores) -> list[Any]:
        async with store.passing(shape("Dot", "Dot")) as name:
            await store.points.upsert(name, points)
            for i, (kind, arguments) in enumerate(changes):
                if i == indexed:  # what was changed before and after is in an index
                    for index in INDEXES:
                        await store.admin.create_index(name, index)
                await store.points.change_payload(name, kind, **arguments)
            page = await store.points.scroll(name, limit=100)
            facets = [
                await store.points.facet(name, index.field, filter=flt, limit=most, exact=True)
                for index in INDEXES
                for most in (2, 50)
            ]
            return [[(point.id, point.payload) for point in page.points], facets]

    ours, theirs = twins.both(run)
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
