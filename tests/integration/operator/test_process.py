"""The operator as a process: how it starts, what it may do, what it shows, how it ends."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from support.cluster import Cluster, Refused, wait
from support.controlplane import (
    ACCOUNT,
    MANIFESTS,
    NAMESPACE,
    ControlPlane,
    bare_controlplane,
    with_token,
)
from support.loops import LoopThread
from support.operator_process import COMMAND, KOPF, OperatorProcess
from support.proxy import Proxy
from support.world import Operators, World

_MAIN = (*KOPF, "vectorplane_operator.main")


@pytest.mark.parametrize("command", [COMMAND, _MAIN], ids=["vectorplane operator", "kopf run"])
def test_it_starts_answers_and_stops_cleanly(operators: Operators, command: list[str]) -> None:
    operators.stop()
    operator = operators.new(command).start()

    assert operator.get("/healthz") == 200
    assert operator.get("/readyz") == 200
    assert "vectorplane_reconcile_duration_seconds_count" in operator.metrics()
    wait(lambda: operator.metrics()["vectorplane_queue_depth"] == 0, "all that is there is seen")
    assert operator.stop() == 0
    assert operator.lines("stopped")
    assert "Traceback" not in operator.text()


def test_a_stop_does_not_wait_for_a_store_that_hangs(world: World) -> None:
    operator = world.operators.get(world.engine, OPERATOR_STOP_SECONDS="1")
    world.proxy.hang()
    world.apply_store(world.store, url=world.proxy.url, timeoutSeconds=60)
    world.apply()
    wait(lambda: operator.metrics()["vectorplane_queue_depth"] > 0, "it is at the store")

    begun = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - begun < 10
    assert "Traceback" not in operator.text()


@pytest.mark.parametrize("command", [COMMAND, _MAIN], ids=["vectorplane operator", "kopf run"])
def test_a_wrong_setting_ends_the_start_and_is_named(
    operators: Operators, command: list[str]
) -> None:
    operators.stop()
    operator = operators.new(command, OPERATOR_HTTP_PORT="no-port", OPERATOR_RESYNC_SECONDS="-1")
    operator.start(ready=False)

    assert operator.process
    assert operator.process.wait(30) == 1
    assert "OPERATOR_HTTP_PORT: " in operator.text()
    assert "OPERATOR_RESYNC_SECONDS: " in operator.text()
    assert "no-port" not in operator.text()
    assert "Traceback" not in operator.text()


def test_a_port_that_is_taken_ends_the_start(operators: Operators) -> None:
    operators.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        operator = operators.new(COMMAND, OPERATOR_HTTP_PORT=port)
        operator.start(ready=False)
        assert operator.process
        assert operator.process.wait(30) == 1
    assert "address already in use" in operator.text()
    assert "Traceback" not in operator.text()


def test_without_a_cluster_the_start_ends(operators: Operators, tmp_path: Path) -> None:
    operators.stop()
    operator = operators.new(COMMAND, tmp_path / "no-kubeconfig")
    operator.start(ready=False)
    assert operator.process
    assert operator.process.wait(30) == 1
    assert "error: " in operator.text()
    assert "Traceback" not in operator.text()


def test_it_waits_for_an_api_server_that_is_away(
    corner: World, thread: LoopThread, tmp_path: Path
) -> None:
    corner.operators.stop()
    kube = Proxy(thread, corner.cluster.server, str(corner.cluster.ca))
    kube.start()
    kube.status(503)
    theirs = corner.plane.operator_kubeconfig.read_text()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(theirs.replace(corner.cluster.server, kube.url))
    operator = corner.operators.new(corner.engine.command, kubeconfig)
    operator.start(ready=False)
    try:
        wait(lambda: operator.get("/healthz") == 200, "it lives")
        wait(lambda: operator.lines("api_waiting"), "it says what it waits for")
        assert operator.get("/readyz") == 503
        kube.mend()
        operator.wait_ready()
        corner.apply()
        corner.ready()

        # And in the middle of the work: nothing is lost.
        kube.down()
        corner.apply(hnsw={"m": 32})
        kube.mend()
        corner.ready()
        assert operator.stop() == 0
    finally:
        if operator.running:
            operator.kill()
        kube.stop()
    assert "Traceback" not in operator.text()


def test_it_waits_for_its_kinds_to_be_installed(tmp_path: Path) -> None:
    folder = tmp_path / "plane"
    folder.mkdir()
    with bare_controlplane(folder) as admin:
        cluster = Cluster(admin)
        account = {"name": ACCOUNT, "namespace": NAMESPACE}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(with_token(admin, cluster.token(NAMESPACE, ACCOUNT)))
        operator = OperatorProcess(_MAIN, kubeconfig, tmp_path / "operator.log")
        operator.start(ready=False)
        try:
            wait(lambda: operator.lines("api_waiting"), "it may not see anything yet")
            cluster.apply_folder(MANIFESTS)
            operator.wait_ready()
            cluster.apply(
                {
                    "apiVersion": "vectorplane.dev/v1alpha1",
                    "kind": "VectorStore",
                    "metadata": {"name": "far"},
                    "spec": {"qdrant": {"url": "http://127.0.0.1:1"}},
                }
            )
            wait(lambda: (cluster.get("VectorStore", "far") or {}).get("status"), "it is seen")
            assert operator.stop() == 0
        finally:
            if operator.running:
                operator.kill()
            cluster.close()
    assert "Traceback" not in operator.text()


def test_it_may_do_its_work_and_nothing_else(plane: ControlPlane) -> None:
    operators = Cluster(plane.operator_kubeconfig)
    try:
        for call in (
            lambda: operators.delete("VectorCollection", "any", "default"),
            lambda: operators.delete("VectorStore", "any"),
            lambda: operators.merge("VectorStore", "any", None, {}),
            lambda: operators.all("ConfigMap", NAMESPACE),
            lambda: operators.get("ConfigMap", "any", "default"),
            lambda: operators.all("Namespace"),
            lambda: operators.merge("Namespace", "default", None, {}),
            lambda: operators.all("Event", "default"),
            lambda: operators.all("ClusterRole"),
            lambda: operators.all("CustomResourceDefinition"),
        ):
            with pytest.raises(Refused, match="403"):
                call()
        assert operators.get("Namespace", "kube-system")
        assert operators.get("Secret", "any", NAMESPACE) is None
    finally:
        operators.close()


def test_a_namespace_that_is_deleted_ends(world: World, plane: ControlPlane) -> None:
    if not plane.controllers:
        pytest.skip("this control plane has no controllers")
    world.apply("kept")
    world.apply("dropped", deletionPolicy="Delete")
    world.apply("storeless", store="not-there")
    world.ready("kept")
    world.ready("dropped")
    world.says("StoreMissing", "storeless")

    world.cluster.delete("Namespace", world.namespace)
    wait(
        lambda: world.cluster.get("Namespace", world.namespace) is None,
        "the namespace is gone",
        seconds=60,
    )
    assert world.engine.of(world.namespace) == {world.full("kept_1")}


def test_kubectl_shows_what_a_person_wants_to_know(world: World, plane: ControlPlane) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl")
    operator = world.operators.get(world.engine, OPERATOR_SERVICE_URL="https://vectors.example/")
    assert operator.running
    world.apply()
    world.ready()

    def run(*arguments: str) -> str:
        command = [kubectl, "--kubeconfig", str(plane.kubeconfig), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    head, row = run("-n", world.namespace, "get", "vcol").splitlines()
    assert head.split() == ["NAME", "READY", "REASON", "POINTS", "STORE", "ENDPOINT", "AGE"]
    endpoint = f"https://vectors.example/api/v1/collections/{world.full('products')}"
    assert row.split()[:-1] == ["products", "True", "Ready", "0", world.store, endpoint]
    head, row = run("get", "vectorstores", world.store).splitlines()
    assert head.split()[:2] == ["NAME", "READY"]
    assert row.split()[:2] == [world.store, "True"]


def test_ready_comes_soon_after_apply(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.store_says("Reachable")
    taken = []
    for number in range(10):
        begun = time.perf_counter()
        world.apply(f"products-{number}")
        wait(partial(_status, world, f"products-{number}"), "a status", every=0.005)
        taken.append(time.perf_counter() - begun)
        world.ready(f"products-{number}")
    with capsys.disabled():
        print(  # noqa: T201
            f"\nReady after apply ({world.engine.name}): median {statistics.median(taken):.3f} s, "
            f"longest {max(taken):.3f} s"
        )
    assert statistics.median(taken) < 5


def _status(world: World, name: str) -> object:
    return world.get(name).get("status")


@pytest.mark.skipif("COVERAGE_PROCESS_CONFIG" in os.environ, reason="coverage takes memory too")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_idle_operator_is_small(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.operators.stop()
    world.apply()
    operator = world.operator
    world.ready()
    with capsys.disabled():
        print(f"\nidle operator ({world.engine.name}): {operator.rss():.0f} MB")  # noqa: T201
    assert operator.rss() < 120
