"""Tokens of an OpenID Connect issuer: verified with its keys, which are fetched, kept and rotated.

Its keys are fetched when the service starts, every some minutes, and for a token whose key is not
known; that last way is open only every some seconds, for anybody can name a key that is not there.
While the issuer is away the keys that were read go on counting.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from vectorplane.errors import Unauthenticated
from vectorplane.tokens import (
    KeySet,
    PublicKey,
    check,
    header_of,
    issuer_of,
    names_in,
    public_key,
    verified,
)
from vectorplane_service.access.identity import Identity, Permission, granted
from vectorplane_service.access.refusals import IssuerUnreachable
from vectorplane_service.access.settings import AccessSettings

DISCOVERY = "/.well-known/openid-configuration"
ALGORITHMS = frozenset({"RS256", "ES256", "PS256", "EdDSA", "Ed25519"})
_TIMEOUT_SECONDS = 5.0
_AWAY_SECONDS = 2.0
"""Between two tries where no key was ever read: until then nobody comes in."""
_MOST_BYTES = 1024 * 1024
_MOST_ID = 255

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """Which claims say what."""

    id: str
    permissions: str
    prefix: str
    collections: str | None
    tenant: str | None

    def identity(self, said: Mapping[str, Any], expires: float) -> Identity:
        """Whom verified claims stand for. What a setting names must be there: where a claim that
        narrows were missing, its bearer would reach everything. Raises `Unauthenticated`."""
        id = _text(said, self.id)
        words = _words(said, self.permissions)
        asked = {w.removeprefix(self.prefix) for w in words if w.startswith(self.prefix)}
        return Identity(
            f"oidc:{id}",
            granted(asked & set(Permission)),
            ("*",) if self.collections is None else tuple(_words(said, self.collections)),
            None if self.tenant is None else _text(said, self.tenant),
            expires,
        )


class Issuer:
    """A source of identities. `leeway`, in seconds, is what clocks may differ by."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        issuer: str,
        audience: str,
        jwks_url: str | None,
        reading: Reading,
        leeway: float,
        fetch_every: float,
        refetch_every: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._issuer = issuer
        self._audience = audience
        self._jwks_url = jwks_url
        self._reading = reading
        self._leeway = leeway
        self._fetch_every = fetch_every
        self._refetch_every = refetch_every
        self._clock = clock
        self._keys: KeySet | None = None
        self._content: Any = None
        self._fetching = asyncio.Lock()
        self._closed_until = 0.0
        self._away = False
        self._changed: Callable[[], None] = lambda: None

    async def identify(self, secret: str) -> Identity | None:
        """Whom a token stands for; None for one of another issuer.

        Raises `Unauthenticated`, `IssuerUnreachable`.
        """
        if issuer_of(secret) != self._issuer:
            return None
        header = header_of(secret)
        if header["alg"] not in ALGORITHMS:
            raise Unauthenticated("this token's algorithm is not taken", why="malformed")
        if not self._has_key(header):
            await self._fetch(lambda: self._has_key(header))
        if self._keys is None:
            wait = max(1.0, self._closed_until - time.monotonic())
            raise IssuerUnreachable("the token's issuer cannot be reached", retry_after=wait)
        said = verified(secret, self._keys)
        check(
            said, self._clock(), issuer=self._issuer, audience=self._audience, leeway=self._leeway
        )
        return self._reading.identity(said, float(said["exp"]) + self._leeway)

    async def follow(self, changed: Callable[[], None]) -> None:
        """Fetch the keys now, and again and again."""
        self._changed = changed
        while True:
            await self._fetch(lambda: False, at_once=True)
            if self._away:
                await asyncio.sleep(self._pause())
            else:
                await asyncio.sleep(self._fetch_every)

    def _has_key(self, header: Mapping[str, Any]) -> bool:
        return self._keys is not None and bool(self._keys.candidates(header))

    def _pause(self) -> float:
        return (
            min(self._refetch_every, _AWAY_SECONDS) if self._keys is None else self._refetch_every
        )

    async def _fetch(self, done: Callable[[], bool], *, at_once: bool = False) -> None:
        """Fetch the keys, unless that was tried a moment ago or somebody just did it."""
        if not at_once and time.monotonic() < self._closed_until:
            return
        async with self._fetching:
            if done() or (not at_once and time.monotonic() < self._closed_until):
                return
            try:
                content = await self._jwks()
                keys = KeySet(_usable(content), rsa=True)
                if not len(keys):
                    raise ValueError("no key that can verify")
            except (
                httpx.HTTPError,
                httpx.InvalidURL,
                OSError,
                ValueError,
                RecursionError,
            ) as error:
                if not self._away:
                    log.warning(
                        "the issuer's keys cannot be fetched; those that are known stay in force",
                        issuer=self._issuer,
                        error=str(error) or type(error).__name__,
                    )
                self._away = True
            else:
                self._away = False
                if content != self._content:
                    self._content, self._keys = content, keys
                    log.info("the issuer's keys were read", issuer=self._issuer, keys=len(keys))
                    self._changed()
            self._closed_until = time.monotonic() + self._pause()

    async def _jwks(self) -> Any:
        url = self._jwks_url
        if url is None:
            said = await self._json(self._issuer.rstrip("/") + DISCOVERY)
            if not isinstance(said, dict) or said.get("issuer") != self._issuer:
                raise ValueError("its discovery document is of another issuer")
            url = said.get("jwks_uri")
            if not isinstance(url, str) or not url.startswith(("https://", "http://")):
                raise ValueError("its discovery document names no jwks_uri")
            if self._issuer.startswith("https://") and not url.startswith("https://"):
                raise ValueError("its jwks_uri is not https")
        return await self._json(url)

    async def _json(self, url: str) -> Any:
        async with self._client.stream("GET", url) as answer:
            if answer.status_code != 200:
                raise ValueError(f"{url} answers {answer.status_code}")
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    raise ValueError(f"{url} answers more than {_MOST_BYTES} bytes")
        return json.loads(body)


