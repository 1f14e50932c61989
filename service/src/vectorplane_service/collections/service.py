"""Which collections a key may see, and what there is to say of one."""

from __future__ import annotations

import asyncio
from typing import Any

from vectorplane.domain.model import Collection
from vectorplane.domain.tenancy import is_public
from vectorplane.errors import NotFound
from vectorplane_service import cursors
from vectorplane_service.access.dependencies import Caller, CollectionAccess
from vectorplane_service.catalog import shown as shown_to_clients

_AT_ONCE = 16
"""Collections of a page that are looked up at the same time."""


async def page(caller: Caller, limit: int, cursor: str | None) -> dict[str, Any]:
    """Collections in the order of their names, as far as the key may see them."""
    after = "" if cursor is None else cursors.decode("collections", cursor, (str,))
    names = sorted(
        (name, physical)
        for name, physical in (await caller.services.points.names()).items()
        if name > after
        and caller.key.sees(name)
        and is_public(name)
        and (is_public(physical) or caller.key.may_reach(name))
    )
    shown: list[dict[str, Any]] = []
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        for info in await asyncio.gather(*(_info(caller, *one) for one in some)):
            if info is None:
                continue
            if len(shown) == limit:
                last = cursors.encode("collections", shown[-1]["name"])
                return {"collections": shown, "next_cursor": last}
            shown.append(info)
    return {"collections": shown, "next_cursor": None}


async def one(at: CollectionAccess) -> dict[str, Any]:
    """One collection as it is now."""
    return describe(at.name, await at.points.peek(at.name))


async def _info(caller: Caller, name: str, physical: str) -> dict[str, Any] | None:
    """None where the name is not for this caller, or has gone since it was listed."""
    try:
        tenant, collection = await shown_to_clients(caller.services.points, name, physical)
    except NotFound:
        return None
    return describe(name, collection) if caller.key.may_reach(tenant) else None


def describe(name: str, collection: Collection) -> dict[str, Any]:
    record = collection.record
    return {
        "name": name,
        "state": collection.state,
        "points": collection.points,
        "indexed_vectors": collection.indexed_vectors,
        "vectors": _vectors(collection, "vectors"),
        "sparse_vectors": _vectors(collection, "sparseVectors"),
        "embedding": dict(record.embedding) if record and record.embedding else None,
        "payload_indexes": [
            {"field": index.field, "type": index.type}
            for index in sorted(collection.indexes.values(), key=lambda index: index.field)
        ],
    }


def _vectors(collection: Collection, kind: str) -> list[dict[str, Any]]:
    """The settings of each vector, nested as in a manifest."""
    found: dict[str, dict[str, Any]] = {}
    for path, value in collection.settings.items():
        if path[0] != kind or len(path) < 2:
            continue
        vector = found.setdefault(path[1], {"name": path[1]})
        for part in path[2:-1]:
            vector = vector.setdefault(part, {})
        if len(path) > 2:
            vector[path[-1]] = value
    return [found[name] for name in sorted(found)]
