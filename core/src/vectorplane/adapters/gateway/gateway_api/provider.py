"""The Gateway API as a provider of exposure: see `ports.exposure`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vectorplane.adapters.gateway.gateway_api.kinds import (
    GRANT,
    KINDS,
    MANAGED_BY,
    MANAGER,
    UID,
    Kind,
    place_of,
    ref_of,
)
from vectorplane.adapters.gateway.gateway_api.objects import NotOurs, Objects
from vectorplane.adapters.gateway.gateway_api.programmed import why_not
from vectorplane.adapters.gateway.gateway_api.render import Place, render
from vectorplane.domain.exposure import Body, Found, Ref, Wish, differs


class GatewayApi:
    """Kong by objects of the Gateway API and of its own ingress controller (3.x).

    `listener` is a listener of the Gateway, or "" for all of them. What is owned by the service as
    a whole stands in the Service's namespace, all else in that of its owner.
    """

    order = tuple(KINDS)

    def __init__(
        self,
        objects: Objects,
        *,
        gateway_name: str,
        gateway_namespace: str,
        listener: str,
        service_name: str,
        service_namespace: str,
        service_port: int,
        ingress_class: str = "kong",
    ) -> None:
        self._objects = objects
        self._place = Place(
            gateway_name,
            gateway_namespace,
            listener,
            service_name,
            service_namespace,
            service_port,
            ingress_class,
        )
        self._ours: set[Ref] = set()
        """What is known to be ours: all else is looked at before it is overwritten."""

    def render(self, wish: Wish) -> Mapping[Ref, Body]:
        """The objects of a wish; none of an `Entry`."""
        return render(wish, self._place)

    async def survey(self) -> Mapping[Ref, Found]:
        """One list call for each kind (500 objects a page). `CrdsMissing` where the cluster has no
        such kind."""
        found: dict[Ref, Found] = {}
        for kind in KINDS.values():
            # Grants are made in one namespace only: no right is needed in others.
            where = self._place.service_namespace if kind is GRANT else None
            async for page in self._objects.pages(kind, where, kind.selector):
                found |= {_ref(kind, body): _found(kind, body) for body in page}
        self._ours = set(found)
        return found

    async def put(self, ref: Ref, body: Body) -> Found:
        """`ObjectRefused` where the cluster will not have it, `NotOurs` where another one has the
        name."""
        kind, namespace, name = place_of(ref)
        if ref not in self._ours:
            there = await self._objects.get(kind, namespace, name)
            if there is not None and not _is_ours(there):
                message = f"{kind} {ref.id} was made by somebody else: delete or rename it"
                raise NotOurs(message)
        now = await self._objects.apply(kind, body)
        if differs(body, now):
            # What others added to a list of ours stays through an apply: a credential, an owner.
            now = await self._objects.merge(kind, body)
        self._ours.add(ref)
        return _found(kind, now)

    async def delete(self, ref: Ref) -> None:
        await self._objects.delete(*place_of(ref))
        self._ours.discard(ref)

    def programmed(self, refs: Mapping[Ref, Found]) -> str | None:
        """What the controllers say in the status of routes, plugins and consumers."""
        return why_not(refs, self._place)

    async def close(self) -> None:
        """The connection is another's."""


def _is_ours(body: Body) -> bool:
    """By our labels; or, where somebody took them away, by our field manager."""
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    managers = {entry.get("manager") for entry in metadata.get("managedFields") or ()}
    return (labels.get(MANAGED_BY) == MANAGER and UID in labels) or MANAGER in managers


def _ref(kind: Kind, body: Body) -> Ref:
    metadata = body["metadata"]
    return ref_of(kind, metadata["namespace"], metadata["name"])


def _found(kind: Kind, body: Body) -> Found:
    # Lists leave out what their items are; who manages which field is most of an object.
    metadata: dict[str, Any] = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
    whole = {**body, "apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
    return Found(whole, (metadata.get("labels") or {}).get(UID, ""))
