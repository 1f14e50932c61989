"""Tokens as a forger makes them: nothing of the library stands in the way of a header, a claim or a
signature that no honest signer would write."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

AnyKey = OKPKey | ECKey | RSAKey
NOW = 1_800_000_000.0
HONEST: dict[str, Any] = {
    "iss": "vectorplane",
    "aud": "vectorplane",
    "jti": "shop-1",
    "iat": NOW - 60,
    "nbf": NOW - 60,
    "exp": NOW + 3600,
    "permissions": ["read"],
    "collections": ["shop.*"],
}


def part(content: Any) -> str:
    """One part of a token: bytes as they are, all else as JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signature(key: AnyKey, message: str, algorithm: str | None = None) -> bytes:
    """What the key makes of a message, whatever the message says."""
    name = algorithm or {"OKP": "Ed25519", "EC": "ES256", "RSA": "RS256"}[key.key_type]
    made: bytes = JWSRegistry.algorithms[name].sign(message.encode(), key)
    return made


def forged(
    key: AnyKey,
    claims: Any = None,
    *,
    header: Any = None,
    algorithm: str | None = None,
    **changed: Any,
) -> str:
    """A token with that key's good signature. `changed` replaces claims; `...` leaves one out."""
    said = {**HONEST, **changed} if claims is None else claims
    if isinstance(said, dict):
        said = {name: value for name, value in said.items() if value is not ...}
    usual = {"OKP": "EdDSA", "EC": "ES256", "RSA": "RS256"}[key.key_type]
    head = {"alg": algorithm or usual, "typ": "JWT", **(header or {})}
    body = f"{part({k: v for k, v in head.items() if v is not ...})}.{part(said)}"
    return f"{body}.{part(signature(key, body, algorithm))}"


def with_hmac(secret: bytes, claims: Any = None, **header: Any) -> str:
    """A token whose signature is an HMAC: with a public key as the secret, anybody can make it."""
    body = f"{part({'alg': 'HS256', 'typ': 'JWT', **header})}.{part(claims or HONEST)}"
    return f"{body}.{part(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


def unsigned(alg: str = "none") -> str:
    return f"{part({'alg': alg})}.{part(HONEST)}."
