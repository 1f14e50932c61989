"""Tenants of a pool: the names that the operator and the service agree on.

A VectorCollection of tenancy Partition is a tenant of a pool, one physical collection that all
tenants of one shape share. Its name is an alias of the pool, and each of its points carries the
name in `TENANT_FIELD`. So one look-up of a name gives the pool, and the name itself is the tenant.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping

from vectorplane.domain.model import Index, Owner, Settings

TENANT_FIELD = "_tenant"
"""The payload field that says whose a point is."""
ID_FIELD = "_id"
"""The payload field with the id that the client gave, as text or integer."""
TENANT_INDEX = Index(TENANT_FIELD, "Keyword", (("isTenant", True),))

_POOL = "_pool."
_MARK = "@"
_IDS = uuid.UUID("6f0d2c0a-3a57-5e0b-9a86-2f1f1f0c9e11")


def pool_name(
    settings: Settings, indexes: Mapping[str, Index], embedding: tuple[tuple[str, str], ...]
) -> str:
    """The base name of the pool for all who declare just this. No namespace begins with an
    underscore, so it meets no name of a client.
    """
    shape = {
        "settings": sorted((list(path), value) for path, value in settings.items()),
        "indexes": sorted((i.field, i.type, sorted(i.params)) for i in indexes.values()),
        "embedding": sorted(embedding),
    }
    text = json.dumps(shape, sort_keys=True, separators=(",", ":"))
    return _POOL + hashlib.sha256(text.encode()).hexdigest()[:16]


def pool_owner(pool: str, cluster: str) -> Owner:
    """Who a pool belongs to: no resource, but the operator of one cluster."""
    return Owner(uid="pool", namespace="", name=pool, cluster=cluster)


def is_public(name: str) -> bool:
    """Whether a name of the store is one that clients use: no pool, no marker of a tenant."""
    return not name.startswith(_POOL) and _MARK not in name


def holder_of(marker: str) -> tuple[str, str] | None:
    """The name and UID in a marker, or None where an alias is none."""
    name, mark, uid = marker.rpartition(_MARK)
    return (name, uid) if mark else None


def point_id(tenant: str, given: int | str) -> str:
    """The id under which a tenant's point is stored: no two tenants meet in one."""
    return str(uuid.uuid5(_IDS, f"{tenant}/{type(given).__name__}/{given}"))
