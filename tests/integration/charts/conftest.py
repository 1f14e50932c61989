"""The charts in a real cluster, which runs no pods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster import Cluster
from support.controlplane import bare_controlplane
from support.helm import Charts


@pytest.fixture(scope="session")
def charts() -> Charts:
    return Charts()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory, charts: Charts) -> Iterator[Path]:
    """An administrator's kubeconfig of a cluster with nothing of ours in it."""
    with bare_controlplane(tmp_path_factory.mktemp("controlplane")) as kubeconfig:
        yield kubeconfig


@pytest.fixture(scope="module")
def cluster(plane: Path) -> Iterator[Cluster]:
    made = Cluster(plane)
    yield made
    made.close()
