"""One look at a VectorAccess: its keys, its Secret, its status.

The order of writes is what makes `kill -9` harmless: what is revoked is denied first; a new key's
id is recorded in the status before the key is written anywhere; the Secret comes next, and the rest
of the status last. A key that was recorded and not written is signed again: it comes out the same.
"""

from __future__ import annotations

import secrets as randomness
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import structlog
from pydantic import ValidationError

from vectorplane.domain.access import (
    KeyPlan,
    KeyRecord,
    KeyWish,
    Signers,
    next_look,
    plan_keys,
)
from vectorplane.domain.exposure import Credential, Owner, groups_of
from vectorplane.domain.model import Key
from vectorplane.domain.status import Event, Exposed, Trouble, events_of
from vectorplane.errors import Stalled, Waiting
from vectorplane.ports.resources import FORCE_DELETE, PAUSED, Resource
from vectorplane.queue import backoff
from vectorplane.spec_base import seconds
from vectorplane.spec_exposure import VectorAccessSpec
from vectorplane_operator.access.bindings import Binding, Bindings, SecretConflict, data_of
from vectorplane_operator.access.published import AccessConfigUnreadable, Published
from vectorplane_operator.access.resources import FINALIZER, AccessResources
from vectorplane_operator.access.saying import (
    Result,
    issued,
    recorded,
    records_of,
    revoked,
    status_of,
)
from vectorplane_operator.access.signing import SigningKeys, SigningSecretUnreadable
from vectorplane_operator.access.times import Clock, text_of

_MOST = 3600.0
"""Seconds between two looks: they cost nothing where nothing is to be done."""

_AGAIN = 20.0
"""Seconds after which it is looked at again where a person must act, for nobody tells us of that.
"""

log = structlog.get_logger(__name__)


class InvalidAccess(Stalled):
    """A VectorAccess that our models refuse: stored before the CRD was as it is now."""

    reason = "InvalidAccess"


