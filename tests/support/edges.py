"""Gateways in front of an upstream, to be asked as clients ask: each Kong, by the provider that
programs it. One suite (`tests/contract/gateway/test_proxy.py`) runs on all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import pytest

from support.gateways import PROXIES, apply
from support.kong import Kong
from vectorplane.adapters.gateway.kong_admin import KongAdmin
from vectorplane.domain.exposure import Wish


@dataclass(frozen=True, slots=True)
class Edge:
    """`proxy` is the URL that clients use, `inside` what stands before each path at the upstream;
    `publish` makes it so that these wishes, and no others, are met."""

    proxy: str
    inside: str
    publish: Callable[[list[Wish]], Awaitable[None]]


@contextmanager
def _by_admin_api(name: str, request: pytest.FixtureRequest, upstream: str) -> Iterator[Edge]:
    cluster = uuid4().hex
    with PROXIES[name](request) as at:

        async def publish(wishes: list[Wish]) -> None:
            await _publish_by_admin_api(at, cluster, f"{upstream}/inside", wishes)

        yield Edge(at.proxy, "/inside", publish)


async def _publish_by_admin_api(at: Kong, cluster: str, url: str, wishes: list[Wish]) -> None:
    admin = KongAdmin(at.admin, cluster=cluster, service_url=url, timeout=60)
    try:
        await apply(admin, *wishes)
    finally:
        await admin.close()


@contextmanager
def _by_gateway_api(flavor: str, request: pytest.FixtureRequest, upstream: str) -> Iterator[Edge]:
    """In a cluster, where Kong's own controller reads what we write."""
    # Not at the top: the others need no Kubernetes client.
    from support.gateway_api import SYSTEM, Tenants
    from support.gateway_crds import api_of
    from support.kic import controlled_kong, require

    require()
    place = request.getfixturevalue("gateway_cluster")
    folder = request.getfixturevalue("tmp_path_factory").mktemp("kic")
    port = int(upstream.rpartition(":")[2])

    async def publish(wishes: list[Wish]) -> None:
        api = await api_of(place.kubeconfig)
        try:
            await apply(Tenants(place.cluster, api, port), *wishes)
        finally:
            await api.close()

    cluster = place.kubeconfig, place.cluster
    with controlled_kong(*cluster, folder, SYSTEM, port, flavor) as proxy:
        yield Edge(proxy, "", publish)


EDGES: dict[str, Callable[[pytest.FixtureRequest, str], AbstractContextManager[Edge]]] = {
    **{name: partial(_by_admin_api, name) for name in PROXIES},
    # The router that Kong's Helm chart takes with its ingress controller, and that of Kong itself.
    "gateway-api": partial(_by_gateway_api, "expressions"),
    "gateway-api, traditional": partial(_by_gateway_api, "traditional_compatible"),
}
