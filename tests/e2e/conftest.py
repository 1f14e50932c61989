"""End to end: the umbrella chart with images of this tree, as pods of a real Kubernetes, over a
Qdrant that runs there too. `make e2e` runs these; a plain `make test` only lists them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from support.node import Node, missing, node
from support.parts import require_or_skip, required
from support.release import Release, images, qdrant


@pytest.fixture(scope="session")
def machine() -> Iterator[Node]:
    if not (os.environ.get("VECTORPLANE_E2E") or required("node")):
        pytest.skip(missing() or "these take minutes: make e2e")
    if reason := missing():
        require_or_skip("node", reason)
    with node() as running:
        yield running


@pytest.fixture(scope="session")
def release(machine: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Images built, Qdrant running, the chart ready to be installed."""
    folder = tmp_path_factory.mktemp("release")
    made = Release(machine, folder)
    made.sweep()
    images(machine)
    qdrant(machine, folder)
    try:
        yield made
    finally:
        made.sweep()
