"""The suite's fixtures: every test of this folder runs against every adapter, or compares two."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.stores import ADAPTERS, Stores
from support.twins import Twins, open_twins


@pytest.fixture(params=ADAPTERS)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Stores]:
    async with ADAPTERS[request.param](tmp_path, request) as opened:
        yield opened


@pytest.fixture(params=["memory", "server-rest", "server-grpc"], scope="module")
def twins(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Twins]:
    yield from open_twins(request, tmp_path_factory.mktemp("twins"))
