"""A real control plane with the CRDs of `manifests/` in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.crd.server import Judge
from support.controlplane import ControlPlane, controlplane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with controlplane(tmp_path_factory.mktemp("controlplane")) as running:
        yield running


@pytest.fixture(scope="session")
def judge(plane: ControlPlane) -> Iterator[Judge]:
    client = Judge(plane.kubeconfig)
    yield client
    client.close()
