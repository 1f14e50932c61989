"""The client of one service.

async with AsyncClient("http://localhost:10200", api_key="...") as client:
    products = client.collection("shop.products")
    await products.upsert(Point(1, [0.1, 0.2, 0.3, 0.4], {"name": "cup"}))
    for found in await products.search([0.1, 0.2, 0.3, 0.4], limit=5):
        ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from vectorplane.client import asking
from vectorplane.client.aio.collection import AsyncCollection
from vectorplane.client.aio.keys import AsyncKeys
from vectorplane.client.aio.transport import AsyncTransport
from vectorplane.client.config import configured, query
from vectorplane.client.models import (
    CollectionInfo,
    CollectionPage,
    Found,
    Json,
    Options,
    Ordering,
    Point,
    PointId,
    Vector,
    Written,
    all_found,
    collection_info,
)
from vectorplane.client.retries import Retries
from vectorplane.client.wire import point_json


class AsyncClient:
    """A client of one service. It holds a pool of connections: keep one, and close it.

    `url` and `api_key` left out come from `VECTORPLANE_URL` and `VECTORPLANE_API_KEY`.
    `api_version` None is a service with `API_VERSIONING_ENABLED=false`. `timeout` is in seconds,
    for each step of a request. `traces` sends the W3C trace context of the open OpenTelemetry
    span. `http` is a client of yours, with its own timeouts, proxies and certificates.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        api_version: str | None = "v1",
        api_prefix: str = "/api",
        timeout: float = 30.0,
        retries: Retries | None = None,
        headers: Mapping[str, str] | None = None,
        traces: bool = False,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        config = configured(
            url, api_key, api_version, api_prefix, timeout, retries, headers, traces
        )
        self._transport = AsyncTransport(config, http)
        self.keys = AsyncKeys(self._transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.config.shown!r})"

    def collection(self, name: str) -> AsyncCollection:
        """A collection by its name, `namespace.name`. No call is made."""
        return AsyncCollection(self._transport, name)

    async def collections_page(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> CollectionPage:
        """One page of the collections that the key may see, by name."""
        answer = await self._get("collections", query=query(limit=limit, cursor=cursor))
        found = [collection_info(item) for item in answer["collections"]]
        return CollectionPage(found, answer["next_cursor"])

    async def collections(self) -> AsyncIterator[CollectionInfo]:
        """Every collection that the key may see, by name, page by page."""
        cursor = None
        while True:
            page = await self.collections_page(limit=100, cursor=cursor)
            for info in page.collections:
                yield info
            cursor = page.next_cursor
            if cursor is None:
                return

    async def store(
        self,
        points: Sequence[Point | Mapping[str, Any]],
        *,
        collection: str | None = None,
        wait: bool = True,
        ordering: Ordering | None = None,
    ) -> Written:
        """Write points to a collection, or to the service's default one."""
        body = asking.given(collection=collection, points=[point_json(point) for point in points])
        asked = query(wait=wait, ordering=ordering)
        path = self._transport.config.path("vectors", "store")
        answer = await self._transport.json("POST", path, body, query=asked)
        return Written(answer["status"], answer["points"])

    async def search(
        self,
        vector: Vector | None = None,
        *,
        text: str | None = None,
        id: PointId | None = None,
        collection: str | None = None,
        **options: Unpack[Options],
    ) -> list[Found]:
        """Search a collection, or the service's default one."""
        body = asking.search(options, vector=vector, text=text, id=id)
        path = self._transport.config.path("vectors", "search")
        answer = await self._transport.json(
            "POST", path, body | asking.given(collection=collection)
        )
        return all_found(answer["results"])

    async def live(self) -> bool:
        """The process answers."""
        await self._transport.json("GET", "/health/live")
        return True

    async def ready(self) -> Json:
        """Whether requests can be served: `status` is `ready` or `not ready`, and `dependencies`
        say why."""
        found: Json = await self._transport.json("GET", "/health/ready", also=(503,))
        return found

    async def health(self) -> Json:
        """The service and each thing it depends on, with latency and version."""
        found: Json = await self._transport.json("GET", "/health")
        return found

    async def dependency(self, name: str) -> Json:
        """One thing that the service depends on: `vectors` is the store."""
        path = self._transport.config.path("db", "status", name)
        found: Json = await self._transport.json("GET", path, also=(503,))
        return found

    async def metrics(self) -> str:
        """The service's metrics, in the text format of Prometheus."""
        answer = await self._transport.send("GET", "/metrics")
        return answer.text

    async def _get(self, *parts: str, query: Mapping[str, str]) -> Any:
        return await self._transport.json("GET", self._transport.config.path(*parts), query=query)
