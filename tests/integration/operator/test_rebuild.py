"""A rebuild while clients write and read: nothing written is lost, no read fails, and a killed
operator goes on where it was. On a real Qdrant only: what is proven here is its hold of writes.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.cluster import condition, wait
from support.engines import Engine
from support.operator_process import OperatorProcess
from support.parts import require_or_skip
from support.qdrant import QdrantServer
from support.traffic import Client, Json, Traffic
from support.world import World
from vectorplane.adapters.embeddings.wordllama import WordLlamaEmbedder
from vectorplane.domain.tenancy import point_id

SIZE = 64
COSINE = [{"size": SIZE, "distance": "Cosine"}]
DOT = [{"size": SIZE, "distance": "Dot"}]
REBUILD: Json = {"changePolicy": "Rebuild", "vectors": COSINE}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="session")
def engine(qdrant: QdrantServer) -> Engine:
    return Engine("qdrant", qdrant.url, qdrant.api_key)


@pytest.fixture
def clients(corner: World) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def client(name: str = "products", size: int = SIZE) -> Client:
        made.append(Client(corner.engine.url, corner.full(name), size, corner.engine.api_key))
        return made[-1]

    yield client
    for each in made:
        each.close()


Clients = Callable[..., Client]


@pytest.fixture
def mortal(corner: World) -> Iterator[OperatorProcess]:
    """An operator to be killed. Nobody waits for a Lease that a killed one left."""
    corner.operators.stop()
    operator = corner.operators.new(corner.engine.command, OPERATOR_LEADER_ELECTION="false")
    yield operator.start()
    if operator.running:
        operator.kill()
    assert "Traceback" not in operator.text()


def progress(world: World, name: str = "products") -> Json:
    found: Json = world.get(name).get("status", {}).get("rebuild", {})
    return found


def serving(world: World, name: str = "products") -> str:
    """The number of the physical collection that the name stands for."""
    return world.engine.aliases(world.namespace)[world.full(name)].rpartition("_")[2]


def rebuilt(world: World, number: int, name: str = "products") -> Json:
    """The resource, once that collection serves it as declared."""
    found: Json = wait(
        lambda: serving(world, name) == str(number) and settled(world, name),
        f"{name} is rebuilt as number {number}",
        seconds=120,
    )
    return found


def settled(world: World, name: str = "products") -> Json | None:
    """The resource, where it is Ready as it is declared now."""
    resource = world.get(name)
    found = condition(resource, "CollectionReady")
    now = found.get("observedGeneration") == resource["metadata"]["generation"]
    return resource if now and found.get("reason") == "AsDeclared" else None


def copying(world: World, more_than: int = 0) -> int:
    """The points copied, once there are some, and not all of them."""

    def check() -> int | None:
        found = progress(world)
        copied = int(found.get("copied", 0))
        return copied if found.get("phase") == "Copying" and copied > more_than else None

    return int(wait(check, f"more than {more_than} points are copied", seconds=60))


def test_clients_write_and_read_all_the_while(world: World, clients: Clients) -> None:
    world.apply(**REBUILD, aliases=["live"])
    world.ready()
    client = clients()
    versions = client.load(5000)
    traffic = Traffic(world.engine.url, world.full("live"), SIZE, versions)
    with traffic.flowing():
        wait(lambda: traffic.writes > 50 and traffic.reads > 50, "clients are at work")
        world.apply(changePolicy="Rebuild", vectors=DOT, aliases=["live"])
        resource = rebuilt(world, 2)
        after, reads = traffic.writes, traffic.reads
        wait(lambda: traffic.writes > after + 50 and traffic.reads > reads + 50, "they go on")

    assert traffic.failures == []
    assert traffic.refused > 0, "writes were held back for a moment"
    assert traffic.longest < 45
    client.holds(traffic.versions)
    done = resource["status"]["rebuild"]
    assert done["phase"] == "Done"
    assert done["copied"] >= 4000
    old = world.engine.describe(world.full("products_1"))
    assert old, "the old collection is kept"
    assert old.record
    assert old.record.retired
    assert old.record.held is None
    assert world.engine.aliases(world.namespace)[world.full("live")] == world.full("products_2")
    new = world.engine.describe(world.full("products_2"))
    assert new
    assert new.settings["vectors", "", "distance"] == "Dot"


def test_a_killed_operator_goes_on_where_it_was(
    corner: World, mortal: OperatorProcess, clients: Clients
) -> None:
    slow = REBUILD | {"rebuild": {"pointsPerSecond": 400}}
    corner.apply(**slow)
    corner.ready()
    client = clients()
    versions = client.load(4000)
    corner.apply(**slow | {"vectors": DOT})
    copied = 0
    for _ in range(3):
        copied = copying(corner, more_than=copied)
        mortal.kill()
        told = progress(corner)
        mortal.start()
        assert progress(corner)["copied"] >= told["copied"] > 0
        copied = told["copied"]
    resource = rebuilt(corner, 2)
    # At most the slice under way was copied twice, and it is counted once.
    assert resource["status"]["rebuild"]["copied"] == 4000
    client.holds(versions)


@pytest.mark.parametrize("moved", [False, True], ids=["before the names move", "after it"])
def test_killed_while_writes_are_held_back(
    corner: World, mortal: OperatorProcess, clients: Clients, moved: bool
) -> None:
    corner.apply(**REBUILD)
    corner.ready()
    client = clients()
    versions = client.load(3000)
    corner.apply(**REBUILD | {"vectors": DOT})

    def held() -> bool:
        found = corner.engine.describe(corner.full("products_1"))
        return bool(found and found.record and found.record.held)

    wait(lambda: serving(corner) == "2" if moved else held(), "writes are held", every=0.005)
    mortal.kill()
    assert held()
    mortal.start()

    body = {"points": [client.point(1, "later")]}
    wait(lambda: client.post("", body, put=True), "writes go on", seconds=60)
    versions[1] = "later"
    rebuilt(corner, 2)
    wait(lambda: not held(), "nothing is held any more")
    old = corner.engine.describe(corner.full("products_1"))
    assert old
    assert old.record
    assert old.record.retired
    assert old.settings["strictMode", "enabled"] is False
    client.holds(versions)


def test_a_rollback_and_its_end(world: World, clients: Clients) -> None:
    world.apply(**REBUILD)
    world.ready()
    client = clients()
    client.load(200)
    world.apply(**REBUILD | {"vectors": DOT})
    rebuilt(world, 2)
    assert client.post("", {"points": [client.point(7, "after")]}, put=True)

    world.cluster.annotate("products", world.namespace, rollback="true")
    message = world.says("RolledBack")["message"]
    assert "products_1" in message
    assert serving(world) == "1"
    client.holds(dict.fromkeys(range(200), "first"))
    assert client.post("", {"points": [client.point(8, "back")]}, put=True)

    world.cluster.annotate("products", world.namespace, rollback=None)
    rebuilt(world, 3)
    client.holds(dict.fromkeys(range(200), "first") | {8: "back"})


def test_the_old_collection_goes_at_its_time(world: World, clients: Clients) -> None:
    kept = REBUILD | {"rebuild": {"keepFor": "1s"}}
    world.apply(**kept)
    world.ready()
    client = clients()
    versions = client.load(100)
    world.apply(**kept | {"vectors": DOT})
    rebuilt(world, 2)
    only = {world.full("products_2")}
    wait(lambda: world.engine.of(world.namespace) == only, "the old one is gone")
    client.holds(versions)


def test_another_size_is_embedded_anew(world: World, clients: Clients) -> None:
    if importlib.util.find_spec("wordllama") is None:
        require_or_skip("wordllama", "the extra `embeddings` is not installed")
    embedding = {"provider": "local", "model": "wordllama", "field": "text"}
    before = {"changePolicy": "Rebuild", "embedding": embedding}
    world.apply(**before, vectors=[{"size": 256, "distance": "Cosine"}])
    world.ready()
    old = clients(size=256)
    versions = old.load(300)
    bare = {"points": [{"id": 9999, "vector": [1.0] * 256, "payload": {"version": "bare"}}]}
    assert old.post("", bare, put=True)
    world.apply(**before, vectors=[{"size": 64, "distance": "Cosine"}])
    resource = rebuilt(world, 2)
    assert "without a vector: 1" in resource["status"]["rebuild"]["message"]

    found = clients(size=64).all()
    assert found.keys() == {*versions, 9999}
    assert not found.pop(9999)["vector"]
    texts = [point["payload"]["text"] for point in found.values()]
    for point, right in zip(found.values(), asyncio.run(_embedded(texts)), strict=True):
        assert point["vector"] == pytest.approx(right, abs=1e-5)


async def _embedded(texts: list[str]) -> list[list[float]]:
    return await WordLlamaEmbedder(64).embed(texts)


def test_another_size_without_texts_is_refused(world: World, clients: Clients) -> None:
    world.apply(**REBUILD)
    world.ready()
    clients().load(10)
    world.apply(**REBUILD | {"vectors": [{"size": 32, "distance": "Cosine"}]})
    message = world.says("ImmutableChange")["message"]
    assert 'vectors[""].size cannot change from 64 to 32' in message
    assert world.engine.of(world.namespace) == {world.full("products_1")}


SLOW: Json = REBUILD | {"rebuild": {"pointsPerSecond": 30}}


def test_a_spec_that_is_reverted_in_the_middle(world: World, clients: Clients) -> None:
    world.apply(**SLOW)
    world.ready()
    client = clients()
    versions = client.load(500)
    world.apply(**SLOW | {"vectors": DOT})
    copying(world)
    assert world.engine.of(world.namespace) == {
        world.full("products_1"),
        world.full("products_2"),
    }
    world.apply(**SLOW)
    wait(lambda: settled(world), "it is as declared")
    assert world.engine.of(world.namespace) == {world.full("products_1")}
    assert progress(world) == {}
    client.holds(versions)


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_a_deletion_in_the_middle(world: World, clients: Clients, policy: str) -> None:
    world.apply(**SLOW, deletionPolicy=policy)
    world.ready()
    clients().load(500)
    world.apply(**SLOW | {"vectors": DOT}, deletionPolicy=policy)
    copying(world)
    world.delete()
    world.gone()
    left = {world.full("products_1")} if policy == "Retain" else set()
    assert world.engine.of(world.namespace) == left


def test_a_tenant_gets_a_collection_of_its_own(world: World, clients: Clients) -> None:
    shared: dict[str, Any] = {"vectors": COSINE, "tenancy": {"mode": "Partition"}}
    kept = {"changePolicy": "Rebuild", "rebuild": {"keepFor": "5s"}}
    for name in ("products", "others"):
        world.apply(name, **shared, **kept)
        world.ready(name)
    pool = world.engine.aliases(world.namespace)[world.full("products")]
    every = Client(world.engine.url, pool, SIZE, world.engine.api_key)
    try:
        _fill(every, world)
        world.apply("products", **kept, vectors=COSINE)
        rebuilt(world, 1)
        clients().holds(dict.fromkeys(range(300), "of products"))
        assert all("_tenant" not in p["payload"] for p in clients().all().values())
        assert all("_id" not in p["payload"] for p in clients().all().values())
        wait(lambda: every.count() == 300, "the pool keeps the other tenant's points only")
        assert {p["payload"]["_tenant"] for p in every.all().values()} == {world.full("others")}
        assert serving(world, "others") == pool.rpartition("_")[2]
    finally:
        every.close()
        world.engine.call("drop", pool)


def _fill(pool: Client, world: World) -> None:
    """300 points of each of two tenants, as the service stores them."""
    for name in ("products", "others"):
        points = [pool.point(n, f"of {name}") for n in range(300)]
        for point in points:
            point["payload"] |= {"_tenant": world.full(name), "_id": point["id"]}
            point["id"] = point_id(world.full(name), point["id"])
        assert pool.post("", {"points": points}, put=True)
