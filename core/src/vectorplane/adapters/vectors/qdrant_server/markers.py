"""Who is a tenant of which pool, kept as points of one small collection.

To the plan a marker `<name>@<uid>` is an alias like any other. In Qdrant (1.18) it is none: the
server writes its whole table of aliases anew for each alias, so a second one per tenant made 10,000
tenants five to eight times as slow (measured: 314 s instead of 41 s). Points are written by the
batch, and read by the page.

A marker is written before the names that go with it and dropped after them, so an interruption
leaves a marker without a name at the most, and that the next look mends.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from vectorplane.adapters.vectors.qdrant_server.rest import Rest
from vectorplane.domain.tenancy import holder_of
from vectorplane.errors import Conflict, NotFound, StoreFailed

COLLECTION = "_vectorplane@markers"
"""No name of a client has an @."""
_PATH = f"/collections/{quote(COLLECTION, safe='')}"
_PAGE = 10_000
_IDS = uuid.UUID("0b6a2a52-3d6e-5f0c-8a35-6f7c1f2a9d10")
_WAIT = {"wait": "true"}


def is_marker(alias: str) -> bool:
    """Whether an alias is kept here."""
    return holder_of(alias) is not None


async def read(rest: Rest) -> dict[str, str]:
    """Every marker with its pool; nothing where no tenant ever was."""
    found: dict[str, str] = {}
    offset: Any = None
    while True:
        body: dict[str, Any] = {"limit": _PAGE, "with_payload": True, "with_vector": False}
        if offset is not None:
            body["offset"] = offset
        try:
            answer = await rest.call("POST", f"{_PATH}/points/scroll", body)
            found |= {p["payload"]["marker"]: p["payload"]["pool"] for p in answer["points"]}
            offset = answer.get("next_page_offset")
        except NotFound:
            return {}
        except (KeyError, TypeError) as error:
            raise StoreFailed(f"{rest.place}: {COLLECTION} holds something else") from error
        if offset is None:
            return found


async def write(rest: Rest, markers: Mapping[str, str]) -> None:
    """Set markers, all or none."""
    points = [
        {"id": _id(marker), "vector": {}, "payload": {"marker": marker, "pool": pool}}
        for marker, pool in sorted(markers.items())
    ]
    if not points:
        return
    try:
        await rest.call("PUT", f"{_PATH}/points", {"points": points}, _WAIT)
    except NotFound:
        await _create(rest)
        await rest.call("PUT", f"{_PATH}/points", {"points": points}, _WAIT)


async def drop(rest: Rest, markers: Iterable[str]) -> None:
    """Drop markers; nothing happens where there is none."""
    if ids := [_id(marker) for marker in sorted(markers)]:
        await _delete(rest, {"points": ids})


async def drop_of(rest: Rest, pool: str) -> None:
    """Drop the markers of a pool that goes."""
    await _delete(rest, {"filter": {"must": [{"key": "pool", "match": {"value": pool}}]}})


async def _delete(rest: Rest, which: dict[str, Any]) -> None:
    try:
        await rest.call("POST", f"{_PATH}/points/delete", which, _WAIT)
    except NotFound:
        return


async def _create(rest: Rest) -> None:
    try:
        await rest.call("PUT", _PATH, {"vectors": {}, "on_disk_payload": False})
    except Conflict:
        return
    except Exception as error:
        if "already exists" not in str(error):
            raise


def _id(marker: str) -> str:
    return str(uuid.uuid5(_IDS, marker))
