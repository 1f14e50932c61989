"""Signed keys: verified with the public keys of a mounted file or folder, which may change while
the service runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from vectorplane.tokens import ISSUER, KeySet, issuer_of, public_keys, verify
from vectorplane_service.access.identity import Identity, granted
from vectorplane_service.access.refusals import CannotVerify
from vectorplane_service.access.settings import AccessSettings
from vectorplane_service.access.watched import Watched


class SignedKeys:
    """A source of identities. `leeway`, in seconds, is what clocks may differ by."""

    def __init__(
        self,
        keys: Watched[KeySet],
        *,
        audience: str,
        leeway: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._audience = audience
        self._leeway = leeway
        self._clock = clock

    async def identify(self, secret: str) -> Identity | None:
        if issuer_of(secret) != ISSUER:
            return None
        keys = self._keys.value
        if keys is None:
            raise CannotVerify("the public keys of signed keys were never read")
        claims = verify(secret, keys, self._clock(), self._audience, leeway=self._leeway)
        return Identity(
            claims.id,
            granted(claims.permissions),
            claims.collections,
            claims.tenant,
            claims.expires + self._leeway,
        )

    async def follow(self, changed: Callable[[], None]) -> None:
        await self._keys.follow(changed)


def opened(settings: AccessSettings) -> SignedKeys:
    """From the files that the settings name."""
    assert settings.access_public_keys is not None
    return SignedKeys(
        Watched(Path(settings.access_public_keys), key_set, what="public keys"),
        audience=settings.access_audience,
        leeway=settings.access_clock_skew_seconds,
    )


def key_set(texts: list[str]) -> KeySet:
    """All keys of all files: JWKS or PEM. Raises `ValueError`."""
    found = KeySet(key for text in texts for key in public_keys(text))
    if not len(found):
        raise ValueError("there is no public key")
    return found
