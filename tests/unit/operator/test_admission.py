"""Who is let into a store: its rules, with what they must know of the cluster."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from support.stores_world import StoresWorld as World
from support.stores_world import living, resource, ruled
from vectorplane.errors import ApiUnavailable, LimitExceeded, NamespaceNotAllowed
from vectorplane_operator.admission import LabelsUnread

pytestmark = pytest.mark.anyio


@pytest.fixture
def world() -> World:
    return World()


async def settle() -> None:
    """Let what was begun in the background end."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_rules_that_change_have_the_collections_looked_at_and_keep_the_client(
    world: World,
) -> None:
    world.put()
    await world.stores.look("main")
    _, client = await world.stores.find("main")
    assert world.stores.admit("main", resource("products")).spec == {}

    world.put(spec=ruled(defaults={"hnsw": {"m": 8}}))
    assert world.affected == ["main", "main"]
    assert (await world.stores.find("main"))[1] is client
    assert world.stores.admit("main", resource("products")).spec == {"hnsw": {"m": 8}}


async def test_a_namespace_is_read_when_a_newcomer_needs_it_and_again_when_it_is_old(
    world: World,
) -> None:
    allowed = ruled(allowedNamespaces={"matchLabels": {"vectors": "yes"}})
    world.put(spec=allowed)
    newcomer = resource("products")
    assert world.stores.admit("main", living(newcomer)), "what is there already asks nobody"
    for _ in range(3):
        with pytest.raises(LabelsUnread):
            world.stores.admit("main", newcomer)
    await settle()
    assert world.api.calls == [("get", "/api/v1/namespaces/shop")], "it is asked once"

    with pytest.raises(NamespaceNotAllowed):
        world.stores.admit("main", newcomer)
    assert len(world.api.calls) == 1, "and not again while it is fresh"


async def test_labels_that_are_old_are_read_again_and_too_old_ones_not_believed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(spec=ruled(allowedNamespaces={"matchLabels": {"vectors": "yes"}}))
    world.api.put("/api/v1/namespaces/shop", labels={"vectors": "yes"})
    newcomer = resource("products")
    with pytest.raises(LabelsUnread):
        world.stores.admit("main", newcomer)
    await settle()
    assert world.stores.admit("main", newcomer) == newcomer
    world.affected.clear()

    loop, late = asyncio.get_running_loop(), 31.0
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + late)
    world.api.put("/api/v1/namespaces/shop", labels={"vectors": "no"})
    assert world.stores.admit("main", newcomer) == newcomer
    await settle()
    assert world.affected == ["main"]
    with pytest.raises(NamespaceNotAllowed):
        world.stores.admit("main", newcomer)

    late += 91.0
    with pytest.raises(LabelsUnread):
        world.stores.admit("main", newcomer)
    await settle()
    await world.stores.close()


async def test_labels_that_cannot_be_read_are_asked_for_again(world: World) -> None:
    world.put(spec=ruled(allowedNamespaces={}))
    world.api.failing = ApiUnavailable("away")
    with pytest.raises(LabelsUnread):
        world.stores.admit("main", resource("products"))
    await settle()
    world.api.failing = None
    with pytest.raises(LabelsUnread):
        world.stores.admit("main", resource("products"))
    await world.stores.close()


async def test_who_was_let_in_a_moment_ago_has_its_place(world: World) -> None:
    world.put(spec=ruled(limits={"maxCollections": 1}))
    young, old = (
        resource("young"),
        replace(resource("old"), created="2025-01-01T00:00:00Z"),
    )
    world.collections = [young]
    assert world.stores.admit("main", young)
    world.collections = [young, old]
    with pytest.raises(LimitExceeded, match="has 1"):
        world.stores.admit("main", old)
    assert world.stores.admit("main", young)

    world.collections = [old]
    assert world.stores.admit("main", old), "who is deleted leaves its place"
    with pytest.raises(LimitExceeded):
        world.stores.admit("main", resource("next"))

    world.collections = []
    await world.stores.refresh()
    assert world.stores.admit("main", resource("next"))
