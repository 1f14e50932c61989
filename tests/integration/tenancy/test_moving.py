"""Names that move while the service remembers where they led. A request that comes meanwhile is
served as what the name has become: never a pool without its bound, never a write that is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.stores import ADAPTERS, Stores
from support.tenants import Moving, Pool, pool
from vectorplane.domain.model import Capability
from vectorplane.domain.tenancy import ID_FIELD, TENANT_FIELD, point_id
from vectorplane.errors import Forbidden, NotFound, StoreOverloaded
from vectorplane.ports.vectors import (
    ById,
    Fusion,
    FusionMethod,
    PayloadChange,
    Point,
    Prefetch,
    Search,
)
from vectorplane_service.tenancy.guard import GuardedPoints

pytestmark = pytest.mark.anyio

QUERY = [1.0, 0.2, 0, 0]
ALL: dict[str, Any] = {"must_not": [{"has_id": []}]}
Act = Callable[[GuardedPoints], Awaitable[Any]]


class Moved:
    """A store that a test can hook into, a pool, and a tenant in it that has nothing to do with the
    name `mine`, which moves."""

    def __init__(self, shared: Pool, store: Moving) -> None:
        self.shared = shared
        self.store = store
        self.name = shared.name("mine")
        self.other = shared.name("other")
        self.other_id = point_id(self.other, 1)

    async def in_pool(self, tenant: str) -> dict[Any, Any]:
        """The points of a tenant as they lie in the pool, by the tenant's ids."""
        mark = {"must": [{"key": TENANT_FIELD, "match": {"value": tenant}}]}
        page = await self.shared.stores.points.scroll(self.shared.physical, filter=mark, limit=100)
        return {(f.payload or {})[ID_FIELD]: f.payload for f in page.points}

    async def in_collection(self, physical: str) -> dict[Any, Any]:
        page = await self.shared.stores.points.scroll(physical, limit=100)
        return {f.id: f.payload for f in page.points}

    async def unchanged(self) -> None:
        """The other tenant has its points, and no point of the pool is without a tenant."""
        theirs = await self.in_pool(self.other)
        assert {id: payload["kind"] for id, payload in theirs.items()} == {
            1: "theirs",
            2: "theirs",
        }
        mine = await self.in_pool(self.name)
        count = await self.shared.stores.points.count(self.shared.physical)
        assert count == len(theirs) + len(mine)


