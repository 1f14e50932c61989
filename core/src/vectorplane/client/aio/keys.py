"""Keys that the service manages itself, outside a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from vectorplane.client.aio.transport import AsyncTransport
from vectorplane.client.asking import given
from vectorplane.client.config import query
from vectorplane.client.models import IssuedKey, KeyInfo, Permission, issued_key, key_info


class AsyncKeys:
    """The keys of a service. The caller's own key needs the permission `admin`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def issue(
        self,
        id: str,
        permissions: Sequence[Permission],
        *,
        collections: Sequence[str] = ("*",),
        tenant: str | None = None,
        ttl: float | None = None,
    ) -> IssuedKey:
        """A new key. Its secret (`key`) is in this answer, and nowhere else ever. `collections`
        are globs; `ttl` is in seconds. Raises `Conflict` where there is a key of that id."""
        body = given(
            id=id,
            permissions=list(permissions),
            collections=list(collections),
            tenant=tenant,
            ttl=ttl,
        )
        # Not made again where the answer was lost: the secret would be lost with it.
        path = self._transport.config.path("keys")
        return issued_key(await self._transport.json("POST", path, body, repeatable=False))

    async def list(self) -> AsyncIterator[KeyInfo]:
        """Every key, without its secret."""
        cursor = None
        while True:
            path = self._transport.config.path("keys")
            page = await self._transport.json("GET", path, query=query(cursor=cursor))
            for item in page["keys"]:
                yield key_info(item)
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def revoke(self, id: str) -> None:
        """Revoke a key: from now on it opens nothing. Raises `NotFound`."""
        path = self._transport.config.path("keys", id)
        await self._transport.json("DELETE", path, repeatable=False)
