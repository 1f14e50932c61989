"""`Provider` over the Admin API. It finds by tag, puts by id, and touches nothing else."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from vectorplane.adapters.gateway.kong_admin import answers
from vectorplane.adapters.gateway.kong_admin.rendering import (
    ACLS,
    CONSUMERS,
    KEYS,
    ORDER,
    ROUTE_PLUGINS,
    ROUTES,
    SERVICE_PLUGINS,
    SERVICES,
    Rendering,
)
from vectorplane.domain.exposure import Body, Found, Ref, Wish
from vectorplane.errors import GatewayFailed

PAGE = 1000
"""Objects of a page: as many as Kong gives."""
_PLUGINS = "plugins"
_LISTS = (SERVICES, ROUTES, _PLUGINS, CONSUMERS, ACLS, KEYS)
_COLLECTIONS = {kind: kind for kind in ORDER} | {
    SERVICE_PLUGINS: _PLUGINS,
    ROUTE_PLUGINS: _PLUGINS,
}
_IDLE_SECONDS = 20.0
"""Kong closes an idle connection after 75; a request must not meet that moment."""


class KongAdmin:
    """One Kong, asked for the objects of one cluster.

    `cluster` tells our objects from those of another operator at the same Kong, `service_url` is
    where Kong finds our service. `timeout` is in seconds, for each step of a call. For a client
    certificate, `verify` is a context that has it. Raises `GatewayRejected` where a URL is none.
    """

    order = ORDER

    def __init__(
        self,
        url: str,
        *,
        cluster: str,
        service_url: str,
        token: str | None = None,
        token_header: str = "Kong-Admin-Token",
        verify: bool | ssl.SSLContext = True,
        timeout: float = 10.0,
        page: int = PAGE,
    ) -> None:
        self._place = answers.checked_place(url)
        self._rendering = Rendering(cluster, service_url)
        self._page = page
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            headers={token_header: token} if token else {},
            # No certificates are loaded for nothing.
            verify=verify if self._place.startswith("https") else False,
            timeout=timeout,
            limits=httpx.Limits(keepalive_expiry=_IDLE_SECONDS),
        )

    def render(self, wish: Wish) -> Mapping[Ref, Body]:
        return self._rendering.render(wish)

    async def survey(self) -> Mapping[Ref, Found]:
        """One list for each kind, however many objects there are."""
        survey: dict[Ref, Found] = {}
        for listed in _LISTS:
            async for answer in self._list(listed):
                kind = listed
                if listed == _PLUGINS:
                    kind = ROUTE_PLUGINS if answer.get("route") else SERVICE_PLUGINS
                survey[Ref(kind, str(answer["id"]))] = answers.found(answer)
        return survey

    async def put(self, ref: Ref, body: Body) -> Found:
        answer = await self._call("PUT", ref.kind, ref.id, body)
        if not isinstance(answer, dict) or answer.get("id") != ref.id:
            raise self._senseless()
        return answers.found(answer)

    async def delete(self, ref: Ref) -> None:
        """Kong takes plugins and credentials with what they belong to; a second time is fine."""
        await self._call("DELETE", ref.kind, ref.id)

    def programmed(self, refs: Mapping[Ref, Found]) -> str | None:
        """Kong's Admin API says nothing of it: its nodes follow within some seconds."""
        return None

    async def close(self) -> None:
        await self._client.aclose()

    async def _list(self, listed: str) -> AsyncIterator[dict[str, Any]]:
        own = self._rendering.own_tags
        asked: dict[str, str | int] = {"tags": ",".join(own), "size": self._page}
        while True:
            page = await self._call("GET", listed, params=asked)
            if not isinstance(page, dict):
                raise self._senseless()
            # Lua's empty table may come as an object.
            for answer in page.get("data") or ():
                if not isinstance(answer, dict) or "id" not in answer:
                    raise self._senseless()
                # The filter is Kong's; what is ours we look at ourselves.
                if set(own) <= set(answer.get("tags") or ()):
                    yield answer
            if not (offset := page.get("offset")):
                return
            asked["offset"] = str(offset)

    async def _call(
        self,
        method: str,
        kind: str,
        name: str = "",
        body: Body | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> Any:
        collection = _COLLECTIONS.get(kind, kind)
        path = f"/{collection}/{name}" if name else f"/{collection}"
        try:
            answer = await self._client.request(method, path, json=body, params=params)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise answers.transport_error(error, self._place) from error
        if method == "DELETE" and answer.status_code == 404:
            return None
        if not answer.is_success:
            raise answers.answer_error(answer, self._place, kind, name)
        if answer.status_code == 204:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise self._senseless() from error

    def _senseless(self) -> GatewayFailed:
        return GatewayFailed(f"{self._place} answers something that Kong's Admin API does not")
