"""Groups out of plain searches: exact, and by few of them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from vectorplane.adapters.vectors.common.grouping import grouped, keys_of
from vectorplane.adapters.vectors.common.schema import Schema, check_points
from vectorplane.adapters.vectors.common.searches import Checked, check_groups
from vectorplane.adapters.vectors.memory.points import Points
from vectorplane.ports.vectors import Found, Group, Point, Search

pytestmark = pytest.mark.anyio

SCHEMA = Schema.of({("vectors", "", "size"): 1, ("vectors", "", "distance"): "Dot"})


class Engine:
    """Points with no groups of their own. Counts the calls."""

    def __init__(self, keys: list[Any]) -> None:
        self.points = Points(SCHEMA)
        self.calls = 0
        points = [Point(i, [float(-i)], {"key": key}) for i, key in enumerate(keys)]
        self.points.upsert(check_points(SCHEMA, points))

    async def find(self, searches: list[Checked]) -> list[list[Found]]:
        self.calls += 1
        return [self.points.search(search) for search in searches]

    async def groups(self, limit: int, size: int) -> list[tuple[Any, list[Any]]]:
        search = check_groups(SCHEMA, Search([1.0], limit), "key", size)
        found = await grouped(self.find, search, "key", size, len(self.points.held))
        assert found == bare(self.points.groups(search, "key", size))
        return [(group.key, [hit.id for hit in group.hits]) for group in found]


def bare(groups: list[Group]) -> list[Group]:
    return [
        Group(
            g.key, [Found(h.id, {"key": (h.payload or {})["key"]}, None, h.score) for h in g.hits]
        )
        for g in groups
    ]


@pytest.mark.parametrize(
    ("payload", "keys"),
    [
        ({}, []),
        ({"key": "a"}, ["a"]),
        ({"key": ["a", 7, "a"]}, ["a", 7]),
        ({"key": -5}, [-5]),
        ({"key": ["a", 1.5]}, []),
        ({"key": ["a", None]}, []),
        ({"key": True}, []),
        ({"key": 2**63}, []),
        ({"key": {"a": 1}}, []),
        (None, []),
    ],
)
def test_keys_are_strings_and_integers(payload: Any, keys: list[Any]) -> None:
    assert keys_of(payload, "key") == keys


async def test_one_search_where_the_first_page_has_it_all() -> None:
    engine = Engine(["a", "b", "a", "b", "c"])
    assert await engine.groups(2, 2) == [("a", [0, 2]), ("b", [1, 3])]
    assert engine.calls == 1


async def test_what_the_first_page_did_not_fill_takes_one_more() -> None:
    engine = Engine(["a"] * 50 + ["b", "c", "b"])
    assert await engine.groups(3, 3) == [("a", [0, 1, 2]), ("b", [50, 52]), ("c", [51])]
    # The page, one without the group that is known, and one batch for those that are not full.
    assert engine.calls == 3


async def test_points_that_are_in_no_group_do_not_stand_in_the_way() -> None:
    engine = Engine([1.5] * 40 + [["a", 1.5]] * 10 + ["a", "b", "a"])
    assert await engine.groups(2, 2) == [("a", [50, 52]), ("b", [51])]
    assert await Engine([1.5] * 40).groups(3, 3) == []


async def test_random_points() -> None:
    for seed in range(150):
        rng = random.Random(seed)
        kinds = ["a", "b", "c", 1, 2, ["a", 1], ["b", "c"], None, 0.5, ["c", 0.5], [], True]
        some = rng.sample(kinds, rng.randint(1, 6))
        engine = Engine([rng.choice(some) for _ in range(rng.randint(1, 60))])
        await engine.groups(rng.randint(1, 5), rng.randint(1, 4))
        assert engine.calls <= 12
