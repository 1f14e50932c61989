"""The providers that the one suite (`tests/contract/gateway`) runs on, each with what a test must
do to its place behind its back. One more provider is one more line of `PROVIDERS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Any, Protocol
from uuid import uuid4

import httpx
import pytest

from support.kong import MISSING, Kong, available
from support.kong_double import KongDouble, kong_double
from support.parts import require_or_skip
from support.qdrant import free_port
from vectorplane.adapters.gateway.kong_admin import KongAdmin
from vectorplane.adapters.gateway.memory import MemoryGateway
from vectorplane.domain.exposure import Body, Change, Delete, Put, Ref, Wish, changes
from vectorplane.errors import Waiting
from vectorplane.ports.exposure import Provider

PAGE = 7
"""Small, so that a few objects make several pages."""


class World(Protocol):
    """A place, our provider for it, and what others do there."""

    @property
    def provider(self) -> Provider:
        """Of a cluster (or whatever tells owners apart) of its own. Where the place has pages,
        small ones."""
        ...

    @property
    def neighbour(self) -> Provider:
        """Of another cluster, at the same place."""
        ...

    @property
    def away(self) -> Provider:
        """One whose place nobody can reach."""
        ...

    async def alter(self, ref: Ref) -> None:
        """Somebody changes one of ours, in something that we declare."""
        ...

    async def remove(self, ref: Ref) -> None:
        """Somebody deletes one of ours."""
        ...

    async def plant(self) -> None:
        """Somebody makes objects of their own, of each kind."""
        ...

    async def others(self) -> object:
        """All that is not our provider's, as it is now; to be compared."""
        ...


def wanted_of(provider: Provider, wishes: list[Wish]) -> dict[Ref, Body]:
    wanted: dict[Ref, Body] = {}
    for wish in wishes:
        wanted.update(provider.render(wish))
    return wanted


async def due(provider: Provider, *wishes: Wish) -> list[Change]:
    """What a survey leaves to do."""
    return changes(wanted_of(provider, list(wishes)), await provider.survey(), provider.order)


async def apply(provider: Provider, *wishes: Wish) -> list[Change]:
    """Make the place as wished. Gives what had to be done."""
    done = await due(provider, *wishes)
    for change in done:
        match change:
            case Put(ref, body):
                await provider.put(ref, body)
            case Delete(ref):
                await provider.delete(ref)
    return done


class _AwayGateway(MemoryGateway):
    async def survey(self) -> Any:
        raise Waiting("away")

    async def put(self, ref: Ref, body: Body) -> Any:
        raise Waiting("away")

    async def delete(self, ref: Ref) -> None:
        raise Waiting("away")


class MemoryWorld:
    def __init__(self) -> None:
        objects: dict[Ref, Body] = {}
        self.provider = MemoryGateway(cluster="ours", objects=objects)
        self.neighbour = MemoryGateway(cluster="theirs", objects=objects)
        self.away = _AwayGateway()
        self._objects = objects

    async def alter(self, ref: Ref) -> None:
        self._objects[ref] = {**self._objects[ref], "owner": {**self._objects[ref]["owner"]}}
        self._objects[ref]["owner"]["key"] = None  # type: ignore[index]

    async def remove(self, ref: Ref) -> None:
        del self._objects[ref]

    async def plant(self) -> None:
        for kind in self.provider.order:
            self._objects[Ref(kind, f"planted-{uuid4()}")] = {"cluster": None}

    async def others(self) -> object:
        return {r: b for r, b in self._objects.items() if b["cluster"] != "ours"}


