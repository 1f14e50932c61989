"""Puts access together from the settings, for as long as the service runs.

What only signed tokens need is imported only where they are taken: it costs a worker some
megabytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from vectorplane_service.access.authority import Authority, Source
from vectorplane_service.access.keys import ApiKey
from vectorplane_service.access.own import OwnKeys
from vectorplane_service.access.settings import AccessSettings
from vectorplane_service.access.watched import Watched


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call. No authority where authentication is off, no own keys without a file."""

    authority: Authority | None
    own_keys: OwnKeys | None


@asynccontextmanager
async def opened_access(settings: AccessSettings, keys: Sequence[ApiKey]) -> AsyncIterator[Access]:
    """Read what says who may call, and follow it."""
    own = await asyncio.to_thread(_own_keys, settings)
    if not settings.auth_enabled:
        yield Access(None, own)
        return
    async with AsyncExitStack() as stack:
        sources: list[Source] = [] if own is None else [own]
        if settings.access_public_keys is not None:
            from vectorplane_service.access import signed

            sources.append(await asyncio.to_thread(signed.opened, settings))
        if settings.oidc_issuer is not None:
            from vectorplane_service.access import oidc

            sources.append(await stack.enter_async_context(oidc.opened(settings)))
        denied = await asyncio.to_thread(_denied, settings)
        authority = Authority(keys, sources, denied)
        following = asyncio.create_task(authority.follow())
        try:
            yield Access(authority, own)
        finally:
            following.cancel()
            await asyncio.wait([following])


def _own_keys(settings: AccessSettings) -> OwnKeys | None:
    return None if settings.keys_file is None else OwnKeys(Path(settings.keys_file))


def _denied(settings: AccessSettings) -> Watched[frozenset[str]] | None:
    file = settings.access_denied_ids
    return None if file is None else Watched(Path(file), denied_ids, what="denied ids")


def denied_ids(texts: list[str]) -> frozenset[str]:
    """One id a line; what follows a `#` at the beginning of a line is for people."""
    lines = (line.strip() for text in texts for line in text.splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))