@pytest.fixture(params=["memory", "embedded", "server-rest"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Stores]:
    """The way to the server makes no difference here."""
    async with ADAPTERS[request.param](tmp_path, request) as opened:
        yield opened


@pytest.fixture
async def moved(store: Stores) -> Moved:
    hooked = Moving(store.points)
    shared = await pool(store, points=hooked)  # type: ignore[arg-type]
    other = await shared.tenant("other")
    await other.upsert("", [Point(id, QUERY, {"kind": "theirs", "n": id}) for id in (1, 2)])
    return Moved(shared, hooked)


async def points(at: GuardedPoints, kind: str) -> None:
    await at.upsert("", [Point(id, QUERY, {"kind": kind, "n": id}) for id in (1, 3)])


def ids(hits: Any) -> set[Any]:
    assert all((hit.payload or {}).get("kind", "mine") == "mine" for hit in hits)
    return {hit.id for hit in hits}


async def scrolled(at: GuardedPoints) -> set[Any]:
    return ids((await at.scroll("", limit=50)).points)


READS: dict[str, tuple[str, Act]] = {
    "search": ("search", lambda at: at.search("", [Search(QUERY, 9)])),
    "no payload": ("search", lambda at: at.search("", [Search(QUERY, 9, payload=False)])),
    "some payload": ("search", lambda at: at.search("", [Search(QUERY, 9, payload=["kind"])])),
    "batch": ("search", lambda at: at.search("", [Search(QUERY, 9), Search(QUERY, 9)])),
    "fusion": (
        "search",
        lambda at: at.search(
            "", [Search(Fusion(FusionMethod.RRF), 9, prefetch=[Prefetch(QUERY, 9)])]
        ),
    ),
    "scroll": ("scroll", lambda at: at.scroll("", limit=9)),
    "scroll of ids": ("scroll", lambda at: at.scroll("", limit=9, payload=False)),
    "groups": ("groups", lambda at: at.groups("", Search(QUERY, 9), "kind", 9)),
}


def hits_of(answer: Any) -> set[Any]:
    if hasattr(answer, "points"):
        return ids(answer.points)
    if hasattr(answer[0], "hits"):
        return ids([hit for group in answer for hit in group.hits])
    assert len({frozenset(ids(hits)) for hits in answer}) == 1
    return ids(answer[0])


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("to", ["pool", "own", "next"])
async def test_a_read_gives_what_the_name_has_become(moved: Moved, read: str, to: str) -> None:
    """The name moves right before the store is asked, after the service has looked at it."""
    shared, (method, act) = moved.shared, READS[read]
    if to == "own":
        at = await shared.tenant("mine")
        await points(at, "gone")
        new = await shared.dedicated("mine", serves=False)
    else:
        old = await shared.dedicated("mine")
        at = await shared.at("mine")
        await points(at, "gone")
        new = shared.physical if to == "pool" else await shared.dedicated("mine", 2, serves=False)
    made = [Point(id, QUERY, {"kind": "mine", "n": id}) for id in (3, 4)]
    if to == "pool":
        made = [
            Point(
                point_id(moved.name, p.id),
                p.vector,
                {**p.payload, TENANT_FIELD: moved.name, ID_FIELD: p.id},
            )
            for p in made
        ]
    await shared.stores.points.upsert(new, made)

    async def move() -> None:
        await shared.move("mine", new)
        if to == "pool":
            await shared.stores.admin.drop(old)

    moved.store.before(method, move)
    assert hits_of(await act(at)) == {3, 4}
    assert hits_of(await act(at)) == {3, 4}
    assert ids(await at.retrieve("", [1, 2, 3, 4])) == {3, 4}
    if to != "next":  # else there was no doubt, and no need to look
        assert (await shared.at("mine")).where.physical == new
    await moved.unchanged()


@pytest.mark.parametrize("to", ["pool", "own"])
async def test_numbers_are_of_what_the_name_has_become(moved: Moved, to: str) -> None:
    """Counts, facets, and what is shown of a collection; also where there is nothing."""
    shared = moved.shared
    if to == "pool":
        await shared.dedicated("mine")
        at, new = await shared.at("mine"), shared.physical
        await points(at, "gone")
    else:
        at = await shared.tenant("mine")
        new = await shared.dedicated("mine", serves=False)
        await shared.stores.points.upsert(new, [Point(3, QUERY, {"kind": "mine"})])
    await shared.move("mine", new)
    expected = 0 if to == "pool" else 1
    theirs = {"must": [{"key": "kind", "match": {"value": "theirs"}}]}
    assert await at.count("") == expected
    assert await at.count("", filter=theirs) == 0
    assert await at.count("", exact=False) == expected
    assert await at.facet("", "kind") == [("mine", 1)][:expected]
    assert (await at.resolve("")).points == expected
    assert (await at.peek("")).points == expected
    assert await at.retrieve("", [moved.other_id, 1]) == []
    with pytest.raises(NotFound):
        await at.search("", [Search(ById(moved.other_id), 1)])
    assert len((await at.search("", [Search(QUERY, 5)]))[0]) == expected


WRITES: dict[str, tuple[str, Act, set[int]]] = {
    "upsert": (
        "upsert",
        lambda at: at.upsert("", [Point(5, QUERY, {"kind": "mine"})]),
        {1, 3, 5},
    ),
    "delete by filter": ("delete", lambda at: at.delete("", filter=ALL), set()),
    "delete by ids": ("delete", lambda at: at.delete("", ids=[1, 2]), {3}),
    "set": (
        "change_payload",
        lambda at: at.change_payload("", PayloadChange.SET, payload={"new": 1}, filter=ALL),
        {1, 3},
    ),
    "clear": (
        "change_payload",
        lambda at: at.change_payload("", PayloadChange.CLEAR, ids=[1, 2, 3]),
        {1, 3},
    ),
    "overwrite": (
        "change_payload",
        lambda at: at.change_payload(
            "", PayloadChange.OVERWRITE, payload={"kind": "mine"}, filter=ALL
        ),
        {1, 3},
    ),
}
WHEN = ["before", "after"]
"""The store is asked: the name moves after the service has looked, or while the answer travels."""


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("dropped", [True, False], ids=["dropped", "kept"])
async def test_a_write_never_reaches_a_pool_unbound(
    moved: Moved, write: str, when: str, dropped: bool
) -> None:
    """A collection of its own goes, and a tenant takes its name."""
    method, act, left = WRITES[write]
    shared = moved.shared
    old = await shared.dedicated("mine")
    at = await shared.at("mine")
    await points(at, "gone")

    async def move() -> None:
        if dropped:
            await shared.stores.admin.drop(old)
        await shared.move("mine", shared.physical)
        await shared.stores.points.upsert(
            shared.physical,
            [
                Point(
                    point_id(moved.name, id),
                    QUERY,
                    {"kind": "mine", TENANT_FIELD: moved.name, ID_FIELD: id},
                )
                for id in (1, 3)
            ],
        )

    getattr(moved.store, when)(method, move)
    await act(at)
    assert set(await moved.in_pool(moved.name)) == left
    assert {collection for collection in moved.store.of(method)} <= {old, shared.physical}
    await moved.unchanged()
    # Ids under which the other's points are stored, worked out by somebody.
    await at.delete("", ids=[moved.other_id])
    await at.change_payload("", PayloadChange.SET, payload={"kind": "x"}, ids=[moved.other_id])
    await moved.unchanged()
    assert await scrolled(await shared.at("mine")) == left


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("kind", ["promotion", "rebuild"])
async def test_a_write_that_is_told_to_be_done_is_in_the_collection_that_serves(
    moved: Moved, write: str, when: str, kind: str
) -> None:
    method, act, left = WRITES[write]
    shared = moved.shared
    if kind == "promotion":
        at = await shared.tenant("mine")
        new = await shared.dedicated("mine", serves=False)
    else:
        await shared.dedicated("mine")
        at = await shared.at("mine")
        new = await shared.dedicated("mine", 2, serves=False)
    await points(at, "mine")

    async def move() -> None:
        # As a rebuild leaves it: the points were carried over before this write.
        await shared.stores.points.upsert(
            new, [Point(id, QUERY, {"kind": "mine", "n": id}) for id in (1, 3)]
        )
        await shared.move("mine", new)

    getattr(moved.store, when)(method, move)
    await act(at)
    there = await moved.in_collection(new)
    assert set(there) == left
    assert not any({TENANT_FIELD, ID_FIELD} & payload.keys() for payload in there.values())
    for expected, field in (("set", "new"), ("upsert", "kind"), ("overwrite", "kind")):
        assert write != expected or all(field in payload for payload in there.values())
    assert write != "clear" or not any(there.values())
    await moved.unchanged()
    assert {hit.id for hit in (await at.scroll("")).points} == left


async def refused(at: GuardedPoints, point: list[Point]) -> None:
    """Qdrant lets a last write through where nobody else took its token."""
    for _ in range(2):
        try:
            await at.upsert("", point)
        except StoreOverloaded:
            return
    raise AssertionError("a write went through a hold")


@pytest.mark.parametrize("kind", ["promotion", "rebuild"])
async def test_a_write_that_meets_the_hold_of_a_rebuild(moved: Moved, kind: str) -> None:
    """Refused while the name leads to what is held, and made where it leads afterwards."""
    shared = moved.shared
    if Capability.REBUILDS not in (await shared.points.info()).capabilities:
        pytest.skip("this engine rebuilds nothing, so it holds nothing back")
    if kind == "promotion":
        at, old = await shared.tenant("mine"), shared.physical
        new = await shared.dedicated("mine", serves=False)
    else:
        old = await shared.dedicated("mine")
        at = await shared.at("mine")
        new = await shared.dedicated("mine", 2, serves=False)
    admin = shared.stores.admin
    point = [Point(1, QUERY, {"kind": "mine"})]
    await admin.hold(old)
    try:
        await refused(at, point)
        await shared.move("mine", new)
        await at.upsert("", point)
        assert await moved.in_collection(new) == {1: {"kind": "mine"}}
    finally:
        await admin.release(old, {("strictMode", "enabled"): False})


async def test_a_name_that_has_gone_is_no_collection(moved: Moved) -> None:
    shared = moved.shared
    old = await shared.dedicated("mine")
    at = await shared.at("mine")
    await shared.stores.admin.drop(old)
    for act in (
        lambda: at.upsert("", [Point(1, QUERY)]),
        lambda: at.delete("", ids=[1]),
        lambda: at.search("", [Search(QUERY, 1)]),
        lambda: at.count(""),
    ):
        with pytest.raises(NotFound) as caught:
            await act()
        assert caught.value.message == f"no collection {moved.name!r}"


async def test_a_collection_may_have_a_field_of_that_name_itself(moved: Moved) -> None:
    """In a collection of one's own the fields of the machinery are fields like any other."""
    shared = moved.shared
    await shared.dedicated("mine")
    at = await shared.at("mine")
    payload = {TENANT_FIELD: "somebody", ID_FIELD: 9}
    v5 = moved.other_id
    await at.upsert("", [Point(v5, QUERY, payload)])
    for wanted, seen in ((True, payload), (False, None), ([ID_FIELD], {ID_FIELD: 9})):
        [[hit]] = await at.search("", [Search(QUERY, 5, payload=wanted)])
        assert (hit.id, hit.payload) == (v5, seen)
    flt = {"must": [{"key": TENANT_FIELD, "match": {"value": "somebody"}}]}
    assert await at.count("", filter=flt) == 1
    await at.delete("", filter=flt)
    assert await at.count("") == 0
    await moved.unchanged()


@pytest.mark.parametrize("tenant", [True, False])
async def test_what_it_costs(moved: Moved, tenant: bool) -> None:
    """A search is one call of the store, a write two; writes at one moment share the second."""
    shared = moved.shared
    if not tenant:
        await shared.dedicated("mine")
    at = await shared.tenant("mine") if tenant else await shared.at("mine")
    await points(at, "mine")
    moved.store.calls.clear()
    for wanted in (True, False, ["kind"]):
        assert len((await at.search("", [Search(QUERY, 5, payload=wanted)]))[0]) == 2
    assert [method for method, _ in moved.store.calls] == ["search"] * 3
    moved.store.calls.clear()
    await asyncio.gather(*(at.upsert("", [Point(n, QUERY)]) for n in range(20)))
    assert len(moved.store.of("upsert")) == 20
    # Where writes end one by one, as on the embedded engine, there is nobody to share with.
    assert 1 <= len(moved.store.of("peek")) <= (20 if shared.stores.kind == "embedded" else 10)
    assert not moved.store.of("names", "resolve")


async def test_a_key_of_another_tenant_does_not_follow(moved: Moved) -> None:
    """Its collection was open to it as a collection of its own; as a tenant it is not."""
    shared = moved.shared
    await shared.dedicated("mine")
    at = (await shared.at("mine")).for_one(lambda tenant: tenant in (None, moved.other))
    await points(at, "mine")
    assert await scrolled(at) == {1, 3}
    await shared.move("mine", shared.physical)
    for act in (at.scroll(""), at.count(""), at.search("", [Search(QUERY, 3)]), points(at, "mine")):
        with pytest.raises(Forbidden):
            await act
    await moved.unchanged()
    own = (await shared.tenant("mine")).for_one(lambda tenant: tenant in (None, moved.name))
    await points(own, "mine")
    assert await scrolled(own) == {1, 3}
