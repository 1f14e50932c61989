"""The composition root: everything that the operator is made of, put together in one place.

kopf is not here. It only tells this class what it saw (`handlers.py`), and when to start and stop.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import structlog

from vectorplane.adapters.embeddings.child import ChildEmbedders
from vectorplane.controller import Controller
from vectorplane.domain.model import Key
from vectorplane.domain.status import Event, Outcome
from vectorplane.errors import ApiUnavailable, CallerError, LimitExceeded, Stalled, Waiting
from vectorplane.ports.resources import Resource
from vectorplane.queue import KeyedQueue, backoff
from vectorplane.sweep import Sweeper, settled
from vectorplane_operator.connection import Connect
from vectorplane_operator.fence import Fence, fenced
from vectorplane_operator.http import HttpServer
from vectorplane_operator.kube import Api, Gone
from vectorplane_operator.lease import Elector, own_namespace
from vectorplane_operator.metrics import Metrics
from vectorplane_operator.reach import Reach
from vectorplane_operator.resources import KubeResources, resource_of
from vectorplane_operator.settings import OperatorSettings
from vectorplane_operator.stores import KubeStores, store_of

T = TypeVar("T")
_CONFLICTS = ("NotOwned", "ResourceConflict")
_NEXT = 8
"""Resources that are looked at when a place in a store may be free."""

log = structlog.get_logger(__name__)


class Operator:
    """One running operator. `start` and `stop` are called once each."""

    def __init__(self, settings: OperatorSettings, connect: Connect) -> None:
        self._settings = settings
        self._connect = connect
        self._metrics = Metrics()
        self._fence = Fence()
        self._metrics.leads(lambda: self._fence.held)
        self._ready = False
        self._acting = False
        """It leads, and has listed everything since."""
        self._in_the_way: defaultdict[str, set[Key]] = defaultdict(set)
        """Of each namespace, those that another one of it is in the way of: names lie in
        namespaces, so only a neighbour can set one free."""
        self._crowded: dict[Key, None] = {}
        """Those that a store's limits leave no room for, in the order in which they came."""
        self._http = HttpServer(
            settings.operator_http_host,
            settings.operator_http_port,
            ready=self._readiness,
            metrics=self._metrics.text,
        )
        self._relisting: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._listing = asyncio.Lock()
        self._listed = -math.inf
        """When the last list that was read to its end began."""
        self._api: Api | None = None
        self._lease_api: Api | None = None
        self._elector: Elector | None = None
        self._alone: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once the cache is filled and the queue works."""
        settings = self._settings
        await self._http.start()
        self._api = api = await Api.connect(self._fence.writing, self._metrics.asked)
        cluster = settings.operator_cluster_id or await self._patiently(self._cluster_id)
        self._resources = KubeResources(api, self._changed, lambda: self._reach.wake())
        self._stores = KubeStores(
            api,
            lambda connection: fenced(self._connect(connection), self._fence),
            collections=self._resources.all,
            affected=self._affected,
            look_soon=lambda name: self._store_queue.add(name),
            watcher=self._metrics,
            resync=settings.operator_resync_seconds,
        )
        self._reach = Reach(
            settings,
            cluster,
            api,
            self._fence,
            resources=self._resources,
            look=self._look_soon,
            watcher=self._metrics,
        )
        controller = Controller(
            self._resources,
            self._stores,
            cluster=cluster,
            exposed=self._reach.exposed,
            watcher=self,
            resync=None,
            per_store=settings.operator_looks_per_store,
            embedders=ChildEmbedders(),
        )
        self._sweeper = Sweeper(
            self._resources,
            self._stores,
            cluster=cluster,
            look=lambda key: self._queue.add(key),
            lives_in=lambda resource, store: self._home(resource) == store,
            exposed=self._reach.exposed,
        )

        async def look(key: Key) -> float | None:
            # Who stands by forgets the key: all are looked at when it leads. And "the oldest wins"
            # is only known once all are known.
            delay = await controller.look(key) if self._acting else None
            self._sweeper.looked(key)
            return delay

        async def look_at_store(name: str) -> float | None:
            return await self._stores.look(name) if self._acting else None

        self._queue: KeyedQueue[Key] = KeyedQueue(
            look, limit=settings.operator_looks_per_store, lane=self._lane
        )
        self._store_queue: KeyedQueue[str] = KeyedQueue(look_at_store, lane=str)
        self._sweeps: KeyedQueue[str] = KeyedQueue(self._sweep, lane=str)
        self._metrics.observe(
            lambda: len(self._queue), self._resources.all, lambda: self._sweeper.unverified
        )
        self._metrics.accesses(self._reach.accesses)
        await self._elect()
        await self._patiently(self._refresh)
        self._ready = True
        self._following = asyncio.create_task(self._resources.follow(), name="follow")
        self._relisting = asyncio.create_task(self._relist(), name="relist")
        log.info("started", cluster=cluster, collections=len(list(self._resources.all())))

    async def stop(self) -> None:
        """Let the looks under way end, and leave nothing open. Also after half a start."""
        self._ready = False
        for task in (self._relisting, self._following):
            if task:
                task.cancel()
                await asyncio.wait([task])
        if hasattr(self, "_queue"):
            await self._queue.close(self._settings.operator_stop_seconds)
            await self._store_queue.close(1.0)
            await self._sweeps.close(0.0)
            await self._resign()
            await self._stores.close()
            await self._reach.close()
        for api in (self._api, self._lease_api):
            if api:
                await api.close()
        await self._http.stop()
        log.info("stopped")

    # Leading

    async def _elect(self) -> None:
        """Take part in the election; a Lease that is free is ours when this returns."""
        settings = self._settings
        if not settings.operator_leader_election:
            self._fence.open()
            self._alone = asyncio.create_task(self._lead(), name="lead")
            return
        self._lease_api = await Api.connect(seen=self._metrics.asked)
        self._elector = Elector(
            self._lease_api,
            self._fence,
            self._lead,
            namespace=settings.operator_lease_namespace or own_namespace(),
            name=settings.operator_lease_name,
            seconds=settings.operator_lease_seconds,
        )
        await self._elector.start()

    async def _lead(self) -> None:
        """Act, until this is cancelled: on what is there now, not on what a standby remembers."""
        await self._patiently(partial(self._refresh, self._fence.opened))
        self._acting = True
        reaching = asyncio.create_task(self._reach.lead(), name="reach")
        try:
            self._stores.forget()
            self._sweeper.forget()
            for name in self._stores.names:
                self._store_queue.add(name)
                self._sweeps.add(name)
            # What says that it is as declared is verified by the sweep, thousands at a time.
            for resource in self._resources.all():
                if not settled(resource):
                    self._queue.add(resource.key)
            await asyncio.Event().wait()
        finally:
            self._acting = False
            reaching.cancel()
            await asyncio.wait([reaching])
            # What is under way began in this term, and must not go on in a later one.
            await asyncio.gather(self._sweeps.drop(), self._store_queue.drop(), self._queue.drop())
            self._in_the_way.clear()
            self._crowded.clear()
            for name in self._stores.names:
                self._metrics.store(name, None)

    async def _resign(self) -> None:
        if self._elector:
            await self._elector.stop()
        if self._alone:
            self._alone.cancel()
            await asyncio.wait([self._alone])

    def _readiness(self) -> str | None:
        if not self._ready:
            return None
        return "ok" if self._fence.held else "ok: standing by, another replica leads"

    # What kopf saw

    def collection_seen(self, kind: str | None, body: Any) -> None:
        if kind is not None and self._following:
            # kopf has handed over its list, and watches.
            self._following.cancel()
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

    def access_seen(self, kind: str | None, body: Any) -> None:
        self._reach.access_seen(kind, body)

    # What the controller says

    def reconciled(self, key: Key, store: str, outcome: Outcome, seconds: float) -> None:
        self._metrics.looked(outcome, seconds)
        trouble = outcome.trouble
        if trouble and trouble.store:
            self._stores.suspect(store)
        if trouble and trouble.reason == LimitExceeded.reason:
            self._crowded[key] = None
        else:
            self._crowded.pop(key, None)
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

    def repaired(self, key: Key, event: Event) -> None:
        self._metrics.drifted(1)
        log.warning("drift", key=str(key), reason=event.reason, message=event.message)

    def _changed(self, key: Key) -> None:
        """Something is new about a resource. Before this replica leads, that can wait."""
        self._reach.collection_changed(key)
        if not self._acting:
            return
        self._queue.add(key)
        if self._resources.get(key) is None:
            # A place may be free, for the first that fits; the sweep sees to those after them.
            self._crowded.pop(key, None)
            for other in islice(self._crowded, _NEXT):
                self._queue.add(other)

    def _affected(self, store: str) -> None:
        """A store came, went, changed, fell or rose."""
        if self._acting:
            self._sweeper.forget()
            self._sweeps.add(store)

    async def _sweep(self, store: str) -> float | None:
        if not self._acting:
            return None
        try:
            begun = time.monotonic()
            swept = await self._sweeper.sweep(store)
            self._metrics.swept(time.monotonic() - begun)
            log.debug("swept", store=store, resources=swept.resources, looks=swept.looks)
        except (Waiting, Stalled, CallerError) as error:
            log.info("sweep_failed", store=store, reason=error.reason)
        return self._settings.operator_resync_seconds if store in self._stores.names else None

    def _home(self, resource: Resource) -> str | None:
        """The store that it lives in, or would."""
        said: str | None = resource.status.get("store") or resource.spec.get("store")
        return said or self._stores.default

    def _lane(self, key: Key) -> str:
        resource = self._resources.get(key)
        return (resource and self._home(resource)) or ""

    def _look_soon(self, key: Key) -> None:
        """What is known of a collection's ways changed."""
        if self._acting and self._resources.get(key):
            self._queue.add(key)

    # Lists

    async def _refresh(self, since: float = math.inf) -> None:
        """List all, unless one list that began after `since` was read already."""
        async with self._listing:
            if self._listed >= since:
                return
            begun = time.monotonic()
            # Stores first: a collection without its store would only be looked at twice.
            await self._stores.refresh()
            await self._resources.refresh()
            await self._reach.refresh()
            self._listed = begun

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
