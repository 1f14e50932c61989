"""Stores that refuse, hang, crawl, fail, cut their answers, or die in the middle: what is said
meanwhile, and that all ends as declared. What a missing or locked one does is in `test_stores.py`.
"""

from __future__ import annotations

import itertools
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest

from support.cluster import Refused, condition, wait
from support.controlplane import ControlPlane
from support.engines import REAL_ENGINE, Engine
from support.fleet import Fleet
from support.loops import LoopThread
from support.parts import require_or_skip
from support.proxy import Proxy, Trap
from support.qdrant import MISSING, QdrantProcess, available, restartable
from support.world import Operators, World

_TIMEOUT = 2
"""Seconds that a call may take, as `World` sets it."""

FAULTS: dict[str, tuple[Callable[[Proxy], None], str]] = {
    "refused": (Proxy.down, "StoreUnreachable"),
    "hanging": (Proxy.hang, "StoreTimeout"),
    "crawling": (lambda proxy: proxy.slow(2 * _TIMEOUT), "StoreTimeout"),
    "halved": (Proxy.halve, "StoreUnreachable"),
    "failing": (lambda proxy: proxy.status(500), "StoreFailed"),
    "overloaded": (lambda proxy: proxy.status(503, Retry_After="1"), "StoreOverloaded"),
    "limiting": (lambda proxy: proxy.status(429, Retry_After="1"), "StoreOverloaded"),
}
"""How each is broken, and what is to be said of it."""

FIELDS = [{"field": "category", "type": "Keyword"}, {"field": "price", "type": "Float"}]

pytestmark = pytest.mark.timeout(300)


def test_each_fault_is_named_and_mends(world: World) -> None:
    """All stores are broken at once, each in its own way: none of them hides another."""
    stores = {fault: f"{world.namespace}-{fault}" for fault in FAULTS}
    for fault, store in stores.items():
        world.make_store(store)
        world.apply(f"{fault}-edited", store=store, deletionPolicy="Delete", hnsw={"m": 16})
        world.apply(f"{fault}-deleted", store=store, deletionPolicy="Delete")
    for fault in FAULTS:
        world.ready(f"{fault}-edited")
        world.ready(f"{fault}-deleted")

    for fault, store in stores.items():
        FAULTS[fault][0](world.proxies[store])
        world.apply(f"{fault}-made", store=store, payloadIndexes=FIELDS)
        world.apply(f"{fault}-edited", store=store, deletionPolicy="Delete", hnsw={"m": 32})
        world.delete(f"{fault}-deleted")

    up = world.operator
    for fault, store in stores.items():
        reason = FAULTS[fault][1]
        for name in ("made", "edited", "deleted"):
            said = world.says(reason, f"{fault}-{name}")
            assert said["status"] == "False"
            resource = world.get(f"{fault}-{name}")
            assert condition(resource, "StoreReachable")["reason"] == reason
            assert condition(resource, "CollectionReady")["status"] == "Unknown"
            assert resource["metadata"]["finalizers"] == ["vectorplane.dev/collection"]
        world.store_says(reason, store)
        assert up.metrics()[f'vectorplane_store_up{{store="{store}"}}'] == 0
    assert world.full("refused-deleted_1") in world.engine.of(world.namespace)

    for store in stores.values():
        world.proxies[store].mend()
    for fault, store in stores.items():
        world.says("Ready", f"{fault}-made", seconds=60)
        world.says("Ready", f"{fault}-edited", seconds=60)
        world.gone(f"{fault}-deleted")
        world.store_says("Reachable", store)
    made = {world.full(f"{fault}-{name}_1") for fault in FAULTS for name in ("made", "edited")}
    assert world.engine.of(world.namespace) == made
    for fault in FAULTS:
        edited = world.engine.describe(world.full(f"{fault}-edited_1"))
        assert edited
        assert edited.settings[("hnsw", "m")] == 32
        new = world.engine.describe(world.full(f"{fault}-made_1"))
        assert new
        assert set(new.indexes) == {"category", "price"}


@REAL_ENGINE
def test_a_slow_store_is_only_slow(world: World) -> None:
    world.store_says("Reachable")
    world.proxy.slow(0.3)
    world.apply(deletionPolicy="Delete", payloadIndexes=FIELDS)
    world.ready()
    world.apply(deletionPolicy="Delete", hnsw={"m": 32})
    world.ready()
    world.delete()
    world.gone()

    assert world.engine.of(world.namespace) == set()
    events = {reason for _, reason in world.cluster.events(world.namespace, "products")}
    assert events == {"Ready"}


