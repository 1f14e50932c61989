"""What every call about one collection starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vectorplane.client.aio.transport import AsyncTransport


class AsyncAt:
    """One collection of a service, by the name that clients use."""

    def __init__(self, transport: AsyncTransport, name: str) -> None:
        self._transport = transport
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def _path(self, *parts: str) -> str:
        return self._transport.config.path("collections", self.name, *parts)

    async def _post(
        self, *parts: str, body: Mapping[str, Any], query: Mapping[str, str] | None = None
    ) -> Any:
        """All that is posted about points may be repeated: it reads, or names what it changes."""
        return await self._transport.json("POST", self._path(*parts), body, query=query)
