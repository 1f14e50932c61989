"""Two tenants of one pool with the same ids. One of them tries every way of the port to the points
of the other, and the other's points stay what they were and are seen by nobody."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from support.tenants import Pool
from vectorplane.domain.tenancy import ID_FIELD, TENANT_FIELD, point_id
from vectorplane.errors import CallerError, InvalidInput, NotFound
from vectorplane.ports.vectors import (
    ById,
    Columns,
    Found,
    Fusion,
    FusionMethod,
    PayloadChange,
    Point,
    Prefetch,
    Recommend,
    Search,
    Strategy,
)
from vectorplane_service.tenancy.guard import GuardedPoints

pytestmark = pytest.mark.anyio

UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
IDS = [1, 2, UUID]
MINE = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0.6, 0.8, 0, 0]]
THEIRS = [[0.9, 0.1, 0, 0], [0.1, 0.9, 0, 0], [0.7, 0.7, 0, 0]]
QUERY = [1.0, 0.2, 0, 0]


class Two:
    """`me` is the one who tries. `pool` is the physical collection, seen past the service."""

    def __init__(self, shared: Pool, me: GuardedPoints, them: GuardedPoints) -> None:
        self.shared = shared
        self.me = me
        self.them = them
        self.name = shared.name("me")
        self.their_name = shared.name("them")
        self.theirs = [point_id(self.their_name, given) for given in IDS]
        """The ids under which the other's points are stored: anybody can work them out."""

    async def stored(self) -> list[Found]:
        """All points of the other, as they lie in the pool."""
        page = await self.shared.stores.points.retrieve(
            self.shared.physical, self.theirs, vectors=True
        )
        return sorted(page, key=lambda found: str(found.id))


@pytest.fixture
async def two(shared: Pool) -> AsyncIterator[Two]:
    found = Two(shared, await shared.tenant("me"), await shared.tenant("them"))
    for points, vectors, kind in ((found.me, MINE, "mine"), (found.them, THEIRS, "theirs")):
        await points.upsert(
            "",
            [
                Point(id, vector, {"kind": kind, "n": n, "tags": [{"a": n}]})
                for n, (id, vector) in enumerate(zip(IDS, vectors, strict=True))
            ],
        )
    before = await found.stored()
    assert len(before) == 3
    yield found
    assert await found.stored() == before, "the other's points are not what they were"


def own(hits: list[Found], n: int = 3) -> None:
    """`n` points of the one who asked, by the ids that they were given."""
    assert len(hits) == n
    for hit in hits:
        assert hit.id in IDS
        if hit.payload is not None:
            assert not {TENANT_FIELD, ID_FIELD} & hit.payload.keys()
            assert hit.payload.get("kind", "mine") == "mine"


# Whatever their logic, these pass every point of the other by themselves.
FILTERS: list[dict[str, Any]] = [
    {"should": [{"key": "kind", "match": {"value": "theirs"}}, {"key": "n", "range": {"gte": 0}}]},
    {"must_not": [{"key": "kind", "match": {"value": "nobody"}}]},
    {"must_not": [{"must": [{"key": "kind", "match": {"value": "nobody"}}]}]},
    {"must_not": [{"has_id": []}]},
    {"must_not": {"must_not": [{"key": "n", "range": {"gte": 0}}]}},
    {"should": {"should": [{"must_not": [{"is_empty": {"key": "nothing"}}]}, {"has_vector": ""}]}},
    {
        "min_should": {
            "conditions": [{"key": "n", "range": {"gte": 0}}, {"key": "n", "range": {"gte": 99}}],
            "min_count": 1,
        }
    },
    {
        "must": [
            {"nested": {"key": "tags", "filter": {"must_not": [{"key": "a", "range": {"gt": 9}}]}}}
        ]
    },
    {"must": [{"should": [{"has_id": IDS}, {"must_not": [{"has_id": IDS}]}]}]},
    {"must": [{"key": "kind", "match": {"except": ["nobody"]}}]},
]


