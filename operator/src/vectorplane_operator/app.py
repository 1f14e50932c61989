"""The composition root: everything that the operator is made of, put together in one place.

kopf is not here. It only tells this class what it saw (`handlers.py`), and when to start and stop.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from vectorplane.controller import Controller
from vectorplane.domain.model import Key
from vectorplane.domain.status import Outcome
from vectorplane.errors import ApiUnavailable
from vectorplane.queue import KeyedQueue, backoff
from vectorplane_operator.connection import Connect
from vectorplane_operator.http import HttpServer
from vectorplane_operator.kube import Api, Gone
from vectorplane_operator.metrics import Metrics
from vectorplane_operator.resources import KubeResources, resource_of
from vectorplane_operator.settings import OperatorSettings
from vectorplane_operator.stores import KubeStores, store_of

_LOOKS = 100_000
"""Looks under way. They wait for a slot of their store in the controller, and for one of the API in
the client; a third bound would let a store that hangs hold up the others."""
T = TypeVar("T")
_CONFLICTS = ("NotOwned", "ResourceConflict")

log = structlog.get_logger(__name__)


class Operator:
    """One running operator. `start` and `stop` are called once each."""

    def __init__(self, settings: OperatorSettings, connect: Connect) -> None:
        self._settings = settings
        self._connect = connect
        self._metrics = Metrics()
        self._ready = False
        self._in_the_way: defaultdict[str, set[Key]] = defaultdict(set)
        """Of each namespace, those that another one of it is in the way of: names lie in
        namespaces, so only a neighbour can set one free."""
        self._http = HttpServer(
            settings.operator_http_host,
            settings.operator_http_port,
            ready=lambda: self._ready,
            metrics=self._metrics.text,
        )
        self._relisting: asyncio.Task[None] | None = None
        self._api: Api | None = None

    async def start(self) -> None:
        """Returns once the cache is filled and the queue works."""
        settings = self._settings
        await self._http.start()
        self._api = api = await Api.connect()
        cluster = settings.operator_cluster_id or await self._patiently(self._cluster_id)
        self._resources = KubeResources(api, lambda key: self._queue.add(key))
        self._stores = KubeStores(
            api,
            self._connect,
            collections=self._resources.all,
            affected=self._look_at_all_of,
            look_soon=lambda name: self._store_queue.add(name),
            watcher=self._metrics,
            resync=settings.operator_resync_seconds,
        )
        controller = Controller(
            self._resources,
            self._stores,
            cluster=cluster,
            endpoint=self._endpoint,
            watcher=self,
            resync=settings.operator_resync_seconds,
            per_store=settings.operator_looks_per_store,
        )
        gate = asyncio.Event()

        async def look(key: Key) -> float | None:
            # "The oldest wins" is only known once all are known.
            await gate.wait()
            return await controller.look(key)

        self._queue: KeyedQueue[Key] = KeyedQueue(look, limit=_LOOKS)
        self._store_queue: KeyedQueue[str] = KeyedQueue(self._stores.look)
        self._metrics.observe(lambda: len(self._queue), self._resources.all)
        await self._patiently(self._refresh)
        gate.set()
        self._ready = True
        self._relisting = asyncio.create_task(self._relist(), name="relist")
        log.info("started", cluster=cluster, collections=len(list(self._resources.all())))

    async def stop(self) -> None:
        """Let the looks under way end, and leave nothing open. Also after half a start."""
        self._ready = False
        if self._relisting:
            self._relisting.cancel()
            with suppress(asyncio.CancelledError):
                await self._relisting
        if hasattr(self, "_queue"):
            await self._queue.close(self._settings.operator_stop_seconds)
            await self._store_queue.close(1.0)
            await self._stores.close()
        if self._api:
            await self._api.close()
        await self._http.stop()
        log.info("stopped")

    # What kopf saw

    def collection_seen(self, kind: str | None, body: Any) -> None:
        resource = resource_of(body)
        if kind == "DELETED":
            self._resources.gone(resource.key, resource.uid)
        else:
            self._resources.seen(resource)

    def store_seen(self, kind: str | None, body: Any) -> None:
        store = store_of(body)
        if kind == "DELETED":
            self._stores.gone(store.name, store.uid)
        else:
            self._stores.seen(store)

    # What the controller says

    def reconciled(self, key: Key, store: str, outcome: Outcome, seconds: float) -> None:
        self._metrics.looked(outcome, seconds)
        trouble = outcome.trouble
        if trouble and trouble.store:
            self._stores.suspect(store)
        neighbours = self._in_the_way[key.namespace]
        if trouble and trouble.reason in _CONFLICTS:
            neighbours.add(key)
        else:
            neighbours.discard(key)
        if outcome.changed:
            for other in neighbours - {key}:
                self._queue.add(other)
        if not neighbours:
            del self._in_the_way[key.namespace]

    def _look_at_all_of(self, store: str) -> None:
        """Of every collection that lives in a store or would: also those that wait for one."""
        for resource in self._resources.all():
            places = (resource.spec.get("store"), resource.status.get("store"))
            if store in places or not any(places):
                self._queue.add(resource.key)

    def _endpoint(self, key: Key) -> str | None:
        url = self._settings.operator_service_url.rstrip("/")
        return f"{url}/api/v1/collections/{key.collection}" if url else None

    # Lists

    async def _refresh(self) -> None:
        # Stores first: a collection without its store would only be looked at twice.
        await self._stores.refresh()
        await self._resources.refresh()

    async def _relist(self) -> None:
        while True:
            await asyncio.sleep(self._settings.operator_relist_seconds)
            try:
                await self._refresh()
            except (ApiUnavailable, Gone) as error:
                log.warning("relist_failed", error=str(error))

    async def _cluster_id(self) -> str:
        assert self._api
        namespace = await self._api.get("/api/v1/namespaces/kube-system")
        return str(namespace["metadata"]["uid"])

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """At the start nothing can be done without this: try until it succeeds."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await call()
            except ApiUnavailable as error:
                log.warning("api_waiting", reason=error.reason, message=error.message)
            except Gone:
                log.warning("crds_missing", message="install them: kubectl apply -f manifests/")
            await asyncio.sleep(backoff(attempt, most=10.0))
