"""The cache and the writes of the operator, at moments that a real API server does not give."""

from __future__ import annotations

from typing import Any

import pytest

from support.kube_double import KubeDouble
from vectorplane.domain.model import Key
from vectorplane.domain.status import Event
from vectorplane.errors import ApiUnavailable
from vectorplane.ports.resources import FINALIZER, Resource
from vectorplane_operator.kube import COLLECTIONS, path_of
from vectorplane_operator.resources import KubeResources, event_body, newer, resource_of

pytestmark = pytest.mark.anyio
KEY = Key("shop", "products")
PATH = path_of(COLLECTIONS, KEY.namespace, KEY.name)


class World:
    """Resources over a double; `looks` are the keys to be looked at."""

    def __init__(self) -> None:
        self.api = KubeDouble()
        self.looks: list[Key] = []
        self.resources = KubeResources(self.api, self.looks.append)

    def put(self, key: Key = KEY, uid: str = "one", **rest: Any) -> Resource:
        path = path_of(COLLECTIONS, key.namespace, key.name)
        meta = {"namespace": key.namespace, "name": key.name, "uid": uid, "generation": 1}
        return resource_of(self.api.put(path, **(meta | rest)))

    def seen(self, key: Key = KEY, uid: str = "one", **rest: Any) -> Resource:
        resource = self.put(key, uid, **rest)
        self.resources.seen(resource)
        return resource

    def known(self, key: Key = KEY) -> Resource:
        found = self.resources.get(key)
        assert found
        return found


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("version", "than", "expected"),
    [("10", "9", True), ("9", "10", False), ("9", "9", False), ("b", "a", True), ("a", "a", False)],
)
def test_versions_are_numbers_where_they_look_so(version: str, than: str, expected: bool) -> None:
    assert newer(version, than) is expected


def test_what_is_new_is_looked_at_and_what_is_known_is_not(world: World) -> None:
    resource = world.seen()
    world.resources.seen(resource)
    assert world.looks == [KEY]


def test_an_event_that_comes_late_changes_nothing(world: World) -> None:
    late = world.put()
    world.seen(generation=2)
    world.resources.seen(late)
    assert world.known().generation == 2


def test_the_end_of_a_former_one_leaves_the_new_one(world: World) -> None:
    world.seen(uid="one")
    world.seen(uid="two")
    world.resources.gone(KEY, "one")
    assert world.known().uid == "two"

    world.resources.gone(KEY, "two")
    assert world.resources.get(KEY) is None


def test_what_is_deleted_does_not_come_back_from_a_list_on_its_way(world: World) -> None:
    resource = world.seen()
    world.resources.gone(KEY, "one")
    world.resources.seen(resource)
    assert world.resources.get(KEY) is None


def test_the_end_of_one_concerns_who_claims_its_name(world: World) -> None:
    other = Key("shop", "other")
    world.seen(spec={"aliases": ["live"]})
    world.seen(other, "two", spec={"aliases": ["live"]}, creationTimestamp="2026-02-01T00:00:00Z")
    assert [r.key for r in world.resources.rivals(other)] == [KEY]
    world.looks.clear()

    world.resources.gone(KEY, "one")
    assert other in world.looks
    assert world.resources.rivals(other) == ()


async def test_the_answer_of_a_write_makes_its_event_no_news(world: World) -> None:
    resource = world.seen()
    finalized = await world.resources.add_finalizer(resource)
    assert finalized
    assert finalized.finalizers == (FINALIZER,)

    await world.resources.write_status(finalized, {"observedGeneration": 1})
    world.resources.seen(resource_of(world.api.objects[PATH]))
    assert world.looks == [KEY]
    assert world.known().status == {"observedGeneration": 1}


async def test_an_event_that_is_quicker_than_the_answer_is_no_news_either(world: World) -> None:
    resource = world.seen()
    apply = world.api.apply

    async def slow(path: str, body: Any) -> Any:
        written = await apply(path, body)
        world.resources.seen(resource_of(written))
        return written

    world.api.apply = slow  # type: ignore[method-assign]
    await world.resources.write_status(resource, {"observedGeneration": 1})
    assert world.looks == [KEY]


async def test_an_edit_that_a_write_hides_is_looked_at(world: World) -> None:
    resource = world.seen()
    edited = world.put(generation=2)
    await world.resources.write_status(resource, {"observedGeneration": 1})
    assert world.known().generation == 2
    assert world.looks == [KEY, KEY]

    world.resources.seen(edited)
    assert world.looks == [KEY, KEY]


