"""Every test of tenancy runs against every engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.stores import ADAPTERS, Stores
from support.tenants import Pool, pool


@pytest.fixture(params=ADAPTERS)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Stores]:
    async with ADAPTERS[request.param](tmp_path, request) as opened:
        yield opened


@pytest.fixture
async def shared(store: Stores) -> Pool:
    """A pool without tenants."""
    return await pool(store)
