"""API keys. A key is known by the SHA-256 of its secret: the secret itself is forgotten as soon as
it is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from vectorplane_service.access.identity import Identity, Permission, granted

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FIELDS = {"id", "key", "permissions", "collections", "tenant"}
_FORM = (
    'each key is id:secret:permissions[:collections], for example "shop:s3cret:read+write:shop.*", '
    "or the whole is a JSON list of objects with id, key, permissions, collections and tenant"
)


@dataclass(frozen=True, slots=True)
class ApiKey(Identity):
    """Whom a secret stands for, and the hash that it is known by."""

    digest: bytes = field(repr=False, kw_only=True)


def api_key(
    id: str,
    secret: str,
    permissions: Iterable[str],
    collections: Iterable[str] = ("*",),
    tenant: str | None = None,
) -> ApiKey:
    """A key from its parts. Raises `ValueError`, whose text never holds the secret."""
    if not _ID.fullmatch(id):
        raise ValueError("a key's id is 1 to 64 letters, digits, dots, dashes and underscores")
    if len(secret) < 4 or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ValueError(f"key {id}: the secret is at least 4 printable ASCII characters, no space")
    words = tuple(permissions)
    if not set(words) <= set(Permission):
        raise ValueError(f"key {id}: a permission is one of read, write, admin, verify")
    globs = tuple(collections)
    if not words:
        raise ValueError(f"key {id}: it permits nothing; say read, write or admin")
    if not globs or not all(globs):
        raise ValueError(f'key {id}: no collections; say "*" for all')
    return ApiKey(id, granted(words), globs, tenant, digest=digest(secret))


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
        tenant = entry.get("tenant")
        if tenant is not None and not (isinstance(tenant, str) and tenant):
            raise ValueError(_FORM)
        permissions, collections = entry.get("permissions"), entry.get("collections", ["*"])
        keys.append(api_key(id, secret, _texts(permissions), _texts(collections), tenant))
    return keys


def _texts(value: object) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise ValueError(_FORM)


def secret_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The secret in a request's headers: `X-API-Key`, else `Authorization: Bearer`."""
    bearer = b""
    for name, value in headers:
        if name == b"x-api-key":
            return value.decode("latin-1") or None
        if name == b"authorization":
            bearer = value
    scheme, _, token = bearer.partition(b" ")
    return (token.strip().decode("latin-1") or None) if scheme.lower() == b"bearer" else None