class AccessController:
    """`look` is the handler of a `KeyedQueue`.

    `collection` gives the VectorCollection of a key, None where there is none; `endpoint` where one
    is served. `exposed` says what the gateway knows of a resource's keys, and `changed` is called
    when it should know others.
    """

    def __init__(
        self,
        resources: AccessResources,
        bindings: Bindings,
        signing: SigningKeys,
        published: Published,
        *,
        collection: Callable[[Key], Resource | None],
        endpoint: Callable[[Resource], str | None],
        exposed: Callable[[Owner], Exposed],
        changed: Callable[[Owner], None],
        clock: Clock,
    ) -> None:
        self._resources = resources
        self._bindings = bindings
        self._signing = signing
        self._published = published
        self._collection = collection
        self._endpoint = endpoint
        self._exposed = exposed
        self._changed = changed
        self._clock = clock
        self._credentials: dict[Key, tuple[Owner, Credential | None]] = {}
        self._failures: defaultdict[Key, int] = defaultdict(int)

    def credentials(self) -> list[Credential]:
        """What the gateway must know of each access that was looked at."""
        return [credential for _, credential in self._credentials.values() if credential]

    def unknown(self) -> set[str]:
        """The UIDs of those whose keys must stay at the gateway as they are: they are paused, or
        were not looked at yet."""
        looked = {owner.uid for owner, _ in self._credentials.values()}
        return {
            access.uid
            for access in self._resources.all()
            if access.says(PAUSED) or access.uid not in looked
        }

    def forget(self) -> None:
        """Another replica led meanwhile."""
        self._credentials.clear()
        self._failures.clear()

    async def look(self, key: Key) -> float | None:
        """Bring one access to what it declares; gives the seconds until the next look."""
        access = self._resources.get(key)
        if access is None or (access.deleting and FINALIZER not in access.finalizers):
            self._failures.pop(key, None)
            owner, credential = self._credentials.pop(key, (None, None))
            if owner and credential:
                self._changed(owner)
            return None
        try:
            delay = await self._handle(access)
        except Waiting as error:
            # Mostly the API that the status would be written to; what else it is, is tried again.
            log.warning("access_waiting", key=str(key), reason=error.reason, message=error.message)
            self._failures[key] += 1
            return max(error.retry_after or 0.0, backoff(self._failures[key], most=30.0))
        self._failures.pop(key, None)
        return delay

    async def _handle(self, access: Resource) -> float | None:
        if not access.deleting and FINALIZER not in access.finalizers:
            finalized = await self._resources.add_finalizer(access)
            if finalized is None:
                return None
            access = finalized
        if access.says(PAUSED) and not (access.deleting and access.says(FORCE_DELETE)):
            return await self._say(access, self._as_it_was(access, paused=True))
        if access.deleting:
            return await self._delete(access)
        try:
            return await self._keep(access, _spec_of(access))
        except (Stalled, SigningSecretUnreadable, AccessConfigUnreadable) as error:
            return await self._say(access, self._as_it_was(access, error), again=_AGAIN)

    async def _keep(self, access: Resource, spec: VectorAccessSpec) -> float | None:
        """Keys, Secret and status of an access that shall be there."""
        namespace, name = access.key.namespace, spec.secret_name or access.key.name
        collection = self._collection(Key(namespace, spec.collection))
        full = f"{namespace}.{spec.collection}"
        wish, conflict = None, None
        if collection and not collection.deleting:
            wish = KeyWish(full, frozenset(spec.permissions), seconds(spec.ttl))
            try:
                await self._bindings.find(access, name)
            except SecretConflict as error:
                conflict = error
        there = self._there(access, name)
        held = self._held(there)
        plan, now = self._plan(access, wish, held), float(int(self._clock()))
        await self._revoke(access, plan, _why(wish))
        texts = {key.id: held[key.id][1] for key in plan.keep if key.id in held}
        self._credit(access, spec, texts)
        if wish is None:
            for binding in there:
                await self._bindings.remove(binding)
            trouble = Trouble(
                "CollectionMissing", f"there is no VectorCollection {spec.collection}"
            )
            return await self._say(access, Result(full, trouble=trouble))
        if conflict:
            # The keys so far, if any, stand in the Secret that was asked for before.
            former = next((b.key.name for b in there), None)
            result = Result(full, plan.keep, former, None, _trouble(conflict))
            return await self._say(access, result, again=_AGAIN)
        keys = list(plan.keep)
        if plan.issue:
            keys.append(self._made(access, wish, now))
            unfinished = {**access.status, "keys": recorded(keys)}
            noted = await self._resources.write_status(access, unfinished)
            if noted is None:
                return None
            access = noted
        texts = {key.id: texts.get(key.id) or self._signing.sign(key) for key in keys}
        endpoint = self._endpoint(collection) if collection else None
        await self._bindings.put(access, name, data_of(full, endpoint, texts.values()))
        self._credit(access, spec, texts)
        for binding in there:
            if binding.key.name != name:
                await self._bindings.remove(binding)
        if not keys[-1].written:
            await self._tell(access, [issued(keys[-1], keys[:-1], name)])
        keys = [replace(key, written=True) for key in keys]
        result = Result(full, keys, name, endpoint)
        return await self._say(access, result, again=next_look(keys, now))

    async def _delete(self, access: Resource) -> float | None:
        """Deny what is valid, and let go. The gateway's loop takes its own away, and the Secret
        goes by its owner reference too, so neither is waited for."""
        there = self._there(access, str(access.spec.get("secretName") or access.key.name))
        await self._revoke(
            access, self._plan(access, None, self._held(there)), "deleted", quiet=True
        )
        self._set(access, None)
        for binding in there:
            try:
                await self._bindings.remove(binding)
            except Waiting as error:
                log.warning("secret_left", key=str(access.key), message=error.message)
        await self._resources.remove_finalizer(access)
        return None

    def _plan(
        self, access: Resource, wish: KeyWish | None, held: Mapping[str, tuple[KeyRecord, str]]
    ) -> KeyPlan:
        """Of all that the status or the Secret knows, the status in the order in which it was made;
        what was denied is known to be."""
        said = {r.id: r for r in records_of(access.status) if r.id not in self._published.denied}
        known = {id: record for id, (record, _) in held.items() if id not in said} | said
        signers = self._signing.signers if wish else Signers("", frozenset())
        return plan_keys(wish, known.values(), signers, held, self._clock())

    async def _revoke(
        self, access: Resource, plan: KeyPlan, why: str, *, quiet: bool = False
    ) -> None:
        if not plan.revoke:
            return
        await self._published.deny({key.id: key.expires for key in plan.revoke})
        log.info("keys_revoked", key=str(access.key), ids=[key.id for key in plan.revoke], why=why)
        if not quiet:
            await self._tell(access, revoked(plan.revoke, why))

    def _there(self, access: Resource, name: str) -> list[Binding]:
        """Its Secrets: the one that is wanted, and the one before that."""
        names = {name, access.status.get("secretName") or name}
        keys = (Key(access.key.namespace, each) for each in sorted(names))
        return self._bindings.of(access.uid, keys)

    def _held(self, there: Iterable[Binding]) -> dict[str, tuple[KeyRecord, str]]:
        """The keys that really stand in them: signed by us, of this access, and not denied."""
        found: dict[str, tuple[KeyRecord, str]] = {}
        for binding in there:
            for text in binding.keys():
                record = self._signing.recorded(text)
                if record and record.id.startswith(_prefix(binding.owner)):
                    found[record.id] = (record, text)
        return {id: one for id, one in found.items() if id not in self._published.denied}

    def _made(self, access: Resource, wish: KeyWish, now: float) -> KeyRecord:
        return KeyRecord(
            _prefix(access.uid) + randomness.token_hex(4),
            self._signing.signers.active,
            now,
            now + wish.ttl,
            wish.collection,
            wish.permissions,
            written=False,
        )

    def _as_it_was(
        self, access: Resource, error: Stalled | Waiting | None = None, *, paused: bool = False
    ) -> Result:
        """Nothing was done: what the status says of keys stays, but for those that ended."""
        status, now = access.status, self._clock()
        keys = [key for key in records_of(status) if now < key.expires]
        trouble = _trouble(error) if error else None
        collection = f"{access.key.namespace}.{access.spec.get('collection', '')}"
        secret, endpoint = status.get("secretName"), status.get("endpoint")
        return Result(collection, keys, secret, endpoint, trouble, paused)

    # What others are told

    def _credit(self, access: Resource, spec: VectorAccessSpec, texts: Mapping[str, str]) -> None:
        """The gateway must know exactly these keys."""
        full = f"{access.key.namespace}.{spec.collection}"
        credential = Credential(
            _owner(access),
            f"vectorplane.{access.key.namespace}.{access.key.name}",
            texts,
            groups_of(full, spec.permissions),
        )
        self._set(access, credential if texts else None)

    def _set(self, access: Resource, credential: Credential | None) -> None:
        known = (_owner(access), credential)
        if self._credentials.get(access.key) != known:
            self._credentials[access.key] = known
            self._changed(known[0])

    async def _say(
        self, access: Resource, result: Result, again: float | None = None
    ) -> float | None:
        """Write what changed, and nothing where nothing did."""
        now = text_of(self._clock())
        status = status_of(access, result, self._exposed(_owner(access)), now)
        if status != dict(access.status):
            if await self._resources.write_status(access, status) is None:
                return None
            await self._tell(access, events_of(access.status, status))
        return min(_MOST, again) if again is not None else _MOST

    async def _tell(self, access: Resource, events: Iterable[Event]) -> None:
        for event in events:
            await self._resources.record_event(access, event)


def _trouble(error: Stalled | Waiting) -> Trouble:
    return Trouble(error.reason, error.message)


def _why(wish: KeyWish | None) -> str:
    if wish is None:
        return "its collection is not there"
    return "it is not what is declared, its Secret lost it, or its signing key is gone"


def _prefix(uid: str) -> str:
    """What the ids of all keys of an access begin with."""
    return f"access.{uid}."


def _owner(access: Resource) -> Owner:
    return Owner("VectorAccess", access.key, access.uid)


def _spec_of(access: Resource) -> VectorAccessSpec:
    try:
        return VectorAccessSpec.model_validate(dict(access.spec))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(("spec", *map(str, first["loc"])))
        raise InvalidAccess(f"{place}: {first['msg']}") from error
