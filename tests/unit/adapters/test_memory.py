"""The memory store's own: the corners of scoring and filtering that the engines' suite does not
reach."""

from __future__ import annotations

import pytest

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.adapters.vectors.memory.filtering import Subject, matches
from vectorplane.domain.model import Capability, Record
from vectorplane.ports.vectors import PayloadChange, Point, Search

pytestmark = pytest.mark.anyio


async def test_it_says_what_it_was_told_it_can() -> None:
    store = MemoryStore(frozenset({Capability.SHARDING}))
    assert (await store.info()).capabilities == {Capability.SHARDING}
    await store.close()


async def test_what_it_gives_back_is_not_what_it_holds() -> None:
    store = MemoryStore()
    settings = {("vectors", "", "size"): 2, ("vectors", "", "distance"): "Dot"}
    await store.create("a", settings, Record(None))
    payload = {"list": [1]}
    await store.upsert("a", [Point(1, [1, 1], payload)])
    payload["list"].append(2)
    [found] = await store.retrieve("a", [1], vectors=True)
    assert found.payload == {"list": [1]}
    found.payload["list"].append(3)
    found.vector.append(9)
    [again] = await store.retrieve("a", [1], vectors=True)
    assert (again.payload, again.vector) == ({"list": [1]}, [1.0, 1.0])


async def test_a_changed_payload_is_not_the_one_that_was_given() -> None:
    store = MemoryStore()
    settings = {("vectors", "", "size"): 2, ("vectors", "", "distance"): "Dot"}
    await store.create("a", settings, Record(None))
    await store.upsert("a", [Point(i, [1, 1]) for i in range(3)])
    payload = {"list": [1]}
    await store.change_payload("a", PayloadChange.SET, payload=payload, ids=[0])
    await store.change_payload("a", PayloadChange.SET, payload=payload, path="in", ids=[1])
    await store.change_payload("a", PayloadChange.OVERWRITE, payload=payload, ids=[2])
    payload["list"].append(2)
    found = [point.payload for point in await store.retrieve("a", [0, 1, 2])]
    assert found == [{"list": [1]}, {"in": {"list": [1]}}, {"list": [1]}]


@pytest.mark.parametrize(
    ("datatype", "stored"),
    [
        ("Float32", [0.1, 300.7, -1.0]),
        ("Float16", [0.0999755859375, 300.75, -1.0]),
        ("Uint8", [0.0, 255.0, 0.0]),
    ],
)
async def test_numbers_are_kept_as_their_type(datatype: str, stored: list[float]) -> None:
    store = MemoryStore()
    await store.create(
        "a",
        {
            ("vectors", "", "size"): 3,
            ("vectors", "", "distance"): "Dot",
            ("vectors", "", "datatype"): datatype,
        },
        Record(None),
    )
    await store.upsert("a", [Point(1, [0.1, 300.7, -1]), Point(2, [1e30, 1, 1])])
    [found] = await store.retrieve("a", [1], vectors=True)
    assert found.vector == pytest.approx(stored, abs=1e-4)
    [hits] = await store.search("a", [Search([0, 0, 1], 2, filter={"must": [{"has_id": [1]}]})])
    assert hits[0].score == pytest.approx(stored[2])


async def test_several_rows_under_every_distance() -> None:
    for distance, score in (("Euclid", 5.0), ("Manhattan", 7.0), ("Cosine", 0.8), ("Dot", 4.0)):
        store = MemoryStore()
        await store.create(
            "a",
            {
                ("vectors", "", "size"): 2,
                ("vectors", "", "distance"): distance,
                ("vectors", "", "multivector"): "MaxSim",
            },
            Record(None),
        )
        await store.upsert("a", [Point(1, [[3, 4]])])
        query = [[0, 0]] if distance in ("Euclid", "Manhattan") else [[0, 1]]
        [hits] = await store.search("a", [Search(query, 1)])
        assert hits[0].score == pytest.approx(score)


@pytest.mark.parametrize(
    ("lon", "inside"), [(179.5, True), (-179.5, True), (0, False), ("x", False), (True, False)]
)
def test_a_box_across_the_date_line(lon: object, inside: bool) -> None:
    box = {"top_left": {"lon": 179, "lat": 1}, "bottom_right": {"lon": -179, "lat": -1}}
    flt = {"must": [{"key": "at", "geo_bounding_box": box}]}
    assert matches(flt, Subject({"at": {"lon": lon, "lat": 0}})) is inside
    assert not matches(flt, Subject({"at": 5}))


def test_full_text_goes_word_by_word() -> None:
    subject = Subject({"a": "The quick, brown fox_jumps", "b": 5})

    def holds(key: str = "a", **match: str) -> bool:
        return matches({"must": [{"key": key, "match": match}]}, subject)

    assert holds(text="FOX quick")
    assert not holds(text="qui")
    assert not holds(text="")
    assert holds(text_any="slow fox")
    assert not holds(text_any="slow cat")
    assert holds(phrase="Quick Brown")
    assert not holds(phrase="brown quick")
    assert not holds("b", text="5")
