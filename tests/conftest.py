"""What every test may use: anyio on asyncio, and a real Qdrant server where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.parts import require_or_skip
from support.qdrant import MISSING, QdrantServer, available, qdrant_server


def pytest_collection_finish(session: pytest.Session) -> None:
    """No test's own time is spent on building the control plane."""
    wanted = any("plane" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly:
        # Not at the top: quick runs need no Kubernetes client.
        from support import controlplane

        controlplane.prepare()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def qdrant() -> Iterator[QdrantServer]:
    if not available():
        require_or_skip("qdrant", MISSING)
    with qdrant_server() as server:
        yield server
