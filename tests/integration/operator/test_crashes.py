"""`kill -9` of the operator after any write, and a new start: as if nothing had happened.

The kill comes when a write has been carried out and its answer is still on the way, so the operator
never knew. One trap stands over both ways out of it, to the store and to the API server, and is set
one write later each time, until a run needs no kill.
"""

from __future__ import annotations

import itertools
from functools import partial

import pytest

from support.cluster import condition
from support.mortal import Mortal, killed
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


def test_a_creation_survives_a_kill_after_any_write(corner: World, mortal: Mortal) -> None:
    def ready(name: str) -> bool:
        return bool(condition(corner.get(name)).get("status") == "True")

    for write in itertools.count(1):
        name = f"made-{write}"
        act, done = partial(corner.apply, name, **DECLARED), partial(ready, name)
        died = killed(mortal, write, act, done)
        resource = corner.ready(name)

        assert corner.engine.of(corner.namespace) == {corner.full(f"{name}_1")}
        _is_as(corner, name, resource["metadata"]["uid"], {"category", "price"}, {"live"})
        corner.delete(name)
        corner.gone(name)
        if not died:
            break
    assert write > 6


def test_an_edit_survives_a_kill_after_any_write(corner: World, mortal: Mortal) -> None:
    def ready() -> bool:
        resource = corner.get()
        seen = resource["status"].get("observedGeneration")
        return bool(seen == resource["metadata"]["generation"])

    corner.apply(**DECLARED)
    uid = corner.ready()["metadata"]["uid"]
    for write in itertools.count(1):
        died = killed(mortal, write, lambda: corner.apply(**EDITED), ready)
        corner.ready()

        assert corner.engine.of(corner.namespace) == {corner.full("products_1")}
        _is_as(corner, "products", uid, {"price", "colour"}, {"next"})
        found = corner.engine.describe(corner.full("products_1"))
        assert found
        assert found.settings[("hnsw", "m")] == 32
        assert found.indexes["price"].type == "Integer"
        corner.apply(**DECLARED)
        corner.ready()
        if not died:
            break
    assert write > 6


def test_a_deletion_survives_a_kill_after_any_write(corner: World, mortal: Mortal) -> None:
    def gone() -> bool:
        return corner.cluster.get("VectorCollection", "products", corner.namespace) is None

    for write in itertools.count(1):
        corner.apply(**DECLARED)
        corner.ready()
        died = killed(mortal, write, corner.delete, gone)
        corner.gone()

        assert corner.engine.of(corner.namespace) == set()
        assert corner.engine.aliases(corner.namespace) == {}
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
