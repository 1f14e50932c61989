"""Who calls, by the secret that was sent: keys of the settings, keys of our own, signed keys,
tokens of an OpenID Connect issuer.

There are two ways. `known` is the short one, a look into a dictionary, for every secret that was
looked at before. `identify` is the long one: it asks the sources in turn, may verify a signature or
fetch an issuer's keys, and remembers what it found. Secrets are known by their SHA-256 alone, so no
comparison tells by its time how much of a guess was right. Whatever changes what a secret is worth
(keys rotated, a key revoked) empties the memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

import structlog

from vectorplane.errors import Unauthenticated
from vectorplane_service.access.identity import Identity
from vectorplane_service.access.keys import ApiKey, digest
from vectorplane_service.access.refusals import CannotVerify, unknown
from vectorplane_service.access.watched import Watched

MOST_KNOWN = 10_000
"""Verified secrets that are remembered; the oldest is forgotten first."""
MOST_CHARACTERS = 16_384
"""Of a secret; a longer one is not even hashed."""
_AGAIN_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Source(Protocol):
    """Knows one kind of secret."""

    async def identify(self, secret: str) -> Identity | None:
        """Whom it stands for; None where it is of another kind. Raises `Unauthenticated`, and
        `CannotVerify` where nobody can say."""
        ...

    async def follow(self, changed: Callable[[], None]) -> None:
        """Runs as long as the service; calls `changed` when what it said may be true no more."""
        ...


class Authority:
    def __init__(
        self,
        keys: Iterable[ApiKey],
        sources: Sequence[Source] = (),
        denied: Watched[frozenset[str]] | None = None,
        *,
        clock: Callable[[], float] = time.time,
        most_known: int = MOST_KNOWN,
    ) -> None:
        self._keys = tuple(keys)
        self._sources = tuple(sources)
        self._denied = denied
        self._clock = clock
        self._most_known = most_known
        self._static: dict[bytes, Identity] = {}
        self._known: dict[bytes, Identity] = {}
        self._generation = 0
        self.changed()

    def known(self, secret: str) -> Identity | None:
        """Whom a secret stands for, where that is known without asking anybody."""
        if len(secret) > MOST_CHARACTERS:
            return None
        hashed = digest(secret)
        found = self._static.get(hashed)
        if found is None:
            found = self._known.get(hashed)
            if found is None:
                return None
        if found.expires is not None and self._clock() >= found.expires:
            self._known.pop(hashed, None)
            return None
        return found

    async def identify(self, secret: str) -> Identity:
        """Whom a secret stands for. Raises `Unauthenticated`, `CannotVerify`."""
        known = self.known(secret)
        if known is not None:
            return known
        if len(secret) > MOST_CHARACTERS:
            raise Unauthenticated("this key is too long", why="malformed")
        while True:
            generation = self._generation
            found = await self._ask(secret)
            if generation == self._generation:
                self._remember(digest(secret), found)
                return found
            # The keys changed while it was looked at, and it may be worth something else now.

    def changed(self) -> None:
        """Forget what was verified."""
        self._generation += 1
        self._known.clear()
        self._static = {key.digest: key for key in self._keys if not self._is_denied(key)}

    async def follow(self) -> None:
        """Runs as long as the service: notices what changes."""
        followed = [one.follow for one in self._sources]
        if self._denied is not None:
            followed.append(self._denied.follow)
        await asyncio.gather(*(self._kept_up(follow) for follow in followed))

    async def _kept_up(self, follow: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        """One that fails is started again: a key that was revoked must not stay for that."""
        while True:
            try:
                await follow(self.changed)
                return
            except Exception:
                log.exception("following keys failed")
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _ask(self, secret: str) -> Identity:
        if self._denied is not None and self._denied.value is None:
            raise CannotVerify("the ids that are denied were never read")
        for source in self._sources:
            found = await source.identify(secret)
            if found is not None:
                if self._is_denied(found):
                    raise _revoked()
                return found
        hashed = digest(secret)
        for key in self._keys:
            if key.digest == hashed:
                # Let in again is seen here before `changed` is called.
                if self._is_denied(key):
                    raise _revoked()
                return key
        raise unknown()

    def _remember(self, hashed: bytes, found: Identity) -> None:
        if len(self._known) >= self._most_known:
            del self._known[next(iter(self._known))]
        self._known[hashed] = found

    def _is_denied(self, identity: Identity) -> bool:
        """While nobody can say who is denied, everybody is."""
        if self._denied is None:
            return False
        return self._denied.value is None or identity.id in self._denied.value


def _revoked() -> Unauthenticated:
    return Unauthenticated("this key was revoked", why="revoked")
