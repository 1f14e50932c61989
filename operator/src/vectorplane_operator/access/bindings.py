"""The Secrets that applications read, by the conventions of Service Binding (servicebinding.io).

All of them are read by one list, after a start and from time to time. What stands under our labels
for another resource, or under none, is somebody else's and is never touched.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from vectorplane.domain.model import Key
from vectorplane.errors import ApiUnavailable, Stalled
from vectorplane.exposure.wishes import address_of
from vectorplane.ports.resources import Resource
from vectorplane.spec_base import API_VERSION
from vectorplane_operator.access.published import MANAGED_BY
from vectorplane_operator.kube import FIELD_MANAGER, Api, Gone, Invalid, Json, Stale

TYPE = "servicebinding.io/vectorplane"
UID = "vectorplane.dev/uid"
BINDING = "vectorplane.dev/binding"
"""The label that tells these from other Secrets of ours."""
API_KEY, PREVIOUS = "api-key", "previous-api-key"
_OURS = ("type", "provider", "uri", "host", "port", "collection", API_KEY)
_SELECTOR = f"{MANAGED_BY}={FIELD_MANAGER},{BINDING}=true"
_TRIES = 3


class SecretConflict(Stalled):
    """The Secret that is asked for is somebody else's."""

    reason = "SecretConflict"


@dataclass(frozen=True, slots=True)
class Binding:
    """A Secret of one VectorAccess; `owner` is the UID of that."""

    key: Key
    uid: str
    version: str
    owner: str
    labels: Mapping[str, str]
    data: Mapping[str, str] = field(repr=False)
    """As text; what is none is left out."""

    def keys(self) -> list[str]:
        """The texts of all keys in it."""
        return [text for name, text in self.data.items() if _is_key(name)]


def data_of(collection: str, endpoint: str | None, keys: Iterable[str]) -> dict[str, str]:
    """What stands in the Secret; `keys` are the valid ones, newest last."""
    data = {"type": "vectorplane", "provider": "vectorplane", "collection": collection}
    for age, text in enumerate(reversed(list(keys))):
        name = API_KEY if age == 0 else PREVIOUS if age == 1 else f"{PREVIOUS}-{age}"
        data[name] = text
    if endpoint:
        data["uri"] = endpoint
        host, port = address_of(endpoint)
        if host:
            data |= {"host": host, "port": str(port)}
    return data