@pytest.mark.parametrize("number", range(len(FILTERS)))
async def test_no_filter_reaches_past_the_tenant(two: Two, number: int) -> None:
    flt = FILTERS[number]
    own((await two.me.scroll("", filter=flt)).points)
    assert await two.me.count("", filter=flt) == 3
    assert await two.me.count("", filter=flt, exact=False) == 3
    own((await two.me.search("", [Search(QUERY, 10, filter=flt)]))[0])
    inside = Prefetch(QUERY, 10, filter=flt, prefetch=[Prefetch(QUERY, 10, filter=flt)])
    fused = Search(Fusion(FusionMethod.RRF), 10, filter=flt, prefetch=[inside, inside])
    own((await two.me.search("", [fused]))[0])
    groups = await two.me.groups("", Search(QUERY, 10, filter=flt), "kind", 10)
    assert [group.key for group in groups] == ["mine"]
    own(groups[0].hits)
    assert await two.me.facet("", "kind", filter=flt) == [("mine", 3)]
    assert await two.me.facet("", "kind", filter=flt, exact=True) == [("mine", 3)]
    await two.me.change_payload("", PayloadChange.SET, payload={"seen": True}, filter=flt)
    assert await two.me.count("", filter={"must": [{"key": "seen", "match": {"value": True}}]}) == 3
    await two.me.change_payload("", PayloadChange.DELETE, fields=["seen"], filter=flt)
    await two.me.delete("", filter=flt)
    assert await two.me.count("") == 0
    assert await two.them.count("") == 3


RESERVED_PATHS = [TENANT_FIELD, ID_FIELD, f'"{TENANT_FIELD}"', f"{TENANT_FIELD}.x", f"{ID_FIELD}[]"]


@pytest.mark.parametrize("path", RESERVED_PATHS)
async def test_fields_of_the_machinery_are_refused(two: Two, path: str) -> None:
    for condition in (
        {"key": path, "match": {"value": two.their_name}},
        {"key": path, "match": {"except": [two.name]}},
        {"is_empty": {"key": path}},
        {"is_null": {"key": path}},
        {"key": path, "values_count": {"gte": 0}},
        {"nested": {"key": path, "filter": {"must": [{"key": "a", "match": {"value": 1}}]}}},
    ):
        for flt in (
            {"must": [condition]},
            {"should": condition},
            {"must_not": [{"must": [{"should": [condition]}]}]},
            {"min_should": {"conditions": [condition], "min_count": 1}},
        ):
            with pytest.raises(InvalidInput, match="reserved"):
                await two.me.count("", filter=flt)
    flt = {"should": [{"key": path, "match": {"value": two.their_name}}]}
    for search in (
        Search(QUERY, 1, filter=flt),
        Search(Fusion(FusionMethod.DBSF), 1, prefetch=[Prefetch(QUERY, 1, filter=flt)]),
        Search(QUERY, 1, prefetch=[Prefetch(QUERY, 1, prefetch=[Prefetch(QUERY, 1, filter=flt)])]),
    ):
        with pytest.raises(InvalidInput, match="reserved") as caught:
            await two.me.search("", [Search(QUERY, 1), search])
        assert str(caught.value.place).startswith("searches[1].")
    for call in (
        two.me.scroll("", filter=flt),
        two.me.delete("", filter=flt),
        two.me.facet("", "kind", filter=flt),
        two.me.facet("", path),
        two.me.groups("", Search(QUERY, 1), path, 1),
        two.me.groups("", Search(QUERY, 1, filter=flt), "kind", 1),
        two.me.change_payload("", PayloadChange.CLEAR, filter=flt),
        two.me.change_payload("", PayloadChange.DELETE, fields=["n", path], ids=IDS),
        two.me.change_payload("", PayloadChange.SET, payload={"x": 1}, path=path, ids=IDS),
    ):
        with pytest.raises(InvalidInput, match="reserved"):
            await call
    own((await two.me.scroll("")).points)


async def test_a_payload_cannot_name_another_tenant(two: Two) -> None:
    for field in (TENANT_FIELD, ID_FIELD):
        payload = {"kind": "mine", field: two.their_name}
        with pytest.raises(InvalidInput, match="reserved") as caught:
            await two.me.upsert("", [Point(7, QUERY), Point(8, QUERY, payload)])
        assert caught.value.place == f"points[1].payload.{field}"
        array = {"": np.array([QUERY], dtype=np.float32)}
        with pytest.raises(InvalidInput, match="reserved") as caught:
            await two.me.upsert("", Columns([8], array, [payload]))
        assert caught.value.place == f"payloads[0].{field}"
        for change in (PayloadChange.SET, PayloadChange.OVERWRITE):
            with pytest.raises(InvalidInput, match="reserved") as caught:
                await two.me.change_payload("", change, payload=payload, ids=[1])
            assert caught.value.place == f"payload.{field}"
    assert await two.me.count("") == 3


