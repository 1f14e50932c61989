"""What the operator does not do: write where nothing changed, and more than it must."""

from __future__ import annotations

from support.cluster import wait
from support.controlplane import ControlPlane
from support.world import World

_DONE = 'vectorplane_reconcile_total{result="done"}'
_SWEEPS = "vectorplane_sweep_duration_seconds_count"


def test_a_new_resource_is_three_writes(world: World, plane: ControlPlane) -> None:
    world.apply()
    world.ready()

    expected = [
        ("patch", "vectorcollections"),
        ("patch", "vectorcollections/status"),
        ("create", "events"),
    ]
    wait(lambda: len(plane.writes(world.namespace)) >= 3, "the event is posted")
    assert plane.writes(world.namespace) == expected


def test_a_resync_with_nothing_to_do_writes_nothing(corner: World, plane: ControlPlane) -> None:
    operator = corner.operators.get(
        corner.engine, OPERATOR_RESYNC_SECONDS="0.3", OPERATOR_RELIST_SECONDS="0.5"
    )
    corner.apply(
        hnsw={"m": 16},
        strictMode={"enabled": True, "maxQueryLimit": 100},
        quantization={"type": "Scalar", "quantile": 0.99},
        payloadIndexes=[{"field": "category", "type": "Keyword"}],
        aliases=["live"],
    )
    corner.ready()
    wait(lambda: len(plane.writes(corner.namespace)) >= 3, "the event is posted")
    resource = corner.get()
    store = corner.cluster.get("VectorStore", corner.store)
    writes, outside = plane.writes(corner.namespace), list(corner.proxy.writes)
    reads, looks = len(corner.proxy.seen), operator.metrics()[_DONE]
    sweeps = operator.metrics()[_SWEEPS]

    wait(lambda: operator.metrics()[_SWEEPS] >= sweeps + 6, "it has swept again and again")

    assert operator.metrics()[_DONE] == looks, "a sweep that finds nothing asks for no look"

    assert len(corner.proxy.seen) > reads
    assert corner.proxy.writes == outside
    assert plane.writes(corner.namespace) == writes
    assert corner.get() == resource
    after = corner.cluster.get("VectorStore", corner.store)
    assert after
    assert store
    assert after["metadata"]["generation"] == store["metadata"]["generation"]


def test_a_restart_with_nothing_to_do_writes_nothing(world: World, plane: ControlPlane) -> None:
    for number in range(5):
        world.apply(f"products-{number}")
    for number in range(5):
        world.ready(f"products-{number}")
    world.operators.stop()
    before = [world.get(f"products-{number}") for number in range(5)]
    writes, outside = plane.writes(world.namespace), list(world.proxy.writes)

    operator = world.operator
    wait(lambda: operator.metrics()[_SWEEPS] >= 1, "it has swept the store")
    assert operator.metrics()["vectorplane_unverified"] == 0

    assert [world.get(f"products-{number}") for number in range(5)] == before
    assert plane.writes(world.namespace) == writes
    assert world.proxy.writes == outside


def test_its_own_writes_are_no_reason_to_look_again(world: World) -> None:
    looks = world.operator.metrics()[_DONE]
    for number in range(10):
        world.apply(f"products-{number}")
    for number in range(10):
        world.ready(f"products-{number}")

    assert world.operator.metrics()[_DONE] - looks == 10
