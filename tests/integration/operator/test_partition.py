"""Tenants of a pool: they share one collection, and nothing that is done to one reaches another."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from support.cluster import condition, wait
from support.mortal import Mortal, killed
from support.world import World
from vectorplane.domain.tenancy import TENANT_FIELD, TENANT_INDEX, point_id
from vectorplane.ports.vectors import Point

pytestmark = pytest.mark.timeout(240)


@dataclass
class Pools:
    """Pools of this test alone: a threshold that nobody else has makes a shape of its own."""

    world: World
    first: int = field(default_factory=lambda: 1000 * (20 + secrets.randbelow(10**6)))
    indexes: tuple[Any, ...] = ({"field": "price", "type": "Float"},)

    def apply(self, name: str, shape: int = 0, **spec: Any) -> dict[str, Any]:
        return self.world.apply(
            name,
            tenancy={"mode": "Partition"},
            optimizers={"indexingThreshold": self.first + shape},
            payloadIndexes=list(self.indexes),
            **spec,
        )

    def all(self) -> set[str]:
        """The pools that there are."""
        found = {c for c in self.world.engine.listing().collections if c.startswith("_pool.")}
        described = {c: self.world.engine.describe(c) for c in found}
        key = ("optimizers", "indexingThreshold")
        ours = range(self.first, self.first + 1000)
        return {c for c, d in described.items() if d and d.settings.get(key) in ours}

    def of(self, name: str) -> str:
        return self.world.engine.aliases(self.world.namespace)[self.world.full(name)]

    def markers(self, name: str) -> set[str]:
        full = self.world.full(name)
        return {a for a in self.world.engine.listing().aliases if a.startswith(f"{full}@")}

    def write(self, name: str, *numbers: int) -> None:
        """As the service will: the tenant in each point, and ids of the tenant's own."""
        tenant = self.world.full(name)
        points = [
            Point(point_id(tenant, n), [1.0, float(n), 0, 0], {TENANT_FIELD: tenant, "price": n})
            for n in numbers
        ]
        self.world.engine.upsert(self.of(name), points)

    def count(self, name: str, pool: str) -> int:
        found: dict[str, int] = self.world.engine.call("tally", pool, TENANT_FIELD)
        return found.get(self.world.full(name), 0)

    def shown(self, name: str, points: int) -> dict[str, Any]:
        """The status, once it counts so many points. An edit has the operator look."""
        policies = itertools.cycle(["Delete", "Retain"])

        def check() -> dict[str, Any] | None:
            self.apply(name, deletionPolicy=next(policies))
            status: dict[str, Any] = self.world.ready(name)["status"]["collection"]
            return status if status["points"] == points else None

        found: dict[str, Any] = wait(check, f"{name} has {points} points", every=0.5)
        return found


@pytest.fixture
def pools(corner: World) -> Iterator[Pools]:
    made = Pools(corner)
    yield made
    for name in made.all():
        corner.engine.call("drop", name)


def test_tenants_of_one_shape_share_a_pool(world: World, pools: Pools) -> None:
    for name, shape in (("first", 0), ("second", 0), ("third", 1)):
        pools.apply(name, shape)
    resources = {name: world.ready(name) for name in ("first", "second", "third")}

    assert world.engine.of(world.namespace) == set(), "no collection of their own"
    assert pools.of("first") == pools.of("second") != pools.of("third")
    assert pools.all() == {pools.of("first"), pools.of("third")}
    found = world.engine.describe(pools.of("first"))
    assert found
    assert found.record
    assert found.record.tenancy == "Partition"
    assert found.record.owner
    assert found.record.owner.uid == "pool"
    assert found.indexes[TENANT_FIELD] == TENANT_INDEX
    assert found.indexes["price"].type == "Float"
    for name, resource in resources.items():
        uid = resource["metadata"]["uid"]
        assert pools.markers(name) == {f"{world.full(name)}@{uid}"}
        assert resource["status"]["collection"] == {
            "name": world.full(name),
            "physical": pools.of(name),
            "points": 0,
            "state": "green",
        }


def test_each_tenant_has_its_own_count(world: World, pools: Pools) -> None:
    for name in ("first", "second"):
        pools.apply(name)
        world.ready(name)
    pools.write("first", 1, 2, 3)
    pools.write("second", 1)
    assert pools.shown("first", 3)["physical"] == pools.of("first")
    assert "indexedVectors" not in pools.shown("second", 1)