@asynccontextmanager
async def memory(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    yield MemoryWorld()


_ALTERED: Mapping[str, Body] = {
    "services": {"port": 1},
    "routes": {"methods": ["TRACE"]},
    "service-plugins": {"enabled": False},
    "route-plugins": {"enabled": False},
    "consumers": {"username": "somebody"},
    "acls": {"group": "somebody"},
    "key-auths": {"key": "somebody"},
}
_LISTS = ("key-auths", "acls", "plugins", "routes", "services", "consumers")


class KongWorld:
    """A Kong, real or not."""

    def __init__(self, at: Kong) -> None:
        self.at = at
        self.cluster = uuid4().hex
        self._owner = f"somebody-{uuid4().hex[:8]}"
        self._http = httpx.AsyncClient(base_url=at.admin, timeout=60, trust_env=False, verify=False)
        self.provider = self._open(at.admin, self.cluster)
        self.neighbour = self._open(at.admin, uuid4().hex)
        self.away = self._open(f"http://127.0.0.1:{free_port()}", self.cluster)

    def _open(self, url: str, cluster: str) -> KongAdmin:
        service = "http://127.0.0.1:9/inside"
        return KongAdmin(url, cluster=cluster, service_url=service, timeout=60, page=PAGE)

    async def alter(self, ref: Ref) -> None:
        altered = dict(_ALTERED[ref.kind])
        for name, value in altered.items():
            altered[name] = f"{value}-{uuid4()}" if isinstance(value, str) else value
        answer = await self._http.patch(_path(ref), json=altered)
        assert answer.status_code == 200, answer.text

    async def remove(self, ref: Ref) -> None:
        if ref.kind == "services":  # Kong lets no service go that has routes
            for route in await self._all(f"services/{ref.id}/routes"):
                await self._http.delete(f"/routes/{route['id']}")
        answer = await self._http.delete(_path(ref))
        assert answer.status_code == 204, answer.text

    async def plant(self) -> None:
        tags = [f"by:{self._owner}", "managed-by:vectorplane"]
        name = self._owner
        service = await self._make("services", name=name, host="127.0.0.1", tags=tags)
        at = {"service": {"id": service}}
        route = await self._make("routes", name=name, paths=[f"/{name}"], tags=tags, **at)
        await self._make("plugins", name="key-auth", tags=tags, **at)
        await self._make("plugins", name="correlation-id", tags=tags, route={"id": route})
        consumer = await self._make("consumers", username=name, tags=tags)
        of: Any = {"consumer": {"id": consumer}, "tags": tags}
        await self._make("acls", group=name, **of)
        await self._make("key-auths", key=name, **of)

    async def others(self) -> object:
        found = [(kind, one) for kind in _LISTS for one in await self._all(kind)]
        ours = f"cluster:{self.cluster}"
        return {(k, one["id"]): one for k, one in found if ours not in (one["tags"] or ())}

    async def close(self) -> None:
        """Leaves nothing behind in a Kong that others use too."""
        for provider in (self.provider, self.neighbour):
            await apply(provider)
            await provider.close()
        for kind in _LISTS:
            for one in await self._all(f"{kind}?tags=by:{self._owner}"):
                await self._http.delete(f"/{kind}/{one['id']}")
        await self.away.close()
        await self._http.aclose()

    async def _make(self, kind: str, **body: Any) -> str:
        answer = await self._http.post(f"/{kind}", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def _all(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        path: str | None = f"/{kind}"
        while path:
            page = (await self._http.get(path)).json()
            found += page["data"]
            path = page["next"]
        return found


def _path(ref: Ref) -> str:
    kind = "plugins" if ref.kind.endswith("plugins") else ref.kind
    return f"/{kind}/{ref.id}"


@asynccontextmanager
async def _kong_world(at: Kong) -> AsyncIterator[World]:
    world = KongWorld(at)
    try:
        yield world
    finally:
        await world.close()


@asynccontextmanager
async def doubled_kong(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    double: KongDouble = request.getfixturevalue("double")
    async with _kong_world(double.kong) as world:
        yield world


@asynccontextmanager
async def real_kong(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if not available():
        require_or_skip("kong", MISSING)
    async with _kong_world(request.getfixturevalue("kong_server")) as world:
        yield world


@asynccontextmanager
async def gateway_api(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    # Not at the top: the other providers need no Kubernetes client.
    from support import gateway_api

    place, folder = (request.getfixturevalue(n) for n in ("gateway_cluster", "tmp_path"))
    async with gateway_api.opened(place, folder) as world:
        yield world


Opened = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[World]]
PROVIDERS: dict[str, Opened] = {
    "memory": memory,
    "kong-double": doubled_kong,
    "kong": real_kong,
    "gateway-api": gateway_api,
}

Edges = Callable[[pytest.FixtureRequest], AbstractContextManager[Kong]]


@contextmanager
def _doubled_proxy(request: pytest.FixtureRequest) -> Iterator[Kong]:
    with kong_double() as double:
        yield double.kong


@contextmanager
def _real_proxy(request: pytest.FixtureRequest) -> Iterator[Kong]:
    if not available():
        require_or_skip("kong", MISSING)
    at: Kong = request.getfixturevalue("kong_server")
    if not at.proxy:
        require_or_skip("kong", "KONG_ADMIN_URL without KONG_PROXY_URL: nobody can be asked")
    yield at


PROXIES: dict[str, Edges] = {"kong-double": _doubled_proxy, "kong": _real_proxy}
"""Those that requests can be sent through, too."""
