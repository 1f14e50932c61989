"""The controller's view of a data folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from vectorplane.domain.model import Key
from vectorplane.domain.status import Event
from vectorplane.errors import Waiting
from vectorplane.ports.resources import FINALIZER
from vectorplane_service.local.data import DataFolder
from vectorplane_service.local.records import ResourceFiles, Wish
from vectorplane_service.local.resources import FolderResources

A, B = Key("shop", "a"), Key("shop", "b")


class World:
    def __init__(self, root: Path) -> None:
        self.data = DataFolder(root)
        self.data.make()
        self.files = ResourceFiles(self.data)
        self.looks: list[Key] = []
        self.damage: list[str] = []
        self.events: list[Event] = []
        self.resources = FolderResources(
            self.files,
            look=self.looks.append,
            damaged=lambda key, message: self.damage.append(message),
            recorded=lambda key, event: self.events.append(event),
        )

    def apply(self, key: Key, size: int = 4, aliases: tuple[str, ...] = ()) -> None:
        vectors = [{"name": "", "size": size, "distance": "Dot"}]
        self.files.apply(Wish(key, {"vectors": vectors, "aliases": list(aliases)}))

    def looked(self) -> list[Key]:
        """What must be looked at since the last call."""
        found, self.looks[:] = list(self.looks), []
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "data")


def test_what_was_written_elsewhere_is_seen_once(world: World) -> None:
    world.apply(A)
    assert world.resources.get(A) is None
    world.resources.refresh()
    assert world.looked() == [A]
    world.resources.refresh()
    world.resources.refresh([A])
    assert world.looked() == []
    world.apply(A, 8)
    world.resources.refresh([A])
    assert world.looked() == [A]
    found = world.resources.get(A)
    assert found is not None
    assert found.generation == 2
    assert world.resources.all() == [found]


def test_an_answer_is_no_reason_to_look_again(world: World) -> None:
    world.apply(A)
    world.resources.refresh()
    resource = world.resources.get(A)
    assert resource is not None
    world.looked()
    asyncio.run(world.resources.write_status(resource, {"observedGeneration": 1}))
    world.resources.refresh()
    assert world.looked() == []
    after = world.resources.get(A)
    assert after is not None
    assert after.status == {"observedGeneration": 1}


async def _finalizer_round_trip(world: World) -> None:
    resource = world.resources.get(A)
    assert resource is not None
    resource = await world.resources.add_finalizer(resource)
    assert resource.finalizers == (FINALIZER,)
    assert (await world.resources.add_finalizer(resource)).finalizers == (FINALIZER,)
    world.files.delete(A)
    world.resources.refresh([A])
    deleting = world.resources.get(A)
    assert deleting is not None
    assert deleting.deleting
    await world.resources.remove_finalizer(deleting)
    assert world.resources.get(A) is None
    assert world.files.read(A) is None


def test_a_finalizer_holds_a_resource_until_it_is_removed(world: World) -> None:
    world.apply(A)
    world.resources.refresh()
    asyncio.run(_finalizer_round_trip(world))


def test_no_finalizer_is_put_on_what_went(world: World) -> None:
    world.apply(A)
    world.resources.refresh()
    resource = world.resources.get(A)
    assert resource is not None
    world.files.delete(A)
    with pytest.raises(Waiting):
        asyncio.run(world.resources.add_finalizer(resource))
    asyncio.run(world.resources.write_status(resource, {}))
    assert world.files.read(A) is None


def test_who_claims_a_name_is_looked_at_when_it_gets_free(world: World) -> None:
    world.apply(A, aliases=("live",))
    world.apply(B, aliases=("live",))
    world.resources.refresh()
    assert set(world.looked()) == {A, B}
    assert [rival.key for rival in world.resources.rivals(B)] == [A]
    assert world.resources.rivals(A) == ()
    world.files.delete(A)
    world.resources.refresh([A])
    assert set(world.looked()) == {A, B}
    assert world.resources.rivals(B) == ()


def test_a_damaged_file_is_told_and_deletes_nothing(world: World) -> None:
    world.apply(A)
    world.resources.refresh()
    world.looked()
    path = world.data.resources / "shop" / "a.json"
    text = path.read_text()
    path.write_text("{")
    world.resources.refresh()
    assert world.looked() == []
    assert world.resources.get(A) is not None
    assert len(world.damage) == 1
    world.resources.refresh()
    assert len(world.damage) == 1
    path.write_text(text)
    world.resources.refresh()
    assert world.resources.get(A) is not None


def test_a_disk_that_takes_nothing_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply(A)
    world.resources.refresh()
    resource = world.resources.get(A)
    assert resource is not None

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vectorplane_service.local.records.write_json", full)
    with pytest.raises(Waiting, match="No space left"):
        asyncio.run(world.resources.write_status(resource, {"observedGeneration": 1}))


def test_events_are_passed_on(world: World) -> None:
    world.apply(A)
    world.resources.refresh()
    resource = world.resources.get(A)
    assert resource is not None
    event = Event("Normal", "Ready", "shop.a answers")
    asyncio.run(world.resources.record_event(resource, event))
    assert world.events == [event]
