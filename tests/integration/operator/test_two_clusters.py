"""Two clusters, each with an operator of its own, and one Qdrant for both: what belongs to one is
never touched by the other, whatever has the same name.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from support.cluster import wait
from support.controlplane import ControlPlane, controlplane
from support.engines import Engine
from support.loops import LoopThread
from support.world import Operators, World

pytestmark = pytest.mark.timeout(240)
PARTITION = {"mode": "Partition"}


@pytest.fixture(scope="module")
def planes(
    plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ControlPlane, ControlPlane]]:
    if plane.server is None:
        pytest.skip("there is one cluster given, and this needs two")
    with controlplane(tmp_path_factory.mktemp("second")) as second:
        yield plane, second


@pytest.fixture
def worlds(
    planes: tuple[ControlPlane, ControlPlane],
    engine: Engine,
    thread: LoopThread,
    operators: Operators,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[World, World]]:
    """The same namespace in both clusters, each with a store that is the same Qdrant."""
    others = Operators(planes[1], tmp_path_factory.mktemp("operators-of-the-second"))
    first, second = (
        World(plane, engine, thread, of)
        for plane, of in zip(planes, (operators, others), strict=True)
    )
    second.namespace, second.store = first.namespace, first.store
    for world, cluster in ((first, "east"), (second, "west")):
        world.begin()
        _ = world.operators.get(engine, OPERATOR_CLUSTER_ID=cluster)
    try:
        yield first, second
    finally:
        second.end()
        first.end()
        others.end()
        for name in first.engine.listing().collections:
            if name.startswith("_pool."):
                first.engine.call("drop", name)


def shape() -> dict[str, Any]:
    """An index that nobody else has makes a pool that nobody else shares."""
    return {"payloadIndexes": [{"field": f"of_{secrets.token_hex(4)}", "type": "Keyword"}]}


def seen(first: World) -> Any:
    """All that the store has, of this namespace and of pools."""
    listing = first.engine.listing()
    ours = {c for c in listing.collections if c.startswith((f"{first.namespace}.", "_pool."))}
    return {c: first.engine.describe(c) for c in ours}, dict(listing.aliases)


@pytest.mark.parametrize("policy", ["Delete", "Retain", "Snapshot"])
def test_a_collection_belongs_to_one_cluster_and_the_other_is_told_which(
    worlds: tuple[World, World], policy: str
) -> None:
    first, second = worlds
    uid = first.apply()["metadata"]["uid"]
    first.ready()
    before = seen(first)

    second.apply(deletionPolicy=policy, hnsw={"m": 32}, adoptionPolicy="IfUnowned")
    said = second.says("NotOwned")
    assert f"{first.namespace}/products" in said["message"]
    assert f"(uid {uid}) of cluster east" in said["message"]
    second.delete()
    second.gone()

    assert seen(first) == before
    first.apply(hnsw={"m": 24})
    first.ready()


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_a_tenant_belongs_to_one_cluster_and_the_other_is_told_which(
    worlds: tuple[World, World], policy: str
) -> None:
    first, second = worlds
    one = shape()
    first.apply(tenancy=PARTITION, **one)
    first.ready()
    before = seen(first)

    # The same name and the same shape: it would be the very same pool.
    second.apply(tenancy=PARTITION, deletionPolicy=policy, adoptionPolicy="IfUnowned", **one)
    assert "cluster east" in second.says("NotOwned")["message"]
    second.delete()
    second.gone()
    assert seen(first) == before

    # And one that wants a collection of its own meets the pool in its name.
    second.apply(deletionPolicy=policy, adoptionPolicy="IfUnowned")
    assert "cluster east" in second.says("NotOwned")["message"]
    second.delete()
    second.gone()
    assert seen(first) == before


def test_each_cluster_has_pools_of_its_own(worlds: tuple[World, World]) -> None:
    first, second = worlds
    one = shape()
    first.apply("first", tenancy=PARTITION, **one)
    first.ready("first")
    second.apply("second", tenancy=PARTITION, deletionPolicy="Delete", **one)
    second.ready("second")

    def pool(world: World, name: str) -> str:
        return world.engine.aliases(world.namespace)[world.full(name)]

    theirs, ours = pool(first, "first"), pool(second, "second")
    assert theirs != ours, "one shape, and two pools"
    for name, cluster in ((theirs, "east"), (ours, "west")):
        owner = first.engine.owner(name)
        assert owner
        assert owner.cluster == cluster

    before = first.engine.describe(theirs)
    second.delete("second")
    second.gone("second")
    assert first.engine.describe(theirs) == before
    assert pool(first, "first") == theirs


def test_the_second_comes_in_once_the_first_lets_go(worlds: tuple[World, World]) -> None:
    first, second = worlds
    first.apply(deletionPolicy="Retain")
    first.ready()
    second.apply(adoptionPolicy="IfUnowned")
    second.says("NotOwned")

    first.delete()
    first.gone()
    second.cluster.annotate("products", second.namespace, note="look")
    second.ready()

    def adopted() -> bool:
        owner = second.engine.owner(second.full("products_1"))
        return bool(owner and owner.cluster == "west")

    wait(adopted, "the second cluster owns it")
