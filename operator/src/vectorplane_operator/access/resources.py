"""VectorAccesses in a cluster: reads from a cache that events fill, writes to the API server.

Each write of a status says which version of the resource it is about, and is refused for another
one: no id of a key is ever written over by somebody who did not know it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vectorplane.domain.model import Key
from vectorplane.domain.status import Event, Status
from vectorplane.ports.resources import Resource
from vectorplane.spec_base import API_VERSION
from vectorplane_operator.kube import ACCESSES, Api, Gone, Json, Stale, path_of
from vectorplane_operator.resources import Graves, event_body, newer, post_event, resource_of

FINALIZER = "vectorplane.dev/access"


class AccessResources:
    """`changed` is called with what must be looked at. Writes raise `Waiting`; they give None where
    the resource is gone, or is not as we knew it: then it is looked at again."""

    def __init__(self, api: Api, changed: Callable[[Key], None]) -> None:
        self._api = api
        self._changed = changed
        self._known: dict[Key, Resource] = {}
        self._buried = Graves()

    def get(self, key: Key) -> Resource | None:
        return self._known.get(key)

    def all(self) -> Iterable[Resource]:
        return list(self._known.values())

    def seen(self, body: Any) -> None:
        """An event or a list showed it; what we know already is passed over."""
        resource = resource_of(body)
        if resource.uid not in self._buried and self._put(resource):
            self._changed(resource.key)

    def gone(self, key: Key, uid: str) -> None:
        """It is deleted; a new one of the same name stays."""
        self._buried.add(uid)
        known = self._known.get(key)
        if known and known.uid == uid:
            del self._known[key]
            self._changed(key)

    async def refresh(self) -> None:
        """List all: fills the cache at the start, and finds later what a broken watch missed."""
        before = {resource.key: resource.uid for resource in self.all()}
        async for page in self._api.pages(path_of(ACCESSES)):
            for body in page:
                self.seen(body)
                meta = body["metadata"]
                key = Key(meta["namespace"], meta["name"])
                if before.get(key) == meta["uid"]:
                    del before[key]
        for key, uid in before.items():
            self.gone(key, uid)

    async def add_finalizer(self, resource: Resource) -> Resource | None:
        return await self._finalize(resource, [*resource.finalizers, FINALIZER])

    async def remove_finalizer(self, resource: Resource) -> Resource | None:
        return await self._finalize(resource, [f for f in resource.finalizers if f != FINALIZER])

    async def write_status(self, resource: Resource, status: Status) -> Resource | None:
        key = resource.key
        body: Json = {
            "apiVersion": API_VERSION,
            "kind": "VectorAccess",
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": resource.uid,
                "resourceVersion": resource.version,
            },
            "status": status,
        }
        return await self._write(resource, self._api.apply(f"{_path(key)}/status", body))

    async def record_event(self, resource: Resource, event: Event) -> None:
        """A lost event is a line in the log: the status says the same, and stays."""
        key = resource.key
        body = event_body(event, "VectorAccess", key.name, key.namespace, resource.uid)
        await post_event(self._api, key.namespace, body)

    async def _finalize(self, resource: Resource, finalizers: list[str]) -> Resource | None:
        meta = {"uid": resource.uid, "resourceVersion": resource.version, "finalizers": finalizers}
        return await self._write(resource, self._api.merge(_path(resource.key), {"metadata": meta}))

    async def _write(self, resource: Resource, call: Any) -> Resource | None:
        try:
            written = resource_of(await call)
        except Gone:
            self.gone(resource.key, resource.uid)
            return None
        except Stale:
            await self._read(resource)
            return None
        self._put(written)
        return written

    async def _read(self, resource: Resource) -> None:
        """Somebody else wrote it: look at it as it is now, whatever its version says. An API server
        that was restored counts from an earlier one."""
        try:
            now = resource_of(await self._api.get(_path(resource.key)))
        except Gone:
            self.gone(resource.key, resource.uid)
            return
        if now.uid not in self._buried:
            self._known[now.key] = now
        self._changed(now.key)

    def _put(self, resource: Resource) -> bool:
        """Remember the newest. False where nothing is new, or it was deleted meanwhile."""
        known = self._known.get(resource.key)
        if resource.uid in self._buried or (known and not newer(resource.version, known.version)):
            return False
        self._known[resource.key] = resource
        return True


def _path(key: Key) -> str:
    return path_of(ACCESSES, key.namespace, key.name)
