"""Keys that are signed tokens: who holds the private key makes them, who has the public ones knows
them, and no database stands between the two.

A key is a compact JWS whose claims say what it is for. The key that verifies a signature says
which algorithms it is for, never the token: `none`, or the public key used as an HMAC secret, meets
nothing that would take it. Nothing of a token is believed before its signature is.

Needs joserfc, which nothing else here does: import it where keys are made or verified.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from vectorplane.errors import Unauthenticated

ISSUER = "vectorplane"
AUDIENCE = "vectorplane"
PERMISSIONS = frozenset({"read", "write", "admin", "verify"})
"""`verify` is the least, and in each of the others: to ask whether a collection answers."""
MOST_CHARACTERS = 16_384
"""Of a token; a longer one is not looked at."""

_MOST_NAMES = 256
_MOST_NAME = 255
_LATEST = 2**53
"""Seconds; a number that a float holds exactly."""
_MOST_CANDIDATES = 8
"""Keys that a token without a key id is tried with."""
_SMALLEST_RSA = 2048
_DANGEROUS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64"})
"""Headers that bring a key of their own, or ask for what we do not do."""
_OURS = frozenset({"alg", "kid", "typ"})

Algorithm = Literal["Ed25519", "ES256"]
PrivateKey = OKPKey | ECKey
_Key = OKPKey | ECKey | RSAKey


@dataclass(frozen=True, slots=True)
class Claims:
    """What a key is for. Times are seconds since 1970; `collections` are globs over names."""

    id: str
    permissions: frozenset[str]
    collections: tuple[str, ...]
    issued: float
    expires: float
    not_before: float | None = None
    tenant: str | None = None
    audience: str = AUDIENCE


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies, the names that tokens have for it, and the algorithms it is for."""

    key: _Key
    names: frozenset[str]
    algorithms: frozenset[str]


class KeySet:
    """The public keys that are valid now. Several are: an old one stays while a new one takes over.

    `rsa` says whether RSA keys are taken: other issuers have them, our own keys never do.
    """

    def __init__(self, keys: Iterable[PublicKey], *, rsa: bool = False) -> None:
        self._keys = tuple(k for k in keys if rsa or not isinstance(k.key, RSAKey))

    def __len__(self) -> int:
        return len(self._keys)

    def names(self) -> frozenset[str]:
        return frozenset().union(*(key.names for key in self._keys))

    def candidates(self, header: Mapping[str, Any]) -> Sequence[PublicKey]:
        """The keys that may have signed it: by key id, else by algorithm."""
        kid = header.get("kid")
        known = [k for k in self._keys if kid in k.names] if kid is not None else self._keys
        return [k for k in known if header["alg"] in k.algorithms][:_MOST_CANDIDATES]


class _Registry(jws.JWSRegistry):
    """joserfc's algorithms, without its opinion of them: it warns of EdDSA's older name."""

    max_header_length = 4096
    max_payload_length = MOST_CHARACTERS

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


_registry = _Registry(strict_check_header=False)


def generate(algorithm: Algorithm = "Ed25519") -> PrivateKey:
    """A new private key."""
    return OKPKey.generate_key("Ed25519") if algorithm == "Ed25519" else ECKey.generate_key("P-256")


def private_key(pem: bytes) -> PrivateKey:
    """A private key from PEM (PKCS #8). Raises `ValueError`, whose text shows nothing of it."""
    for kind in (OKPKey, ECKey):
        try:
            key = kind.import_key(pem)
            if key.is_private and _algorithms(key):
                return key
        except (JoseError, ValueError, TypeError, AttributeError):
            continue
    raise ValueError("not a private key of Ed25519 or P-256 in PEM")


def pem_of(key: PrivateKey) -> bytes:
    """A private key as PEM (PKCS #8), for a place that keeps secrets."""
    return key.as_pem(private=True)


def id_of(key: PrivateKey) -> str:
    """The name that its tokens have for it."""
    return _kid(key)


def key_id_of(token: str) -> str:
    """The name of the key that a token says it is signed by, "" where it names none: nothing to
    believe before it is verified. Raises `Unauthenticated`."""
    return str(header_of(token).get("kid", ""))


