"""API keys. A key is known by the SHA-256 of its secret: the secret itself is forgotten as soon as
it is read.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate
from typing import Any

from vectorplane.errors import Unauthenticated


class Permission(StrEnum):
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


_IMPLIED = {
    Permission.READ: frozenset({Permission.READ}),
    Permission.WRITE: frozenset({Permission.WRITE}),
    Permission.ADMIN: frozenset(Permission),
}
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FIELDS = {"id", "key", "permissions", "collections"}
_FORM = (
    'each key is id:secret:permissions[:collections], for example "shop:s3cret:read+write:shop.*", '
    "or the whole is a JSON list of objects with id, key, permissions and collections"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Whom a secret stands for. `collections` are globs over the names that clients use."""

    id: str
    digest: bytes = field(repr=False)
    permissions: frozenset[Permission]
    collections: tuple[str, ...] = ("*",)
    _names: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pattern = "|".join(translate(glob) for glob in self.collections)
        object.__setattr__(self, "_names", re.compile(pattern))

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def sees(self, collection: str) -> bool:
        return self._names.match(collection) is not None


ANYONE = ApiKey(id="anyone", digest=b"", permissions=frozenset(Permission))
"""Stands for every caller where authentication is off."""


def api_key(
    id: str,
    secret: str,
    permissions: Iterable[str],
    collections: Iterable[str] = ("*",),
) -> ApiKey:
    """A key from its parts. Raises `ValueError`, whose text never holds the secret."""
    if not _ID.fullmatch(id):
        raise ValueError("a key's id is 1 to 64 letters, digits, dots, dashes and underscores")
    if len(secret) < 4 or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ValueError(f"key {id}: the secret is at least 4 printable ASCII characters, no space")
    granted: set[Permission] = set()
    for word in permissions:
        if word not in set(Permission):
            raise ValueError(f"key {id}: a permission is one of read, write, admin")
        granted |= _IMPLIED[Permission(word)]
    globs = tuple(collections)
    if not granted:
        raise ValueError(f"key {id}: it permits nothing; say read, write or admin")
    if not globs or not all(globs):
        raise ValueError(f'key {id}: no collections; say "*" for all')
    return ApiKey(id, digest(secret), frozenset(granted), globs)


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def parse_keys(value: Any) -> Any:
    """The variable API_KEYS: a JSON list, or `id:secret:read+write[:globs]` with commas between
    keys.

    Globs in the short form are separated by `|`. What is no string passes: it is a sequence of
    keys already.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return ()
    keys = tuple(_from_json(text) if text.startswith("[") else map(_from_short, text.split(",")))
    for what, seen in (("id", [k.id for k in keys]), ("secret", [k.digest for k in keys])):
        if len(set(seen)) < len(seen):
            raise ValueError(f"two keys have the same {what}")
    return keys


def _from_short(text: str) -> ApiKey:
    parts = text.strip().split(":")
    if len(parts) not in (3, 4):
        raise ValueError(_FORM)
    globs = parts[3].split("|") if len(parts) == 4 else ["*"]
    return api_key(parts[0], parts[1], parts[2].split("+"), globs)


def _from_json(text: str) -> list[ApiKey]:
    try:
        entries = json.loads(text)
    except ValueError:
        raise ValueError(f"not JSON: {_FORM}") from None
    keys = []
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) - _FIELDS:
            raise ValueError(_FORM)
        id, secret = entry.get("id"), entry.get("key")
        if not (isinstance(id, str) and isinstance(secret, str)):
            raise ValueError(_FORM)
        permissions, collections = entry.get("permissions"), entry.get("collections", ["*"])
        keys.append(api_key(id, secret, _texts(permissions), _texts(collections)))
    return keys


def _texts(value: object) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise ValueError(_FORM)


class Keyring:
    """All keys, asked by secret. Every stored hash is compared, in constant time each, so the time
    tells nothing."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple(keys)

    def identify(self, secret: str) -> ApiKey:
        presented = digest(secret)
        found: ApiKey | None = None
        for key in self._keys:
            if hmac.compare_digest(presented, key.digest):
                found = key
        if found is None:
            raise Unauthenticated("this key is not known")
        return found


def secret_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The secret in a request's headers: `X-API-Key`, else `Authorization: Bearer`."""
    raw = headers.get(b"x-api-key")
    if raw is None:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        raw = token.strip() if scheme.lower() == b"bearer" else None
    return raw.decode("latin-1") if raw else None
