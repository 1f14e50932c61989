"""A namespace with many collections is deleted: it ends, whether its store answers or not."""

from __future__ import annotations

import pytest

from support.cluster import wait
from support.controlplane import ControlPlane
from support.engines import REAL_ENGINE
from support.world import World

MANY = 20

pytestmark = [REAL_ENGINE, pytest.mark.timeout(240)]


@pytest.fixture
def full(world: World, plane: ControlPlane) -> World:
    """A namespace with many collections; every second one is to be dropped with its resource."""
    if not plane.controllers:
        pytest.skip("this control plane has no controllers")
    for number in range(MANY):
        policy = "Delete" if number % 2 else "Retain"
        world.apply(f"made-{number}", deletionPolicy=policy, aliases=[f"also-{number}"])
    for number in range(MANY):
        world.ready(f"made-{number}")
    return world


def _of(world: World, numbers: range) -> set[str]:
    return {world.full(f"made-{number}_1") for number in numbers}


def _ends(world: World) -> None:
    def gone() -> bool:
        return world.cluster.get("Namespace", world.namespace) is None

    wait(gone, "the namespace is gone", seconds=120, every=0.2)


def test_it_ends_while_the_store_answers(full: World) -> None:
    full.cluster.delete("Namespace", full.namespace)
    _ends(full)

    assert full.engine.of(full.namespace) == _of(full, range(0, MANY, 2))
    for number in range(0, MANY, 2):
        assert full.engine.owner(full.full(f"made-{number}_1")) is None
        assert full.engine.aliases(full.namespace)[full.full(f"also-{number}")]
    assert "Traceback" not in full.operator.text()


def test_it_waits_for_a_store_that_is_down_and_ends_once_it_answers(full: World) -> None:
    full.proxy.down()
    full.cluster.delete("Namespace", full.namespace)
    for number in range(MANY):
        full.says("StoreUnreachable", f"made-{number}")
    assert full.engine.of(full.namespace) == _of(full, range(MANY))

    full.proxy.mend()
    _ends(full)
    assert full.engine.of(full.namespace) == _of(full, range(0, MANY, 2))
    assert "Traceback" not in full.operator.text()


def test_it_ends_while_the_store_is_down_where_a_person_says_so(full: World) -> None:
    """A namespace that ends takes no new objects, but annotations it takes."""
    full.proxy.down()
    full.cluster.delete("Namespace", full.namespace)
    full.says("StoreUnreachable", "made-0")
    for number in range(MANY):
        full.cluster.annotate(f"made-{number}", full.namespace, force_delete="true")
    _ends(full)

    # Nobody could ask the store, so nothing was dropped, and the records still name the owners.
    assert full.engine.of(full.namespace) == _of(full, range(MANY))
    assert full.engine.owner(full.full("made-1_1")) is not None
    assert "Traceback" not in full.operator.text()
