"""What only a Qdrant of several peers has: shard keys, and copies of shards that move."""

from __future__ import annotations

import shutil
import urllib.error
from collections.abc import AsyncIterator, Iterator

import pytest

from support.cluster import wait
from support.parts import require_or_skip
from support.qdrant import MISSING, QdrantProcess
from support.qdrant_cluster import qdrant_cluster, said
from support.stores import COSINE, NOBODY
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.adapters.vectors.qdrant_server.points import QdrantPoints
from vectorplane.domain.model import Capability, Desired, Key, Value
from vectorplane.domain.model import Path as Setting
from vectorplane.ports.vectors import Point
from vectorplane.reconcile import reconcile

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

FACTOR: Setting = ("replication", "factor")
CUSTOM: dict[Setting, Value] = {("sharding", "method"): "Custom"}


@pytest.fixture(scope="module")
def peers() -> Iterator[list[QdrantProcess]]:
    if shutil.which("qdrant") is None:
        require_or_skip("qdrant", MISSING)
    with qdrant_cluster(3) as running:
        yield running


@pytest.fixture
async def admin(peers: list[QdrantProcess], anyio_backend: str) -> AsyncIterator[QdrantAdmin]:
    client = QdrantAdmin(peers[0].url, timeout=60)
    yield client
    for name in (await client.listing()).collections:
        await client.drop(name)
    await client.close()


def copies(peer: QdrantProcess, collection: str) -> dict[int, list[str]]:
    """The states of each shard's copies, as one peer knows them."""
    found = said(peer, f"/collections/{collection}/cluster")
    shards: dict[int, list[str]] = {}
    for shard in (*found["local_shards"], *found["remote_shards"]):
        shards.setdefault(shard["shard_id"], []).append(shard["state"])
    return shards


def everywhere(peers: list[QdrantProcess], collection: str, count: int) -> bool:
    """Every peer knows `count` good copies of every shard."""
    try:
        return all(
            states == ["Active"] * count
            for peer in peers
            for states in copies(peer, collection).values()
        )
    except urllib.error.HTTPError:
        return False


async def factor(admin: QdrantAdmin, collection: str) -> Value | None:
    found = await admin.describe(collection)
    assert found is not None
    return found.settings.get(FACTOR)


async def test_says_that_it_has_shard_keys_and_peers(admin: QdrantAdmin) -> None:
    info = await admin.info()
    assert info.peers == 3
    assert Capability.SHARD_KEYS in info.capabilities


async def test_shard_keys_are_made_and_added(admin: QdrantAdmin) -> None:
    first: dict[Setting, Value] = {
        ("sharding", "keys", "eu"): True,
        ("sharding", "keys", "us/ä"): True,
    }
    await admin.create("shop.keys_1", COSINE | CUSTOM | first, NOBODY)
    for more in ({}, {("sharding", "keys", "asia"): True}):
        await admin.update("shop.keys_1", first | more)
        found = await admin.describe("shop.keys_1")
        assert found is not None
        keys = {p: v for p, v in found.settings.items() if p[:2] == ("sharding", "keys")}
        assert keys == first | more
    surveyed = (await admin.survey()).collections["shop.keys_1"]
    assert surveyed.settings == found.settings


async def test_copies_follow_the_factor_and_points_stay(
    admin: QdrantAdmin, peers: list[QdrantProcess]
) -> None:
    name = "shop.copies_1"
    await admin.create(name, COSINE | {("sharding", "number"): 2, FACTOR: 1}, NOBODY)
    points = QdrantPoints(peers[0].url, timeout=60)
    await points.upsert(name, [Point(i, [1.0, i, 2.0, 3.0]) for i in range(200)])
    for wanted in (3, 2, 1):
        await admin.update(name, {FACTOR: wanted})
        wait(lambda n=wanted: everywhere(peers, name, n), f"{wanted} copies of each", seconds=60)
        assert await factor(admin, name) == wanted
        assert await points.count(name) == 200
    await points.close()
    # Nobody holds all: each shard went to one peer, and the survey sees what describe sees.
    surveyed = (await admin.survey()).collections[name]
    assert surveyed.settings[FACTOR] == 1


async def test_a_copy_that_somebody_drops_is_drift(
    admin: QdrantAdmin, peers: list[QdrantProcess]
) -> None:
    name = "shop.drift_1"
    await admin.create(name, COSINE | {("sharding", "number"): 1, FACTOR: 3}, NOBODY)
    wait(lambda: everywhere(peers, name, 3), "three copies", seconds=60)
    other = said(peers[1], "/cluster")["peer_id"]
    drop = {"drop_replica": {"shard_id": 0, "peer_id": other}}
    await admin._rest.call("POST", f"/collections/{name}/cluster", drop)
    wait(lambda: everywhere(peers, name, 2), "two copies", seconds=60)
    assert await factor(admin, name) == 2
    assert (await admin.survey()).collections[name].settings[FACTOR] == 2
    await admin.update(name, {FACTOR: 3})
    wait(lambda: everywhere(peers, name, 3), "three copies again", seconds=60)
    assert await factor(admin, name) == 3


async def test_more_copies_than_peers_are_as_many_as_there_are(
    admin: QdrantAdmin, peers: list[QdrantProcess]
) -> None:
    name = "shop.many_1"
    await admin.create(name, COSINE | {("sharding", "number"): 1, FACTOR: 5}, NOBODY)
    wait(lambda: everywhere(peers, name, 3), "three copies", seconds=60)
    assert await factor(admin, name) == 5
    await admin.update(name, {FACTOR: 9})
    assert await factor(admin, name) == 9
    assert everywhere(peers, name, 3)


async def test_a_plan_that_is_carried_out_leaves_nothing_to_plan(admin: QdrantAdmin) -> None:
    begun: dict[Setting, Value] = COSINE | CUSTOM | {("sharding", "keys", "eu"): True, FACTOR: 2}
    edited: dict[Setting, Value] = begun | {("sharding", "keys", "us"): True, FACTOR: 3}
    for settings in (begun, edited):
        desired = Desired(Key("shop", "planned"), "uid", "cluster", settings=settings)
        done = await reconcile(desired, admin)
        assert done.trouble is None
        assert done.changed
        again = await reconcile(desired, admin)
        assert again.trouble is None
        assert again.changed == ()
