"""The loop of one provider, on the one in memory: what comes and goes, trouble, drift, pauses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from vectorplane.adapters.gateway.memory import MemoryGateway
from vectorplane.domain.exposure import Body, Change, Exposure, Found, Owner, Ref, Wish
from vectorplane.domain.model import Key
from vectorplane.errors import GatewayRejected, GatewayUnreachable, VectorplaneError
from vectorplane.exposure.publishing import Publisher, State, Wishes
from vectorplane.exposure.verifying import Answer, Verifying, judged

pytestmark = pytest.mark.anyio
PRODUCTS = Owner("VectorCollection", Key("shop", "products"), "uid-products")
DOCS = Owner("VectorCollection", Key("shop", "docs"), "uid-docs")


def wish(owner: Owner, path: str | None = None) -> Exposure:
    way = path or f"/{owner.key.namespace}/{owner.key.name}"
    return Exposure(owner, way, f"/api/v1{way}", readers=("r",), writers=("w",))


class Gateway(MemoryGateway):
    """Has bad moments: errors by call, or by what stands in the body."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: dict[str, VectorplaneError] = {}
        self.surveys = 0
        self.not_yet: str | None = None

    async def survey(self) -> dict[Ref, Found]:
        self._maybe("survey")
        self.surveys += 1
        return dict(await super().survey())

    async def put(self, ref: Ref, body: Body) -> Found:
        self._maybe("put")
        for word, error in self.trouble.items():
            if word in str(body):
                raise error
        return await super().put(ref, body)

    async def delete(self, ref: Ref) -> None:
        self._maybe("delete")
        await super().delete(ref)

    def programmed(self, refs: object) -> str | None:
        return self.not_yet

    def _maybe(self, call: str) -> None:
        if call in self.trouble:
            raise self.trouble[call]


@dataclass
class World:
    gateway: Gateway = field(default_factory=Gateway)
    wanted: dict[Owner, Sequence[Wish]] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    told: list[Owner] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    up: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.publisher = Publisher(
            "gateway",
            self.gateway,
            wishes=self.wishes,
            told=self.told.append,
            watcher=self,
            resync=3600.0,
        )

    def wishes(self) -> tuple[Wishes, Collection[str]]:
        return dict(self.wanted), set(self.paused)

    def published(self, provider: str, change: Change) -> None:
        self.changes.append(change)

    def reached(self, provider: str, up: bool) -> None:
        self.up.append(up)

    def want(self, *wishes: Exposure) -> None:
        for one in wishes:
            self.wanted[one.owner] = [one]
        self.publisher.wake()

    def forget(self, owner: Owner) -> None:
        del self.wanted[owner]
        self.publisher.wake()

    async def there(self) -> set[str]:
        found = await MemoryGateway.survey(self.gateway)
        return {str(f.uid) for f in found.values()}

    async def says(self, owner: Owner, reason: str) -> State:
        await until(lambda: (s := self.publisher.state(owner)) is not None and s.reason == reason)
        state = self.publisher.state(owner)
        assert state
        return state


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(world: World) -> AsyncIterator[World]:
    task = asyncio.create_task(world.publisher.run())
    try:
        yield world
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_what_is_wanted_comes_and_what_is_not_goes() -> None:
    async with running(World()) as world:
        world.want(wish(PRODUCTS), wish(DOCS))
        await world.says(PRODUCTS, "Programmed")
        await world.says(DOCS, "Programmed")
        assert await world.there() == {"uid-products", "uid-docs"}
        assert set(world.told) == {PRODUCTS, DOCS}
        world.forget(DOCS)
        await until(lambda: len(world.gateway.objects) == 1)
        assert await world.there() == {"uid-products"}
        assert world.publisher.state(DOCS) is None
        assert world.gateway.surveys == 1


async def test_an_edit_is_one_change_and_nothing_new_is_none() -> None:
    async with running(World()) as world:
        world.want(wish(PRODUCTS), wish(DOCS))
        await world.says(DOCS, "Programmed")
        before = len(world.changes)
        world.want(wish(PRODUCTS, "/shop/other"))
        await until(lambda: len(world.changes) > before)
        assert len(world.changes) == before + 1
        passes = len(world.up)
        world.publisher.wake()
        await until(lambda: len(world.up) > passes)
        assert len(world.changes) == before + 1


async def test_what_nobody_wants_is_removed_by_the_first_survey_and_what_is_paused_stays() -> None:
    world = World(paused={"uid-docs"})
    for owner in (PRODUCTS, DOCS):
        for ref, body in world.gateway.render(wish(owner)).items():
            await world.gateway.put(ref, body)
    async with running(world):
        await until(lambda: bool(world.up))
        assert await world.there() == {"uid-docs"}


