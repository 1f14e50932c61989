"""Snapshots on a schedule and before a deletion, and a new collection that begins with one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.cluster import Json, wait
from support.proxy import Seen
from support.world import World
from vectorplane.errors import NotFound
from vectorplane.ports.vectors import Point

POINTS = [Point(n, [1.0, float(n), 0.0, 0.0], {"price": n}) for n in range(1, 6)]
EVERY_MINUTE = {"schedule": "* * * * *", "keep": 1}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def count(world: World, name: str) -> int:
    found = world.engine.describe(world.full(name))
    assert found
    return found.points


def kept(world: World) -> list[Json]:
    found: list[Json] = world.get()["status"].get("snapshots", {}).get("kept", [])
    return found


def restorable(world: World, snapshot: str) -> bool:
    """Whether the store still has a snapshot of products."""
    if world.engine.name == "qdrant":
        return (Path(world.engine.snapshots) / world.full("products_1") / snapshot).exists()
    scratch = world.full("scratch")
    world.engine.make(scratch)
    try:
        world.engine.call("restore_snapshot", scratch, f"{world.full('products_1')}/{snapshot}")
    except NotFound:
        return False
    finally:
        world.engine.call("drop", scratch)
    return True


@pytest.mark.timeout(180)
def test_a_schedule_takes_them_and_drops_the_oldest(world: World) -> None:
    created = world.apply(snapshots=EVERY_MINUTE)["metadata"]["creationTimestamp"]
    world.ready()
    world.engine.upsert(world.full("products"), POINTS)
    assert kept(world) == []

    # Nobody touches it: it is looked at again when its time has come.
    wait(lambda: kept(world), "the first snapshot", seconds=75)
    status = world.get()["status"]["snapshots"]
    first = status["kept"][0]
    assert first["name"].startswith(f"{world.full('products_1')}-")
    assert first["collection"] == world.full("products_1")
    assert first["size"] == status["size"] > 0
    assert first["time"] == status["last"] > created
    assert restorable(world, first["name"])

    # As if that had been long ago. A snapshot's name has its second in it.
    wait(lambda: now() > first["time"], "another second")
    world.cluster.merge_status(
        "VectorCollection", "products", world.namespace, {"snapshots": {"last": created}}
    )
    world.apply(snapshots=EVERY_MINUTE, onDiskPayload=True)
    wait(lambda: [s["name"] for s in kept(world)] not in ([], [first["name"]]), "the second one")
    second = kept(world)
    assert len(second) == 1
    assert restorable(world, second[0]["name"])
    assert not restorable(world, first["name"])
    assert world.ready()["status"]["collection"]["physical"] == world.full("products_1")
    assert count(world, "products_1") == len(POINTS)
    # It is no drift that a schedule does its work.
    reasons = {reason for _, reason in world.cluster.events(world.namespace, "products")}
    assert reasons == {"Ready"}


def test_a_schedule_that_is_none_is_said_to_be_none(world: World) -> None:
    world.apply(snapshots={"schedule": "61 * * * *"})
    said = world.says("InvalidSpec")
    assert said["message"].startswith("spec.snapshots.schedule: ")
    world.apply(snapshots={"schedule": "1 * * * *"})
    world.ready()


def test_a_deletion_leaves_a_snapshot_that_another_one_begins_with(world: World) -> None:
    indexes = [{"field": "price", "type": "Integer"}]
    world.apply(deletionPolicy="Snapshot", payloadIndexes=indexes)
    world.ready()
    world.engine.upsert(world.full("products"), POINTS)
    world.delete()
    world.gone()
    assert world.engine.of(world.namespace) == set()
    assert world.engine.aliases(world.namespace) == {}
    message = wait(
        lambda: world.cluster.messages(world.namespace, "products", "SnapshotTaken"),
        "an event with the snapshot's name",
    )[0]
    snapshot = message.split()[1]
    assert restorable(world, snapshot)

    wrong = snapshot.replace(".snapshot", "-0.snapshot")
    begin = {"collection": "products", "snapshot": wrong}
    floats = [{"field": "price", "type": "Float"}]
    world.apply("copy", restoreFrom=begin, hnsw={"m": 24}, payloadIndexes=floats, aliases=["live"])
    said = world.says("NotFound", "copy")
    assert wrong in said["message"]
    assert world.engine.aliases(world.namespace) == {}, "what is not filled serves nobody"

    begin = {"collection": "products", "snapshot": snapshot}
    world.apply("copy", restoreFrom=begin, hnsw={"m": 24}, payloadIndexes=floats, aliases=["live"])
    status = world.ready("copy")["status"]
    assert status["collection"]["points"] == len(POINTS)
    assert world.engine.of(world.namespace) == {world.full("copy_1")}
    found = world.engine.describe(world.full("copy_1"))
    assert found
    assert found.record
    assert found.record.restore is None
    assert found.record.owner
    assert found.record.owner.name == "copy"
    assert found.settings[("hnsw", "m")] == 24
    assert {f: i.type for f, i in found.indexes.items()} == {"price": "Float"}
    assert world.engine.aliases(world.namespace) == {
        world.full("copy"): world.full("copy_1"),
        world.full("live"): world.full("copy_1"),
    }
    # Only a new one begins with it: what is written later stays.
    world.engine.upsert(world.full("copy"), [Point(99, [0.0, 0.0, 0.0, 1.0])])
    world.apply("copy", restoreFrom=begin, hnsw={"m": 16}, payloadIndexes=floats)
    world.ready("copy")
    assert count(world, "copy_1") == len(POINTS) + 1


def test_a_snapshot_of_other_vectors_fills_nothing_that_serves(world: World) -> None:
    world.apply(deletionPolicy="Snapshot")
    world.ready()
    world.engine.upsert(world.full("products"), POINTS)
    taken = world.engine.call("take_snapshot", world.full("products_1"))
    begin = {"collection": "products", "snapshot": taken.name}
    world.apply("copy", restoreFrom=begin, vectors=[{"size": 8, "distance": "Dot"}])
    said = world.says("StoreRejected", "copy")
    assert said["status"] == "False"
    assert world.full("copy") not in world.engine.aliases(world.namespace)
    assert count(world, "copy_1") == 0


def test_a_restore_that_failed_is_made_again(world: World) -> None:
    """The record in the new collection says that it is not filled yet."""
    world.apply()
    world.ready()
    world.engine.upsert(world.full("products"), POINTS)
    taken = world.engine.call("take_snapshot", world.full("products_1"))
    begin = {"collection": "products", "snapshot": taken.name}

    came = world.proxy.instead(restores, 500, {"status": {"error": "disk"}}, times=2)
    world.apply("copy", restoreFrom=begin)
    assert world.ready("copy")["status"]["collection"]["points"] == len(POINTS)
    assert came()
    assert world.engine.of(world.namespace) == {world.full("products_1"), world.full("copy_1")}


def restores(seen: Seen) -> bool:
    return seen.path.endswith(("/snapshots/recover", "/restore_snapshot"))
