"""Page cursors. They are opaque: clients hand back what they got, and anything else is refused.

A cursor says no more than where the next page begins, so one that was made up does no harm: the
page is asked for by the same key, of the same collection, as any other."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from vectorplane.errors import InvalidInput


def encode(kind: str, value: Any, *, of: str = "") -> str:
    """`kind` says what the cursor is for, and `of` which collection: no other page takes it."""
    return base64.urlsafe_b64encode(orjson.dumps([kind, of, value])).decode().rstrip("=")


def decode(
    kind: str, cursor: str, expected: tuple[type, ...], *, of: str = "", place: str = "cursor"
) -> Any:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found, owner, value = orjson.loads(raw)
    except (binascii.Error, ValueError, TypeError):
        found, owner, value = None, None, None
    if found != kind or owner != of or not isinstance(value, expected) or isinstance(value, bool):
        raise InvalidInput("this is no cursor of such a page", place=place)
    return value
