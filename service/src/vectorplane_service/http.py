"""Bodies in and out, without detours: read once, decoded once, checked once, answered as bytes."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

_JSON_HEADERS = ((b"content-type", b"application/json"),)


def json_bytes(content: Any) -> bytes:
    return orjson.dumps(content)


class Json(Response):
    """An answer that is JSON bytes already, or becomes them in one step."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200) -> None:
        self.status_code = status_code
        self.background = None
        self.body = orjson.dumps(content)
        # Straight to what goes over the wire: no header object, no charset logic.
        self.raw_headers = [*_JSON_HEADERS, (b"content-length", b"%d" % len(self.body))]
