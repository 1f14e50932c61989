"""The suite's one fixture: every test of this folder runs against every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.stores import ADAPTERS, Stores


@pytest.fixture(params=ADAPTERS)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Stores]:
    async with ADAPTERS[request.param](tmp_path, request) as opened:
        yield opened
