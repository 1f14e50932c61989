"""`kubectl vectorplane plan NAME`: what is pending for a resource, as kubectl itself runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.cluster import wait
from support.parts import require_or_skip
from support.world import World

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kubectl(world: World, tmp_path: Path) -> Run:
    """`kubectl vectorplane ...` as a person has it: the plugin is found on the PATH."""
    program = shutil.which("kubectl")
    if program is None:
        require_or_skip("kubectl", "no kubectl on PATH")
    if world.engine.name != "qdrant":
        pytest.skip("plan speaks with a Qdrant server; this is the memory engine's run")
    script = tmp_path / "kubectl-vectorplane"
    program_text = "import sys\nfrom vectorplane.cli import kubectl\nsys.exit(kubectl())\n"
    script.write_text(f"#!{sys.executable}\n{program_text}")
    script.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k != "QDRANT_API_KEY"}
    environment |= {
        "KUBECONFIG": str(world.plane.kubeconfig),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "vectorplane", *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_what_is_settled_has_no_changes(world: World, kubectl: Run) -> None:
    world.apply()
    world.ready()
    done = kubectl("plan", "products", "-n", world.namespace)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{world.namespace}/products: no changes\n"


def test_what_is_pending_is_shown_and_nothing_is_changed(world: World, kubectl: Run) -> None:
    world.apply()
    world.ready()
    # Without an operator nothing is carried out, and the store is looked at all the same.
    world.operators.stop()
    world.apply(hnsw={"m": 48})
    before = world.engine.describe(world.full("products_1"))
    done = kubectl("plan", "products", "-n", world.namespace, "--exit-code")
    assert done.returncode == 2, done.stderr
    assert "hnsw.m: 48" in done.stdout
    assert world.engine.describe(world.full("products_1")) == before

    # The address that the operator has may not be ours.
    there = {"spec": {"qdrant": {"url": "http://qdrant.invalid:6333"}}}
    world.cluster.merge("VectorStore", world.store, None, there)
    words = ("plan", "products", f"--namespace={world.namespace}")
    failed = kubectl(*words)
    assert failed.returncode == 1
    assert "http://qdrant.invalid:6333 cannot be reached" in failed.stderr
    assert "--qdrant-url" in failed.stderr
    assert "hnsw.m: 48" in kubectl(*words, f"--qdrant-url={world.engine.url}").stdout


def test_a_refused_change_is_shown_with_what_to_do(world: World, kubectl: Run) -> None:
    world.apply()
    world.ready()
    world.apply(vectors=[{"size": 8, "distance": "Cosine"}])
    world.says("ImmutableChange")
    done = kubectl("plan", "products", "-n", world.namespace)
    assert done.returncode == 0, done.stderr
    assert "! stalled: ImmutableChange" in done.stdout
    assert "cannot change from 4 to 8" in done.stdout
    assert "spec.changePolicy: Rebuild" in done.stdout
    assert "now: Ready is False, ImmutableChange" in done.stdout
    refused = kubectl("plan", "products", "-n", world.namespace, "--exit-code")
    assert refused.returncode == 1


def test_drift_is_called_drift(world: World, kubectl: Run) -> None:
    world.apply(payloadIndexes=[{"field": "price", "type": "Float"}])
    world.ready()
    world.operators.stop()
    world.engine.call("drop_index", world.full("products_1"), "price")
    done = kubectl("plan", "products", "-n", world.namespace)
    assert "create Float index on price" in done.stdout
    assert "drift: " in done.stdout


def test_the_rules_of_the_store_are_part_of_the_plan(world: World, kubectl: Run) -> None:
    rules = {"limits": {"maxVectorSize": 8}, "defaults": {"hnsw": {"m": 24}}}
    ruled = world.cluster.merge("VectorStore", world.store, None, {"spec": rules})

    def known() -> bool:
        store = world.cluster.get("VectorStore", world.store) or {}
        said = store.get("status", {}).get("observedGeneration")
        return bool(said == ruled["metadata"]["generation"])

    wait(known, "the operator knows the store's rules")
    world.apply("large", vectors=[{"size": 9, "distance": "Cosine"}])
    world.says("LimitExceeded", "large")
    done = kubectl("plan", "large", "-n", world.namespace)
    assert done.returncode == 1
    assert "LimitExceeded" in done.stdout
    assert "maxVectorSize" in done.stdout

    world.operators.stop()
    world.apply()
    done = kubectl("plan", "products", "-n", world.namespace)
    assert "hnsw.m: 24" in done.stdout


def test_a_tenant_is_planned_as_a_tenant(world: World, kubectl: Run) -> None:
    own = {"field": f"of_{world.namespace}", "type": "Keyword"}
    world.apply(tenancy={"mode": "Partition"}, payloadIndexes=[own])
    world.ready()
    done = kubectl("plan", "products", "-n", world.namespace)
    pool = world.engine.aliases(world.namespace)[world.full("products")]
    world.delete()
    world.gone()
    world.engine.call("drop", pool)
    assert done.stdout == f"{world.namespace}/products: no changes\n"


def test_what_is_not_there_is_said_in_kubectls_own_words(world: World, kubectl: Run) -> None:
    done = kubectl("plan", "nothing", "-n", world.namespace)
    assert done.returncode == 1
    assert '"nothing" not found' in done.stderr
    assert "Traceback" not in done.stderr
    assert kubectl("plan").returncode == 2
    assert kubectl("dev").returncode == 2
    assert "plan" in kubectl("--help").stdout


def test_the_rebuild_that_is_pending_is_shown(world: World, kubectl: Run) -> None:
    world.apply()
    world.ready()
    world.operators.stop()
    world.apply(vectors=[{"size": 4, "distance": "Dot"}], changePolicy="Rebuild")
    done = kubectl("plan", "products", "-n", world.namespace, "--exit-code")
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"rebuild {world.full('products_1')}" in done.stdout
    assert wait(lambda: world.engine.of(world.namespace), "it is there") == {
        world.full("products_1")
    }
