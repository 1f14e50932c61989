"""A sweep reads and decides; it never writes, and it finds what wants a look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.cache import ResourceCache
from vectorplane.controller import Controller
from vectorplane.domain.model import Key, Rival
from vectorplane.domain.status import Event, Status
from vectorplane.errors import StoreTimeout
from vectorplane.ports.resources import FINALIZER, Resource
from vectorplane.ports.vectors import Survey, VectorAdmin
from vectorplane.sweep import Sweeper, settled

pytestmark = pytest.mark.anyio


class Store(MemoryStore):
    away = False
    surveys = 0

    async def survey(self) -> Survey:
        self.surveys += 1
        if self.away:
            raise StoreTimeout("no answer in 10 s")
        return await super().survey()


@dataclass
class World:
    """Resources in a dictionary, one store, and what was asked of the queue."""

    store: Store = field(default_factory=Store)
    cache: ResourceCache = field(default_factory=ResourceCache)
    wanted: list[Key] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    writes: int = 0

    def __post_init__(self) -> None:
        self.controller = Controller(self, self, cluster="here", resync=None)
        self.sweeper = Sweeper(
            self,
            self,
            cluster="here",
            look=self.wanted.append,
            lives_in=lambda resource, store: True,
        )

    def apply(self, name: str, **spec: Any) -> Key:
        key = Key("shop", name)
        wish = {"vectors": [{"size": 4, "distance": "Dot"}], **spec}
        known = self.cache.get(key)
        made = Resource(key, f"uid-{name}", 1, "2026-01-01T00:00:00Z", wish)
        if known:
            made = replace(known, spec=wish, generation=known.generation + 1)
        self._put(made)
        return key

    async def settle(self, *keys: Key) -> None:
        for key in keys:
            await self.controller.look(key)
            self.sweeper.looked(key)

    async def sweep(self) -> list[Key]:
        """The keys that a sweep wants looked at."""
        self.wanted.clear()
        await self.sweeper.sweep("main")
        return list(self.wanted)

    def _put(self, resource: Resource) -> Resource:
        before = self.cache.get(resource.key)
        version = str(int(before.version) + 1 if before else 1)
        kept = replace(resource, version=version)
        self.cache.put(kept)
        return kept

    # Resources

    def all(self) -> Iterable[Resource]:
        return self.cache.all()

    def get(self, key: Key) -> Resource | None:
        return self.cache.get(key)

    def rivals(self, key: Key) -> tuple[Rival, ...]:
        return self.cache.rivals(key)

    async def add_finalizer(self, resource: Resource) -> Resource | None:
        return self._put(replace(resource, finalizers=(FINALIZER,)))

    async def remove_finalizer(self, resource: Resource) -> None:
        self.cache.remove(resource.key)

    async def write_status(self, resource: Resource, status: Status) -> None:
        self.writes += 1
        self._put(replace(self.cache.get(resource.key) or resource, status=status))

    async def record_event(self, resource: Resource, event: Event) -> None:
        self.events.append(event)

    # Stores

    async def find(self, name: str | None) -> tuple[str, VectorAdmin]:
        return "main", self.store

    def admit(self, name: str, resource: Resource) -> Resource:
        return resource


@pytest.fixture
def world() -> World:
    return World()


async def test_what_is_as_declared_wants_no_look(world: World) -> None:
    keys = [world.apply(f"c{n}", aliases=[f"a{n}"]) for n in range(20)]
    keys += [world.apply(f"t{n}", tenancy={"mode": "Partition"}) for n in range(20)]
    assert sorted(await world.sweep()) == sorted(keys)
    await world.settle(*keys)
    writes = world.writes
    assert await world.sweep() == []
    assert world.sweeper.unverified == 0
    assert (await world.sweeper.sweep("main")).decided == 0
    assert world.writes == writes


async def test_a_restart_verifies_without_a_look(world: World) -> None:
    keys = [world.apply(f"c{n}") for n in range(10)]
    await world.settle(*keys)
    world.sweeper.forget()
    assert world.sweeper.unverified == 10
    assert await world.sweep() == []
    assert world.sweeper.unverified == 0


@pytest.mark.parametrize("change", ["dropped", "alias", "settings", "index", "record"])
async def test_drift_is_found_and_mended_and_told(world: World, change: str) -> None:
    index = {"field": "price", "type": "Float"}
    key = world.apply("products", payloadIndexes=[index], hnsw={"m": 16})
    other = world.apply("other")
    await world.settle(key, other)
    assert await world.sweep() == []
    store, physical = world.store, "shop.products_1"
    match change:
        case "dropped":
            await store.drop(physical)
        case "alias":
            await store.change_aliases({}, frozenset({"shop.products"}))
        case "settings":
            await store.update(physical, {("hnsw", "m"): 8})
        case "index":
            await store.drop_index(physical, "price")
        case "record":
            found = await store.describe(physical)
            assert found
            assert found.record
            await store.write_record(physical, replace(found.record, generation=99))
    assert await world.sweep() == [key]
    assert await world.sweep() == [key], "until it is mended"
    world.events.clear()
    await world.settle(key)
    assert await world.sweep() == []
    told = [event.reason for event in world.events]
    expected = {"dropped": ["Recreated"], "record": []}
    assert told == expected.get(change, ["DriftRepaired"])


async def test_an_edit_wants_a_look(world: World) -> None:
    key = world.apply("products")
    await world.settle(key)
    world.apply("products", hnsw={"m": 32})
    assert await world.sweep() == [key]


async def test_a_resource_that_is_refused_wants_no_look_at_each_sweep(world: World) -> None:
    key = world.apply("products")
    await world.settle(key)
    world.apply("products", vectors=[{"size": 8, "distance": "Dot"}])
    await world.settle(key)
    assert await world.sweep() == []


async def test_a_store_that_is_away_is_told_by_every_resource_once(world: World) -> None:
    keys = [world.apply(f"c{n}") for n in range(3)]
    await world.settle(*keys)
    world.store.away = True
    world.wanted.clear()
    with pytest.raises(StoreTimeout):
        await world.sweeper.sweep("main")
    assert sorted(world.wanted) == sorted(keys)


async def test_points_that_come_are_told_in_the_status(world: World) -> None:
    from vectorplane.ports.vectors import Point

    key = world.apply("products")
    await world.settle(key)
    assert await world.sweep() == []
    await world.store.upsert("shop.products", [Point(1, [1.0, 0.0, 0.0, 0.0])])
    assert await world.sweep() == [key]
    await world.settle(key)
    found = world.cache.get(key)
    assert found
    assert found.status["collection"]["points"] == 1


def test_settled_is_what_says_so() -> None:
    ready = {"observedGeneration": 2, "conditions": [{"type": "Ready", "reason": "Ready"}]}
    made = Resource(
        Key("a", "b"), "u", 2, "2026-01-01T00:00:00Z", {}, status=ready, finalizers=(FINALIZER,)
    )
    assert settled(made)
    assert not settled(replace(made, generation=3))
    assert not settled(replace(made, deleting=True))
    assert not settled(replace(made, finalizers=()))
