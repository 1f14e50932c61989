"""A hundred random creations, edits and deletions of exposed collections and their keys, with the
operator killed twenty times in between: what is left at the end is what is declared, and nothing of
what was deleted, at Kong and in Consul. What others have there is as it was.

`KILLS` and `STEPS` say how many, `KILL_SEED` repeats a run's choices.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cluster import Json, condition, wait
from support.consul import Consul
from support.controlplane import ControlPlane
from support.engines import Engine
from support.exposed import ExposedWorld, Outside, outside
from support.kong import Kong
from support.loops import LoopThread
from support.world import World

KILLS = int(os.environ.get("KILLS", "20"))
STEPS = int(os.environ.get("STEPS", "100"))
KINDS = ("services", "routes", "plugins", "consumers", "acls", "key-auths")
NAMES = ("a", "b", "c", "d")
KEYS = ("k", "l", "m")

pytestmark = pytest.mark.timeout(300 + 20 * KILLS)


@pytest.fixture
def world(
    corner: World,
    engine: Engine,
    plane: ControlPlane,
    thread: LoopThread,
    gateway: Kong,
    consul: Consul,
    tmp_path: Path,
) -> Iterator[ExposedWorld]:
    with outside(engine, plane.cluster, thread, gateway, consul, tmp_path) as around:
        made = ExposedWorld(corner, around)
        yield made
        made.end()


class Model:
    """What is declared now, and one random step."""

    def __init__(self, world: ExposedWorld, dice: random.Random) -> None:
        self._world = world
        self._dice = dice
        self.collections: dict[str, Json] = {}
        self.keys: dict[str, str] = {}
        self.done: Counter[str] = Counter()

    def step(self) -> None:
        act = self._dice.choice((self._collection, self._collection, self._key, self._delete))
        act()
        self.done[act.__name__.strip("_")] += 1

    def _collection(self) -> None:
        """Make or edit one."""
        name = self._dice.choice(NAMES)
        if name not in self.collections:
            self._gone("VectorCollection", name)
        limit = {"requests": self._dice.randint(100, 999), "per": "minute"}
        spec: dict[str, Any] = {
            "gateway": {"enabled": self._dice.random() < 0.8, "rateLimit": limit},
            "discovery": {"enabled": self._dice.random() < 0.5},
            "deletionPolicy": "Delete",
        }
        self.collections[name] = self._world.apply(name, **spec)["spec"]

    def _key(self) -> None:
        name = self._dice.choice(KEYS)
        if name not in self.keys:
            self._gone("VectorAccess", name)
        collection = self._dice.choice(NAMES)
        permissions = self._dice.sample(["read", "write"], self._dice.randint(1, 2))
        self._world.allow(name, collection, permissions=permissions)
        self.keys[name] = collection

    def _delete(self) -> None:
        cluster, namespace = self._world.world.cluster, self._world.world.namespace
        if self.collections and self._dice.random() < 0.6:
            name = self._dice.choice(sorted(self.collections))
            del self.collections[name]
            cluster.delete("VectorCollection", name, namespace)
        elif self.keys:
            name = self._dice.choice(sorted(self.keys))
            del self.keys[name]
            cluster.delete("VectorAccess", name, namespace)

    def _gone(self, kind: str, name: str) -> None:
        """One that is on its way out cannot be made again; where no operator runs, it stays."""
        found = self._world.world.cluster.get(kind, name, self._world.world.namespace)
        if found and "deletionTimestamp" in found["metadata"]:
            cluster, namespace = self._world.world.cluster, self._world.world.namespace
            wait(lambda: cluster.get(kind, name, namespace) is None, f"{name} is gone", seconds=60)


def test_what_is_left_is_what_is_declared(
    world: ExposedWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("KILL_SEED") or secrets.randbelow(2**32))
    with capsys.disabled():
        print(f"\nKILL_SEED={seed} KILLS={KILLS} STEPS={STEPS}")  # noqa: T201
    dice = random.Random(seed)
    model = Model(world, dice)
    corner, around = world.world, world.around
    foreign = strangers(around)
    before = ids(around)
    corner.operators.stop()
    env = {**around.env, "OPERATOR_LEADER_ELECTION": "false", "OPERATOR_RESYNC_SECONDS": "5"}
    operator = corner.operators.new(corner.engine.command, **env)
    for _ in range(KILLS):
        operator.start(ready=False)
        if dice.random() < 0.8:
            operator.wait_ready()
        for _ in range(STEPS // KILLS):
            model.step()
            # The moments between two edits are part of what is tried.
            time.sleep(dice.uniform(0.0, 0.2))
        operator.kill()
    operator.start()
    for name, spec in model.collections.items():
        corner.says("Ready", name, seconds=60)
        open_ = spec["gateway"]["enabled"]
        found = condition(corner.get(name), "EndpointVerified").get("status")
        assert found == ("True" if open_ else None)
    for name, collection in model.keys.items():
        if collection in model.collections:
            world.key(name)

    def settled() -> bool:
        return declared(model) == listed(around, corner.namespace)

    wait(settled, "the registry has what is declared", seconds=60)
    for name, spec in model.collections.items():
        keys = [k for k, c in model.keys.items() if c == name]
        for key in keys:
            assert around.status("OPTIONS", world.path(name), world.key(key)) in (
                (200, 403, 404, 405) if spec["gateway"]["enabled"] else (404,)
            )
    # Everything goes, and nothing is left.
    for name in list(model.collections):
        corner.cluster.delete("VectorCollection", name, corner.namespace)
    for name in list(model.keys):
        corner.cluster.delete("VectorAccess", name, corner.namespace)
    wait(lambda: not listed(around, corner.namespace), "the registry has nothing", seconds=60)
    wait(lambda: not ids(around) - before - of_the_service(around), "Kong has nothing of it")
    assert strangers_now(around) == foreign
    wait(lambda: operator.metrics()["vectorplane_queue_depth"] == 0, "nothing is left to do")
    with capsys.disabled():
        print(f"{KILLS} kills: {dict(model.done)}")  # noqa: T201
    assert operator.stop() == 0
    assert "Traceback" not in operator.text()


def strangers(around: Outside) -> Json:
    """Somebody else's things, in Kong and in Consul."""
    around.foreign_service("theirs")
    around.consul.put(
        "/v1/catalog/register",
        {"Node": "theirs", "Address": "10.9.9.9", "Service": {"Service": "theirs", "Port": 1}},
    )
    return strangers_now(around)


def strangers_now(around: Outside) -> Json:
    (service,) = (s for s in around.of_kong("services") if s["name"] == "theirs")
    return {"kong": service, "consul": around.consul.get("/v1/catalog/service/theirs")}


def ids(around: Outside) -> set[str]:
    """Of all entities, whoever made them."""
    return {e["id"] for kind in KINDS for e in around.of_kong(kind)}


def of_the_service(around: Outside) -> set[str]:
    """What serves all: the way to the whole API, and the operator's own consumer."""
    ours = [e for kind in KINDS for e in around.of_kong(kind)]
    clusters = {t for e in ours for t in (e.get("tags") or ()) if t.startswith("cluster:")}
    own = {f"uid:{cluster.removeprefix('cluster:')}" for cluster in clusters}
    return {e["id"] for e in ours if own & set(e.get("tags") or ())}


def declared(model: Model) -> set[str]:
    return {n for n, spec in model.collections.items() if spec["discovery"]["enabled"]}


def listed(around: Outside, namespace: str) -> set[str]:
    """The collections of a namespace that Consul has."""
    begin = f"{namespace}-"
    names = around.consul.get("/v1/catalog/services")
    return {name.removeprefix(begin) for name in names if name.startswith(begin)}