@pytest.mark.parametrize("which", ["ids", "filter"])
async def test_payload_writes_keep_whose_a_point_is(two: Two, which: str) -> None:
    chosen: dict[str, Any] = (
        {"ids": [*IDS, 999]} if which == "ids" else {"filter": {"must_not": [{"has_id": [999]}]}}
    )
    me = two.me
    for change, given, then in (
        (PayloadChange.OVERWRITE, {"kind": "mine", "new": [1]}, {"kind": "mine", "new": [1]}),
        (PayloadChange.SET, {"n": {"x": 1}}, {"kind": "mine", "new": [1], "n": {"x": 1}}),
        (PayloadChange.CLEAR, None, {}),
    ):
        await me.change_payload("", change, payload=given, **chosen)
        found = await me.retrieve("", IDS)
        assert [(f.id, f.payload) for f in found] == [(id, then) for id in IDS]
    await me.change_payload("", PayloadChange.SET, payload={"x": 1}, path="a.b", **chosen)
    await me.change_payload("", PayloadChange.DELETE, fields=["a.b.x"], **chosen)
    assert [f.payload for f in (await me.scroll("")).points] == [{"a": {"b": {}}}] * 3
    stored = await two.shared.stores.points.retrieve(
        two.shared.physical, [point_id(two.name, id) for id in IDS]
    )
    assert [(f.payload[TENANT_FIELD], f.payload[ID_FIELD]) for f in stored if f.payload] == [
        (two.name, id) for id in IDS
    ]


@pytest.mark.parametrize("payload", [True, False, ["n"], ["n", TENANT_FIELD, ID_FIELD], []])
async def test_ids_are_the_tenants_own_whatever_is_asked_for(two: Two, payload: Any) -> None:
    shown: Any = None
    if payload is not False:
        shown = {"n": 0} if payload else {}
    if payload is True:
        shown = {"kind": "mine", "n": 0, "tags": [{"a": 0}]}
    one = {"must": [{"has_id": [1]}]}
    search = Search(QUERY, 5, filter=one, payload=payload)
    fused = Search(
        Fusion(FusionMethod.RRF), 5, payload=payload, prefetch=[Prefetch(QUERY, 5, filter=one)]
    )
    for hits in (
        await two.me.retrieve("", [1], payload=payload),
        (await two.me.scroll("", filter=one, payload=payload)).points,
        *(await two.me.search("", [search, fused])),
        (await two.me.groups("", search, "kind", 5))[0].hits,
    ):
        assert [(hit.id, hit.payload) for hit in hits] == [(1, shown)]


async def test_ids_of_the_other_lead_nowhere(two: Two) -> None:
    """By the id that both gave, only one's own; by the stored one, nothing."""
    me, theirs = two.me, two.theirs
    own(await me.retrieve("", IDS))
    assert await me.retrieve("", theirs) == []
    assert await me.count("", filter={"must": [{"has_id": theirs}]}) == 0
    assert await me.count("", filter={"must_not": [{"has_id": theirs}]}) == 3
    await me.delete("", ids=theirs)
    await me.change_payload("", PayloadChange.SET, payload={"kind": "mine"}, ids=theirs)
    await me.change_payload("", PayloadChange.OVERWRITE, payload={}, ids=theirs)
    await me.change_payload("", PayloadChange.CLEAR, ids=theirs)
    for query in (
        ById(theirs[0]),
        Recommend([ById(theirs[0])]),
        Recommend([ById(1)], [ById(theirs[0])]),
        Recommend([ById(theirs[0])], strategy=Strategy.BEST_SCORE),
    ):
        for search in (
            Search(query, 5),
            Search(Fusion(FusionMethod.RRF), 5, prefetch=[Prefetch(query, 5)]),
            Search(QUERY, 5, prefetch=[Prefetch(QUERY, 5, prefetch=[Prefetch(query, 5)])]),
        ):
            with pytest.raises(NotFound) as caught:
                await me.search("", [search])
            for stored in (point_id(two.name, theirs[0]), point_id(two.name, 1)):
                assert stored not in caught.value.message
    own((await me.search("", [Search(ById(1), 5)]))[0], 2)
    own((await me.search("", [Search(Recommend([ById(1)], [ById(UUID)]), 5)]))[0], 1)
    own((await me.groups("", Search(ById(2), 5), "kind", 5))[0].hits, 2)


