"""Dashboards and alerts on what is really there: a Prometheus scrapes an operator, a service and a
Kong at work, while they meet each fault that an alert is about.

The rules are those that are delivered, with minutes as seconds (`Times`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dashboards import reference, rules
from dashboards.alerts import Times
from dashboards.boards import BOARDS
from dashboards.model import Dashboard, Panel

from support import kong as real_kong
from support.cluster import condition, wait
from support.consul import Consul
from support.engines import Engine
from support.kong import MISSING as NO_KONG
from support.kong import Kong
from support.monitored import Monitored, now, phase_of, snapshots, until_it_copies, writes_of
from support.parts import require_or_skip
from support.prometheus import Prometheus, prometheus
from support.qdrant import MISSING as NO_QDRANT
from support.world import World
from vectorplane.ports.vectors import Point

pytestmark = pytest.mark.timeout(900)
TIMES = Times(60)
VALUES = {"__rate_interval": "10s"}
"""What Grafana puts in; everything else is All."""
POINTS = 2000
REBUILD = {"changePolicy": "Rebuild", "rebuild": {"pointsPerSecond": 100}}


@pytest.fixture
def scene(
    engine: Engine, corner: World, gateway: Kong, consul: Consul, tmp_path: Path
) -> Iterator[Monitored]:
    if engine.name != "qdrant":
        require_or_skip("qdrant", NO_QDRANT)
    corner.operators.stop()
    made = Monitored(corner, gateway, consul, tmp_path)
    made.begin()
    yield made
    made.end()


@pytest.fixture
def watching(scene: Monitored) -> Iterator[Prometheus]:
    with prometheus(scene.files, rules.document(rules.groups(TIMES))) as found:
        yield found


class Alarms:
    """What was seen to fire, and to clear after that."""

    def __init__(self, watching: Prometheus, world: World) -> None:
        self._watching = watching
        self._world = world
        self.fired: set[str] = set()
        self.cleared: set[str] = set()

    def fire(self, *names: str, seconds: float = 300) -> None:
        def check() -> bool:
            states = self._alerts()
            return all(states.get(f"Vectorplane{name}") == "firing" for name in names)

        self._wait(check, f"{', '.join(names)} fire", seconds)
        self.fired |= {f"Vectorplane{name}" for name in names}

    def clear(self, *names: str, seconds: float = 300) -> None:
        def check() -> bool:
            states = self._alerts()
            return not any(f"Vectorplane{name}" in states for name in names)

        self._wait(check, f"{', '.join(names)} clear", seconds)
        self.cleared |= self.fired & {f"Vectorplane{name}" for name in names}

    def _alerts(self) -> dict[str, str]:
        """Other tests' collections may be there still, without their stores."""
        return self._watching.alerts(self._world.namespace)

    def _wait(self, check: Callable[[], bool], what: str, seconds: float) -> None:
        try:
            wait(check, what, seconds=seconds, every=0.25)
        except AssertionError as error:
            found = self._world.cluster.all("VectorCollection", self._world.namespace)
            said = {one["metadata"]["name"]: condition(one) for one in found}
            raise AssertionError(f"{error}; there are {self._alerts()}: {said}") from None


