"""VectorStores in a cluster: which client serves a collection, and whether its store answers.

Each store is probed by itself. One that does not answer is known to be down, and a look at one of
its collections then costs no call: it says so and goes, so a store that hangs holds up nothing. The
probe tries on; when the store is back, its collections are looked at again at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from pydantic import ValidationError

from vectorplane.domain.status import Event
from vectorplane.errors import (
    CallerError,
    SecretUnreadable,
    Stalled,
    StoreMissing,
    StoreRejected,
    StoreUnauthorized,
    Waiting,
)
from vectorplane.ports.resources import Resource
from vectorplane.ports.vectors import VectorAdmin
from vectorplane.queue import backoff
from vectorplane.spec_base import API_VERSION
from vectorplane.spec_store import VectorStoreSpec
from vectorplane.store_rules import StoreRules, lives, rules_of
from vectorplane.view import StoreView
from vectorplane_operator.admission import Admission, LabelsUnread, Namespaces
from vectorplane_operator.connection import Connect, Connection, read_connection
from vectorplane_operator.kube import STORES, Api, Gone, Stale, path_of
from vectorplane_operator.resources import event_body, newer, post_event
from vectorplane_operator.store_status import Probe, event_of, lost_event, status_of

_MOST = 15.0
"""Seconds between two probes of a store that is down, at most."""
_MOST_ASKED = 120.0
"""The most of a store's own Retry-After that is obeyed."""
_MOST_KEYLESS = 5.0
"""The same of one whose key is refused or missing."""

log = structlog.get_logger(__name__)


class InvalidStore(Stalled):
    """A VectorStore that our models refuse: stored before the CRD was as it is now."""

    reason = "InvalidStore"


class StoreWatcher(Protocol):
    """Is told whether a store answers; None once it is gone."""

    def store(self, name: str, up: bool | None) -> None: ...


@dataclass(frozen=True, slots=True)
class StoreResource:
    """One VectorStore as its API has it."""

    name: str
    uid: str
    generation: int
    created: str
    version: str
    spec: Mapping[str, Any]
    status: Mapping[str, Any]

    @property
    def default(self) -> bool:
        return bool(self.spec.get("default"))


def store_of(body: Any) -> StoreResource:
    """A VectorStore from its JSON."""
    meta = body["metadata"]
    return StoreResource(
        name=meta["name"],
        uid=meta["uid"],
        generation=meta.get("generation", 1),
        created=meta["creationTimestamp"],
        version=meta.get("resourceVersion", ""),
        spec=body.get("spec") or {},
        status=body.get("status") or {},
    )


@dataclass(slots=True)
class _Store:
    """A VectorStore, its client, and what we know of its health."""

    resource: StoreResource
    admission: Admission
    connection: Connection | None = None
    admin: StoreView | None = None
    down: Waiting | Stalled | None = None
    """Why the last probe failed."""
    answered: bool = False
    """Whether it ever answered as it is declared now."""
    failures: int = 0
    empty: bool = False
    """Whether the last probe found none of the collections that live there."""
    rules: StoreRules | None = None
    """Of the resource as it is now, once somebody asked."""
    connecting: asyncio.Lock = field(default_factory=asyncio.Lock)


