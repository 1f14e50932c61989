"""Points carried into another collection, on every engine: what was copied is found to be equal,
whatever the engine makes of the numbers, and what was not is found to differ.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from support.stores import Stores
from vectorplane.domain.model import Place, Progress, Settings
from vectorplane.ports.vectors import Point
from vectorplane.rebuilds.carrying import Carrier
from vectorplane.rebuilds.copying import Copy

pytestmark = pytest.mark.anyio

DISTANCES = ["Cosine", "Dot", "Euclid", "Manhattan"]
FOREVER = float("inf")


def dense(distance: str, datatype: str | None = None, name: str = "") -> Settings:
    settings: dict[Any, Any] = {
        ("vectors", name, "size"): 5,
        ("vectors", name, "distance"): distance,
    }
    return settings | ({("vectors", name, "datatype"): datatype} if datatype else {})


def numbers(n: int) -> list[float]:
    return [(n * 37 % 101) / 7, 0.1 * n, -1.5 if n % 4 else 300.7, 1 / 3, (n % 13) * 1.1]


async def copied(store: Stores, before: Settings, after: Settings, points: list[Point]) -> Copy:
    source, target = await store.collection(before), store.name("copy")
    await store.admin.create(target, after, await _nobody(store, source))
    await store.points.upsert(source, points)
    found = [await store.admin.describe(name) for name in (source, target)]
    settings = [collection.settings for collection in found if collection]
    copy = Copy(store.points, Place(source), target, Carrier(*settings), page=7)
    done = await copy.first(Progress(source, target), FOREVER)
    assert done.cursor is None
    assert done.copied == len(points)
    assert await copy.counts() == (len(points), len(points))
    return copy


async def _nobody(store: Stores, source: str) -> Any:
    found = await store.admin.describe(source)
    assert found
    assert found.record
    return found.record


async def differ(copy: Copy) -> tuple[int, int]:
    """Points that are changed, and gone."""
    fresh = Progress("", "")
    changed = await copy.changed(fresh)
    return changed.changed, (await copy.gone(fresh)).changed


@pytest.mark.parametrize("datatype", [None, "Float16", "Uint8"])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("before", ["Cosine", "Dot"])
async def test_a_copy_is_no_difference(
    store: Stores, before: str, distance: str, datatype: str | None
) -> None:
    points = [
        Point(n, numbers(n), {"n": n, "deep": {"a": [1, 1.0, True, None]}}) for n in range(25)
    ]
    copy = await copied(store, dense(before), dense(distance, datatype), points)
    assert await differ(copy) == (0, 0)


async def test_every_kind_of_vector_and_of_id_goes_over(store: Stores) -> None:
    both = {("sparseVectors", "words", "modifier"): "Idf"}
    multi = dense("Cosine", name="rows") | {("vectors", "rows", "multivector"): "MaxSim"}
    before = dense("Dot", name="one") | dense("Dot", name="left") | multi | both
    after = dense("Cosine", name="one") | multi | both
    sparse = {"indices": [9, 2], "values": [0.5, 1.25]}
    whole: dict[str, Any] = {
        "one": numbers(1),
        "left": numbers(2),
        "rows": [numbers(3), numbers(4)],
        "words": sparse,
    }
    points = [
        Point(1, whole, {"a": 1}),
        Point(2**64 - 1, {"one": numbers(5)}),
        Point(str(uuid.UUID(int=7)), {}),
        Point(str(uuid.UUID(int=2**127)), {"words": sparse}, {"b": "☃"}),
    ]
    copy = await copied(store, before, after, points)
    assert await differ(copy) == (0, 0)
    target = store.made[-1]
    found = await store.points.retrieve(target, [1], vectors=True)
    assert found[0].vector.keys() == {"one", "rows", "words"}


async def test_what_was_written_meanwhile_is_carried_over_and_what_is_gone_goes(
    store: Stores,
) -> None:
    points = [Point(n, numbers(n), {"n": n}) for n in range(30)]
    copy = await copied(store, dense("Cosine"), dense("Dot"), points)
    source, target = store.made[-2:]
    await store.points.upsert(source, [Point(3, numbers(4), {"n": 3})])
    await store.points.upsert(source, [Point(4, numbers(4), {"n": True})])
    await store.points.upsert(source, [Point(1, numbers(1), {"n": 1.0})])
    await store.points.upsert(source, [Point(99, numbers(99), {"n": 99})])
    await store.points.delete(source, ids=[0, 8, 29])
    assert await differ(copy) == (4, 3)
    assert await differ(copy) == (0, 0)
    first, second = [
        (await store.points.scroll(name, limit=100, vectors=True)).points
        for name in (source, target)
    ]
    assert [p.id for p in first] == [p.id for p in second]
    assert [repr(p.payload) for p in first] == [repr(p.payload) for p in second]
    for one, other in zip(first, second, strict=True):
        assert one.vector == pytest.approx(other.vector, abs=1e-5)


async def test_a_copy_goes_on_from_its_cursor(store: Stores) -> None:
    points = [Point(n, numbers(n), {"n": n}) for n in range(20)]
    copy = await copied(store, dense("Cosine"), dense("Dot"), points)
    progress = await copy.first(Progress("", ""), 0.0)
    assert (progress.cursor, progress.copied) == (7, 7)
    progress = await copy.first(progress, 0.0)
    assert (progress.cursor, progress.copied) == (14, 14)
    progress = await copy.first(progress, 0.0)
    assert (progress.cursor, progress.copied) == (None, 20)
