"""The signing keys: who leads makes them, keeps them in a Secret beside the operator, and publishes
their public halves. What to do is decided in `domain.access.plan_signing`.

The order is: into the Secret, then published, then noted as published. Only what is noted signs, so
nothing is ever signed by a key that nobody could know.

    keys.json     id, created and published of each key
    <id>.pem      the private key (PKCS #8)
    verifier      the keys of the operator itself, one a line, the newest last

Whoever must replace all of them at once, because they leaked, deletes the Secret: another one is
made, and every key that was signed before is made anew.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import structlog

from vectorplane import tokens
from vectorplane.domain.access import (
    LEEWAY,
    KeyRecord,
    KeyWish,
    Signers,
    SigningKey,
    SigningPlan,
    next_look,
    plan_keys,
    plan_signing,
)
from vectorplane.errors import ApiUnavailable, Unauthenticated, Waiting
from vectorplane_operator.access.published import MANAGED_BY, Published
from vectorplane_operator.access.times import Clock, seconds_of, text_of
from vectorplane_operator.kube import FIELD_MANAGER, Api, Gone, Invalid, Json, Stale

KEYS, VERIFIER = "keys.json", "verifier"
VERIFIER_TTL = 24 * 3600.0
_VERIFIER_LEFT = 3600.0
"""Seconds that a key must last to be asked with: the gateway learns of the next one meanwhile."""
_SECONDS = 60.0
"""Between two looks: somebody may have deleted the Secret or the ConfigMap."""
_SOON = 1.0

log = structlog.get_logger(__name__)


class SigningKeysUnready(Waiting):
    """There is no key to sign with yet."""

    reason = "SigningKeysUnready"


class SigningSecretUnreadable(Waiting):
    """The Secret of the signing keys holds something else."""

    reason = "SigningSecretUnreadable"


@dataclass(frozen=True, slots=True)
class _Stored:
    """The Secret as it is."""

    uid: str
    version: str
    keys: tuple[SigningKey, ...]
    private: Mapping[str, tokens.PrivateKey] = field(repr=False)
    verifier: tuple[str, ...] = field(repr=False)


class SigningKeys:
    """`look` is called again and again, by one at a time. `in_use` gives the ids of the signing
    keys that something valid is signed by; `changed` is called where another key signs than before,
    where one does not count any more, and where the keys of the operator itself are others."""

    def __init__(
        self,
        api: Api,
        published: Published,
        *,
        namespace: str,
        name: str,
        period: float,
        publish: float,
        in_use: Callable[[], Collection[str]],
        changed: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._api = api
        self._published = published
        self._namespace = namespace
        self._name = name
        self._path = f"/api/v1/namespaces/{quote(namespace)}/secrets"
        self._period = period
        self._publish = publish
        self._in_use = in_use
        self._changed = changed
        self._clock = clock
        self._stored: _Stored | None = None
        self._signers: Signers | None = None
        self._failure: Waiting | None = None
        self._known = tokens.KeySet(())
        self._verifier: dict[str, tuple[KeyRecord, str]] = {}

    def forget(self) -> None:
        """Another replica led meanwhile."""
        self._stored = self._signers = self._failure = None
        self._known = tokens.KeySet(())
        self._verifier = {}

    @property
    def signers(self) -> Signers:
        """Raises `Waiting`, with what kept the last look from its end."""
        if self._signers is None:
            raise self._failure or SigningKeysUnready("there is no signing key yet")
        return self._signers

    def failed(self, error: Waiting) -> None:
        """Why `look` did not come to its end."""
        self._failure = error

    def sign(self, record: KeyRecord) -> str:
        """The key of a record, always the same: a secret. Raises `SigningKeysUnready` where the
        record's signing key is gone."""
        private = self._stored.private.get(record.signed_by) if self._stored else None
        if private is None:
            raise SigningKeysUnready(f"signing key {record.signed_by} is gone")
        claims = tokens.Claims(
            id=record.id,
            permissions=record.permissions,
            collections=(record.collection,),
            issued=record.issued,
            expires=record.expires,
        )
        return tokens.sign(claims, private)

    def recorded(self, token: str) -> KeyRecord | None:
        """What a key says of itself, where we signed it."""
        try:
            claims = tokens.verify(token, self._known, self._clock(), leeway=LEEWAY)
            signed_by = tokens.key_id_of(token)
        except Unauthenticated:
            return None
        return KeyRecord(
            claims.id,
            signed_by,
            claims.issued,
            claims.expires,
            claims.collections[0],
            claims.permissions,
        )

    def verifier(self) -> dict[str, str]:
        """The keys of the operator itself by their ids; first the one to ask with: the oldest that
        lasts for a while yet."""
        now = self._clock()
        valid = [one for one in self._verifier.values() if now < one[0].expires]
        valid.sort(key=lambda one: (one[0].expires < now + _VERIFIER_LEFT, one[0].issued))
        return {record.id: text for record, text in valid}

    async def look(self) -> float:
        """Bring the signing keys to what they should be; gives the seconds until the next look.
        Raises `Waiting`."""
        before = self._signers, set(self._verifier)
        stored = await self._read()
        plan = self._plan(stored)
        if stored is None or plan.make or plan.drop:
            stored = await self._replace(stored, plan)
        await self._published.publish([tokens.jwk_of(key) for key in stored.private.values()])
        if any(key.published is None for key in stored.keys):
            now = float(int(self._clock()))
            noted = tuple(replace(k, published=k.published or now) for k in stored.keys)
            stored = await self._put(replace(stored, keys=noted))
        plan = self._plan(stored)
        assert plan.active
        self._take(stored, plan)
        due = await self._renew_verifier(stored)
        if (self._signers, set(self._verifier)) != before:
            log.info("signing_keys", active=plan.active, keys=sorted(stored.private))
            self._changed()
        if plan.retire or plan.drop or plan.make:
            return _SOON
        return min(_SECONDS, plan.after, due)

    def _plan(self, stored: _Stored | None) -> SigningPlan:
        own = map(tokens.key_id_of, stored.verifier) if stored else ()
        in_use = {*self._in_use(), *own}
        keys = stored.keys if stored else ()
        return plan_signing(keys, in_use, self._clock(), period=self._period, publish=self._publish)

    def _take(self, stored: _Stored, plan: SigningPlan) -> None:
        assert plan.active
        self._stored = stored
        self._signers = Signers(plan.active, frozenset(stored.private) - plan.retire - plan.drop)
        self._known = tokens.KeySet(
            tokens.public_key(tokens.jwk_of(key)) for key in stored.private.values()
        )
        self._verifier = self._records(stored)

    async def _renew_verifier(self, stored: _Stored) -> float:
        """The operator's own keys: the Secret that holds them is their record too."""
        now = float(int(self._clock()))
        wish = KeyWish("*", frozenset({"verify"}), VERIFIER_TTL)
        records = [record for record, _ in self._verifier.values()]
        plan = plan_keys(wish, records, self.signers, set(self._verifier), now)
        await self._published.deny({key.id: key.expires for key in plan.revoke})
        kept = [self._verifier[key.id][1] for key in plan.keep]
        keys = list(plan.keep)
        if plan.issue:
            id = f"verifier.{secrets.token_hex(6)}"
            made = KeyRecord(
                id,
                self.signers.active,
                now,
                now + VERIFIER_TTL,
                wish.collection,
                wish.permissions,
            )
            keys.append(made)
            kept.append(self.sign(made))
        if tuple(kept) != stored.verifier:
            self._stored = stored = await self._put(replace(stored, verifier=tuple(kept)))
        self._verifier = self._records(stored)
        return next_look(keys, now) or _SECONDS

    def _records(self, stored: _Stored) -> dict[str, tuple[KeyRecord, str]]:
        known = ((self.recorded(text), text) for text in stored.verifier)
        denied = self._published.denied
        return {r.id: (r, text) for r, text in known if r is not None and r.id not in denied}

    # The Secret

    async def _replace(self, stored: _Stored | None, plan: SigningPlan) -> _Stored:
        """Without those that go, and with another one where one is to be made."""
        before = stored or _Stored("", "", (), {}, ())
        keys = [key for key in before.keys if key.id not in plan.drop]
        private = {id: key for id, key in before.private.items() if id not in plan.drop}
        if plan.make:
            made = await asyncio.to_thread(tokens.generate)
            id = tokens.id_of(made)
            keys.append(SigningKey(id, float(int(self._clock()))))
            private[id] = made
        return await self._put(replace(before, keys=tuple(keys), private=private), plan.drop)

    async def _read(self) -> _Stored | None:
        try:
            return self._parsed(await self._api.get(f"{self._path}/{quote(self._name)}"))
        except Gone:
            return None

    async def _put(self, stored: _Stored, dropped: Collection[str] = ()) -> _Stored:
        """Make it, or change exactly what we read: two leaders never make two."""
        data: dict[str, str | None] = {
            KEYS: _coded(json.dumps([_shown(key) for key in stored.keys])),
            VERIFIER: _coded("".join(f"{text}\n" for text in stored.verifier)),
            **{f"{id}.pem": _coded(tokens.pem_of(key)) for id, key in stored.private.items()},
            **{f"{id}.pem": None for id in dropped},
        }
        place = f"Secret {self._namespace}/{self._name}"
        try:
            if stored.uid:
                seen = {"uid": stored.uid, "resourceVersion": stored.version}
                body: Json = {"metadata": seen, "data": data}
                return self._parsed(
                    await self._api.merge(f"{self._path}/{quote(self._name)}", body)
                )
            labels = {MANAGED_BY: FIELD_MANAGER, "app.kubernetes.io/part-of": "vectorplane"}
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "Opaque",
                "metadata": {"name": self._name, "namespace": self._namespace, "labels": labels},
                "data": data,
            }
            return self._parsed(await self._api.create(self._path, body))
        except (Stale, Gone):
            raise ApiUnavailable(f"{place} was changed by somebody else") from None
        except Invalid:
            # What the API server says of a Secret may repeat what stands in it.
            raise ApiUnavailable(f"the Kubernetes API will not have {place}") from None

    def _parsed(self, body: Json) -> _Stored:
        meta, data = body["metadata"], body.get("data") or {}
        try:
            keys = tuple(map(_key, json.loads(_plain(data[KEYS]))))
            private = {k.id: tokens.private_key(_plain(data[f"{k.id}.pem"])) for k in keys}
            if not keys or any(tokens.id_of(key) != id for id, key in private.items()):
                raise ValueError
            verifier = tuple(_plain(data.get(VERIFIER, "")).decode().split())
        except (KeyError, ValueError, TypeError, binascii.Error):
            message = (
                f"Secret {self._namespace}/{self._name} does not hold our signing keys: put them "
                "back, or delete it to have all keys made anew"
            )
            raise SigningSecretUnreadable(message) from None
        return _Stored(meta["uid"], meta["resourceVersion"], keys, private, verifier)


def _key(entry: Any) -> SigningKey:
    published = entry.get("published")
    return SigningKey(
        str(entry["id"]),
        seconds_of(entry["created"]),
        None if published is None else seconds_of(published),
    )


def _shown(key: SigningKey) -> dict[str, str | None]:
    published = None if key.published is None else text_of(key.published)
    return {"id": key.id, "created": text_of(key.created), "published": published}


def _coded(content: str | bytes) -> str:
    raw = content.encode() if isinstance(content, str) else content
    return base64.b64encode(raw).decode()


def _plain(content: str) -> bytes:
    return base64.b64decode(content, validate=True)
