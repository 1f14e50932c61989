"""Which client serves, and when a store counts as down."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from support.kube_double import KubeDouble
from support.stores import COSINE
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Key, Record
from vectorplane.errors import (
    ApiUnavailable,
    InvalidInput,
    LimitExceeded,
    NamespaceNotAllowed,
    SecretUnreadable,
    StoreMissing,
    StoreRejected,
    StoreUnauthorized,
    StoreUnreachable,
    VectorplaneError,
)
from vectorplane.ports.resources import Resource
from vectorplane.ports.vectors import StoreInfo
from vectorplane_operator.admission import LabelsUnread
from vectorplane_operator.connection import Connection
from vectorplane_operator.kube import STORES, path_of
from vectorplane_operator.stores import InvalidStore, KubeStores, store_of

pytestmark = pytest.mark.anyio


class Client(MemoryStore):
    """A client that can fail, and knows what it was made of."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection
        self.closed = False
        self.failing: VectorplaneError | None = None

    async def info(self) -> StoreInfo:
        if self.failing:
            raise self.failing
        return await super().info()

    async def close(self) -> None:
        self.closed = True


class World:
    def __init__(self) -> None:
        self.api = KubeDouble()
        self.clients: list[Client] = []
        self.affected: list[str] = []
        self.looks: list[str] = []
        self.up: dict[str, bool | None] = {}
        self.collections: list[Resource] = []
        self.stores = self.another()

    def another(self, resync: float = 60.0) -> KubeStores:
        return KubeStores(
            self.api,
            self.connect,
            collections=self.all,
            affected=self.affected.append,
            look_soon=self.looks.append,
            watcher=self,
            resync=resync,
        )

    def connect(self, connection: Connection) -> Client:
        self.clients.append(Client(connection))
        return self.clients[-1]

    def all(self) -> Iterable[Resource]:
        return self.collections

    def store(self, name: str, up: bool | None) -> None:
        self.up[name] = up

    def put(self, name: str = "main", uid: str | None = None, **rest: Any) -> None:
        self.stores.seen(store_of(self.make(name, uid, **rest)))

    def make(self, name: str = "main", uid: str | None = None, **rest: Any) -> Any:
        spec = {"qdrant": {"url": "http://qdrant:6333"}, "default": True}
        return self.api.put(
            path_of(STORES, name=name), name=name, uid=uid or name, **({"spec": spec} | rest)
        )

    async def there(self, *names: str) -> None:
        """Make the collections of resources in the store."""
        _, admin = await self.stores.find("main")
        for name in names:
            await admin.create(f"shop.{name}_1", COSINE, Record(owner=None))

    def says(self, name: str = "main") -> str:
        status = self.api.objects[path_of(STORES, name=name)]["status"]
        reason: str = status["conditions"][0]["reason"]
        return reason


@pytest.fixture
def world() -> World:
    return World()


def spec(**qdrant: Any) -> Any:
    return {"qdrant": {"url": "http://qdrant:6333", **qdrant}, "default": False}


def ruled(**rules: Any) -> Any:
    return {**spec(), "default": True, **rules}


def resource(name: str, **rest: Any) -> Resource:
    return Resource(Key("shop", name), f"uid-{name}", 1, "2026-01-01T00:00:00Z", {}, **rest)


def living(found: Resource) -> Resource:
    collection = {"physical": f"{found.key.collection}_1"}
    return replace(found, status={"store": "main", "collection": collection})


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


# Rules


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
