"""A team's namespace and the platform's, with what stands for a way and a key in them, and the
controllers of a Gateway and of Kong played by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.cluster import Cluster, Json
from support.controlplane import ControlPlane
from support.gateway_crds import GATEWAY, GATEWAY_NAMESPACE, account, api_of, provider
from vectorplane.adapters.gateway.gateway_api import GatewayApi
from vectorplane.domain.exposure import (
    Body,
    Change,
    Credential,
    Exposure,
    Found,
    Owner,
    Put,
    RateLimit,
    Ref,
    Wish,
    changes,
)
from vectorplane.domain.model import Key

SECRET = "a-key-that-nobody-may-see"


@dataclass
class Corner:
    """A namespace of a team, and one of the platform with the service and an account of ours."""

    cluster: Cluster
    namespace: str
    system: str
    gateway: GatewayApi
    plane: ControlPlane
    folder: Path

    def collection(self, name: str = "products") -> Owner:
        """A VectorCollection that is really there."""
        made = self.cluster.apply(
            {
                "apiVersion": "vectorplane.dev/v1alpha1",
                "kind": "VectorCollection",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {"vectors": [{"size": 4, "distance": "Cosine"}]},
            }
        )
        return Owner("VectorCollection", Key(self.namespace, name), made["metadata"]["uid"])

    def way(self, owner: Owner, **other: Any) -> Exposure:
        said: dict[str, Any] = {
            "readers": (f"{owner.key.collection}.read",),
            "writers": (f"{owner.key.collection}.write",),
            "rate_limit": RateLimit(600, "minute"),
            "max_body_bytes": 33_554_432,
            "origins": ("https://shop.example", "https://other.example"),
        }
        path = f"/{owner.key.namespace}/{owner.key.name}"
        upstream = f"/api/v1/collections/{owner.key.collection}"
        return Exposure(owner, path, upstream, **{**said, **other})

    def credential(self) -> Credential:
        """Of a VectorAccess that is really there: else the garbage collector takes it away."""
        made = self.cluster.apply(
            {
                "apiVersion": "vectorplane.dev/v1alpha1",
                "kind": "VectorAccess",
                "metadata": {"name": "app", "namespace": self.namespace},
                "spec": {"collection": "products"},
            }
        )
        owner = Owner("VectorAccess", Key(self.namespace, "app"), made["metadata"]["uid"])
        return Credential(owner, f"{self.namespace}.app", {"one": SECRET}, ("all", "some"))

    def wanted(self, *wishes: Wish) -> dict[Ref, Body]:
        return {r: b for wish in wishes for r, b in self.gateway.render(wish).items()}

    async def found(self) -> Mapping[Ref, Found]:
        """What is there of this corner: other tests' objects are not looked at."""
        mine = (f"{self.namespace}/", f"{self.system}/")
        return {r: f for r, f in (await self.gateway.survey()).items() if r.id.startswith(mine)}

    async def todo(self, *wishes: Wish) -> list[Change]:
        return changes(self.wanted(*wishes), await self.found(), self.gateway.order)

    async def publish(self, *wishes: Wish) -> list[str]:
        """Make it so; gives what was done."""
        todo = await self.todo(*wishes)
        for change in todo:
            if isinstance(change, Put):
                await self.gateway.put(change.ref, change.body)
            else:
                await self.gateway.delete(change.ref)
        return [str(change) for change in todo]

    def say(self, route: str, *conditions: tuple[str, str, str]) -> None:
        """What the Gateway's controller says of a route."""
        generation = (self.cluster.get("HTTPRoute", route, self.namespace) or {})["metadata"]
        said = [
            {
                "type": kind,
                "status": status,
                "reason": "Test",
                "message": message,
                "observedGeneration": generation["generation"],
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind, status, message in conditions
        ]
        parent = {
            "group": "gateway.networking.k8s.io",
            "kind": "Gateway",
            "namespace": GATEWAY_NAMESPACE,
            "name": GATEWAY,
        }
        told = {"controllerName": "test/gateway", "parentRef": parent, "conditions": said}
        self.cluster.merge_status("HTTPRoute", route, self.namespace, {"parents": [told]})

    async def why(self, wish: Wish) -> str | None:
        found, refs = await self.found(), self.gateway.render(wish)
        return self.gateway.programmed({ref: found[ref] for ref in refs})

    @asynccontextmanager
    async def somebody(self, rules: list[Json]) -> AsyncIterator[GatewayApi]:
        """The same provider, as an account that may do something else."""
        admin = self.plane.kubeconfig
        kubeconfig = account(self.cluster, admin, self.folder, self.system, rules)
        api = await api_of(kubeconfig)
        yield provider(api, self.system)
        await api.close()
