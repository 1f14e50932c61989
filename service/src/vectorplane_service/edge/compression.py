"""Compressed answers, for who asks for them. It is off unless told otherwise: to compress an answer
takes longer than to search, and where there is a gateway it can do that as well."""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

LEVEL = 4
"""Of 9: the last tenth of size costs most of the time."""


class Compression(GZipMiddleware):
    """Starlette's, which is not even asked where the client does not ask."""

    def __init__(self, app: ASGIApp, minimum_size: int) -> None:
        super().__init__(app, minimum_size, LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and any(
            name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"]
        ):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)
