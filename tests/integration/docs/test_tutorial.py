"""The tutorials are true: what a reader is told to type is typed here, and gives what they say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support.cluster import Cluster, wait
from support.controlplane import ControlPlane, controlplane, free_port
from support.exposed import mounted
from support.gunicorn_process import gunicorn
from support.local import SETTINGS
from support.operator_process import COMMAND, OperatorProcess
from support.parts import require_or_skip
from support.qdrant import MISSING, QdrantServer, started
from support.tutorial import Command, Shell, blocks, walk

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PATH = os.environ["PATH"]
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "reader"
    made.mkdir()
    return made


@pytest.fixture
def shell(folder: Path) -> Iterator[Shell]:
    """A reader's shell, with this environment's commands on its PATH."""
    path = f"{Path(sys.executable).parent}:{PATH}"
    made = Shell(folder, {"PATH": path, **dict.fromkeys(SETTINGS, "")})
    yield made
    made.end()


@dataclass(frozen=True)
class Installed:
    """What the chart leaves behind, without pods. `words` turn a reader's addresses into ours."""

    qdrant: QdrantServer
    kubeconfig: Path
    words: dict[str, str]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    if shutil.which("kubectl") is None:
        require_or_skip("kubectl", "no kubectl on PATH")
    if shutil.which("qdrant") is None:
        require_or_skip("qdrant", MISSING)
    with controlplane(tmp_path_factory.mktemp("controlplane")) as running:
        yield running


@pytest.fixture(scope="module")
def installed(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("installed")
    mount = tmp_path_factory.mktemp("mounted")
    store = {
        "apiVersion": "vectorplane.dev/v1alpha1",
        "kind": "VectorStore",
        "metadata": {"name": "default"},
    }
    env = {"OPERATOR_SERVICE_URL": "http://vectorplane-service.vectorplane-system.svc:10200"}
    with started() as qdrant, mounted(plane.cluster, mount):
        address = {"url": qdrant.url, "snapshotsPath": qdrant.snapshots}
        plane.cluster.apply({**store, "spec": {"default": True, "qdrant": address}})
        operator = OperatorProcess(COMMAND, plane.operator_kubeconfig, folder / "log", env)
        try:
            operator.start()
            with gunicorn(
                "vectorplane_service.main:app",
                QDRANT_URL=qdrant.url,
                ACCESS_PUBLIC_KEYS=str(mount / "keys.json"),
                ACCESS_DENIED_IDS=str(mount / "denied"),
            ) as service:
                words = {
                    "http://localhost:6333": qdrant.url,
                    "localhost:10200": service.ready().url.removeprefix("http://"),
                }
                yield Installed(qdrant, plane.kubeconfig, words)
            _clear(plane.cluster)
            assert operator.stop() == 0
            assert "Traceback" not in operator.text()
        finally:
            if operator.running:
                operator.kill()


def _clear(cluster: Cluster) -> None:
    """The cluster may be one that is given, and stays."""
    for namespace in ("shop", "legacy", "books"):
        for found in cluster.all("VectorCollection", namespace):
            cluster.delete("VectorCollection", found["metadata"]["name"], namespace)
        wait(lambda n=namespace: not cluster.all("VectorCollection", n), "nothing is left")
    cluster.delete("VectorStore", "default")
    wait(lambda: not cluster.all("VectorStore"), "the store is gone")
    for namespace in ("shop", "legacy", "books", "qdrant"):
        cluster.delete("Namespace", namespace)


@pytest.fixture
def cluster(shell: Shell, installed: Installed) -> Installed:
    """The reader's shell speaks with it."""
    shell.run(Command(f"export KUBECONFIG={installed.kubeconfig}"))
    return installed


def test_ten_minutes_on_one_machine(shell: Shell, folder: Path) -> None:
    port = free_port()
    words = {"vectorplane dev": f"vectorplane dev --port {port}", "10200": str(port)}
    shell.run(Command(f"export VECTORPLANE_URL=http://127.0.0.1:{port}"))
    left_out = list(walk(DOCS / "tutorial.md", shell, folder, words))
    assert left_out == ["here; a test of its own installs from a checkout, which takes a while"]
    assert len([c for block in blocks(DOCS / "tutorial.md") for c in block.commands]) >= 15


def test_it_is_installed_as_the_tutorial_says(tmp_path: Path) -> None:
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tmp_path)]
    if subprocess.run([*fetch, "click"], capture_output=True, check=False).returncode:
        require_or_skip("index", "no package index to install from")
    checkout = tmp_path / "checkout"
    unneeded = shutil.ignore_patterns("__pycache__", ".*")
    for part in ("core", "operator", "service"):
        shutil.copytree(ROOT / part, checkout / part, ignore=unneeded)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, checkout)
    made = Shell(checkout, {"PYTHONPATH": "", "PATH": f"{Path(sys.executable).parent}:{PATH}"})
    try:
        commands = next(b for b in blocks(DOCS / "tutorial.md") if b.skipped).commands
        assert len(commands) == 2
        for command in commands:
            made.run(command, 500)
        made.run(Command("which vectorplane", [f"{checkout}/venv/bin/vectorplane"]))
        made.run(Command("vectorplane --version", ["vectorplane, version ..."]))
    finally:
        made.end()


NEEDS_PODS = {
    "needs pods; tests/e2e waits for its Qdrant",
    "needs pods; tests/integration/charts and tests/e2e install the chart",
    "needs the service's pods; the test has the service as a process at this port",
    "needs Qdrant's pod; the test has a Qdrant at this port",
    "needs the installed chart; tests/integration/charts and tests/e2e uninstall it",
}


def test_the_same_on_a_cluster(shell: Shell, folder: Path, cluster: Installed) -> None:
    left_out = list(walk(DOCS / "tutorial-cluster.md", shell, folder, cluster.words))
    assert set(left_out) == NEEDS_PODS


def test_a_collection_is_adopted(shell: Shell, folder: Path, cluster: Installed) -> None:
    with httpx.Client(base_url=cluster.qdrant.url, timeout=30, trust_env=False) as qdrant:
        vectors = {"vectors": {"size": 4, "distance": "Cosine"}}
        qdrant.put("/collections/orders", json=vectors).raise_for_status()
        points = [{"id": n, "vector": [1, n, 0, 0]} for n in (1, 2)]
        where = "/collections/orders/points?wait=true"
        qdrant.put(where, json={"points": points}).raise_for_status()
    assert list(walk(DOCS / "guides/adoption.md", shell, folder, cluster.words)) == []


def test_a_backup_is_restored(shell: Shell, folder: Path, cluster: Installed) -> None:
    assert list(walk(DOCS / "guides/backup.md", shell, folder, cluster.words)) == []