async def test_ids_that_collide_are_two_points(two: Two) -> None:
    """Also one of another spelling, and a number against its text."""
    me, them = two.me, two.them
    await me.upsert("", [Point(UUID.upper(), QUERY, {"kind": "mine", "again": 1})])
    await me.upsert("", Columns([1], {"": np.array([QUERY], dtype=np.float32)}, None))
    assert [f.payload for f in await me.retrieve("", [1, f"urn:uuid:{UUID}"])] == [
        {},
        {"kind": "mine", "again": 1},
    ]
    assert [f.payload["kind"] for f in await them.retrieve("", IDS) if f.payload] == ["theirs"] * 3
    await me.delete("", ids=IDS)
    assert await them.count("") == 3


@pytest.mark.parametrize("bad", [-1, 2**64, "x", True, 1.5, None])
async def test_what_is_no_id_is_refused_at_its_place(two: Two, bad: Any) -> None:
    for call, place in (
        (two.me.upsert("", [Point(1, QUERY), Point(bad, QUERY)]), "points[1].id"),
        (two.me.retrieve("", [1, bad]), "ids[1]"),
        (two.me.delete("", ids=[bad]), "ids[0]"),
        (two.me.search("", [Search(ById(bad), 1)]), "searches[0].query"),
        (two.me.count("", filter={"must": [{"has_id": [bad]}]}), "filter.must[0].has_id[0]"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await call
        assert caught.value.place == place


async def test_a_scroll_is_ones_own_and_so_is_its_cursor(two: Two) -> None:
    me, them = two.me, two.them
    await them.upsert("", [Point(n, THEIRS[0], {"kind": "theirs"}) for n in range(100, 140)])
    await me.upsert("", [Point(n, MINE[0], {"kind": "mine"}) for n in range(100, 140)])
    seen: list[Found] = []
    cursors = []
    page = await me.scroll("", limit=7)
    while True:
        seen += page.points
        if page.next is None:
            break
        cursors.append(page.next)
        page = await me.scroll("", limit=7, offset=page.next)
    assert len(seen) == 43
    assert {f.id for f in seen} == {*IDS, *range(100, 140)}
    foreign = (await them.scroll("", limit=7)).next
    assert foreign is not None
    for offset in (
        foreign,
        str(foreign).partition(".")[0],
        two.theirs[0],
        1,
        UUID,
        f"{point_id(two.name, 1)}.0",
        f"{cursors[0]}.0",
    ):
        with pytest.raises(InvalidInput, match="no cursor"):
            await me.scroll("", limit=7, offset=offset)
    await them.delete("", ids=list(range(100, 140)))


async def test_what_is_shown_of_the_pool_is_the_tenants_own(two: Two) -> None:
    await two.me.delete("", ids=[1])
    for shown in (await two.me.resolve(""), await two.me.peek("")):
        assert (shown.name, shown.points) == (two.name, 2)
        assert shown.indexed_vectors <= 2
        assert set(shown.indexes) == {"kind", "n"}
        assert "_pool" not in repr(shown)
        assert "Partition" not in repr(shown)
    assert await two.me.names() == {two.name: two.name}


async def test_a_point_that_says_another_tenant_is_never_given_out(two: Two) -> None:
    """Were a stored id to meet a foreign point: it is not read, not deleted, not changed."""
    me, physical = two.me, two.shared.physical
    met = point_id(two.name, 5)
    payload = {TENANT_FIELD: two.their_name, ID_FIELD: 5, "kind": "theirs"}
    await two.shared.stores.points.upsert(physical, [Point(met, QUERY, payload)])
    assert await me.retrieve("", [5]) == []
    await me.delete("", ids=[5])
    await me.change_payload("", PayloadChange.SET, payload={"kind": "mine"}, ids=[5])
    await me.change_payload("", PayloadChange.CLEAR, ids=[5])
    assert await me.count("", filter={"must": [{"has_id": [5]}]}) == 0
    [still] = await two.shared.stores.points.retrieve(physical, [met])
    assert still.payload == payload


async def test_mistakes_are_said_in_the_tenants_own_words(two: Two) -> None:
    unknown = uuid.uuid4()
    with pytest.raises(NotFound, match=str(unknown)):
        await two.me.search("", [Search(ById(str(unknown)), 1)])
    for call in (
        two.me.search("", [Search([1.0], 1)]),
        two.me.search("", [Search(QUERY, 1, filter={"musst": []})]),
        two.me.facet("", "no index"),
        two.me.upsert("", [Point(1, [1.0])]),
        two.me.delete(""),
        two.me.delete("", ids=[1], filter={}),
        two.me.change_payload("", PayloadChange.OVERWRITE, ids=[1]),
    ):
        with pytest.raises(CallerError) as caught:
            await call
        assert two.shared.physical not in caught.value.message
        assert "_pool" not in caught.value.message
