"""The loop around reconcile, with real resource files and the memory store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.controller import Controller
from vectorplane.domain.model import Key
from vectorplane.domain.status import Event, Exposed, Outcome, condition_of
from vectorplane.errors import StoreMissing, StoreTimeout
from vectorplane.ports.resources import FINALIZER, Resource
from vectorplane.ports.vectors import Listing, VectorAdmin
from vectorplane_service.local.data import DataFolder
from vectorplane_service.local.records import ResourceFiles, Wish
from vectorplane_service.local.resources import FolderResources

pytestmark = pytest.mark.anyio
KEY = Key("shop", "products")


class Store(MemoryStore):
    """A memory store that can be away."""

    away = False

    async def listing(self) -> Listing:
        if self.away:
            raise StoreTimeout("no answer in 10 s")
        return await super().listing()


@dataclass
class Named:
    """Stores by name; the first one is the default."""

    stores: dict[str, Store]

    async def find(self, name: str | None) -> tuple[str, VectorAdmin]:
        wanted = name or next(iter(self.stores), None)
        if wanted is None or wanted not in self.stores:
            raise StoreMissing(f"there is no VectorStore {wanted or 'that is the default one'}")
        return wanted, self.stores[wanted]

    def admit(self, name: str, resource: Resource) -> Resource:
        return resource


@dataclass
class World:
    files: ResourceFiles
    stores: dict[str, Store] = field(default_factory=lambda: {"main": Store()})
    events: list[Event] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    repairs: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.resources = FolderResources(
            self.files, recorded=lambda key, event: self.events.append(event)
        )
        self.controller = Controller(
            self.resources,
            Named(self.stores),
            cluster="here",
            exposed=lambda resource: Exposed(f"http://here/{resource.key.collection}"),
            watcher=self,
            resync=60.0,
        )

    def reconciled(self, key: Key, store: str, outcome: Outcome, seconds: float) -> None:
        self.outcomes.append(outcome)

    def repaired(self, key: Key, event: Event) -> None:
        self.repairs.append(event)

    def apply(
        self, key: Key = KEY, annotations: Mapping[str, str] | None = None, **spec: Any
    ) -> None:
        wanted = {"vectors": [{"name": "", "size": 4, "distance": "Dot"}], **spec}
        self.files.apply(Wish(key, wanted, annotations or {}))

    async def look(self, key: Key = KEY) -> float | None:
        self.resources.refresh()
        return await self.controller.look(key)

    def ready(self, key: Key = KEY) -> tuple[str, str]:
        stored = self.files.read(key)
        assert stored
        condition = condition_of(stored.resource.status, "Ready")
        return condition["status"], condition["reason"]

    @property
    def store(self) -> Store:
        return self.stores["main"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    data = DataFolder(tmp_path / "data")
    data.make()
    return World(ResourceFiles(data))


async def test_a_resource_becomes_ready_and_a_second_look_writes_nothing(world: World) -> None:
    world.apply()
    assert await world.look() == 60.0
    assert world.ready() == ("True", "Ready")
    stored = world.files.read(KEY)
    assert stored
    assert stored.resource.finalizers == (FINALIZER,)
    assert stored.resource.status["endpoint"] == "http://here/shop.products"
    assert [e.reason for e in world.events] == ["Ready"]
    before = world.files.signature(KEY)
    assert await world.look() == 60.0
    assert world.files.signature(KEY) == before
    assert len(world.events) == 1
    assert world.outcomes[-1].changed == ()


async def test_what_is_not_there_is_nothing_to_look_at(world: World) -> None:
    assert await world.look(Key("shop", "nothing")) is None


async def test_a_store_that_is_away_is_tried_again_later_and_later(world: World) -> None:
    world.store.away = True
    world.apply()
    delays = [await world.look() or 0.0 for _ in range(6)]
    assert world.ready() == ("False", "StoreTimeout")
    assert all(0.5 <= delay <= 32.0 for delay in delays)
    assert delays[5] > delays[0]
    assert len(world.events) == 1, "one event for one transition"
    world.store.away = False
    assert await world.look() == 60.0
    assert world.ready() == ("True", "Ready")


async def test_a_missing_store_is_waited_for(world: World) -> None:
    world.apply(store="other")
    assert (await world.look() or 0.0) <= 1.0
    assert world.ready() == ("False", "StoreMissing")
    world.stores["other"] = Store()
    await world.look()
    assert world.ready() == ("True", "Ready")


async def test_a_deletion_goes_through_the_store_before_the_finalizer_goes(world: World) -> None:
    world.apply(deletionPolicy="Delete")
    await world.look()
    world.files.delete(KEY)
    world.store.away = True
    await world.look()
    assert world.ready() == ("False", "StoreTimeout"), "the finalizer stays and the status says why"
    world.store.away = False
    assert await world.look() is None
    assert world.files.read(KEY) is None
    assert not (await world.store.listing()).collections


async def test_the_annotation_lets_it_go_while_the_store_is_away(world: World) -> None:
    force = {"vectorplane.dev/force-delete": "true"}
    world.apply(annotations=force)
    await world.look()
    world.files.delete(KEY)
    world.store.away = True
    assert await world.look() is None
    assert world.files.read(KEY) is None


async def test_what_never_was_anywhere_may_go_without_a_store(world: World) -> None:
    world.apply(store="nowhere")
    await world.look()
    world.files.delete(KEY)
    assert await world.look() is None
    assert world.files.read(KEY) is None


async def test_paused_changes_nothing_not_even_by_a_deletion(world: World) -> None:
    world.apply(annotations={"vectorplane.dev/paused": "true"})
    await world.look()
    assert world.ready() == ("Unknown", "Paused")
    assert not (await world.store.listing()).collections
    world.files.delete(KEY)
    await world.look()
    assert world.files.read(KEY) is not None


async def test_a_spec_that_these_models_refuse_is_said_and_loses_nothing(world: World) -> None:
    world.apply()
    await world.look()
    world.apply(vectors=[{"name": "", "size": 0, "distance": "Dot"}])
    assert await world.look() == 60.0
    assert world.ready() == ("False", "InvalidSpec")
    assert (await world.store.listing()).collections == {"shop.products_1"}
    world.files.delete(KEY)
    await world.look()
    assert world.files.read(KEY) is None


async def test_points_do_not_move_with_spec_store(world: World) -> None:
    world.stores["second"] = Store()
    world.apply()
    await world.look()
    world.apply(store="second")
    await world.look()
    assert world.ready() == ("False", "ImmutableChange")
    stored = world.files.read(KEY)
    assert stored
    message = condition_of(stored.resource.status, "Ready")["message"]
    assert "main" in message
    assert "second" in message
    assert not (await world.stores["second"].listing()).collections
    world.apply(store="main")
    await world.look()
    assert world.ready() == ("True", "Ready")


async def test_a_home_that_was_removed_gives_way_to_the_store_that_is_named(world: World) -> None:
    world.stores["second"] = Store()
    world.apply()
    await world.look()
    del world.stores["main"]
    await world.look()
    assert world.ready() == ("False", "StoreMissing"), "the default one does not take its place"
    world.apply(store="second")
    await world.look()
    assert world.ready() == ("True", "Ready")


async def test_a_store_named_that_is_not_there_does_not_stop_the_home(world: World) -> None:
    world.apply()
    await world.look()
    world.apply(store="nowhere")
    await world.look()
    assert world.ready() == ("False", "ImmutableChange")


async def test_the_oldest_has_the_name_and_the_next_one_gets_it(world: World) -> None:
    world.apply(Key("shop", "old"), aliases=["live"])
    world.apply(Key("shop", "young"), aliases=["live"])
    for name in ("young", "old"):
        await world.look(Key("shop", name))
    assert world.ready(Key("shop", "old")) == ("True", "Ready")
    assert world.ready(Key("shop", "young")) == ("False", "ResourceConflict")
    world.files.apply(
        Wish(Key("shop", "old"), {"vectors": [{"name": "", "size": 4, "distance": "Dot"}]})
    )
    await world.look(Key("shop", "old"))
    await world.look(Key("shop", "young"))
    assert world.ready(Key("shop", "young")) == ("True", "Ready")
    assert (await world.store.listing()).aliases["shop.live"] == "shop.young_1"


async def test_files_that_cannot_be_written_are_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(world.files, "change", full)
        assert (await world.look() or 0.0) > 0.0
    assert await world.look() == 60.0
    assert world.ready() == ("True", "Ready")
