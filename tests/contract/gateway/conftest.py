"""The suite's fixtures: every test of this folder runs against every provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from support.gateways import PROVIDERS, World
from support.kong_double import KongDouble, kong_double
from support.wishes import Wishes


@pytest.fixture
def double() -> Iterator[KongDouble]:
    with kong_double() as opened:
        yield opened


if TYPE_CHECKING:
    from support.gateway_api import Place


@pytest.fixture
def wishes() -> Wishes:
    return Wishes()


@pytest.fixture(params=PROVIDERS)
async def gateway(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[World]:
    async with PROVIDERS[request.param](request) as opened:
        yield opened


@pytest.fixture(scope="session")
def gateway_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A control plane with the CRDs of the Gateway API and of Kong, and nothing else."""
    from support import gateway_api

    with gateway_api.gateway_cluster(tmp_path_factory.mktemp("gateway-cluster")) as place:
        yield place
