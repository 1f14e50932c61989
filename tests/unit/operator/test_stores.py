"""Which client serves, and when a store counts as down."""

from __future__ import annotations

import asyncio

import pytest

from support.stores_world import StoresWorld as World
from support.stores_world import living, resource, spec
from vectorplane.errors import (
    ApiUnavailable,
    InvalidInput,
    SecretUnreadable,
    StoreMissing,
    StoreRejected,
    StoreUnauthorized,
    StoreUnreachable,
)
from vectorplane_operator.kube import STORES, path_of
from vectorplane_operator.stores import InvalidStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def world() -> World:
    return World()


KEYED = {"apiKeySecretRef": {"namespace": "here", "name": "key", "key": "key"}}


async def test_the_oldest_default_one_serves_who_names_none(world: World) -> None:
    with pytest.raises(StoreMissing, match="no VectorStore is the default one"):
        await world.stores.find(None)
    world.put("young", creationTimestamp="2026-02-01T00:00:00Z")
    world.put("old")
    world.put("other", creationTimestamp="2025-01-01T00:00:00Z", spec=spec())
    name, _ = await world.stores.find(None)
    assert name == "old"
    assert (await world.stores.find("young"))[0] == "young"
    with pytest.raises(StoreMissing, match="there is no VectorStore none"):
        await world.stores.find("none")


async def test_one_client_serves_until_the_spec_changes(world: World) -> None:
    world.put()
    _, first = await world.stores.find("main")
    assert (await world.stores.find("main"))[1] is first
    await asyncio.gather(*(world.stores.find("main") for _ in range(5)))
    assert len(world.clients) == 1

    world.put(spec=spec(url="http://elsewhere:6333"))
    _, second = await world.stores.find("main")
    assert second is not first
    assert world.affected == ["main", "main"]
    await world.stores.close()
    assert all(client.closed for client in world.clients)


async def test_a_status_or_a_label_of_a_store_is_no_reason_to_look(world: World) -> None:
    world.put()
    world.put(labels={"a": "b"})
    assert world.looks == ["main"]


async def test_a_store_made_anew_under_its_name_has_a_client_of_its_own(world: World) -> None:
    world.put(uid="one")
    _, first = await world.stores.find("main")
    world.put(uid="two")
    world.stores.gone("main", "one")
    assert (await world.stores.find("main"))[1] is not first

    world.stores.gone("main", "two")
    assert world.up == {"main": None}
    assert world.affected == ["main", "main", "main"]
    assert await world.stores.look("main") is None


async def test_a_probe_says_what_the_store_says_of_itself(world: World) -> None:
    world.collections = [resource("products"), living(resource("others"))]
    world.put()
    await world.there("others")
    assert await world.stores.look("main") == 60.0
    assert world.says() == "Reachable"
    assert world.api.objects[path_of(STORES, name="main")]["status"]["collections"] == 1
    assert world.up == {"main": True}
    assert [e["reason"] for e in world.api.events] == ["Reachable"]

    calls = len(world.api.calls)
    assert await world.stores.look("main") == 60.0
    assert len(world.api.calls) == calls
    assert world.looks == ["main"]


async def test_one_lost_call_is_no_outage_and_two_are(world: World) -> None:
    world.put()
    await world.stores.look("main")
    world.clients[0].failing = StoreUnreachable("connection refused")

    delay = await world.stores.look("main")
    assert delay is not None
    assert delay <= 1
    assert world.says() == "Reachable"
    assert (await world.stores.find("main"))[0] == "main"

    await world.stores.look("main")
    assert world.says() == "StoreUnreachable"
    assert world.up == {"main": False}
    with pytest.raises(StoreUnreachable, match="connection refused"):
        await world.stores.find("main")
    world.stores.suspect("main")
    assert world.looks == ["main"]

    world.clients[0].failing = None
    assert await world.stores.look("main") == 60.0
    assert world.affected == ["main", "main", "main"]
    world.stores.suspect("main")
    world.stores.suspect("unknown")
    assert world.looks == ["main", "main"]