class Bindings:
    """What we know of these Secrets. Calls raise `Waiting`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[Key, Binding] | None = None
        self._touched: set[Key] = set()
        """Read or written by themselves since the last list began."""

    def forget(self) -> None:
        """Another replica led meanwhile."""
        self._known = None

    @property
    def listed(self) -> bool:
        return self._known is not None

    def of(self, owner: str, keys: Iterable[Key]) -> list[Binding]:
        """Those of them that belong to that owner. Raises `Waiting` before they were listed."""
        found = (self._listed().get(key) for key in keys)
        return [binding for binding in found if binding and binding.owner == owner]

    async def refresh(self) -> set[str]:
        """List all; gives the UIDs of the owners of whose Secrets something is new."""
        found: dict[Key, Binding] = {}
        self._touched.clear()
        async for page in self._api.pages("/api/v1/secrets", selector=_SELECTOR):
            for body in page:
                if body.get("type") == TYPE:
                    binding = _binding(body)
                    found[binding.key] = binding
        before = self._known or {}
        # Of these we know more than a list that began before it.
        for key in self._touched:
            found.pop(key, None)
            if key in before:
                found[key] = before[key]
        self._known = found
        return {
            binding.owner
            for key in before.keys() | found.keys()
            if (was := before.get(key)) != (now := found.get(key))
            for binding in (was, now)
            if binding
        }

    async def find(self, access: Resource, name: str) -> Binding | None:
        """The Secret of that name, where it is there. Raises `SecretConflict` where it is somebody
        else's."""
        key = Key(access.key.namespace, name)
        known = self._listed().get(key)
        if known is None or known.owner != access.uid:
            known = await self._read(key, access.uid)
        if known and known.owner != access.uid:
            raise _conflict(key)
        return known

    async def put(self, access: Resource, name: str, data: Mapping[str, str]) -> None:
        """Make the Secret, or make it so. Raises `SecretConflict`."""
        key = Key(access.key.namespace, name)
        for _ in range(_TRIES):
            known = await self.find(access, name)
            if known and _is_so(known, access, data):
                return
            try:
                body = await self._write(known, key, access, data)
            except (Stale, Gone):
                self._keep(key, None)
                continue
            except Invalid:
                # What the API server says of a Secret may repeat what stands in it.
                message = f"the Kubernetes API will not have Secret {key.namespace}/{key.name}"
                raise ApiUnavailable(message) from None
            self._keep(key, _binding(body))
            return
        raise ApiUnavailable(f"Secret {key.namespace}/{key.name} changes faster than we can write")

    async def remove(self, binding: Binding) -> None:
        """Delete exactly that one."""
        try:
            await self._api.delete(_path(binding.key), uid=binding.uid)
        except (Gone, Stale):
            pass
        self._keep(binding.key, None)

    async def _write(
        self, known: Binding | None, key: Key, access: Resource, data: Mapping[str, str]
    ) -> Json:
        meta: Json = {"labels": _labels(access), "ownerReferences": [_owner(access)]}
        coded: dict[str, Any] = {n: base64.b64encode(t.encode()).decode() for n, t in data.items()}
        if known:
            meta |= {"uid": known.uid, "resourceVersion": known.version}
            coded |= {n: None for n in known.data if n not in data and (n in _OURS or _is_key(n))}
            return await self._api.merge(_path(key), {"metadata": meta, "data": coded})
        meta |= {"name": key.name, "namespace": key.namespace}
        body = {"apiVersion": "v1", "kind": "Secret", "type": TYPE, "metadata": meta, "data": coded}
        return await self._api.create(_path(key).rpartition("/")[0], body)

    async def _read(self, key: Key, owner: str) -> Binding | None:
        """As it is now, which the list may not show. Raises `SecretConflict`."""
        try:
            body = await self._api.get(_path(key))
        except Gone:
            self._keep(key, None)
            return None
        if body.get("type") != TYPE or _owner_of(body) != owner:
            raise _conflict(key)
        return self._keep(key, _binding(body))

    def _keep(self, key: Key, binding: Binding | None) -> Binding | None:
        """Remember what is there under that name, as we saw it ourselves."""
        self._touched.add(key)
        if binding:
            self._listed()[key] = binding
        else:
            self._listed().pop(key, None)
        return binding

    def _listed(self) -> dict[Key, Binding]:
        if self._known is None:
            raise ApiUnavailable("the Secrets of keys were not listed yet")
        return self._known


def _binding(body: Json) -> Binding:
    meta = body["metadata"]
    return Binding(
        Key(meta["namespace"], meta["name"]),
        meta["uid"],
        meta["resourceVersion"],
        _owner_of(body),
        meta.get("labels") or {},
        _texts(body.get("data") or {}),
    )


def _owner_of(body: Json) -> str:
    """The UID of the resource it was made for. The owner reference stays where somebody takes the
    labels away."""
    meta = body["metadata"]
    for owner in meta.get("ownerReferences") or ():
        if owner.get("kind") == "VectorAccess" and owner.get("apiVersion") == API_VERSION:
            return str(owner["uid"])
    return str((meta.get("labels") or {}).get(UID, ""))


def _texts(data: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, coded in data.items():
        try:
            found[name] = base64.b64decode(coded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            found[name] = ""
    return found


def _is_so(binding: Binding, access: Resource, data: Mapping[str, str]) -> bool:
    left = {n for n in binding.data if n not in data and (n in _OURS or _is_key(n))}
    return (
        not left
        and data.items() <= binding.data.items()
        and _labels(access).items() <= binding.labels.items()
    )


def _is_key(name: str) -> bool:
    return name == API_KEY or name.startswith(PREVIOUS)


def _labels(access: Resource) -> dict[str, str]:
    return {MANAGED_BY: FIELD_MANAGER, UID: access.uid, BINDING: "true"}


def _owner(access: Resource) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "VectorAccess",
        "name": access.key.name,
        "uid": access.uid,
        "controller": True,
    }


def _path(key: Key) -> str:
    return f"/api/v1/namespaces/{quote(key.namespace)}/secrets/{quote(key.name)}"


def _conflict(key: Key) -> SecretConflict:
    return SecretConflict(
        f"Secret {key.name} was made by somebody else: delete it, or set spec.secretName"
    )
