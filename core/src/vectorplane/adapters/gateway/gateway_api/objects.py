"""What the provider needs of the Kubernetes API, and what may come back instead of an answer. The
operator implements it; this package knows no client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from vectorplane.adapters.gateway.gateway_api.kinds import Kind
from vectorplane.domain.exposure import Body
from vectorplane.errors import GatewayRejected, Stalled


class CrdsMissing(Stalled):
    """The cluster does not know a kind of ours."""

    reason = "CrdsMissing"


class ObjectRefused(GatewayRejected):
    """The cluster will not have one object: it is wrong, or we may not. Others are not concerned,
    so this is not `Waiting`: that would stop all of them."""

    reason = "ObjectRefused"


class NotOurs(GatewayRejected):
    """Somebody else made an object of that name."""

    reason = "NotOurs"


class Objects(Protocol):
    """Objects of a cluster. Each call may raise `Waiting`, and what stands above."""

    def pages(
        self, kind: Kind, namespace: str | None, selector: str
    ) -> AsyncIterator[Sequence[Body]]:
        """All objects with these labels, page by page; of all namespaces where None is given."""
        ...

    async def get(self, kind: Kind, namespace: str, name: str) -> Body | None: ...

    async def apply(self, kind: Kind, body: Body) -> Body:
        """A server-side apply with our field manager, taking fields from others. Gives the object
        as it is now."""
        ...

    async def merge(self, kind: Kind, body: Body) -> Body:
        """A merge patch: each list becomes exactly as given."""
        ...

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Nothing happens where it is gone."""
        ...