def public_keys(content: str) -> list[PublicKey]:
    """The keys in a JWKS, in one JWK, or in PEM (one or several). Raises `ValueError`."""
    if "-----BEGIN" in content:
        return [_from_pem(block) for block in _blocks(content)]
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("neither JSON (JWKS) nor PEM") from None
    entries = value.get("keys", [value]) if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no JWKS: an object with a list `keys` is asked for")
    return [public_key(entry) for entry in entries]


def public_key(jwk: Any, *, rsa: bool = False) -> PublicKey:
    """A key from its JWK. Raises `ValueError` for what cannot verify, or should not be here."""
    kinds: dict[Any, type[_Key]] = {"OKP": OKPKey, "EC": ECKey, **({"RSA": RSAKey} if rsa else {})}
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kty"), str) or jwk["kty"] not in kinds:
        raise ValueError(f"a key's kty is one of {', '.join(kinds)}")
    if "d" in jwk:
        raise ValueError("a private key: only the public one belongs here")
    if jwk["kty"] == "RSA" and len(str(jwk.get("n"))) < _SMALLEST_RSA / 6:
        raise ValueError(f"an RSA key of less than {_SMALLEST_RSA} bits")
    try:
        return _public(kinds[jwk["kty"]].import_key(jwk))
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        said = error.args[0] if type(error) is ValueError and error.args else type(error).__name__
        raise ValueError(f"a key that cannot be read: {said}") from None


def jwk_of(key: PrivateKey) -> dict[str, Any]:
    """The public half of a key, as it stands in a JWKS."""
    jwk: dict[str, Any] = dict(key.as_dict(private=False))
    return {**jwk, "kid": _kid(key), "use": "sig"}


def sign(claims: Claims, key: PrivateKey) -> str:
    """The key as it is handed out. It is a secret from here on."""
    said: dict[str, Any] = {
        "iss": ISSUER,
        "aud": claims.audience,
        "jti": claims.id,
        "iat": claims.issued,
        "nbf": claims.issued if claims.not_before is None else claims.not_before,
        "exp": claims.expires,
        "permissions": sorted(claims.permissions),
        "collections": list(claims.collections),
    }
    if claims.tenant is not None:
        said["tenant"] = claims.tenant
    algorithm = "EdDSA" if isinstance(key, OKPKey) else "ES256"
    header = {"alg": algorithm, "kid": _kid(key), "typ": "JWT"}
    return jws.serialize_compact(header, json.dumps(said), key, registry=_registry)


def verify(
    token: str, keys: KeySet, now: float, audience: str = AUDIENCE, *, leeway: float = 0.0
) -> Claims:
    """What a key is for. Raises `Unauthenticated`.

    `now` is in seconds since 1970; `leeway`, in seconds, is what clocks may differ by.
    """
    said = verified(token, keys, headers=_OURS)
    check(said, now, issuer=ISSUER, audience=audience, leeway=leeway)
    permissions = names_in(said, "permissions")
    if not set(permissions) <= PERMISSIONS:
        raise _wrong("permissions")
    return Claims(
        id=_text(said, "jti"),
        permissions=frozenset(permissions),
        collections=tuple(names_in(said, "collections")),
        issued=_time(said, "iat"),
        expires=_time(said, "exp"),
        not_before=_time(said, "nbf") if "nbf" in said else None,
        tenant=None if said.get("tenant") is None else _text(said, "tenant"),
        audience=audience,
    )


def verified(token: str, keys: KeySet, *, headers: Collection[str] | None = None) -> dict[str, Any]:
    """The claims of a token that one of the keys signed; nothing else of them is checked.

    `headers` are the only ones that it may have, where given. Raises `Unauthenticated`.
    """
    parsed = _parsed(token)
    header = parsed.headers()
    if header.keys() & _DANGEROUS or (headers is not None and header.keys() - set(headers)):
        raise Unauthenticated("this token asks for what is not done here", why="malformed")
    candidates = keys.candidates(header)
    if not any(_signed(parsed, candidate) for candidate in candidates):
        raise Unauthenticated(
            "this token is not signed by a key that is known here",
            why="signature" if candidates else "unknown_key",
        )
    return _object(parsed.payload)


def header_of(token: str) -> dict[str, Any]:
    """What a token says of its signature: nothing to believe. Raises `Unauthenticated`."""
    return _parsed(token).headers()


