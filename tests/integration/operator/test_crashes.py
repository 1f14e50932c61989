"""`kill -9` of the operator after any write, and a new start: as if nothing had happened.

The kill comes when a write has been carried out and its answer is still on the way, so the operator
never knew. One trap stands over both ways out of it, to the store and to the API server, and is set
one write later each time, until a run needs no kill.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from support.cluster import condition, wait
from support.proxy import Proxy, Trap
from support.world import World

DECLARED = {
    "deletionPolicy": "Delete",
    "hnsw": {"m": 16},
    "payloadIndexes": [
        {"field": "category", "type": "Keyword"},
        {"field": "price", "type": "Float"},
    ],
    "aliases": ["live"],
}
EDITED = {
    "deletionPolicy": "Delete",
    "hnsw": {"m": 32},
    "payloadIndexes": [
        {"field": "price", "type": "Integer"},
        {"field": "colour", "type": "Keyword"},
    ],
    "aliases": ["next"],
}

pytestmark = pytest.mark.timeout(300)


class Mortal:
    """An operator behind a trap, one life after the other."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._kube = Proxy(world.thread, world.cluster.server, str(world.cluster.ca))
        self._kube.start()
        theirs = world.plane.operator_kubeconfig.read_text()
        self._kubeconfig = folder / "mortal.kubeconfig"
        self._kubeconfig.write_text(theirs.replace(world.cluster.server, self._kube.url))
        world.operators.stop()
        self._operator = world.operators.new(world.engine.command, self._kubeconfig)
        self._operator.start()

    @property
    def dead(self) -> bool:
        return not self._operator.running

    def set_trap(self, write: int) -> None:
        """It dies after its n-th write from now."""
        process = self._operator.process
        assert process
        self._kube.trap = self._world.proxy.trap = Trap(write, process.kill)

    def heal(self) -> bool:
        """No more traps; where one sprang it lives again. True where one did."""
        trap, self._kube.trap, self._world.proxy.trap = self._kube.trap, None, None
        if not trap or not trap.sprung:
            return False
        assert self._operator.process
        self._operator.process.wait(10)
        self._operator.start()
        return True

    def end(self) -> None:
        self._operator.kill()
        assert "Traceback" not in self._operator.text()
        self._kube.stop()


@pytest.fixture
def mortal(world: World, tmp_path: Path) -> Iterator[Mortal]:
    made = Mortal(world, tmp_path)
    yield made
    made.end()


def _killed(
    mortal: Mortal, write: int, act: Callable[[], object], done: Callable[[], object]
) -> bool:
    """Do something while the operator dies at its n-th write from now, and let it live again. False
    where it did not take so many."""
    mortal.set_trap(write)
    act()
    wait(lambda: mortal.dead or done(), "it dies, or is done")
    return mortal.heal()


def test_a_creation_survives_a_kill_after_any_write(world: World, mortal: Mortal) -> None:
    def ready(name: str) -> bool:
        return bool(condition(world.get(name)).get("status") == "True")

    for write in itertools.count(1):
        name = f"made-{write}"
        act, done = partial(world.apply, name, **DECLARED), partial(ready, name)
        died = _killed(mortal, write, act, done)
        resource = world.ready(name)

        assert world.engine.of(world.namespace) == {world.full(f"{name}_1")}
        _is_as(world, name, resource["metadata"]["uid"], {"category", "price"}, {"live"})
        world.delete(name)
        world.gone(name)
        if not died:
            break
    assert write > 6


def test_an_edit_survives_a_kill_after_any_write(world: World, mortal: Mortal) -> None:
    def ready() -> bool:
        resource = world.get()
        seen = resource["status"].get("observedGeneration")
        return bool(seen == resource["metadata"]["generation"])

    world.apply(**DECLARED)
    uid = world.ready()["metadata"]["uid"]
    for write in itertools.count(1):
        died = _killed(mortal, write, lambda: world.apply(**EDITED), ready)
        world.ready()

        assert world.engine.of(world.namespace) == {world.full("products_1")}
        _is_as(world, "products", uid, {"price", "colour"}, {"next"})
        found = world.engine.describe(world.full("products_1"))
        assert found
        assert found.settings[("hnsw", "m")] == 32
        assert found.indexes["price"].type == "Integer"
        world.apply(**DECLARED)
        world.ready()
        if not died:
            break
    assert write > 6


def test_a_deletion_survives_a_kill_after_any_write(world: World, mortal: Mortal) -> None:
    def gone() -> bool:
        return world.cluster.get("VectorCollection", "products", world.namespace) is None

    for write in itertools.count(1):
        world.apply(**DECLARED)
        world.ready()
        died = _killed(mortal, write, world.delete, gone)
        world.gone()

        assert world.engine.of(world.namespace) == set()
        assert world.engine.aliases(world.namespace) == {}
        if not died:
            break
    assert write > 2


def _is_as(world: World, name: str, uid: str, indexes: set[str], aliases: set[str]) -> None:
    found = world.engine.describe(world.full(f"{name}_1"))
    assert found
    assert found.record
    assert found.record.owner
    assert found.record.owner.uid == uid
    assert found.record.indexes == indexes
    assert set(found.indexes) == indexes
    names = {name, *aliases}
    assert world.engine.aliases(world.namespace) == {
        world.full(n): world.full(f"{name}_1") for n in names
    }