@REAL_ENGINE
def test_a_store_that_says_when_to_come_back_is_left_alone_until_then(world: World) -> None:
    world.apply()
    world.ready()
    world.store_says("Reachable")

    asked = len(world.proxy.seen)
    world.proxy.status(503, Retry_After="6")
    world.apply(hnsw={"m": 32})
    world.says("StoreOverloaded")
    world.store_says("StoreOverloaded")

    def calls_until_left_alone() -> int:
        """The call that met it and the probes that made sure; 0 where no pause followed yet."""
        times = [seen.at for seen in world.proxy.seen[asked:]]
        pauses = [later - earlier > 5.5 for earlier, later in itertools.pairwise(times)]
        return pauses.index(True) + 1 if any(pauses) else 0

    assert wait(calls_until_left_alone, "it is left alone", seconds=60) <= 4, [
        (seen.at, seen.path) for seen in world.proxy.seen[asked:]
    ]

    world.proxy.mend()
    world.says("Ready", seconds=60)


def test_an_unreliable_store_ends_as_declared(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each call may be refused, lost, cut, slow or answered with an error."""
    seed = secrets.randbelow(2**32)
    with capsys.disabled():
        print(f"\nseed of the unreliable store ({world.engine.name}): {seed}")  # noqa: T201
    world.store_says("Reachable")
    fleet = Fleet(world, seed, 12)
    try:
        world.proxy.flaky(seed, 0.1)
        fleet.fill()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            fleet.step()
            time.sleep(0.1)
        world.proxy.mend()
        fleet.fill()
        fleet.settle(seconds=90)
        fleet.check()
    finally:
        fleet.drop_others()
    assert "Traceback" not in world.operator.text()


# A Qdrant that dies


@pytest.fixture
def dying() -> Iterator[QdrantProcess]:
    if not available():
        require_or_skip("qdrant", MISSING)
    with restartable() as process:
        yield process


@pytest.fixture
def its_world(
    plane: ControlPlane, thread: LoopThread, operators: Operators, dying: QdrantProcess
) -> Iterator[World]:
    made = World(plane, Engine("qdrant", dying.url), thread, operators)
    made.begin()
    yield made
    made.end()


def test_a_qdrant_that_dies_in_every_action(its_world: World, dying: QdrantProcess) -> None:
    """It is killed at each write of a creation, an edit and a deletion, and started again; half of
    the time once the write was carried out, and half of the time before it may have been."""
    world, dice = its_world, random.Random(4)
    assert world.operator.running
    world.store_says("Reachable")

    def killed(done: Callable[[], bool]) -> int:
        """Kill it until an action is done without; gives how often."""
        for kills in range(60):
            early = dice.uniform(0.0, 0.02) if kills % 2 else None
            trap = world.proxy.trap = Trap(1, dying.kill, early=early)
            wait(partial(_either, trap, done), "a write, or the end")
            if not trap.sprung:
                world.proxy.trap = None
                return kills
            if kills == 0:
                world.says("StoreUnreachable")
            dying.start()
            world.proxy.trap = None
            # So many failures in a row are waited out longer and longer, but for somebody who asks.
            with suppress(Refused):
                world.cluster.annotate("products", world.namespace, look=str(kills))
        raise AssertionError("no end of writes")

    world.apply(deletionPolicy="Delete", payloadIndexes=FIELDS, aliases=["live"])
    assert killed(partial(_ready, world)) >= 3
    _has(world, {"category", "price"}, {"live"})

    world.apply(
        deletionPolicy="Delete",
        hnsw={"m": 32},
        payloadIndexes=[{"field": "price", "type": "Integer"}],
        aliases=["next"],
    )
    assert killed(partial(_ready, world)) >= 3
    found = _has(world, {"price"}, {"next"})
    assert found == 32

    world.delete()
    assert killed(partial(_gone, world)) >= 1
    assert world.engine.of(world.namespace) == set()
    assert world.engine.aliases(world.namespace) == {}
    assert "Traceback" not in world.operator.text()


def _either(trap: Trap, done: Callable[[], bool]) -> bool:
    return trap.sprung or done()


def _ready(world: World) -> bool:
    resource = world.get()
    said = condition(resource)
    now = said.get("observedGeneration") == resource["metadata"]["generation"]
    return bool(now and said["status"] == "True")


def _gone(world: World) -> bool:
    return world.cluster.get("VectorCollection", "products", world.namespace) is None


def _has(world: World, indexes: set[str], aliases: set[str]) -> object:
    """The one collection, with these and no others; gives its hnsw.m."""
    assert world.engine.of(world.namespace) == {world.full("products_1")}
    found = world.engine.describe(world.full("products_1"))
    assert found
    assert found.record
    assert set(found.indexes) == found.record.indexes == indexes
    names = {world.full(n) for n in ("products", *aliases)}
    assert set(world.engine.aliases(world.namespace)) == found.record.aliases == names
    return found.settings[("hnsw", "m")]