def issuer_of(token: str) -> str | None:
    """Who a token says it is from; None for what is no token. Nothing to believe: it only tells
    whose keys to try."""
    if len(token) > MOST_CHARACTERS or token.count(".") != 2:
        return None
    try:
        issuer = json.loads(urlsafe_b64decode(token.split(".")[1].encode()))["iss"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return issuer if isinstance(issuer, str) else None


def check(
    said: Mapping[str, Any], now: float, *, issuer: str, audience: str, leeway: float
) -> None:
    """Issuer, audience and times of verified claims. Raises `Unauthenticated`."""
    if said.get("iss") != issuer:
        raise Unauthenticated("this token is of another issuer", why="issuer")
    for_whom = said.get("aud")
    if for_whom != audience and not (isinstance(for_whom, list) and audience in for_whom):
        raise Unauthenticated("this token is for another service", why="audience")
    if now >= _time(said, "exp") + leeway:
        raise Unauthenticated("this key has expired", why="expired")
    if any(now < _time(said, name) - leeway for name in ("iat", "nbf") if name in said):
        raise Unauthenticated("this key is not valid yet", why="early")


def names_in(said: Mapping[str, Any], name: str) -> list[str]:
    """A claim that is a list of names, one at least. Raises `Unauthenticated`."""
    value = said.get(name)
    if isinstance(value, list) and 0 < len(value) <= _MOST_NAMES and all(map(_is_name, value)):
        return value
    raise _wrong(name)


def _parsed(token: str) -> jws.CompactSignature:
    if len(token) > MOST_CHARACTERS:
        raise Unauthenticated("this token is too long", why="malformed")
    try:
        parsed = jws.extract_compact(token.encode(), None, _registry)
        header: Any = parsed.headers()
    except (JoseError, ValueError, TypeError, RecursionError):
        header = None
    if not (
        isinstance(header, dict)
        and isinstance(header.get("alg"), str)
        and isinstance(header.get("kid", ""), str)
    ):
        raise Unauthenticated("this is no token", why="malformed")
    return parsed


def _signed(parsed: jws.CompactSignature, candidate: PublicKey) -> bool:
    try:
        return jws.validate_compact(parsed, candidate.key, registry=_registry)
    except (JoseError, ValueError, TypeError):
        return False


def _object(payload: bytes) -> dict[str, Any]:
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Unauthenticated("this token says nothing that can be read", why="claims")
    return said


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MOST_NAME and value.isprintable()


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not _is_name(value):
        raise _wrong(name)
    return value


def _time(said: Mapping[str, Any], name: str) -> float:
    value = said.get(name)
    # A comparison with NaN is false, so this refuses it too.
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LATEST:
        return float(value)
    raise _wrong(name)


def _wrong(claim: str) -> Unauthenticated:
    return Unauthenticated(
        f"this token's claim {claim!r} is missing or makes no sense", why="claims"
    )


def _kid(key: _Key) -> str:
    return key.kid or key.thumbprint()


def _algorithms(key: _Key) -> frozenset[str]:
    """What a key may verify: the key says it, the token does not."""
    if isinstance(key, RSAKey):
        return frozenset({"RS256", "PS256"})
    # The second name is that of RFC 9864.
    wanted = {"Ed25519": {"EdDSA", "Ed25519"}, "P-256": {"ES256"}}
    return frozenset(wanted.get(key.curve_name, ()))


def _public(key: _Key) -> PublicKey:
    algorithms = _algorithms(key)
    if not algorithms:
        raise ValueError("its curve is neither Ed25519 nor P-256")
    if key.get("use", "sig") != "sig":
        raise ValueError("its use is not to sign")
    return PublicKey(key, frozenset({_kid(key), key.thumbprint()}), algorithms)


def _blocks(content: str) -> list[bytes]:
    end = "-----END PUBLIC KEY-----"
    if "PRIVATE KEY" in content:
        raise ValueError("a private key: only the public one belongs here")
    *blocks, rest = content.split(end)
    if not blocks or rest.strip():
        raise ValueError("PEM that is no public key")
    return [(block.strip() + "\n" + end + "\n").encode() for block in blocks]


def _from_pem(block: bytes) -> PublicKey:
    for kind in (OKPKey, ECKey):
        try:
            return _public(kind.import_key(block))
        except (JoseError, ValueError, TypeError, AttributeError, KeyError):
            continue
    raise ValueError("a public key in PEM is of Ed25519 or P-256")