async def test_a_key_is_read_again_at_every_probe(world: World) -> None:
    world.api.secrets["key"] = "old"
    world.put(spec=spec(**KEYED))
    await world.stores.look("main")
    assert world.clients[0].connection.api_key == "old"
    world.clients[0].failing = StoreUnauthorized("the store refuses the key")

    world.api.secrets["key"] = "new"
    assert await world.stores.look("main") == 60.0
    assert world.clients[1].connection.api_key == "new"
    assert "new" not in repr(world.clients[1].connection)
    await world.stores.close()
    assert world.clients[0].closed


async def test_a_secret_that_is_not_there_is_waited_for(world: World) -> None:
    world.put(spec=spec(**KEYED))
    await world.stores.look("main")
    assert world.says() == "SecretUnreadable"
    with pytest.raises(SecretUnreadable, match="there is no Secret here/key"):
        await world.stores.find("main")


async def test_a_spec_that_the_models_refuse_says_where(world: World) -> None:
    world.put(spec=spec(url="ftp://qdrant"))
    await world.stores.look("main")
    assert world.says() == "InvalidStore"
    with pytest.raises(InvalidStore, match=r"spec\.qdrant\.url"):
        await world.stores.find("main")


async def test_a_store_that_finds_us_wrong_is_no_crash(world: World) -> None:
    world.put()
    await world.stores.look("main")
    world.clients[0].failing = InvalidInput("no such path")
    await world.stores.look("main")
    await world.stores.look("main")
    assert world.says() == "StoreRejected"
    with pytest.raises(StoreRejected):
        await world.stores.find("main")


async def test_a_store_that_changes_during_its_probe_is_not_spoken_of(world: World) -> None:
    world.api.secrets["key"] = "old"
    world.put(spec=spec(**KEYED))

    def change(verb: str) -> None:
        if verb == "secret":
            world.api.before = lambda verb: None
            world.put(spec=spec())

    world.api.before = change
    assert await world.stores.look("main") is None
    assert "status" not in world.api.objects[path_of(STORES, name="main")]
    assert world.looks == ["main", "main"]


async def test_a_status_that_cannot_be_written_is_tried_again(world: World) -> None:
    world.put()
    world.api.failing = ApiUnavailable("away")
    delay = await world.stores.look("main")
    assert delay is not None
    assert delay <= 1
    world.api.failing = None
    world.api.remove(path_of(STORES, name="main"))
    assert await world.stores.look("main") == 60.0


async def test_a_list_finds_what_a_watch_missed(world: World) -> None:
    world.put("kept")
    world.put("missed")
    world.api.remove(path_of(STORES, name="missed"))
    world.make("new")

    await world.stores.refresh()
    assert (await world.stores.find("new"))[0] == "new"
    with pytest.raises(StoreMissing):
        await world.stores.find("missed")


async def test_a_store_that_came_back_empty_is_told_once(world: World) -> None:
    world.put()
    world.collections = [living(resource("one")), living(resource("two"))]
    await world.there("one", "two")
    await world.stores.look("main")
    _, admin = await world.stores.find("main")
    await admin.drop("shop.one_1")
    await world.stores.look("main")
    assert [e["reason"] for e in world.api.events] == ["Reachable"], "one of two is still there"

    await admin.drop("shop.two_1")
    for _ in range(3):
        await world.stores.look("main")
    assert [e["reason"] for e in world.api.events] == ["Reachable", "CameBackEmpty"]
    assert "none of the 2 collections" in world.api.events[1]["message"]

    await world.there("one")
    await world.stores.look("main")
    await admin.drop("shop.one_1")
    await world.stores.look("main")
    assert [e["reason"] for e in world.api.events][2:] == ["CameBackEmpty"]


async def test_a_key_that_is_refused_is_read_again_within_seconds(world: World) -> None:
    world.api.secrets["key"] = "old"
    world.put(spec=spec(**KEYED))
    await world.stores.look("main")
    world.clients[0].failing = StoreUnauthorized("the store refuses the key")
    delays = [await world.stores.look("main") or 0.0 for _ in range(10)]
    assert max(delays) <= 5.0
    world.api.secrets["key"] = "new"
    assert await world.stores.look("main") == 60.0
