"""Objects of the Gateway API and of Kong in this cluster: what the adapter asks for, by the
operator's own client, so each write passes its fence and has its field manager.

What the client's errors mean for one object is said here. That one is refused must not hold up the
others, so it is no `Waiting`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import cast
from urllib.parse import quote

from vectorplane.adapters.gateway.gateway_api.kinds import SECRET, Kind
from vectorplane.adapters.gateway.gateway_api.objects import CrdsMissing, ObjectRefused
from vectorplane.domain.exposure import Body
from vectorplane.errors import ApiUnavailable
from vectorplane_operator.kube import Api, Forbidden, Gone, Invalid, Json, Stale


class KubeObjects:
    """`gateway_api.Objects` over one API server. `limit` is how many objects a page has."""

    def __init__(self, api: Api, *, limit: int = 500) -> None:
        self._api = api
        self._limit = limit

    async def pages(
        self, kind: Kind, namespace: str | None, selector: str
    ) -> AsyncIterator[Sequence[Body]]:
        try:
            pages = self._api.pages(_path(kind, namespace), limit=self._limit, selector=selector)
            async for page in pages:
                yield page
        except Gone as error:
            raise _missing(kind) from error

    async def get(self, kind: Kind, namespace: str, name: str) -> Body | None:
        with _of(kind, namespace, name):
            try:
                return await self._api.get(_path(kind, namespace, name))
            except Gone:
                return None

    async def apply(self, kind: Kind, body: Body) -> Body:
        namespace, name = _place(body)
        with _of(kind, namespace, name):
            return await self._api.apply(_path(kind, namespace, name), cast(Json, body))

    async def merge(self, kind: Kind, body: Body) -> Body:
        namespace, name = _place(body)
        with _of(kind, namespace, name):
            return await self._api.merge(_path(kind, namespace, name), cast(Json, body))

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        with _of(kind, namespace, name):
            try:
                await self._api.delete(_path(kind, namespace, name))
            except Gone:
                return


@contextmanager
def _of(kind: Kind, namespace: str, name: str) -> Iterator[None]:
    """What an answer means for one object."""
    it = f"{kind} {namespace}/{name}"
    try:
        yield
    except Gone as error:
        # Of a kind that is not served, the API server says nothing of a namespace.
        if "namespaces" in str(error):
            raise ObjectRefused(f"{it}: there is no namespace {namespace}") from error
        raise _missing(kind) from error
    except Forbidden as error:
        raise ObjectRefused(f"{it}: {error.message}") from error
    except Invalid as error:
        # What the API server says of a Secret may repeat what stands in it.
        said = "the Kubernetes API will not have it" if kind is SECRET else error.message
        cause = None if kind is SECRET else error
        raise ObjectRefused(f"{it}: {said}") from cause
    except Stale as error:
        raise ApiUnavailable(f"{it}: somebody else wrote it at the same time") from error


def _missing(kind: Kind) -> CrdsMissing:
    return CrdsMissing(f"the cluster has no {kind} ({kind.api_version}): install {kind.origin}")


def _place(body: Body) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _path(kind: Kind, namespace: str | None, name: str | None = None) -> str:
    group = "/apis" if "/" in kind.api_version else "/api"
    place = f"/namespaces/{quote(namespace)}" if namespace else ""
    path = f"{group}/{kind.api_version}{place}/{kind.plural}"
    return f"{path}/{quote(name)}" if name else path
