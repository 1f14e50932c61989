"""The body of a search, whose vector is passed on as it was written.

Of all that is done for a search, reading 384 numbers and writing them again for the store takes a
fifth. They must be read, to be checked; they need not be written.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from vectorplane.ports.vectors import SentVector
from vectorplane_service.bodies import JsonBody, T, decode, media_type

_KEY = b'"vector"'
_FEW = 16
"""Numbers that are written anew as quickly as they are found."""


class SearchBody(JsonBody[T]):
    """A body of one search."""

    async def __call__(self, request: Request) -> T:
        media_type(request)
        body = await request.body()
        content = decode(body)
        if type(content) is dict:
            vector = content.get("vector")
            if type(vector) is list and len(vector) >= _FEW:
                content["vector"] = as_sent(body, vector)
        return self.check(content)


def as_sent(body: bytes, vector: list[Any]) -> list[Any]:
    """The vector of a body that was read already, with its own text where that is beyond doubt: the
    one value of the one key of that name, and a list of nothing but numbers."""
    if body.count(_KEY) != 1:
        return vector
    key_ends = body.index(_KEY) + len(_KEY)
    start = body.find(b"[", key_ends)
    end = body.find(b"]", start)
    if body[key_ends:start].strip() != b":" or body.find(b"[", start + 1, end) >= 0:
        return vector
    text = body[start : end + 1]
    if text.count(b",") + 1 != len(vector) or b'"' in text:
        return vector
    sent = SentVector(vector)
    sent.json = text
    return sent
