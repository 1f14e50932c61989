"""`VectorPoints.search` by points, by examples, and over searches that come before."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest

from support.stores import COSINE, Stores
from vectorplane.domain.model import Settings
from vectorplane.errors import InvalidInput, NotFound
from vectorplane.ports.vectors import (
    ById,
    Found,
    Fusion,
    FusionMethod,
    Json,
    Point,
    Prefetch,
    Recommend,
    Search,
    Strategy,
)

pytestmark = pytest.mark.anyio

UUID = "67e55044-10b1-426f-9247-bb680e5fe0c8"
SETTINGS: Settings = {
    ("vectors", "", "size"): 2,
    ("vectors", "", "distance"): "Dot",
    ("vectors", "other", "size"): 2,
    ("vectors", "other", "distance"): "Dot",
    ("vectors", "far", "size"): 2,
    ("vectors", "far", "distance"): "Euclid",
    ("vectors", "late", "size"): 2,
    ("vectors", "late", "distance"): "Dot",
    ("vectors", "late", "multivector"): "MaxSim",
    ("sparseVectors", "text", "modifier"): "None",
}
RRF, DBSF = Fusion(FusionMethod.RRF), Fusion(FusionMethod.DBSF)


def sparse(**weights: float) -> Json:
    return {"indices": [int(i[1:]) for i in weights], "values": list(weights.values())}


async def filled(store: Stores) -> str:
    """Points 1 to 6 on a line in two vectors that rank them the other way round."""
    name = await store.collection(SETTINGS)
    points = [
        Point(
            i,
            {
                "": [float(i), 0.0],
                "other": [float(7 - i), 1.0],
                "far": [float(i), 0.0],
                "late": [[float(i), 0.0], [0.0, float(i)]],
                "text": sparse(_1=float(i), _2=1.0),
            },
            {"i": i, "even": i % 2 == 0},
        )
        for i in range(1, 7)
    ]
    await store.points.upsert(name, points)
    await store.points.upsert(name, [Point(UUID, {"other": [0.5, 0.5]}, {"i": 0})])
    return name


async def hits(store: Stores, name: str, search: Search) -> list[tuple[Any, float]]:
    [found] = await store.points.search(name, [search])
    return [(hit.id, pytest.approx(hit.score, abs=1e-5)) for hit in found]


async def ids(store: Stores, name: str, search: Search) -> list[Any]:
    return [i for i, _ in await hits(store, name, search)]


async def test_a_point_is_a_query_and_no_result(store: Stores) -> None:
    name = await filled(store)
    assert await hits(store, name, Search(ById(2), 3)) == [(6, 12), (5, 10), (4, 8)]
    assert await hits(store, name, Search(ById(6), 2)) == [(5, 30), (4, 24)]
    assert await ids(store, name, Search(ById(1), 9, using="far")) == [2, 3, 4, 5, 6]
    assert await ids(store, name, Search(ById(1), 1, using="late")) == [6]
    assert await ids(store, name, Search(ById(1), 1, using="text")) == [6]
    assert await ids(store, name, Search(ById(UUID.upper()), 9, using="other")) == [
        *range(1, 7),
    ]
    flt = {"must": [{"key": "even", "match": {"value": True}}], "must_not": [{"has_id": [6]}]}
    assert await ids(store, name, Search(ById(2), 9, filter=flt)) == [4]


async def test_a_zero_is_a_point_too(store: Stores) -> None:
    name = await store.collection(COSINE)
    await store.points.upsert(name, [Point(i, [1, i, 0, 0]) for i in range(3)])
    assert await ids(store, name, Search(ById(0), 9)) == [1, 2]


async def test_points_that_are_not_there_have_a_place(store: Stores) -> None:
    name = await filled(store)
    good = Search([1.0, 0.0], 1)
    deep = Prefetch(RRF, 3, prefetch=[Prefetch([1.0, 0.0], 2), Prefetch(ById(99), 2)])
    cases: list[tuple[Search, str]] = [
        (Search(ById(99), 3), "query"),
        (Search(ById(UUID), 3), "query"),
        (Search(ById(1), 3, using="other", prefetch=[Prefetch(ById(98), 2)]), "prefetch[0].query"),
        (Search(Recommend([ById(1), [1.0, 0.0], ById(99)]), 3), "query.positive[2]"),
        (Search(Recommend([ById(1)], [ById(2), ById(99)]), 3), "query.negative[1]"),
        (
            Search(Recommend([ById(99)], strategy=Strategy.BEST_SCORE), 3),
            "query.positive[0]",
        ),
        (Search(RRF, 3, prefetch=[Prefetch([1.0, 0.0], 2), deep]), "prefetch[1].prefetch[1].query"),
    ]
    for bad, place in cases:
        for before in ([], [good], [good, good]):
            with pytest.raises(NotFound) as refused:
                await store.points.search(name, [*before, bad])
            assert refused.value.place == f"searches[{len(before)}].{place}", bad
            assert "collection" not in refused.value.message
    with pytest.raises(NotFound, match="nowhere") as unknown:
        await store.points.search("nowhere", [Search(ById(99), 3)])
    assert unknown.value.place is None


async def test_one_bad_search_spoils_no_other(store: Stores) -> None:
    name = await filled(store)
    searches = [Search(ById(99 if i % 5 == 3 else 1 + i % 5), 2) for i in range(40)]
    answers = await asyncio.gather(
        *(store.points.search(name, [search]) for search in searches), return_exceptions=True
    )
    for i, answer in enumerate(answers):
        if i % 5 == 3:
            assert isinstance(answer, NotFound)
            assert answer.place == "searches[0].query"
        else:
            assert isinstance(answer, list)
            assert answer[0][0].id == 6


async def test_recommend_by_the_average(store: Stores) -> None:
    name = await filled(store)
    # 2 * (1 + 2) / 2 - 4 = -1: the smallest is the best, and no example is a result.
    search = Search(Recommend([ById(1), ById(2)], [ById(4)]), 9)
    assert await hits(store, name, search) == [(3, -3), (5, -5), (6, -6)]
    search = Search(Recommend([ById(1), [3.0, 0.0]]), 2)
    assert await hits(store, name, search) == [(6, 12), (5, 10)]
    # An example without the vector counts for nothing.
    search = Search(Recommend([ById(1), ById(UUID)]), 1)
    assert await hits(store, name, search) == [(6, 6)]
    for strategy in Strategy:
        search = Search(Recommend([ById(UUID)], [[1.0, 0.0]], strategy), 1)
        for call in (
            store.points.search(name, [search]),
            store.points.groups(name, search, "i", 1),
        ):
            with pytest.raises(InvalidInput) as refused:
                await call
            assert refused.value.place == "searches[0].query.positive"


async def test_recommend_by_scores(store: Stores) -> None:
    name = await filled(store)

    def squeezed(x: float) -> float:
        return 0.5 * (x / (1 + abs(x)) + 1)

    best = Recommend([ById(1), [2.0, 0.0]], [[0.0, 9.0]], Strategy.BEST_SCORE)
    assert await hits(store, name, Search(best, 2)) == [(6, squeezed(12)), (5, squeezed(10))]
    unlike = Recommend([[1.0, 0.0]], [[2.0, 0.0]], Strategy.BEST_SCORE)
    assert await hits(store, name, Search(unlike, 2)) == [(1, -squeezed(2)), (2, -squeezed(4))]
    total = Recommend([[1.0, 0.0], ById(1)], [[0.5, 0.0]], Strategy.SUM_SCORES)
    assert await hits(store, name, Search(total, 2)) == [(6, 9), (5, 7.5)]
    near = Recommend([[3.0, 0.0]], strategy=Strategy.SUM_SCORES)
    assert await hits(store, name, Search(near, 1, using="far")) == [(3, 0)]
    assert len(await hits(store, name, Search(near, 9, using="far"))) == 6
    search = Search(total, 9, score_threshold=7.0)
    assert await ids(store, name, search) == [6, 5]
    late = Recommend([[[1.0, 0.0], [0.0, 1.0]]], strategy=Strategy.SUM_SCORES)
    assert await hits(store, name, Search(late, 1, using="late")) == [(6, 12)]
    words = Recommend([sparse(_1=1.0)], [sparse(_2=1.0)], Strategy.SUM_SCORES)
    assert await hits(store, name, Search(words, 1, using="text")) == [(6, 5)]


async def test_fusion_by_rank(store: Stores) -> None:
    name = await filled(store)
    prefetch = [Prefetch([1.0, 0.0], 2), Prefetch([1.0, 0.0], 3, using="other")]
    # First 6, 5; second 1, 2, 3.
    search = Search(RRF, 9, prefetch=prefetch)
    assert sorted(await hits(store, name, search)) == [
        (1, 1 / 2),
        (2, 1 / 3),
        (3, 1 / 4),
        (5, 1 / 3),
        (6, 1 / 2),
    ]
    search = Search(Fusion(FusionMethod.RRF, 60), 9, prefetch=prefetch)
    assert sorted(await hits(store, name, search)) == [
        (1, 1 / 60),
        (2, 1 / 61),
        (3, 1 / 62),
        (5, 1 / 61),
        (6, 1 / 60),
    ]
    one = [Prefetch([1.0, 0.0], 4), Prefetch([1.0, 1.0], 2)]
    search = Search(RRF, 3, prefetch=one, offset=1, payload=["i"], vectors=["other"])
    [found] = await store.points.search(name, [search])
    assert [(hit.id, hit.payload) for hit in found] == [
        (5, {"i": 5}),
        (4, {"i": 4}),
        (3, {"i": 3}),
    ]
    assert found[0].vector == {"other": [2.0, 1.0]}
    search = Search(RRF, 9, prefetch=prefetch, score_threshold=0.4)
    assert sorted(await ids(store, name, search)) == [1, 6]
    search = Search(RRF, 9, prefetch=prefetch, filter={"must_not": [{"has_id": [6, 1]}]})
    assert sorted(await ids(store, name, search)) == [2, 3, 4, 5]


async def test_fusion_by_distribution(store: Stores) -> None:
    name = await filled(store)
    search = Search(DBSF, 9, prefetch=[Prefetch([1.0, 0.0], 3), Prefetch([9.0, 0.0], 1)])
    # Of 6, 5 and 4 the mean is 5 and the deviation 1; one alone is in the middle.
    assert await hits(store, name, search) == [(6, 4 / 6 + 0.5), (5, 0.5), (4, 2 / 6)]


async def test_points_that_are_named_below_are_no_results_above(store: Stores) -> None:
    name = await filled(store)
    search = Search(RRF, 9, prefetch=[Prefetch(ById(6), 9), Prefetch([1.0, 0.0], 9)])
    assert await ids(store, name, search) == [5, 4, 3, 2, 1]


async def test_a_search_over_what_was_prefetched(store: Stores) -> None:
    name = await filled(store)
    search = Search([1.0, 0.0], 9, using="other", prefetch=[Prefetch([1.0, 0.0], 3)])
    assert await hits(store, name, search) == [(4, 3), (5, 2), (6, 1)]
    even = {"must": [{"key": "even", "match": {"value": True}}]}
    prefetch = Prefetch([1.0, 0.0], 2, filter=even, score_threshold=1.0, params={"exact": True})
    search = Search(ById(2), 9, using="other", prefetch=[prefetch], score_threshold=6.0)
    # 2 is named, so 6 and 4 are left: 5 * 1 + 1 = 6 is not above 6.
    assert await hits(store, name, search) == [(4, 16)]
    nested = Prefetch(
        RRF, 2, prefetch=[Prefetch([1.0, 0.0], 3), Prefetch([1.0, 0.0], 1, using="far")]
    )
    search = Search([1.0, 0.0], 9, prefetch=[nested])
    assert (await ids(store, name, search))[0] == 6
    assert len(await ids(store, name, search)) == 2


def tower(levels: int) -> Sequence[Prefetch]:
    prefetch = [Prefetch([1.0, 0.0], 9)]
    for _ in range(levels - 1):
        prefetch = [Prefetch([1.0, 0.0], 9, prefetch=prefetch)]
    return prefetch


V = [1.0, 0.0]
BAD: list[tuple[Search, str]] = [
    (Search(ById(-1), 1), "query"),
    (Search(ById("x"), 1), "query"),
    (Search(ById(1), 1, using="nowhere"), "using"),
    (Search(ById(1), 0), "limit"),
    (Search(Recommend([]), 1), "query.positive"),
    (Search(Recommend([], [V]), 1), "query.positive"),
    (Search(Recommend([V, [1.0]]), 1), "query.positive[1]"),
    (Search(Recommend([V, [1.0, math.nan]]), 1), "query.positive[1][1]"),
    (Search(Recommend([V, ById(True)]), 1), "query.positive[1]"),
    (Search(Recommend([V], [V, ById("x")]), 1), "query.negative[1]"),
    (Search(Recommend(V, [V]), 1), "query.positive[0]"),  # type: ignore[arg-type]
    (Search(Recommend("x"), 1), "query.positive"),  # type: ignore[arg-type]
    (Search(Recommend([V], strategy="mean"), 1), "query.strategy"),  # type: ignore[arg-type]
    (Search(Recommend([V]), 1, using="nowhere"), "using"),
    (Search(Recommend([sparse()]), 1, using="text"), "query.positive[0]"),
    (
        Search(Recommend([V], strategy=Strategy.SUM_SCORES), 1, using="far", score_threshold=1.0),
        "score_threshold",
    ),
    (Search(RRF, 1), "prefetch"),
    (Search(RRF, 1, using="other", prefetch=tower(1)), "using"),
    (Search(Fusion("max"), 1, prefetch=tower(1)), "query.method"),  # type: ignore[arg-type]
    (Search(Fusion(FusionMethod.RRF, 0), 1, prefetch=tower(1)), "query.k"),
    (Search(Fusion(FusionMethod.RRF, True), 1, prefetch=tower(1)), "query.k"),
    (Search(Fusion(FusionMethod.DBSF, 5), 1, prefetch=tower(1)), "query.k"),
    (Search(V, 1, prefetch=[Prefetch(V, 1), Prefetch(V, 0)]), "prefetch[1].limit"),
    (Search(V, 1, prefetch=[Prefetch([1.0], 1)]), "prefetch[0].query"),
    (Search(V, 1, prefetch=[Prefetch(V, 1, using="x")]), "prefetch[0].using"),
    (Search(V, 1, prefetch=[Prefetch(V, 1, filter={"must": [3]})]), "prefetch[0].filter.must[0]"),
    (Search(V, 1, prefetch=[Prefetch(V, 1, params={"x": 1})]), "prefetch[0].params"),
    (
        Search(V, 1, prefetch=[Prefetch(V, 1, score_threshold=math.inf)]),
        "prefetch[0].score_threshold",
    ),
    (Search(V, 1, prefetch=[Prefetch(RRF, 1)]), "prefetch[0].prefetch"),
    (
        Search(RRF, 1, prefetch=[Prefetch(V, 1), Prefetch(Recommend([ById("x")]), 1)]),
        "prefetch[1].query.positive[0]",
    ),
    (Search(V, 1, prefetch="x"), "prefetch"),  # type: ignore[arg-type]
    (Search(V, 1, prefetch=tower(5)), ".".join(["prefetch[0]"] * 4) + ".prefetch"),
    (Search(V, 1, prefetch=[*tower(1)] * 17), "prefetch[16]"),
    (Search(V, 1, prefetch=[*tower(4)] * 5), "prefetch[4]"),
]


async def test_bad_queries_say_where(store: Stores) -> None:
    name = await store.collection(SETTINGS)
    await store.points.upsert(name, [Point(1, V)])
    for bad, place in BAD:
        with pytest.raises(InvalidInput) as refused:
            await store.points.search(name, [Search(V, 1), bad])
        assert refused.value.place == f"searches[1].{place}", bad
        with pytest.raises(InvalidInput) as alone:
            await store.points.groups(name, bad, "i", 1)
        assert alone.value.place == f"searches[0].{place}", bad
    for fine in (tower(4), [*tower(1)] * 16, [*tower(4)] * 4):
        assert len(await ids(store, name, Search(V, 1, prefetch=fine))) == 1


async def test_examples_keep_what_was_asked_for(store: Stores) -> None:
    name = await filled(store)
    search = Search(Recommend([ById(1)]), 1, payload=False, vectors=True)
    [[found]] = await store.points.search(name, [search])
    assert isinstance(found, Found)
    assert (found.id, found.payload) == (6, None)
    assert found.vector["other"] == [1.0, 1.0]
