"""The VectorAccesses of a running operator: what is seen of them goes in, keys and their revocation
come out.

Events only put a key into the queue. Two chores go beside it: the signing keys, and one list of all
Secrets with keys, which finds those that somebody deleted or altered.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from vectorplane.domain.exposure import EVERYBODY, VERIFIER, Credential, Owner
from vectorplane.domain.model import Key
from vectorplane.domain.status import Exposed
from vectorplane.errors import Waiting
from vectorplane.exposure.wishes import owner_of_service
from vectorplane.ports.resources import Resource
from vectorplane.queue import KeyedQueue, backoff
from vectorplane_operator.access.bindings import Bindings
from vectorplane_operator.access.controller import AccessController
from vectorplane_operator.access.published import Published
from vectorplane_operator.access.resources import AccessResources
from vectorplane_operator.access.saying import records_of
from vectorplane_operator.access.signing import SigningKeys
from vectorplane_operator.access.times import Clock
from vectorplane_operator.kube import Api, Gone
from vectorplane_operator.settings import OperatorSettings

_SIGNING, _SECRETS = "signing", "secrets"
_AT_ONCE = 16

log = structlog.get_logger(__name__)


class Accesses:
    """`start` and `stop` begin and end a term of leading; both may come again.

    `collection` gives the VectorCollection of a key, None where there is none: before `start`, all
    must be known, for the keys of one that is missing are revoked. `endpoint` says where one is
    served, `exposed` what the gateway knows of an access's keys. `changed` is called with the owner
    of keys that the gateway must learn or forget.
    """

    def __init__(
        self,
        api: Api,
        settings: OperatorSettings,
        *,
        namespace: str,
        cluster: str,
        collection: Callable[[Key], Resource | None],
        endpoint: Callable[[Resource], str | None],
        exposed: Callable[[Owner], Exposed],
        changed: Callable[[Owner], None],
        clock: Clock = time.time,
    ) -> None:
        self._resync = settings.operator_resync_seconds
        self._owner = owner_of_service(cluster)
        self._changed = changed
        self._clock = clock
        self._acting = False
        self._of: defaultdict[Key, set[Key]] = defaultdict(set)
        """Accesses by the collection that they name."""
        self._names: dict[Key, Key] = {}
        """The collection that each of them names."""
        self._resources = AccessResources(api, self._seen)
        self._bindings = Bindings(api)
        self._published = Published(api, namespace, settings.operator_access_configmap, clock)
        self._signing = SigningKeys(
            api,
            self._published,
            namespace=namespace,
            name=settings.operator_signing_secret,
            period=settings.operator_signing_key_seconds,
            publish=settings.operator_signing_publish_seconds,
            in_use=self._signed_by,
            changed=self._resigned,
            clock=clock,
        )
        self._controller = AccessController(
            self._resources,
            self._bindings,
            self._signing,
            self._published,
            collection=collection,
            endpoint=endpoint,
            exposed=exposed,
            changed=changed,
            clock=clock,
        )
        self._queue: KeyedQueue[Key] = KeyedQueue(self._controller.look, limit=_AT_ONCE)
        self._chores: KeyedQueue[str] = KeyedQueue(self._chore, lane=str)
        self._failures: defaultdict[str, int] = defaultdict(int)

    # What is seen

    def seen(self, body: Any) -> None:
        """An event or a list showed a VectorAccess."""
        self._resources.seen(body)

    def gone(self, body: Any) -> None:
        """An event showed that one is deleted."""
        meta = body["metadata"]
        self._resources.gone(Key(meta["namespace"], meta["name"]), meta["uid"])

    def all(self) -> Iterable[Resource]:
        """Those that are known."""
        return self._resources.all()

    async def refresh(self) -> None:
        """List all VectorAccesses."""
        await self._resources.refresh()

    def collection_changed(self, key: Key) -> None:
        """A VectorCollection came, went, changed, or is served elsewhere."""
        for access in self._of.get(key, ()):
            self.look(access)

    def look(self, key: Key) -> None:
        """Look at an access soon."""
        if self._acting:
            self._queue.add(key)

    # A term of leading

    def start(self) -> None:
        """Act on what is there now: all VectorAccesses and VectorCollections were listed."""
        self._acting = True
        self.look_at_all()

    async def stop(self) -> None:
        """What is under way is cut off, and what was read is forgotten."""
        self._acting = False
        await self._chores.drop()
        await self._queue.drop()
        for part in (self._controller, self._bindings, self._published, self._signing):
            part.forget()
        self._failures.clear()

    def look_at_all(self) -> None:
        """Look at all accesses, and at what they rest on, without waiting for a timer."""
        for chore in (_SECRETS, _SIGNING):
            self._chores.add(chore)
        self._look_at_accesses()

    async def join(self) -> None:
        """Wait until nothing is looked at; timers may be pending."""
        while len(self._chores) or len(self._queue):
            await self._chores.join()
            await self._queue.join()

    # What the gateway must know

    def credentials(self) -> list[Credential]:
        """Of all accesses that have valid keys, as far as they were looked at."""
        return self._controller.credentials()

    def verifier(self) -> Credential | None:
        """The operator's own key; the first of its keys is the one to ask with."""
        keys = self._signing.verifier()
        if not keys:
            return None
        return Credential(self._owner, VERIFIER, keys, (EVERYBODY, VERIFIER))

    def paused(self) -> set[str]:
        """The UIDs of those whose keys stay at the gateway as they are: paused, or not looked at
        since the start."""
        return self._controller.unknown()

    # Within

    async def _chore(self, name: str) -> float | None:
        try:
            delay = await (self._sign() if name == _SIGNING else self._list_secrets())
        except (Waiting, Gone) as error:
            self._failures[name] += 1
            log.warning("access_waiting", chore=name, error=str(error))
            return backoff(self._failures[name], most=15.0)
        self._failures.pop(name, None)
        return delay

    async def _sign(self) -> float:
        try:
            await self._published.load()
            return await self._signing.look()
        except Waiting as error:
            self._signing.failed(error)
            raise

    async def _list_secrets(self) -> float:
        first = not self._bindings.listed
        owners = await self._bindings.refresh()
        for access in self._resources.all():
            if first or access.uid in owners:
                self.look(access.key)
        return self._resync

    def _resigned(self) -> None:
        self._look_at_accesses()
        self._changed(self._owner)

    def _look_at_accesses(self) -> None:
        for access in self._resources.all():
            self.look(access.key)

    def _signed_by(self) -> set[str]:
        now = self._clock()
        return {
            record.signed_by
            for access in self._resources.all()
            for record in records_of(access.status)
            if now < record.expires
        }

    def _seen(self, key: Key) -> None:
        access = self._resources.get(key)
        if former := self._names.pop(key, None):
            self._of[former].discard(key)
            if not self._of[former]:
                del self._of[former]
        if access:
            named = Key(key.namespace, str(access.spec.get("collection")))
            self._names[key] = named
            self._of[named].add(key)
        self.look(key)
