"""Entries for a registry, and the few steps that the operator takes with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from support.consul import Consul
from vectorplane.domain.exposure import Body, Change, Entry, Owner, Put, Ref, Wish, changes
from vectorplane.domain.model import Key
from vectorplane.ports.exposure import Provider


def entry(name: str = "products", uid: str = "", **changed: Any) -> Entry:
    """An entry of a collection in the namespace `shop`."""
    usual: dict[str, Any] = {
        "owner": Owner("VectorCollection", Key("shop", name), uid or f"uid-{name}"),
        "name": f"shop-{name}",
        "id": f"shop.{name}",
        "address": "gateway.example.com",
        "port": 8443,
        "passing": True,
        "output": "Ready",
        "tags": ("search", "b", "a"),
        "meta": {"namespace": "shop", "collection": f"shop.{name}", "path": f"/shop/{name}"},
    }
    return Entry(**usual | changed)


@dataclass(frozen=True)
class Place:
    """A provider under test."""

    provider: Provider

    def wanted(self, wishes: Iterable[Wish]) -> Mapping[Ref, Body]:
        return {ref: body for wish in wishes for ref, body in self.provider.render(wish).items()}

    async def pending(
        self, wishes: Iterable[Wish], *, paused: Collection[str] = ()
    ) -> list[Change]:
        """What is to be done, as a survey shows it now."""
        found = await self.provider.survey()
        return changes(self.wanted(wishes), found, self.provider.order, paused=paused)

    async def converge(
        self, wishes: Iterable[Wish], *, paused: Collection[str] = ()
    ) -> list[Change]:
        """Do it, one after the other. Gives what was done."""
        pending = await self.pending(wishes, paused=paused)
        for change in pending:
            if isinstance(change, Put):
                await self.provider.put(change.ref, change.body)
            else:
                await self.provider.delete(change.ref)
        return pending


@dataclass(frozen=True)
class Registry(Place):
    """The same, with another way to the Consul behind it."""

    consul: Consul
    node: str

    def services(self) -> dict[str, Any]:
        """What Consul itself says of our node; {} where there is none."""
        found = self.consul.get(f"/v1/catalog/node/{self.node}")
        return dict(found["Services"]) if found else {}

    def has_node(self) -> bool:
        return self.consul.get(f"/v1/catalog/node/{self.node}") is not None

    def instances(self, service: str) -> list[Any]:
        """What a client that looks a service up gets, with its checks."""
        found = self.consul.get(f"/v1/health/service/{service}")
        return [one for one in found if one["Node"]["Node"] == self.node]