async def test_an_edit_during_a_write_that_fails_is_looked_at(world: World) -> None:
    resource = world.seen()

    def edit(verb: str) -> None:
        if verb == "apply":
            world.resources.seen(world.put(generation=2))
            world.api.failing = ApiUnavailable("away")

    world.api.before = edit
    with pytest.raises(ApiUnavailable):
        await world.resources.write_status(resource, {})
    assert world.known().generation == 2
    assert world.looks == [KEY, KEY]


async def test_a_conflict_is_read_again_and_tried_again(world: World) -> None:
    resource = world.seen()
    world.put(generation=2, finalizers=["of.others/one"])
    finalized = await world.resources.add_finalizer(resource)
    assert finalized
    assert finalized.generation == 2
    assert finalized.finalizers == ("of.others/one", FINALIZER)

    world.put(labels={"some": "label"})
    await world.resources.remove_finalizer(finalized)
    assert world.api.objects[PATH]["metadata"]["finalizers"] == ["of.others/one"]


async def test_a_finalizer_that_is_there_already_is_enough(world: World) -> None:
    resource = world.seen()
    world.put(finalizers=[FINALIZER])
    finalized = await world.resources.add_finalizer(resource)
    assert finalized
    assert [verb for verb, _ in world.api.calls] == ["merge", "get"]


@pytest.mark.parametrize("now", ["gone", "another", "going"])
async def test_nothing_is_made_for_what_went_meanwhile(world: World, now: str) -> None:
    resource = world.seen()
    if now == "gone":
        world.api.remove(PATH)
    elif now == "another":
        world.put(uid="two")
    else:
        world.put(deletionTimestamp="2026-01-02T00:00:00Z")
    assert await world.resources.add_finalizer(resource) is None
    assert world.looks.count(KEY) == (1 if now == "going" else 1 + (now == "gone"))


async def test_a_conflict_that_ends_in_nothing_there_is_forgotten(world: World) -> None:
    resource = world.seen()
    world.put(generation=2)
    world.api.before = lambda verb: world.api.remove(PATH) if verb == "get" else None
    await world.resources.remove_finalizer(resource)
    assert world.resources.get(KEY) is None


async def test_what_changes_faster_than_it_is_read_is_left_for_later(world: World) -> None:
    resource = world.seen()
    world.api.before = lambda verb: world.put() if verb == "merge" else None
    with pytest.raises(ApiUnavailable, match="shop/products"):
        await world.resources.add_finalizer(resource)


async def test_a_status_is_never_written_on_another_one(world: World) -> None:
    resource = world.seen()
    world.put(uid="two")
    await world.resources.write_status(resource, {"observedGeneration": 1})
    assert "status" not in world.api.objects[PATH]
    assert world.looks == [KEY, KEY]

    world.api.remove(PATH)
    await world.resources.write_status(resource, {"observedGeneration": 1})
    assert world.resources.get(KEY) is None


async def test_an_answer_about_what_is_gone_does_not_bring_it_back(world: World) -> None:
    resource = world.seen()
    apply = world.api.apply

    async def slow(path: str, body: Any) -> Any:
        written = await apply(path, body)
        world.resources.gone(KEY, "one")
        return written

    world.api.apply = slow  # type: ignore[method-assign]
    await world.resources.write_status(resource, {})
    assert world.resources.get(KEY) is None


async def test_a_list_finds_what_a_watch_missed(world: World) -> None:
    world.seen()
    world.seen(Key("shop", "missed"), "two")
    world.api.remove(path_of(COLLECTIONS, "shop", "missed"))
    world.put(Key("shop", "new"), "three")

    await world.resources.refresh()
    assert {r.key.name for r in world.resources.all()} == {"products", "new"}


async def test_an_event_that_cannot_be_posted_stops_nothing(world: World) -> None:
    resource = world.seen()
    await world.resources.record_event(resource, Event("Normal", "Ready", "it answers"))
    world.api.failing = ApiUnavailable("away")
    await world.resources.record_event(resource, Event("Normal", "Ready", "it answers"))
    assert len(world.api.events) == 1


def test_an_event_fits_the_api() -> None:
    body = event_body(Event("Warning", "Reason", "x" * 2000), "VectorStore", "n" * 253, None, "uid")
    assert len(body["message"]) == 1024
    assert len(body["metadata"]["name"]) <= 253
    assert body["metadata"]["namespace"] == "default"
    assert "namespace" not in body["involvedObject"]
