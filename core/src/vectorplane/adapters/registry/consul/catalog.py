"""The operator's entries in Consul's catalog: `ports.exposure.Provider`.

All of them stand under one node that no agent has (`external-node`), for an agent puts back what
others write about its own node. Nobody but us ever removes them: Consul reaps what agents say only.
The node is made with its first entry and removed with its last one; a node that was left empty by
one who was killed in between shows in a survey as what it is, something of ours that nobody wants.

    kind     id                 body
    -------  -----------------  ---------------------------------------------------------------
    node     its name           none: never wanted for itself
    service  the service's ID   Service, Check as in /v1/catalog/register; Keys are those of Meta

A node of our name that we did not make is an agent's or somebody else's. Nothing is written there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from consul.callback import CB

from vectorplane.adapters.registry.consul.client import AsyncConsul, Connection
from vectorplane.domain.exposure import Body, Entry, Found, Ref, Wish
from vectorplane.errors import RegistryFailed, RegistryRejected

NODE = "node"
SERVICE = "service"
UID = "vectorplane-uid"
CLUSTER = "vectorplane-cluster"
_NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NODE_META = {
    "external-node": "true",
    "external-probe": "false",
    "managed-by": "vectorplane",
}
"""`external-probe: false`: the checks are ours, and nobody else probes for us."""
_NODE_ADDRESS = "127.0.0.1"
"""A node must have one. Nobody is sent there: each of our services has an address of its own."""
_FIELDS = ("ID", "Service", "Address", "Port", "Tags", "Meta")
_CHECK_FIELDS = ("CheckID", "Name", "Status", "Output", "ServiceID")

Json = dict[str, Any]


class ConsulCatalog:
    """`node` is what all entries stand under, `cluster` is kept with it, so that two operators that
    were given one node notice. One caller at a time deletes, and none puts meanwhile."""

    order = (NODE, SERVICE)

    def __init__(
        self,
        url: str,
        *,
        node: str,
        cluster: str = "",
        datacenter: str = "",
        token: str = "",
        ca_file: str = "",
        cert_file: str = "",
        key_file: str = "",
        timeout: float = 10.0,
    ) -> None:
        if not _NODE_NAME.fullmatch(node):
            raise RegistryRejected("a node's name in Consul has letters, digits, '.', '_' and '-'")
        self._node = node
        self._cluster = cluster
        self._consul = AsyncConsul(
            Connection(
                url,
                token=token,
                ca_file=ca_file,
                cert_file=cert_file,
                key_file=key_file,
                datacenter=datacenter,
                timeout=timeout,
                needs=f"node:write on {node} and service:write on what is registered",
            )
        )
        self._there: set[str] | None = None
        """IDs of our services, as far as we know; None before we looked at the node."""

    def render(self, wish: Wish) -> Mapping[Ref, Body]:
        if not isinstance(wish, Entry):
            return {}
        meta = dict(wish.meta) | {"external-source": "kubernetes", UID: wish.owner.uid}
        return {
            Ref(SERVICE, wish.id): {
                "Service": {
                    "ID": wish.id,
                    "Service": wish.name,
                    "Address": wish.address,
                    "Port": wish.port,
                    "Tags": list(wish.tags),
                    "Meta": meta,
                },
                "Check": {
                    "CheckID": f"service:{wish.id}",
                    "Name": f"{wish.owner.kind} is ready",
                    "Status": "passing" if wish.passing else "critical",
                    "Output": wish.output,
                    "ServiceID": wish.id,
                },
                # What is compared is what is declared: with them, a key too many is a difference.
                "Keys": sorted(meta),
            }
        }

    async def survey(self) -> Mapping[Ref, Found]:
        """Two calls, however many entries there are."""
        services = await self._services()
        if services is None:
            return {}
        checks: dict[str, Json] = {}
        if services:
            _, listed = await self._consul.health.node(self._node)
            checks = {check["CheckID"]: check for check in _objects(listed)}
        ours = {
            Ref(SERVICE, service["ID"]): _found(service, checks.get(f"service:{service['ID']}"))
            for service in services
            if UID in (service.get("Meta") or {})
        }
        if not services:
            return {Ref(NODE, self._node): Found({})}
        return ours

    async def put(self, ref: Ref, body: Body) -> Found:
        """The service and its check, in one call."""
        if ref.kind != SERVICE:
            raise RegistryRejected(f"nothing to put as {ref}")
        (await self._known()).add(ref.id)
        await self._write(
            "register",
            {
                "Address": _NODE_ADDRESS,
                "NodeMeta": self._marks(),
                # Taken where there is no node yet; one that is there stays as it is.
                "SkipNodeUpdate": True,
                "Service": body["Service"],
                "Check": body["Check"],
            },
        )
        return Found(body, body["Service"]["Meta"][UID])

    async def delete(self, ref: Ref) -> None:
        """A service with its checks; with the last one, the node."""
        there = await self._known()
        if ref.kind == SERVICE:
            await self._write("deregister", {"ServiceID": ref.id})
            there.discard(ref.id)
        if not there and await self._services() == []:
            await self._write("deregister", {})

    def programmed(self, refs: Mapping[Ref, Found]) -> str | None:
        return None

    async def close(self) -> None:
        await self._consul.close()

    async def _known(self) -> set[str]:
        """The IDs of our services. Nothing is written before the node was looked at."""
        if self._there is None:
            await self._services()
        assert self._there is not None
        return self._there

    def _marks(self) -> dict[str, str]:
        return _NODE_META | ({CLUSTER: self._cluster} if self._cluster else {})

    async def _services(self) -> list[Json] | None:
        """All services under our node, those of others too; None where there is no node. Raises
        `RegistryRejected` where the node is not ours."""
        # Not /v1/catalog/node, which py-consul has: it takes IDs for names when it hides what a
        # token may not see.
        found = await self._consul.http.get(
            CB.json(),
            f"/v1/catalog/node-services/{self._node}",
            params=[("dc", self._consul.dc)] if self._consul.dc else [],
            headers=self._consul.prepare_headers(),
        )
        try:
            if not found["Node"]:
                self._there = set()
                return None
            marks = found["Node"].get("Meta") or {}
            services = _objects(found["Services"] or [])
        except (TypeError, KeyError, AttributeError) as error:
            raise RegistryFailed(f"{self._consul.place} sent what makes no sense") from error
        if any(marks.get(key) != value for key, value in self._marks().items()):
            self._there = None
            raise RegistryRejected(
                f"Consul has a node {self._node} that this operator did not make: give it another "
                "name (OPERATOR_CONSUL_NODE)"
            )
        self._there = {s["ID"] for s in services if UID in (s.get("Meta") or {})}
        return services

    async def _write(self, what: str, body: Json) -> None:
        body = {"Node": self._node, **body}
        if self._consul.dc:
            body["Datacenter"] = self._consul.dc
        await self._consul.http.put(
            CB.boolean(),
            f"/v1/catalog/{what}",
            headers=self._consul.prepare_headers(),
            data=json.dumps(body),
        )


def _objects(listed: Any) -> list[Json]:
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise RegistryFailed("Consul sent what makes no sense")
    return listed


def _found(service: Json, check: Json | None) -> Found:
    meta = service["Meta"]
    body: Json = {
        "Service": {key: service.get(key) for key in _FIELDS},
        "Check": check and {key: check.get(key) for key in _CHECK_FIELDS},
        "Keys": sorted(meta),
    }
    return Found(body, meta[UID])
