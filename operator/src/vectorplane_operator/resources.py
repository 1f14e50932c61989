"""VectorCollections in a cluster: reads from a cache that events fill, writes to the API server.

What a write answers goes into the cache at once, so the event that follows it says nothing new. Was
the object changed by somebody meanwhile, the answer is the first that we hear of it: `changed` is
called, and the key is looked at again.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from vectorplane.cache import ResourceCache
from vectorplane.domain.model import Key, Rival
from vectorplane.domain.status import Event, Status
from vectorplane.errors import ApiUnavailable
from vectorplane.ports.resources import FINALIZER, Resource
from vectorplane.spec_base import API_VERSION
from vectorplane_operator.kube import COLLECTIONS, FIELD_MANAGER, Api, Gone, Json, Stale, path_of

_TRIES = 5
_GRAVES = 10_000
"""UIDs that are remembered; the oldest go first."""
_MESSAGE = 1024
"""Characters of an event's message, as its API has it."""

log = structlog.get_logger(__name__)


def resource_of(body: Any) -> Resource:
    """A VectorCollection from its JSON."""
    meta = body["metadata"]
    return Resource(
        key=Key(meta["namespace"], meta["name"]),
        uid=meta["uid"],
        generation=meta.get("generation", 1),
        created=meta["creationTimestamp"],
        spec=body.get("spec") or {},
        status=body.get("status") or {},
        annotations=meta.get("annotations") or {},
        finalizers=tuple(meta.get("finalizers") or ()),
        deleting="deletionTimestamp" in meta,
        version=meta.get("resourceVersion", ""),
    )


def newer(version: str, than: str) -> bool:
    """Whether a resourceVersion is later than another: since Kubernetes 1.35 they are numbers that
    only grow; where they are not, another one counts as later."""
    if version.isdigit() and than.isdigit():
        return int(version) > int(than)
    return version != than


class Graves:
    """UIDs of the deleted: a list that was on its way may still show them."""

    def __init__(self) -> None:
        self._uids: dict[str, None] = {}

    def add(self, uid: str) -> None:
        self._uids[uid] = None
        if len(self._uids) > _GRAVES:
            del self._uids[next(iter(self._uids))]

    def __contains__(self, uid: str) -> bool:
        return uid in self._uids


