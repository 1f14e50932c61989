"""Page cursors. They are opaque: clients hand back what they got, and anything else is refused."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from vectorplane.errors import InvalidInput


def encode(kind: str, value: Any) -> str:
    """`kind` says what the cursor is for, so that no other page takes it."""
    return base64.urlsafe_b64encode(orjson.dumps([kind, value])).decode().rstrip("=")


def decode(kind: str, cursor: str, expected: tuple[type, ...], *, place: str = "cursor") -> Any:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found, value = orjson.loads(raw)
    except (binascii.Error, ValueError, TypeError):
        found, value = None, None
    if found != kind or not isinstance(value, expected) or isinstance(value, bool):
        raise InvalidInput("this is no cursor of such a page", place=place)
    return value
