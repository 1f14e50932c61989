"""Keys that this service gives out itself: issue, list, revoke."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from starlette.responses import Response

from vectorplane.errors import Conflict, Unsupported
from vectorplane_service import cursors
from vectorplane_service.access.dependencies import Caller, KeyAdmin
from vectorplane_service.access.own import OwnKeys
from vectorplane_service.access.schemas import IssuedKey, KeyIn, KeyPage, Revoked
from vectorplane_service.bodies import JsonBody
from vectorplane_service.documentation import Operation
from vectorplane_service.http import Json

KeyId = Annotated[str, Path(max_length=64, description="A key's id.")]
Limit = Annotated[int, Query(ge=1, le=100, description="Most keys of the page.")]
Cursor = Annotated[
    str | None, Query(max_length=1024, description="`next_cursor` of the page before.")
]


async def issue_key(caller: KeyAdmin, body: Annotated[KeyIn, Depends(JsonBody(KeyIn))]) -> Response:
    """Issue a key. The answer has its secret, which nobody can be told again."""
    own = _own_keys(caller)
    if any(key.id == body.id for key in caller.services.settings.api_keys):
        raise Conflict(f"there is a key {body.id!r} already", place="id")
    made, secret = await own.issue(
        body.id, body.permissions, body.collections, tenant=body.tenant, ttl=body.ttl
    )
    return Json({**made.shown(), "key": secret}, 201)


async def list_keys(caller: KeyAdmin, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The keys that were issued here and are not over, by id; no secrets."""
    after = "" if cursor is None else cursors.decode("keys", cursor, (str,))
    keys = [key for key in await _own_keys(caller).all() if key.id > after]
    more = len(keys) > limit
    last = cursors.encode("keys", keys[limit - 1].id) if more else None
    return Json({"keys": [key.shown() for key in keys[:limit]], "next_cursor": last})


async def revoke_key(caller: KeyAdmin, id: KeyId) -> Response:
    """Let a key in no more: here at once, at other workers within a second."""
    await _own_keys(caller).revoke(id)
    return Json({"id": id, "status": "revoked"})


def _own_keys(caller: Caller) -> OwnKeys:
    own = caller.services.own_keys
    if own is None:
        raise Unsupported("this service gives out no keys itself: KEYS_FILE is not set")
    return own


_SHOP = {
    "id": "shop-frontend",
    "permissions": ["read"],
    "collections": ["shop.*"],
    "tenant": None,
    "created": 1767225600.0,
    "expires": 1769817600.0,
}
_ASKED = {
    "id": "shop-frontend",
    "permissions": ["read"],
    "collections": ["shop.*"],
    "ttl": 2592000,
}

OPERATIONS = (
    Operation(
        "POST",
        "/keys",
        issue_key,
        summary="Issue a key",
        tag="keys",
        status=201,
        body=KeyIn,
        body_examples={"a month": _ASKED},
        answer=IssuedKey,
        example={**_SHOP, "key": "vp_kHs0Zr9mR2o1uXw8Jd5tYb3nQf7cVa4eLg6iPz0hS2k"},
        problems=(400, 409, 413, 415, 501, 503),
    ),
    Operation(
        "GET",
        "/keys",
        list_keys,
        summary="List keys",
        tag="keys",
        answer=KeyPage,
        example={"keys": [_SHOP], "next_cursor": None},
        problems=(501, 503),
    ),
    Operation(
        "DELETE",
        "/keys/{id}",
        revoke_key,
        summary="Revoke a key",
        tag="keys",
        answer=Revoked,
        example={"id": "shop-frontend", "status": "revoked"},
        problems=(404, 501, 503),
    ),
)