class KubeResources:
    """The `Resources` port over an API server."""

    def __init__(
        self,
        api: Api,
        changed: Callable[[Key], None],
        kept: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._changed = changed
        self._kept = kept
        """Is called when anything new is in the cache, our own writes too."""
        self._cache = ResourceCache()
        self._buried = Graves()
        self._writing: dict[Key, Resource | None] = {}
        """Keys with a write under way, with what was seen of them meanwhile."""

    # Reads, and what the front end puts in

    def get(self, key: Key) -> Resource | None:
        return self._cache.get(key)

    def all(self) -> Iterable[Resource]:
        return self._cache.all()

    def rivals(self, key: Key) -> tuple[Rival, ...]:
        return self._cache.rivals(key)

    def seen(self, resource: Resource) -> None:
        """An event or a list showed it; what we know already is passed over."""
        known = self._cache.get(resource.key)
        if resource.uid in self._buried or (known and not newer(resource.version, known.version)):
            return
        if resource.key in self._writing:
            # Perhaps our own write, quicker here than its answer.
            self._writing[resource.key] = resource
            return
        self._put(resource)
        self._changed(resource.key)

    def gone(self, key: Key, uid: str) -> None:
        """It is deleted; a new one of the same name stays."""
        self._buried.add(uid)
        known = self._cache.get(key)
        if known and known.uid == uid:
            for other in self._cache.remove(key):
                self._changed(other)
            self._changed(key)

    async def refresh(self) -> None:
        """List all: fills the cache at the start, and finds later what a broken watch missed."""
        before = {resource.key: resource.uid for resource in self._cache.all()}
        async for page in self._api.pages(path_of(COLLECTIONS)):
            for body in page:
                resource = resource_of(body)
                self.seen(resource)
                if before.get(resource.key) == resource.uid:
                    del before[resource.key]
        for key, uid in before.items():
            self.gone(key, uid)

    async def follow(self) -> None:
        """Hear of what changes after what we know, until the API server ends that.

        kopf lists for itself, and hands over ten thousand objects one by one before the first
        change: a new resource would wait for all of them.
        """
        newest = max((int(r.version) for r in self._cache.all() if r.version.isdigit()), default=0)
        try:
            async for event in self._api.watch(path_of(COLLECTIONS), str(newest or "")):
                resource = resource_of(event["object"])
                if event["type"] == "DELETED":
                    self.gone(resource.key, resource.uid)
                else:
                    self.seen(resource)
        except (ApiUnavailable, Gone) as error:
            # kopf's own watch, and the next list, find what this one misses.
            log.warning("watch_ended", error=str(error))

    # Writes

    async def add_finalizer(self, resource: Resource) -> Resource | None:
        return await self._finalize(resource, (*resource.finalizers, FINALIZER))

    async def remove_finalizer(self, resource: Resource) -> None:
        await self._finalize(resource, tuple(f for f in resource.finalizers if f != FINALIZER))

    async def write_status(self, resource: Resource, status: Status) -> None:
        body = {
            "apiVersion": API_VERSION,
            "kind": "VectorCollection",
            # The UID is a precondition: never the status of one on another of the same name.
            "metadata": {
                "name": resource.key.name,
                "namespace": resource.key.namespace,
                "uid": resource.uid,
            },
            "status": status,
        }
        with self._write(resource.key):
            try:
                written = await self._api.apply(f"{_path(resource.key)}/status", body)
            except Gone:
                self.gone(resource.key, resource.uid)
                return
            except Stale:
                # Another one took its name; the event says so too.
                self._changed(resource.key)
                return
            self._wrote(resource, resource_of(written))

    async def record_event(self, resource: Resource, event: Event) -> None:
        """A lost event is a line in the log: the status says the same, and stays."""
        key = resource.key
        body = event_body(event, "VectorCollection", key.name, key.namespace, resource.uid)
        await post_event(self._api, key.namespace, body)

    async def _finalize(self, resource: Resource, finalizers: tuple[str, ...]) -> Resource | None:
        with self._write(resource.key):
            return await self._set_finalizers(resource, finalizers)

    async def _set_finalizers(
        self, resource: Resource, finalizers: tuple[str, ...]
    ) -> Resource | None:
        """On exactly the object that we know; None where it is no more."""
        adding = FINALIZER in finalizers
        for _ in range(_TRIES):
            patch: Json = {
                "metadata": {
                    "uid": resource.uid,
                    "resourceVersion": resource.version,
                    "finalizers": list(finalizers),
                }
            }
            try:
                written = resource_of(await self._api.merge(_path(resource.key), patch))
            except Gone:
                self.gone(resource.key, resource.uid)
                return None
            except Stale:
                again = await self._read(resource.key)
                if again is None or again.uid != resource.uid or (adding and again.deleting):
                    return None
                if adding == (FINALIZER in again.finalizers):
                    return again
                resource = again
                finalizers = tuple(f for f in again.finalizers if f != FINALIZER)
                finalizers += (FINALIZER,) if adding else ()
            else:
                self._wrote(resource, written)
                return written
        raise ApiUnavailable(f"VectorCollection {resource.key} changes faster than we can read it")

    async def _read(self, key: Key) -> Resource | None:
        """As it is now, into the cache."""
        try:
            resource = resource_of(await self._api.get(_path(key)))
        except Gone:
            if known := self._cache.get(key):
                self.gone(key, known.uid)
            return None
        known = self._cache.get(key)
        if known and newer(resource.version, known.version):
            self._put(resource)
        return resource

    @contextmanager
    def _write(self, key: Key) -> Iterator[None]:
        """Hold back what is seen of a key until the answer to a write is known."""
        self._writing[key] = None
        try:
            yield
        finally:
            seen = self._writing.pop(key)
            if seen:
                self.seen(seen)

    def _wrote(self, before: Resource, written: Resource) -> None:
        """Remember what a write answered; look again where somebody else wrote in between."""
        known = self._cache.get(before.key)
        if known and (known.uid != written.uid or not newer(written.version, known.version)):
            return
        if known is None:
            # Its deletion was seen while we wrote: it stays forgotten.
            return
        self._put(written)
        if _wish(written) != _wish(before):
            self._changed(before.key)

    def _put(self, resource: Resource) -> None:
        for other in self._cache.put(resource):
            self._changed(other)
        self._kept()


def _wish(resource: Resource) -> Resource:
    """All of a resource that we do not write ourselves."""
    return replace(resource, status={}, finalizers=(), version="")


def _path(key: Key) -> str:
    return path_of(COLLECTIONS, key.namespace, key.name)


def event_body(event: Event, kind: str, name: str, namespace: str | None, uid: str) -> Json:
    """A core/v1 Event about one of our resources. One about a resource without a namespace lies in
    `default`, where kubectl looks for it."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {"apiVersion": API_VERSION, "kind": kind, "name": name, "uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{name[:200]}.{uuid.uuid4().hex[:16]}",
            "namespace": namespace or "default",
        },
        "involvedObject": about | ({"namespace": namespace} if namespace else {}),
        "type": event.type,
        "reason": event.reason,
        "message": event.message[:_MESSAGE],
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "reportingInstance": f"{socket.gethostname()}-{os.getpid()}"[:128],
    }


async def post_event(api: Api, namespace: str | None, body: Json) -> None:
    """Post an event; a namespace on its way out takes none."""
    try:
        await api.create(f"/api/v1/namespaces/{namespace or 'default'}/events", body)
    except (Gone, Stale):
        return
    except ApiUnavailable as error:
        log.warning("event_lost", reason=body["reason"], message=error.message)