@asynccontextmanager
async def opened(settings: AccessSettings) -> AsyncIterator[Issuer]:
    """The issuer of the settings. Raises `SettingsError`."""
    assert settings.oidc_issuer is not None
    assert settings.oidc_audience is not None
    if settings.oidc_issuer.startswith("http://"):
        log.warning("the issuer's keys come over plain http", issuer=settings.oidc_issuer)
    async with httpx.AsyncClient(
        timeout=_TIMEOUT_SECONDS,
        verify=settings.oidc_trust(),
        # What is packed could be far larger than what is allowed.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    ) as client:
        yield Issuer(
            client,
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            jwks_url=settings.oidc_jwks_url,
            reading=Reading(
                settings.oidc_id_claim,
                settings.oidc_permissions_claim,
                settings.oidc_permissions_prefix,
                settings.oidc_collections_claim,
                settings.oidc_tenant_claim,
            ),
            leeway=settings.access_clock_skew_seconds,
            fetch_every=settings.oidc_jwks_seconds,
            refetch_every=settings.oidc_refetch_seconds,
        )


def _usable(content: Any) -> list[PublicKey]:
    """The keys of a JWKS that can verify what we take; an issuer may have others besides."""
    entries = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no JWKS: an object with a list `keys` is asked for")
    found = []
    for entry in entries:
        try:
            found.append(public_key(entry, rsa=True))
        except ValueError:
            continue
    return found


def _claim(said: Mapping[str, Any], path: str) -> Any:
    """A claim by its name; `a.b` is `b` within `a` where there is no claim of that whole name."""
    if path in said:
        return said[path]
    value: Any = said
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _words(said: Mapping[str, Any], path: str) -> list[str]:
    value = _claim(said, path)
    return names_in({path: value.split() if isinstance(value, str) else value}, path)


def _text(said: Mapping[str, Any], path: str) -> str:
    (value,) = names_in({path: [_claim(said, path)]}, path)
    return value
