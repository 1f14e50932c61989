"""`vectorplane plan` against a real cluster and a real Qdrant: the same words as what the operator
then does, and nothing changed by asking.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.qdrant import QdrantServer
from support.world import World
from support.yaml_files import write_manifest

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")


@pytest.fixture(autouse=True)
def _on_qdrant(world: World) -> None:
    if world.engine.name != "qdrant":
        pytest.skip("plan speaks with a Qdrant server; this is the memory engine's run")


def plan(world: World, file: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KUBECONFIG": str(world.plane.kubeconfig)}
    if world.engine.api_key:
        environment["QDRANT_API_KEY"] = world.engine.api_key
    return subprocess.run(
        [sys.executable, "-m", "vectorplane.cli", "plan", "-f", str(file), *flags],
        env=environment,
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_plan_of_a_live_resource_shows_its_edit_and_changes_nothing(
    world: World, tmp_path: Path
) -> None:
    applied = world.apply(hnsw={"m": 16})
    world.ready()
    file = tmp_path / "products.yaml"

    write_manifest(file, world, applied["spec"])
    same = plan(world, file, "--cluster")
    assert same.returncode == 0, same.stderr
    assert "no changes" in same.stdout

    write_manifest(file, world, {**applied["spec"], "hnsw": {"m": 32}})
    before = world.engine.describe(world.full("products_1"))
    edit = plan(world, file, "--cluster", "--exit-code")
    assert edit.returncode == 2, edit.stderr
    assert "hnsw.m: 32" in edit.stdout
    assert world.engine.describe(world.full("products_1")) == before


def test_a_plan_by_the_address_alone_makes_nothing(
    world: World, qdrant: QdrantServer, tmp_path: Path
) -> None:
    file = tmp_path / "products.yaml"
    write_manifest(file, world, {"vectors": [{"size": 4, "distance": "Cosine"}]})
    planned = plan(world, file, "--qdrant-url", qdrant.url)
    assert planned.returncode == 0, planned.stderr
    assert f"create collection {world.full('products_1')}" in planned.stdout
    assert world.engine.of(world.namespace) == set()
