"""What the service reads of keys: the public halves of the signing keys, and the ids that were
revoked. A ConfigMap, which the service mounts and reads again by itself.

    keys.json     JWKS, for its ACCESS_PUBLIC_KEYS
    denied        one id a line, for its ACCESS_DENIED_IDS
    denied.json   until when each id must stand there (seconds since 1970): it is ours to read

What many looks revoke at once goes in one write.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from vectorplane.domain.access import LEEWAY
from vectorplane.errors import ApiUnavailable, Waiting
from vectorplane_operator.access.times import Clock
from vectorplane_operator.kube import FIELD_MANAGER, Api, Gone, Json, Stale

KEYS, DENIED, EXPIRIES = "keys.json", "denied", "denied.json"
MANAGED_BY = "app.kubernetes.io/managed-by"
_TRIES = 5


class AccessConfigUnreadable(Waiting):
    """Somebody wrote into the ConfigMap what we cannot read. To write it anew would let revoked
    keys in."""

    reason = "AccessConfigUnreadable"


@dataclass(frozen=True, slots=True)
class _Seen:
    """The ConfigMap as it is; no UID where there is none."""

    uid: str = ""
    version: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    denied: Mapping[str, int] = field(default_factory=dict)


class Published:
    """The ConfigMap of an installation. Calls raise `Waiting`."""

    def __init__(self, api: Api, namespace: str, name: str, clock: Clock) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._clock = clock
        self._path = f"/api/v1/namespaces/{quote(namespace)}/configmaps"
        self._seen: _Seen | None = None
        self._loaded = False
        self._denied: dict[str, int] = {}
        """What was or shall be denied, also where the ConfigMap was lost meanwhile."""
        self._written: set[str] = set()
        """What stood there for sure."""
        self._keys: str | None = None
        self._writing = asyncio.Lock()

    @property
    def denied(self) -> frozenset[str]:
        """The ids that are let in no more. Raises `Waiting` before they were read."""
        if not self._loaded:
            raise ApiUnavailable("the list of revoked keys was not read yet")
        return frozenset(self._written)

    def forget(self) -> None:
        """Another replica led meanwhile."""
        self._seen, self._keys, self._loaded = None, None, False
        self._denied.clear()
        self._written.clear()

    async def load(self) -> None:
        """Read it, so that `denied` is known."""
        async with self._writing:
            if self._seen is None:
                self._take(await self._read())

    async def publish(self, keys: Sequence[Mapping[str, Any]]) -> None:
        """Make these the public keys, and drop ids of keys that have ended. Reads first, so what
        somebody else changed or deleted is mended."""
        self._keys = json.dumps({"keys": sorted(keys, key=lambda jwk: jwk["kid"])}, sort_keys=True)
        async with self._writing:
            self._take(await self._read())
            await self._write()

    async def deny(self, ids: Mapping[str, float]) -> None:
        """Let these in no more; each with the time at which its key ends. They are denied when this
        returns."""
        for id, expires in ids.items():
            self._denied.setdefault(id, int(expires + LEEWAY))
        async with self._writing:
            # What waited for the write before this one went with it.
            if self._seen is None or not ids.keys() <= self._seen.denied.keys():
                await self._write()

    async def _write(self) -> None:
        for _ in range(_TRIES):
            if self._seen is None:
                self._take(await self._read())
            seen = self._seen
            assert seen
            data = self._data(seen)
            if seen.uid and data.items() <= seen.data.items():
                return
            try:
                self._take(_seen(await self._put(seen, data)))
                return
            except (Stale, Gone):
                self._seen = None
        raise ApiUnavailable(f"ConfigMap {self._namespace}/{self._name} changes too fast")

    def _data(self, seen: _Seen) -> dict[str, str]:
        now = self._clock()
        self._denied = {id: until for id, until in self._denied.items() if now < until}
        self._written &= self._denied.keys()
        data = {
            DENIED: "".join(f"{id}\n" for id in sorted(self._denied)),
            EXPIRIES: json.dumps(self._denied, sort_keys=True),
        }
        return data if self._keys is None else {KEYS: self._keys, **data}

    async def _put(self, seen: _Seen, data: Mapping[str, str]) -> Json:
        if seen.uid:
            place = {"uid": seen.uid, "resourceVersion": seen.version}
            patch: Json = {"metadata": place, "data": dict(data)}
            return await self._api.merge(f"{self._path}/{quote(self._name)}", patch)
        labels = {MANAGED_BY: FIELD_MANAGER, "app.kubernetes.io/part-of": "vectorplane"}
        body: Json = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self._name, "namespace": self._namespace, "labels": labels},
            "data": dict(data),
        }
        return await self._api.create(self._path, body)

    async def _read(self) -> _Seen:
        try:
            return _seen(await self._api.get(f"{self._path}/{quote(self._name)}"))
        except Gone:
            return _Seen()

    def _take(self, seen: _Seen) -> None:
        self._seen, self._loaded = seen, True
        self._written |= seen.denied.keys()
        self._denied = {**seen.denied, **self._denied}


def _seen(body: Json) -> _Seen:
    meta = body["metadata"]
    data = body.get("data") or {}
    try:
        denied = json.loads(data.get(EXPIRIES) or "{}")
        denied = {str(id): int(until) for id, until in denied.items()}
    except (ValueError, TypeError, AttributeError):
        place = f"ConfigMap {meta['namespace']}/{meta['name']}"
        message = f"{EXPIRIES} in {place} cannot be read: mend it, or take it out of there"
        raise AccessConfigUnreadable(message) from None
    return _Seen(meta["uid"], meta["resourceVersion"], data, denied)