def test_a_deletion_takes_the_points_of_that_tenant_alone(world: World, pools: Pools) -> None:
    pools.apply("first", deletionPolicy="Delete")
    pools.apply("second")
    for name in ("first", "second"):
        world.ready(name)
    pool = pools.of("first")
    pools.write("first", 1, 2, 3)
    pools.write("second", 1, 2)
    world.delete("first")
    world.gone("first")

    assert pools.count("first", pool) == 0
    assert pools.count("second", pool) == 2
    assert pools.markers("first") == set()
    assert set(world.engine.aliases(world.namespace)) == {
        world.full("second"),
        *pools.markers("second"),
    }
    assert pools.all() == {pool}
    # A new one of that name begins with nothing.
    pools.apply("first")
    world.ready("first")
    assert pools.of("first") == pool
    assert pools.count("first", pool) == 0


def test_what_is_retained_is_adopted_or_refused(world: World, pools: Pools) -> None:
    pools.apply("first")
    world.ready("first")
    pool = pools.of("first")
    pools.write("first", 1, 2, 3)
    world.delete("first")
    world.gone("first")
    assert pools.count("first", pool) == 3
    assert pools.markers("first") == set()

    pools.apply("first")
    said = world.says("NotOwned", "first")
    assert "adoptionPolicy" in said["message"]
    assert pools.markers("first") == set()

    uid = pools.apply("first", adoptionPolicy="IfUnowned")["metadata"]["uid"]
    world.ready("first")
    assert pools.markers("first") == {f"{world.full('first')}@{uid}"}
    assert pools.shown("first", 3)["physical"] == pool


def test_tenants_that_come_together_make_one_pool(world: World, pools: Pools) -> None:
    names = [f"tenant-{n}" for n in range(8)]
    for name in names:
        pools.apply(name)
    for name in names:
        world.ready(name)
    assert len(pools.all()) == 1
    assert {pools.of(name) for name in names} == pools.all()
    found = world.engine.describe(pools.of(names[0]))
    assert found
    assert set(found.indexes) == {TENANT_FIELD, "price"}


def test_a_tenant_cannot_change_the_pool_for_others(world: World, pools: Pools) -> None:
    for name in ("first", "second"):
        pools.apply(name)
        world.ready(name)
    pool = pools.of("first")
    before = world.engine.describe(pool)
    pools.apply("first", hnsw={"m": 32})
    said = world.says("ImmutableChange", "first")
    assert pool in said["message"]
    assert world.engine.describe(pool) == before
    pools.apply("first")
    world.ready("first")
    assert pools.all() == {pool}


def test_a_pool_is_mended(world: World, pools: Pools) -> None:
    pools.apply("first")
    world.ready("first")
    pool = pools.of("first")
    world.engine.call("drop_index", pool, TENANT_FIELD)
    pools.write("first", 1, 2)
    assert pools.shown("first", 2)["physical"] == pool
    found = world.engine.describe(pool)
    assert found
    assert found.indexes[TENANT_FIELD] == TENANT_INDEX


def test_a_kill_after_any_write_leaves_one_whole_pool(
    corner: World, pools: Pools, mortal: Mortal
) -> None:
    """Between the pool and its index too, and while its points are deleted."""

    def ready(name: str) -> bool:
        return bool(condition(corner.get(name)).get("status") == "True")

    for write in itertools.count(1):
        name = f"made-{write}"
        act = partial(pools.apply, name, write, deletionPolicy="Delete")
        died = killed(mortal, write, act, partial(ready, name))
        uid = corner.ready(name)["metadata"]["uid"]
        found = corner.engine.describe(pools.of(name))
        assert found
        assert set(found.indexes) == {TENANT_FIELD, "price"}
        assert pools.markers(name) == {f"{corner.full(name)}@{uid}"}
        assert len(pools.all()) == write

        pools.write(name, 1, 2)
        pool = pools.of(name)

        def gone(name: str = name) -> bool:
            return corner.cluster.get("VectorCollection", name, corner.namespace) is None

        died |= killed(mortal, write, partial(corner.delete, name), gone)
        corner.gone(name)
        assert pools.count(name, pool) == 0
        assert corner.engine.aliases(corner.namespace) == {}
        if not died:
            break
    assert write > 5
