"""A registry of a test's own: a node that nobody else has, in a Consul that others may use too."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from support.consul import Consul
from support.registry import Place, Registry
from vectorplane.adapters.gateway.memory import MemoryGateway
from vectorplane.adapters.registry.consul import ConsulCatalog
from vectorplane.domain.exposure import Body, Ref


@pytest.fixture
async def registry(consul: Consul, anyio_backend: str) -> AsyncIterator[Registry]:
    node = f"test-{uuid.uuid4().hex[:12]}"
    catalog = ConsulCatalog(consul.url, node=node, cluster="ours", token=consul.token, timeout=30)
    yield Registry(catalog, consul, node)
    await catalog.close()
    consul.put("/v1/catalog/deregister", {"Node": node})


@pytest.fixture(params=["memory", "consul"])
async def places(
    request: pytest.FixtureRequest, anyio_backend: str
) -> AsyncIterator[Callable[[str], Place]]:
    """Makes providers for clusters: all in one registry, each of its own."""
    objects: dict[Ref, Body] = {}
    names: dict[str, str] = {}
    made: list[Place] = []

    def memory(cluster: str) -> Place:
        return Place(MemoryGateway(cluster=cluster, objects=objects))

    def real(cluster: str) -> Place:
        node = names.setdefault(cluster, f"test-{uuid.uuid4().hex[:12]}")
        consul: Consul = request.getfixturevalue("consul")
        catalog = ConsulCatalog(
            consul.url, node=node, cluster=cluster, token=consul.token, timeout=30
        )
        made.append(Place(catalog))
        return made[-1]

    yield memory if request.param == "memory" else real
    for place in made:
        await place.provider.close()
    for node in names.values():
        consul: Consul = request.getfixturevalue("consul")
        consul.put("/v1/catalog/deregister", {"Node": node})
