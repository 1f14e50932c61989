"""Operations that are on their way out, said to programs: `Deprecation` (RFC 9745), `Sunset`
(RFC 8594) and a `Link` to what comes after, on every answer of such an operation, errors included.

    Operation(..., deprecated=Deprecation(since=date(2026, 3, 1), sunset=date(2027, 3, 1),
                                          successor="/api/v2/collections/{collection}/search"))

An operation that is not deprecated costs nothing more: only the routes of those that are have the
layer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Since when an operation is deprecated, when it goes, and what does its work then. Dates
    begin at midnight, UTC."""

    since: date
    sunset: date | None = None
    successor: str | None = None
    """The path of the operation after it; parameters of the old path may stand in it."""

    def __post_init__(self) -> None:
        if self.sunset is not None and self.sunset < self.since:
            raise ValueError("nothing goes before it is deprecated")

    def headers(self, parts: dict[str, Any]) -> list[tuple[bytes, bytes]]:
        """What an answer carries; `parts` are the parameters of the request's path."""
        found = [(b"deprecation", f"@{int(_midnight(self.since).timestamp())}".encode())]
        if self.sunset is not None:
            gone = format_datetime(_midnight(self.sunset), usegmt=True)
            found.append((b"sunset", gone.encode()))
        if self.successor is not None:
            path = _PARAMETER.sub(lambda m: str(parts.get(m[1], m[0])), self.successor)
            # A header has no other characters; what a client put into its path comes back quoted.
            safe = re.sub(r"[^!-~]|[<>\"]", lambda m: _quoted(m[0]), path)
            found.append((b"link", f'<{safe}>; rel="successor-version"'.encode()))
        return found

    def documented(self) -> dict[str, Any]:
        """What the OpenAPI document says of the operation beside `deprecated`."""
        found = {"x-deprecated-since": self.since.isoformat()}
        if self.sunset is not None:
            found["x-sunset"] = self.sunset.isoformat()
        if self.successor is not None:
            found["x-successor"] = self.successor
        return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _quoted(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))


class Deprecated:
    """The route of a deprecated operation: every answer carries the headers."""

    def __init__(self, app: ASGIApp, deprecation: Deprecation) -> None:
        self._app = app
        self._deprecation = deprecation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self._deprecation.headers(scope.get("path_params", {}))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *headers]}
            await send(message)

        await self._app(scope, receive, with_headers)
