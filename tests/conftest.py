"""What every test may use: anyio on asyncio, and a real Qdrant server where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.parts import require_or_skip
from support.qdrant import MISSING, QdrantServer, available, qdrant_server


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def qdrant() -> Iterator[QdrantServer]:
    if not available():
        require_or_skip("qdrant", MISSING)
    with qdrant_server() as server:
        yield server