def test_each_panel_has_data_and_each_alert_fires_and_clears(
    scene: Monitored, watching: Prometheus
) -> None:
    begun, alarms, world = now(), Alarms(watching, scene.world), scene.world
    alarms.fire("OperatorHasNoLeader", "ServiceAway")

    scene.serve()
    operator = scene.operate()
    operator.start()
    scene.shown("operator", f"http://127.0.0.1:{operator.port}")
    if real_kong.available():
        scene.shown("kong", scene.admin.url)
    alarms.clear("OperatorHasNoLeader", "ServiceAway")

    shop = scene.exposed()
    shop.apply(discovery={"enabled": True})
    shop.allow("reader")
    world.apply("moving", **REBUILD)
    world.ready()
    world.ready("moving")
    world.engine.upsert(
        world.full("moving"), [Point(n, [1.0, float(n), 0.0, 0.0], {}) for n in range(POINTS)]
    )
    with scene.asked("products", shop.key("reader")):
        # What takes its time, all at once.
        shop.allow("ending", ttl="30s")
        shop.key("ending")
        pause(world, "true")
        world.apply("lost", store=f"{world.namespace}-nowhere")
        world.proxy.instead(snapshots, 500, {"status": {"error": "disk"}}, times=10**9)
        world.apply("kept", snapshots={"schedule": "* * * * *"})
        world.apply("moving", **REBUILD, vectors=[{"size": 4, "distance": "Dot"}])
        until_it_copies(world, "moving")
        world.proxy.instead(writes_of("moving", 2), 500, {"status": {"error": "disk"}}, times=10**9)

        searches(scene, alarms)
        alarms.fire("RebuildStuck", "CollectionsNotReady", "KeyExpires", "SnapshotOverdue")
        world.proxy.mend()
        pause(world, None)
        world.delete("lost")
        for name in ("kept", "moving"):
            # Failures in a row are waited out longer and longer, but for somebody who asks.
            world.cluster.annotate(name, world.namespace, look="now")
        wait(lambda: phase_of(world, "moving") == "Done", "the rebuild goes on", seconds=180)
        alarms.clear("RebuildStuck", "CollectionsNotReady", "KeyExpires", "SnapshotOverdue")

        ways(scene, alarms)

        world.proxy.down()
        alarms.fire("StoreDown")
        world.proxy.mend()
        alarms.clear("StoreDown")

        second = scene.operate()
        second.start()
        scene.shown("operator", *(f"http://127.0.0.1:{o.port}" for o in (operator, second)))
        alarms.fire("OperatorHasTwoLeaders")
        second.kill()
        alarms.clear("OperatorHasTwoLeaders")

        operator.kill()
        alarms.fire("OperatorHasNoLeader")
        operator.start()
        alarms.clear("OperatorHasNoLeader")

    names = {alert.name for alert in rules.alerts(TIMES)}
    assert (alarms.fired, alarms.cleared) == (names, names)
    assert watching.broken() == {}
    assert unknown(watching.names()) == set()
    for board in BOARDS:
        if board.uid != "vectorplane-gateway" or real_kong.available():
            has_data(watching, board, begun)
    assert operator.stop() == 0


def test_the_gateways_panels_were_looked_at() -> None:
    """Listed where they were not: only a real Kong has its metrics."""
    if not real_kong.available():
        require_or_skip("kong", f"the dashboard Gateway has no data: {NO_KONG}")
    assert any(board.uid == "vectorplane-gateway" for board in BOARDS)


def searches(scene: Monitored, alarms: Alarms) -> None:
    """They fail, then they are slow."""
    scene.store.status(503)
    alarms.fire("SearchErrorsFast", "SearchErrorsSlow")
    scene.store.mend()
    alarms.clear("SearchErrorsFast", "SearchErrorsSlow")
    scene.store.slow(0.5)
    alarms.fire("SearchLatencyFast", "SearchLatencySlow")
    scene.store.mend()
    alarms.clear("SearchLatencyFast", "SearchLatencySlow")


def ways(scene: Monitored, alarms: Alarms) -> None:
    """The gateway takes nothing; then the service behind it is gone."""
    scene.admin.down()
    alarms.fire("ProviderDown")
    scene.admin.mend()
    alarms.clear("ProviderDown")
    scene.quit_service()
    alarms.fire("EndpointNotVerified", "ServiceAway")
    scene.serve()
    alarms.clear("EndpointNotVerified", "ServiceAway")


def pause(world: World, value: str | None) -> None:
    """Whether the keys of `ending` are renewed."""
    patch = {"metadata": {"annotations": {"vectorplane.dev/paused": value}}}
    world.cluster.merge("VectorAccess", "ending", world.namespace, patch)


def unknown(names: set[str]) -> set[str]:
    """Those of ours that no document has. Each counter also says when it began."""
    known = {name for one in (*reference.operator(), *reference.service()) for name in one.series}
    ours = {name for name in names if name.startswith("vectorplane_")}
    return {name for name in ours - known if not name.endswith("_created")}


def has_data(watching: Prometheus, board: Dashboard, begun: float) -> None:
    """Each query of each panel, as Grafana would ask it for the time of this test."""
    ended = now()
    missing = []
    for panel in board.panels:
        for expr in expressions(panel):
            lines = watching.range(expr, begun, ended, 1)
            if not any(value != "NaN" for line in lines for _, value in line["values"]):
                missing.append(f"{panel.title}: {expr}")
    for variable in board.variables:
        lines = watching.range(f"count by ({variable.label}) ({variable.metric})", begun, ended, 1)
        # Targets here are in no namespace.
        if variable.label != "namespace" and not any(line["metric"] for line in lines):
            missing.append(f"${variable.name}")
    assert missing == [], board.title


def expressions(panel: Panel) -> list[str]:
    return [
        re.sub(r"\$(\w+)", lambda name: VALUES.get(name[1], ".*"), query.expr)
        for query in panel.queries
    ]
