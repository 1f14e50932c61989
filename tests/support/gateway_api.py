"""The Gateway API's objects in a control plane of their own, as a place for the one suite of all
providers (`tests/contract/gateway`)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.cluster import Cluster, Json
from support.controlplane import bare_controlplane, free_port
from support.gateway_crds import GATEWAY, GATEWAY_NAMESPACE, PORT, SERVICE, api_of, install
from vectorplane.adapters.gateway.gateway_api import GatewayApi
from vectorplane.adapters.gateway.gateway_api.kinds import KINDS, MANAGED_BY, MANAGER, UID
from vectorplane.adapters.gateway.memory import MemoryGateway
from vectorplane.domain.exposure import Body, Found, Ref, Wish
from vectorplane_operator.kube import Api
from vectorplane_operator.kube_objects import KubeObjects

PAGE = 7
"""Small, so that a few objects make several pages."""
SYSTEM = "vectorplane-system"
_GATEWAY = "gateway.networking.k8s.io"
_ALTERED: Mapping[str, Json] = {
    "KongPlugin": {"disabled": True},
    "KongConsumer": {"username": "somebody"},
    "HTTPRoute": {"spec": {"rules": [{"name": "somebody"}]}},
    "ReferenceGrant": {"spec": {"to": [{"group": "", "kind": "Service", "name": "somebody"}]}},
}
_PLANTED: Mapping[str, Json] = {
    "KongPlugin": {"plugin": "key-auth"},
    "KongConsumer": {"username": "somebody"},
    "HTTPRoute": {"spec": {"hostnames": ["somebody.example"]}},
    "ReferenceGrant": {
        "spec": {
            "from": [{"group": _GATEWAY, "kind": "HTTPRoute", "namespace": "somebody"}],
            "to": [{"group": "", "kind": "Service"}],
        }
    },
    "Secret": {"stringData": {"key": "somebody"}},
}


@dataclass(frozen=True)
class Place:
    """A control plane with the CRDs."""

    kubeconfig: Path
    cluster: Cluster


@contextmanager
def gateway_cluster(folder: Path) -> Iterator[Place]:
    """One of its own, for surveys see all of it."""
    with bare_controlplane(folder) as kubeconfig:
        cluster = Cluster(kubeconfig)
        try:
            install(cluster)
            _namespace(cluster, SYSTEM)
            yield Place(kubeconfig, cluster)
        finally:
            cluster.close()


class Tenants(GatewayApi):
    """The provider, for owners that nobody made: their namespaces are made, and nothing refers to
    them, for the garbage collector would take it away at once."""

    def __init__(self, cluster: Cluster, api: Api, port: int = PORT) -> None:
        super().__init__(
            KubeObjects(api, limit=PAGE),
            gateway_name=GATEWAY,
            gateway_namespace=GATEWAY_NAMESPACE,
            listener="",
            service_name=SERVICE,
            service_namespace=SYSTEM,
            service_port=port,
        )
        self._cluster = cluster
        self.namespaces: set[str] = set()

    def render(self, wish: Wish) -> Mapping[Ref, Body]:
        return {ref: _unowned(body) for ref, body in super().render(wish).items()}

    async def put(self, ref: Ref, body: Body) -> Found:
        namespace = ref.id.partition("/")[0]
        if namespace not in {SYSTEM, *self.namespaces}:
            _namespace(self._cluster, namespace)
            self.namespaces.add(namespace)
        return await super().put(ref, body)


class GatewayApiWorld:
    """See `support.gateways.World`."""

    def __init__(self, place: Place, api: Api, away: Api) -> None:
        self._cluster = place.cluster
        self.provider = Tenants(place.cluster, api)
        # Another cluster's objects are in another cluster, and never at the same place.
        self.neighbour = MemoryGateway(cluster="theirs")
        self.away = Tenants(place.cluster, away)
        self._planted = f"somebody-{secrets.token_hex(4)}"

    async def alter(self, ref: Ref) -> None:
        kind, namespace, name = _named(ref)
        patch = _ALTERED.get(kind)
        if patch is None:
            fields = (self._cluster.get(kind, name, namespace) or {})["data"]
            patch = {"data": dict.fromkeys(fields, base64.b64encode(b"somebody").decode())}
        self._cluster.merge(kind, name, namespace, patch)

    async def remove(self, ref: Ref) -> None:
        kind, namespace, name = _named(ref)
        self._cluster.delete(kind, name, namespace)

    async def plant(self) -> None:
        _namespace(self._cluster, self._planted)
        for kind, content in _PLANTED.items():
            # One that is nobody's, and one that another of our programs made.
            for name, labels in (("bare", {}), ("labelled", {MANAGED_BY: MANAGER})):
                meta = {"name": name, "namespace": self._planted, "labels": labels}
                api_version = KINDS[kind].api_version
                self._cluster.apply(
                    {"apiVersion": api_version, "kind": kind, "metadata": meta, **content}
                )

    async def others(self) -> object:
        found = [(kind, one) for kind in KINDS for one in self._cluster.all(kind, self._planted)]
        return [(kind, one) for kind, one in found if UID not in one["metadata"].get("labels", {})]

    async def close(self) -> None:
        """Leaves an empty place."""
        for ref in await self.provider.survey():
            await self.provider.delete(ref)
        for namespace in (*self.provider.namespaces, self._planted):
            self._cluster.delete("Namespace", namespace)


@asynccontextmanager
async def opened(place: Place, folder: Path) -> AsyncIterator[GatewayApiWorld]:
    """A world of one test."""
    nowhere = folder / "nowhere.kubeconfig"
    document = yaml.safe_load(place.kubeconfig.read_text())
    for entry in document["clusters"]:
        entry["cluster"]["server"] = f"https://127.0.0.1:{free_port()}"
    nowhere.write_text(yaml.safe_dump(document))
    api, away = await api_of(place.kubeconfig), await api_of(nowhere)
    world = GatewayApiWorld(place, api, away)
    try:
        yield world
    finally:
        await world.close()
        await api.close()
        await away.close()


def _named(ref: Ref) -> tuple[str, str, str]:
    namespace, _, name = ref.id.partition("/")
    return ref.kind, namespace, name


def _unowned(body: Body) -> Body:
    metadata: dict[str, Any] = {**body["metadata"]}
    metadata.pop("ownerReferences", None)
    return {**body, "metadata": metadata}


def _namespace(cluster: Cluster, name: str) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