class KubeStores:
    """The `Stores` port; `look` is the handler of a queue of store names.

    `affected` is called with a store whose collections must be looked at: it came, went, changed,
    fell or rose. `look_soon` puts a store's name into that queue.
    """

    def __init__(
        self,
        api: Api,
        connect: Connect,
        *,
        collections: Callable[[], Iterable[Resource]],
        affected: Callable[[str], None],
        look_soon: Callable[[str], None],
        watcher: StoreWatcher,
        resync: float,
    ) -> None:
        self._api = api
        self._connect = connect
        self._collections = collections
        self._affected = affected
        self._look_soon = look_soon
        self._watcher = watcher
        self._resync = resync
        self._stores: dict[str, _Store] = {}
        self._namespaces = Namespaces(api, resync=resync, changed=self._relabelled)
        self._retiring: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    # What the front end puts in

    def seen(self, resource: StoreResource) -> None:
        """An event or a list showed it; what we know already is passed over."""
        known = self._stores.get(resource.name)
        if known and not newer(resource.version, known.resource.version):
            return
        if known and known.resource.uid == resource.uid:
            before, known.resource = known.resource.spec, resource
            if before == resource.spec:
                return
            known.rules = None
            if before.get("qdrant") != resource.spec.get("qdrant"):
                known.down, known.answered, known.failures = None, False, 0
        else:
            if known:
                self._retire(known)
            self._stores[resource.name] = _Store(resource, self._admission(resource.name))
        self._look_soon(resource.name)
        self._affected(resource.name)

    def gone(self, name: str, uid: str) -> None:
        """It is deleted; a new one of the same name stays."""
        known = self._stores.get(name)
        if known and known.resource.uid == uid:
            self._affected(name)
            del self._stores[name]
            self._retire(known)
            self._watcher.store(name, None)

    async def refresh(self) -> None:
        """List all: fills the table at the start, and finds later what a broken watch missed."""
        before = {name: store.resource.uid for name, store in self._stores.items()}
        async for page in self._api.pages(path_of(STORES)):
            for body in page:
                resource = store_of(body)
                self.seen(resource)
                if before.get(resource.name) == resource.uid:
                    del before[resource.name]
        for name, uid in before.items():
            self.gone(name, uid)
        uids = {resource.uid for resource in self._collections()}
        for store in self._stores.values():
            store.admission.forget(uids)

    # The port

    async def find(self, name: str | None) -> tuple[str, VectorAdmin]:
        """The store of a name (None: the default one), unless it is known to be down."""
        chosen = name or self.default
        if chosen is None:
            raise StoreMissing(
                "no VectorStore is the default one: name one in spec.store, or have the platform "
                "team set spec.default on one"
            )
        store = self._stores.get(chosen)
        if store is None:
            raise StoreMissing(f"there is no VectorStore {chosen}")
        if store.down:
            raise type(store.down)(store.down.message)
        return chosen, await self._admin(store)

    def admit(self, name: str, resource: Resource) -> Resource:
        """See `Stores.admit`. A `Waiting` comes out only where it will do a moment later."""
        store = self._stores.get(name)
        if store is None:
            raise LabelsUnread(f"VectorStore {name} is going")
        if store.rules is None:
            store.rules = rules_of(name, _spec_of(store.resource))
        return store.admission.admit(resource, store.rules)

    @property
    def default(self) -> str | None:
        """The oldest of those that say they are."""
        candidates = [s.resource for s in self._stores.values() if s.resource.default]
        return min(candidates, key=lambda s: (s.created, s.uid)).name if candidates else None

    @property
    def names(self) -> Iterable[str]:
        """All of them, down or not."""
        return tuple(self._stores)

    def forget(self) -> None:
        """What was read of the stores: another replica led meanwhile."""
        for store in self._stores.values():
            if store.admin:
                store.admin.forget()

    def suspect(self, name: str) -> None:
        """Somebody met trouble with it: probe it now, unless it is known to be down."""
        store = self._stores.get(name)
        if store and not store.down:
            self._look_soon(name)

    async def close(self) -> None:
        self._closing.set()
        await self._namespaces.close()
        for store in self._stores.values():
            self._retire(store)
        if self._retiring:
            await asyncio.wait(list(self._retiring))

    # Probes

    async def look(self, name: str) -> float | None:
        """Probe one store and say how it is; gives the seconds until the next probe."""
        store = self._stores.get(name)
        if store is None:
            return None
        resource = store.resource
        probe, error = await self._probe(store)
        asked = min(_MOST_ASKED, (isinstance(error, Waiting) and error.retry_after) or 0.0)
        if store.resource.spec != resource.spec or self._stores.get(name) is not store:
            # What changed meanwhile is in the queue again by itself.
            return None
        if error is None:
            back = store.down is not None
            store.down, store.answered, store.failures = None, True, 0
        else:
            store.failures += 1
            if store.answered and store.failures < 2 and not asked:
                # One lost call is no outage; a store that says when to come back is believed.
                return backoff(1)
            back = store.down is None
            store.down, store.answered = error, False
        self._watcher.store(name, error is None)
        if back:
            log.info("store_up" if error is None else "store_down", store=name, reason=probe.reason)
            self._affected(name)
        try:
            await self._say(store, probe)
        except Waiting as unsaid:
            log.warning("api_waiting", store=name, reason=unsaid.reason, message=unsaid.message)
            return backoff(1)
        if error is None:
            return self._resync
        # A Secret may be put right at any moment, and nobody tells us.
        keyless = isinstance(error, StoreUnauthorized | SecretUnreadable)
        return max(asked, backoff(store.failures, most=_MOST_KEYLESS if keyless else _MOST))

    async def _probe(self, store: _Store) -> tuple[Probe, Waiting | Stalled | None]:
        try:
            admin = await self._admin(store, fresh=True)
            info = await admin.probe()
            return Probe(info, lost=await self._lost(store.resource.name, admin)), None
        except CallerError as error:
            refused = StoreRejected(error.message)
            return Probe(None, refused.reason, refused.message), refused
        except (Waiting, Stalled) as error:
            return Probe(None, error.reason, error.message), error

    async def _lost(self, name: str, admin: VectorAdmin) -> int:
        """How many collections lived there, where not one of them is there now; else 0."""
        known = {_physical(r) for r in self._collections() if lives(r, name) and not r.deleting}
        if not known or known & (await admin.listing()).collections:
            return 0
        return len(known)

    async def _admin(self, store: _Store, *, fresh: bool = False) -> StoreView:
        """The client; `fresh` reads the Secrets again, and a new client takes over where anything
        changed."""
        async with store.connecting:
            spec = VectorStoreSpec(qdrant=_spec_of(store.resource).qdrant)
            if store.admin and store.connection and store.connection.spec == spec and not fresh:
                return store.admin
            connection = await read_connection(spec, self._api)
            if store.admin is None or store.connection != connection:
                admin = StoreView(self._connect(connection))
                self._retire(store)
                store.admin, store.connection = admin, connection
            return store.admin

    async def _say(self, store: _Store, probe: Probe) -> None:
        resource = store.resource
        count = sum(lives(r, resource.name) for r in self._collections())
        status = status_of(
            probe,
            resource.status,
            generation=resource.generation,
            collections=count,
            now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        lost, store.empty = probe.lost and not store.empty, bool(probe.lost)
        if lost:
            await self._post(resource, lost_event(probe.lost))
        if status == resource.status:
            return
        body = {
            "apiVersion": API_VERSION,
            "kind": "VectorStore",
            "metadata": {"name": resource.name, "uid": resource.uid},
            "status": status,
        }
        try:
            written = await self._api.apply(f"{path_of(STORES, name=resource.name)}/status", body)
        except (Gone, Stale):
            return
        self.seen(store_of(written))
        if event := event_of(resource.status, status):
            await self._post(resource, event)

    async def _post(self, resource: StoreResource, event: Event) -> None:
        about = event_body(event, "VectorStore", resource.name, None, resource.uid)
        await post_event(self._api, None, about)

    def _admission(self, name: str) -> Admission:
        def wants(resource: Resource) -> bool:
            home = resource.status.get("store") if resource.status.get("collection") else None
            return (home or resource.spec.get("store") or self.default) == name

        return Admission(self._namespaces, self._collections, wants)

    def _relabelled(self, namespace: str) -> None:
        for name, store in self._stores.items():
            if store.resource.spec.get("allowedNamespaces") is not None:
                self._affected(name)

    def _retire(self, store: _Store) -> None:
        """Close a client once the calls under way with it must have ended."""
        admin, store.admin = store.admin, None
        if admin and store.connection:
            wait = store.connection.spec.qdrant.timeout_seconds + 1.0
            task = asyncio.create_task(self._close_after(admin, wait))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _close_after(self, admin: VectorAdmin, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
        await admin.close()


def _physical(resource: Resource) -> str:
    return str((resource.status.get("collection") or {}).get("physical"))


def _spec_of(resource: StoreResource) -> VectorStoreSpec:
    try:
        return VectorStoreSpec.model_validate(dict(resource.spec))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(("spec", *map(str, first["loc"])))
        raise InvalidStore(f"VectorStore {resource.name}: {place}: {first['msg']}") from error
