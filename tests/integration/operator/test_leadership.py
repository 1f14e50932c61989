"""Two replicas and one store: one acts, the other takes over, and never both.

Each replica goes through proxies of its own, so what each of them changed, and when, is known. The
collections are dropped behind its back all the time: the leader has always something to do.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from support.cluster import Cluster, Refused, wait
from support.controlplane import NAMESPACE, ControlPlane
from support.kube_double import KubeDouble
from support.replicas import Replica, Vandal, the_leader, works
from support.world import World
from vectorplane_operator.kube import Api, Gone, Stale

pytestmark = pytest.mark.timeout(300)
Make = Callable[..., list[Replica]]
NAMES = [f"products-{number}" for number in range(4)]
LEASE = 5
"""Seconds, where the default is not what is tested."""
ACTS = LEASE * 0.6
"""Seconds that a leader acts on one renewal."""


@pytest.fixture
def make(corner: World, tmp_path: Path) -> Iterator[Make]:
    """Two replicas that look at everything several times a second."""
    made: list[Replica] = []
    corner.operators.stop()

    def two(**env: str) -> list[Replica]:
        lease = f"lease-{secrets.token_hex(4)}"
        env = {"OPERATOR_RESYNC_SECONDS": "0.3", **env}
        for name in ("first", "second"):
            made.append(Replica(corner, tmp_path, name, lease, **env))
            made[-1].process.start()
        return made

    yield two
    for replica in made:
        replica.end()
        assert "Traceback" not in replica.process.text()


@pytest.fixture
def vandal(corner: World) -> Vandal:
    return Vandal(corner)


def _other(replicas: list[Replica], leader: Replica) -> Replica:
    return next(r for r in replicas if r is not leader)


def _populate(corner: World) -> None:
    for name in NAMES:
        corner.apply(name)
    for name in NAMES:
        corner.ready(name)


def test_one_leads_and_the_other_stands_by(corner: World, make: Make) -> None:
    replicas = make()
    leader = the_leader(replicas)
    standby = _other(replicas, leader)
    _populate(corner)

    assert leader.wrote()
    assert not standby.wrote()
    assert not standby.leads
    assert leader.readiness == "ok\n"
    assert "standing by" in standby.readiness
    collections = f'vectorplane_collections{{ready="True",store="{corner.store}"}}'
    wait(
        lambda: standby.process.metrics().get(collections) == len(NAMES),
        "the standby knows all that the leader knows",
    )
    lease = corner.cluster.get("Lease", leader.process.lease, NAMESPACE)
    assert lease
    assert leader.process.process
    assert f"_{leader.process.process.pid}_" in lease["spec"]["holderIdentity"]
    assert lease["spec"]["leaseDurationSeconds"] == 10
    assert lease["spec"]["leaseTransitions"] == 0


def test_a_killed_leader_is_replaced_within_15_seconds(
    corner: World, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    replicas = make()
    leader = the_leader(replicas)
    standby = _other(replicas, leader)
    corner.apply("before")
    corner.ready("before")

    leader.process.kill()
    killed = time.monotonic()
    corner.apply("meanwhile")
    wait(lambda: standby.leads, "the other one leads", seconds=30)
    led = time.monotonic() - killed
    corner.ready("meanwhile")
    ready = time.monotonic() - killed

    _tell(capsys, corner, f"after kill -9: leads after {led:.1f} s, Ready after {ready:.1f} s")
    assert led < 15
    assert standby.wrote(killed)[0].at - killed < 15


def test_a_leader_that_stops_hands_over_at_once(
    corner: World, make: Make, vandal: Vandal, capsys: pytest.CaptureFixture[str]
) -> None:
    replicas = make()
    leader = the_leader(replicas)
    standby = _other(replicas, leader)
    _populate(corner)
    with vandal.at_work():
        works(leader)
        assert leader.process.stop() == 0
        stopped = time.monotonic()
        wait(lambda: standby.leads, "the other one leads")
        taken = time.monotonic() - stopped
        works(standby)

    _tell(capsys, corner, f"after SIGTERM: leads {taken:.1f} s after the process ended")
    assert taken < 3
    assert max(s.at for s in leader.wrote()) < min(s.at for s in standby.wrote())
    lease = corner.cluster.get("Lease", standby.process.lease, NAMESPACE)
    assert lease
    assert lease["spec"]["leaseTransitions"] == 1


@pytest.mark.parametrize("fault", ["down", "hang"])
def test_a_leader_without_the_api_server_stops_before_its_lease_runs_out(
    corner: World, make: Make, vandal: Vandal, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    replicas = make(OPERATOR_LEASE_SECONDS=str(LEASE))
    leader = the_leader(replicas)
    standby = _other(replicas, leader)
    _populate(corner)
    with vandal.at_work():
        works(leader)
        getattr(leader.kube, fault)()
        cut = time.monotonic()
        wait(lambda: not leader.leads, "it gives up")
        gave_up = time.monotonic() - cut
        wait(lambda: standby.leads, "the other one leads")
        taken = time.monotonic() - cut
        works(standby)
        # It is ready to lead again, and waits for its turn.
        leader.kube.mend()
        renewed = len(leader.kube.seen)
        wait(lambda: len(leader.kube.seen) > renewed + 5, "it reads again")
        assert "standing by" in leader.readiness
        assert not leader.leads

    last, first = leader.store.writes[-1].at, standby.store.writes[0].at
    _tell(
        capsys,
        corner,
        f"API server {fault}, Lease of {LEASE} s: last write {last - cut:.1f} s after the cut, gave"
        f" up by {gave_up:.1f} s, the other one leads after {taken:.1f} s",
    )
    if fault == "down":
        # Cut off, it did go on while it still had the Lease: else this would prove nothing.
        assert last > cut
    assert last < cut + ACTS
    assert last < first
    assert first > cut + ACTS
    assert not leader.wrote(first)


def test_a_leader_that_was_paused_finds_that_it_has_lost(
    corner: World, make: Make, vandal: Vandal, capsys: pytest.CaptureFixture[str]
) -> None:
    replicas = make(OPERATOR_LEASE_SECONDS=str(LEASE))
    the_leader(replicas)
    _populate(corner)
    with vandal.at_work():
        for turn in range(4):
            leader = the_leader(replicas)
            standby = _other(replicas, leader)
            # In the middle of a write that takes its time, or of whatever comes.
            leader.store.slow(0.1 if turn % 2 else 0.0)
            works(leader)
            leader.pause()
            paused = time.monotonic()
            wait(lambda: standby.leads, "the other one leads")  # noqa: B023
            taken = time.monotonic() - paused
            first = works(standby)
            asked = len(leader.kube.seen)

            leader.resume()
            resumed = time.monotonic()
            wait(lambda: "standing by" in leader.readiness, "it has noticed")  # noqa: B023
            noticed = time.monotonic() - resumed
            wait(lambda: len(leader.kube.seen) > asked + 5, "it reads on")  # noqa: B023
            works(standby)

            _tell(
                capsys,
                corner,
                f"paused, Lease of {LEASE} s: the other one leads after {taken:.1f} s; resumed, it"
                f" stands by within {noticed:.2f} s",
            )
            # What it was sending when it was stopped may still go out at once; nothing begins.
            late = leader.wrote(first)
            assert len(late) <= 1
            assert all(seen.at < resumed + 0.5 for seen in late)
            assert standby.leads
            # Now its turn comes: what it does then is its right.
            leader.store.slow(0)
            standby.process.stop()
            wait(lambda: leader.leads, "it leads again")  # noqa: B023
            works(leader)
            standby.process.start()


def test_the_operator_may_use_leases_in_its_own_namespace_alone(plane: ControlPlane) -> None:
    operators = Cluster(plane.operator_kubeconfig)
    try:
        assert operators.get("Lease", "any", NAMESPACE) is None
        for call in (
            lambda: operators.all("Lease", NAMESPACE),
            lambda: operators.get("Lease", "any", "default"),
            lambda: operators.delete("Lease", "any", NAMESPACE),
        ):
            with pytest.raises(Refused, match="403"):
                call()
    finally:
        operators.close()


@pytest.fixture
async def real(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    # The library reads $KUBECONFIG when it is imported.
    monkeypatch.setattr(
        "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION",
        str(plane.operator_kubeconfig),
    )
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    made = await Api.connect()
    yield made
    await made.close()


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["real", "double"])
async def test_leases_have_the_same_rules_in_the_double(kind: str, real: Api) -> None:
    api = real if kind == "real" else KubeDouble()
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
    name = f"rules-{secrets.token_hex(4)}"
    body = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {"holderIdentity": "us", "leaseDurationSeconds": 10},
    }
    with pytest.raises(Gone):
        await api.get(f"{leases}/{name}")
    with pytest.raises(Gone):
        await api.merge(f"{leases}/{name}", {"metadata": {"resourceVersion": "1"}, "spec": {}})
    made = await api.create(leases, body)
    with pytest.raises(Stale):
        await api.create(leases, body)

    known = {"resourceVersion": made["metadata"]["resourceVersion"]}
    given_back = {"holderIdentity": "", "renewTime": "2026-01-01T00:00:00.000001Z"}
    written = await api.merge(f"{leases}/{name}", {"metadata": known, "spec": given_back})
    assert written["spec"] == {"leaseDurationSeconds": 10, **given_back}
    with pytest.raises(Stale):
        await api.merge(f"{leases}/{name}", {"metadata": known, "spec": given_back})
    assert (await api.get(f"{leases}/{name}"))["spec"] == written["spec"]


def _tell(capsys: pytest.CaptureFixture[str], corner: World, what: str) -> None:
    with capsys.disabled():
        print(f"\n[{corner.engine.name}] {what}")  # noqa: T201
