"""`VectorPoints.upsert` of points by column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.stores import COSINE, Stores
from vectorplane.domain.model import Settings
from vectorplane.errors import InvalidInput, NotFound
from vectorplane.ports.vectors import Columns, Found, Ordering, Point, Search

pytestmark = pytest.mark.anyio

UUID = "67e55044-10b1-426f-9247-bb680e5fe0c8"
SETTINGS: Settings = {
    ("vectors", "", "size"): 2,
    ("vectors", "", "distance"): "Dot",
    ("vectors", "image", "size"): 3,
    ("vectors", "image", "distance"): "Dot",
    ("vectors", "late", "size"): 2,
    ("vectors", "late", "distance"): "Dot",
    ("vectors", "late", "multivector"): "MaxSim",
    ("sparseVectors", "text", "modifier"): "None",
}


def numbers(*rows: list[float]) -> Any:
    return np.array(rows, dtype=np.float32)


async def test_columns_are_points(store: Stores) -> None:
    name = await store.collection(SETTINGS)
    vectors = {"": numbers([1, 2], [3, 4], [0.1, -1e30]), "image": np.ones((3, 3), np.float32)}
    payloads = [{"a": 1, "s": "snow ☃"}, None, {}]
    await store.points.upsert(name, Columns([5, UUID.upper(), 2**64 - 1], vectors, payloads))
    ones = [1.0, 1.0, 1.0]
    found = await store.points.retrieve(name, [5, UUID, 2**64 - 1], vectors=True)
    assert found[0] == Found(5, payloads[0], {"": [1.0, 2.0], "image": ones})
    assert found[1] == Found(UUID, {}, {"": [3.0, 4.0], "image": ones})
    assert np.array(found[2].vector[""], np.float32).tolist() == vectors[""][2].tolist()
    # What was there is replaced whole, whichever way it came.
    await store.points.upsert(name, Columns(np.array([5]), {"": numbers([7, 8])}))
    assert await store.points.retrieve(name, [5], vectors=True) == [Found(5, {}, [7.0, 8.0])]
    await store.points.upsert(name, [Point(5, {"image": ones}, {"b": 1})])
    await store.points.upsert(name, Columns([5], {}, [{"c": 1}]))
    assert await store.points.retrieve(name, [5], vectors=True) == [Found(5, {"c": 1}, {})]
    await store.points.upsert(name, Columns([], {"": np.empty((0, 2), np.float32)}))
    assert await store.points.count(name) == 3


async def test_of_two_rows_with_one_id_the_last_counts(store: Stores) -> None:
    name = await store.collection(SETTINGS)
    ids = [1, UUID, 1, UUID.upper(), 2]
    array = numbers([0, 0], [0, 1], [1, 0], [1, 1], [2, 0])
    await store.points.upsert(name, Columns(ids, {"": array}, [{"row": i} for i in range(5)]))
    found = await store.points.retrieve(name, [1, 2, UUID], vectors=True)
    assert [(p.payload, p.vector) for p in found] == [
        ({"row": 2}, [1.0, 0.0]),
        ({"row": 4}, [2.0, 0.0]),
        ({"row": 3}, [1.0, 1.0]),
    ]


async def test_any_memory_layout_is_read_right(store: Stores) -> None:
    name = await store.collection(SETTINGS)
    whole = np.arange(24, dtype=np.float32).reshape(6, 4)
    for i, array in enumerate((whole[::2, ::2], np.asfortranarray(whole[:3, :2]), whole[3:, 2:])):
        ids = [10 * i + row for row in range(3)]
        await store.points.upsert(name, Columns(ids, {"": array}))
        found = await store.points.retrieve(name, ids, vectors=True)
        assert [p.vector for p in found] == array.tolist()


async def test_many_columns(store: Stores) -> None:
    """More than one piece of any adapter: by points, and by numbers of one call."""
    size, count = 256, 5_000
    name = await store.collection(COSINE | {("vectors", "", "size"): size})
    array = np.random.default_rng(7).standard_normal((count, size), dtype=np.float32)
    await store.points.upsert(
        name,
        Columns(range(count), {"": array}, [{"i": i} for i in range(count)]),
        ordering=Ordering.STRONG,
    )
    assert await store.points.count(name) == count
    for row in (0, 199, 200, 3906, 4999):
        [hits] = await store.points.search(name, [Search(array[row].tolist(), 1)])
        assert (hits[0].id, hits[0].payload) == (row, {"i": row})
        assert hits[0].score == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("ordering", [None, *Ordering])
async def test_every_ordering(store: Stores, ordering: Ordering | None) -> None:
    name = await store.collection(SETTINGS)
    await store.points.upsert(name, [Point(1, [1.0, 2.0])], ordering=ordering)
    await store.points.upsert(name, Columns([2], {"": numbers([1, 2])}), ordering=ordering)
    assert await store.points.count(name) == 2


GOOD = numbers([1, 2], [3, 4])
BAD: list[tuple[Columns, str]] = [
    (Columns([1, -1], {"": GOOD}), "ids[1]"),
    (Columns([1, 2**64], {"": GOOD}), "ids[1]"),
    (Columns(["x", 1], {"": GOOD}), "ids[0]"),
    (Columns([1, True], {"": GOOD}), "ids[1]"),
    (Columns([1, 2.5], {"": GOOD}), "ids[1]"),  # type: ignore[list-item]
    (Columns(np.array([1.0, 2.0]), {"": GOOD}), "ids[0]"),  # type: ignore[arg-type]
    (Columns([1], {"": GOOD}), "vectors"),
    (Columns([1, 2, 3], {"": GOOD}), "vectors"),
    (Columns([1, 2], {"": GOOD, "image": GOOD}), "vectors.image"),
    (Columns([1, 2], {"": GOOD[0]}), "vectors"),
    (Columns([1, 2], {"": GOOD.astype(np.float64)}), "vectors"),
    (Columns([1, 2], {"": GOOD.astype(np.int32)}), "vectors"),
    (Columns([1, 2], {"": GOOD.tolist()}), "vectors"),
    (Columns([1, 2], {"": numbers([1, 2], [3, np.nan])}), "vectors[1][1]"),
    (Columns([1, 2], {"": numbers([-np.inf, 2], [3, np.nan])}), "vectors[0][0]"),
    (Columns([1, 2], {"image": np.full((2, 3), np.inf, np.float32)}), "vectors.image[0][0]"),
    (Columns([1, 2], {"other": GOOD}), "vectors.other"),
    (Columns([1, 2], {"late": GOOD}), "vectors.late"),
    (Columns([1, 2], {"text": GOOD}), "vectors.text"),
    (Columns([1, 2], {"": GOOD}, [{}]), "payloads"),
    (Columns([1, 2], {"": GOOD}, {}), "payloads"),  # type: ignore[arg-type]
    (Columns([1, 2], {"": GOOD}, [None, [1]]), "payloads[1]"),  # type: ignore[list-item]
    (Columns([1, 2], {"": GOOD}, [{"x": float("nan")}, None]), "payloads[0]"),
]


async def test_bad_columns_are_refused_whole(store: Stores) -> None:
    name = await store.collection(SETTINGS)
    await store.points.upsert(name, [Point(1, [9.0, 9.0], {"kept": True})])
    for bad, place in BAD:
        with pytest.raises(InvalidInput) as refused:
            await store.points.upsert(name, bad)
        assert refused.value.place == place, bad
    assert await store.points.count(name) == 1
    [kept] = await store.points.retrieve(name, [1], vectors=True)
    assert (kept.payload, kept.vector) == ({"kept": True}, [9.0, 9.0])
    with pytest.raises(NotFound, match="nowhere"):
        await store.points.upsert("nowhere", Columns([1, 2], {"": GOOD}))