async def test_a_refused_object_holds_up_nobody_else() -> None:
    world = World()
    world.gateway.trouble["/shop/products"] = GatewayRejected("the name is taken")
    async with running(world):
        world.want(wish(PRODUCTS), wish(DOCS))
        await world.says(DOCS, "Programmed")
        state = await world.says(PRODUCTS, "GatewayRejected")
        assert (state.works, state.away, state.message) == (False, False, "the name is taken")
        world.gateway.trouble.clear()
        world.publisher.wake()
        await world.says(PRODUCTS, "Programmed")


@pytest.mark.parametrize("call", ["survey", "put", "delete"])
async def test_a_provider_that_is_away_is_told_to_all_and_catches_up(call: str) -> None:
    world = World()
    async with running(world):
        world.want(wish(DOCS))
        await world.says(DOCS, "Programmed")
        world.gateway.trouble[call] = GatewayUnreachable("no answer", retry_after=0.01)
        if call == "survey":
            world.gateway.trouble["put"] = GatewayUnreachable("no answer", retry_after=0.01)
        world.want(wish(PRODUCTS))
        if call == "delete":
            world.forget(DOCS)
        state = await world.says(PRODUCTS, "GatewayUnreachable")
        assert state.away
        assert not world.up[-1]
        world.told.clear()
        world.gateway.trouble.clear()
        await world.says(PRODUCTS, "Programmed")
        assert PRODUCTS in world.told
        assert await world.there() == (
            {"uid-products"} if call == "delete" else {"uid-products", "uid-docs"}
        )


async def test_drift_is_found_by_a_survey_and_mended() -> None:
    world = World()
    async with running(world):
        world.want(wish(PRODUCTS), wish(DOCS))
        await world.says(DOCS, "Programmed")
    refs = world.gateway.render(wish(PRODUCTS))
    for ref in refs:
        await world.gateway.delete(ref)
    world.publisher.forget()
    async with running(world):
        await world.says(PRODUCTS, "Programmed")
        assert await world.there() == {"uid-products", "uid-docs"}


async def test_what_is_there_but_does_not_work_yet_is_looked_at_again() -> None:
    world = World()
    world.gateway.not_yet = "no controller took it up"
    async with running(world):
        world.want(wish(PRODUCTS))
        state = await world.says(PRODUCTS, "NotProgrammed")
        assert state.message == "no controller took it up"
        world.gateway.not_yet = None
        await world.says(PRODUCTS, "Programmed")
        assert world.gateway.surveys >= 2


async def test_who_was_killed_after_any_change_ends_in_the_same_state() -> None:
    wanted = {PRODUCTS: [wish(PRODUCTS)], DOCS: [replace(wish(DOCS), path="/shop/d")]}
    whole = World(wanted=dict(wanted))
    async with running(whole):
        await whole.says(DOCS, "Programmed")
    expected = await MemoryGateway.survey(whole.gateway)
    for kept in range(len(expected) + 1):
        world = World(wanted=dict(wanted))
        for ref in sorted(expected)[:kept]:
            await world.gateway.put(ref, expected[ref].body)
        async with running(world):
            await world.says(DOCS, "Programmed")
        assert await MemoryGateway.survey(world.gateway) == expected


class Asked:
    """A gateway that answers what it is told to."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.calls: list[tuple[str, str]] = []

    async def __call__(self, path: str, secret: str) -> Answer:
        self.calls.append((path, secret))
        return self.answers.get(path, Answer(404))


async def test_an_endpoint_is_asked_until_it_answers() -> None:
    asked, told = Asked(), list[Key]()
    verifying = Verifying(asked, key=lambda: "secret", told=told.append, seconds=3600.0)
    try:
        verifying.wanted({PRODUCTS.key: "/shop/products"})
        await until(lambda: len(asked.calls) >= 2)
        state = verifying.state(PRODUCTS.key)
        assert state
        assert state.reason == "RouteMissing"
        assert told == [PRODUCTS.key]
        asked.answers["/shop/products"] = Answer(200)
        await until(lambda: len(told) == 2)
        state = verifying.state(PRODUCTS.key)
        assert state
        assert state.works
        assert set(asked.calls) == {("/shop/products", "secret")}
        verifying.wanted({})
        assert verifying.state(PRODUCTS.key) is None
    finally:
        await verifying.close()


async def test_one_over_its_limit_says_nothing() -> None:
    asked = Asked()
    asked.answers["/shop/products"] = Answer(429)
    verifying = Verifying(asked, key=lambda: "secret", told=lambda key: None, seconds=3600.0)
    try:
        verifying.wanted({PRODUCTS.key: "/shop/products"})
        # As long as nobody knows, it is asked again soon.
        await until(lambda: len(asked.calls) >= 2)
        assert verifying.state(PRODUCTS.key) is None
        asked.answers["/shop/products"] = Answer(200)
        await until(lambda: verifying.state(PRODUCTS.key))
        asked.answers["/shop/products"] = Answer(429)
        verifying.again(PRODUCTS.key)
        calls = len(asked.calls)
        await until(lambda: len(asked.calls) > calls)
        assert verifying.state(PRODUCTS.key) == judged(Answer(200), "/shop/products")
    finally:
        await verifying.close()
