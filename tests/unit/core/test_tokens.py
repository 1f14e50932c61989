"""Signed keys: what is taken, and everything that is not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from support.forging import HONEST, NOW, forged, part, unsigned, with_hmac
from vectorplane.errors import Unauthenticated
from vectorplane.tokens import (
    MOST_CHARACTERS,
    Claims,
    KeySet,
    PrivateKey,
    generate,
    header_of,
    issuer_of,
    jwk_of,
    private_key,
    public_key,
    public_keys,
    sign,
    verify,
)

ED, EC = generate("Ed25519"), generate("ES256")
ED2 = generate("Ed25519")
CLAIMS = Claims(
    id="shop-1",
    permissions=frozenset({"read", "write"}),
    collections=("shop.*", "docs.pages"),
    issued=NOW - 60,
    expires=NOW + 3600,
    not_before=NOW - 30,
    tenant="shop.products",
)


def keys(*some: PrivateKey) -> KeySet:
    return KeySet(public_key(jwk_of(key)) for key in some)


BOTH = keys(ED, EC)


def refusal(token: str, known: KeySet = BOTH, now: float = NOW, **more: Any) -> str:
    """Why a token is refused."""
    with pytest.raises(Unauthenticated) as caught:
        verify(token, known, now, **more)
    assert len(token) < 30 or token not in caught.value.message
    return caught.value.why


@pytest.mark.parametrize("key", [ED, EC], ids=["Ed25519", "ES256"])
@pytest.mark.parametrize("claims", [CLAIMS, replace(CLAIMS, tenant=None)])
def test_what_is_signed_is_verified(key: PrivateKey, claims: Claims) -> None:
    token = sign(claims, key)
    assert verify(token, BOTH, NOW) == claims
    assert len(token) < 600, "it travels with every request"
    assert issuer_of(token) == "vectorplane"
    assert header_of(token)["kid"] == key.thumbprint()


def test_the_forger_can_be_honest() -> None:
    """Else the refusals of the other tests would mean nothing."""
    for key in (ED, EC):
        assert verify(forged(key), BOTH, NOW).id == "shop-1"
    assert verify(forged(ED, header={"alg": "Ed25519"}), BOTH, NOW).id == "shop-1"
    assert verify(forged(ED, aud=["other", "vectorplane"]), BOTH, NOW).id == "shop-1"
    assert verify(forged(ED, nbf=...), BOTH, NOW).not_before is None


def test_several_keys_are_valid_at_once() -> None:
    old, new = sign(CLAIMS, ED), sign(CLAIMS, ED2)
    assert refusal(new, keys(ED)) == "unknown_key"
    for token in (old, new):
        assert verify(token, keys(ED, ED2), NOW) == CLAIMS
    assert refusal(old, keys(ED2)) == "unknown_key"
    assert refusal(old, KeySet([])) == "unknown_key"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (unsigned(), "unknown_key"),
        (unsigned("None"), "unknown_key"),
        (unsigned("NONE"), "unknown_key"),
        (unsigned("EdDSA"), "signature"),
        (unsigned("ES256"), "signature"),
        (forged(ED, header={"alg": "ES256"}), "signature"),
        (forged(ED, header={"alg": "ES256", "kid": ED.thumbprint()}), "unknown_key"),
        (forged(EC, header={"alg": "EdDSA", "kid": EC.thumbprint()}), "unknown_key"),
        (forged(EC, header={"alg": "ES384"}), "unknown_key"),
        (forged(ED, header={"alg": "RS256"}), "unknown_key"),
        (forged(ED2), "signature"),
        (forged(ED2, header={"kid": ED.thumbprint()}), "signature"),
        (forged(ED2, header={"kid": "../../dev/null"}), "unknown_key"),
        (forged(ED2, header={"jwk": jwk_of(ED2)}), "malformed"),
        (forged(ED2, header={"jku": "https://example.com/keys"}), "malformed"),
        (forged(ED, header={"x5u": "https://example.com/cert"}), "malformed"),
        (forged(ED, header={"x5c": ["MIIB"]}), "malformed"),
        (forged(ED, header={"crit": ["exp"], "exp": NOW}), "malformed"),
        (forged(ED, header={"crit": []}), "malformed"),
        (forged(ED, header={"b64": False, "crit": ["b64"]}), "malformed"),
        (forged(ED, header={"b64": True}), "malformed"),
        (forged(ED, header={"more": 1}), "malformed"),
        (forged(ED, header={"alg": ...}), "malformed"),
        (forged(ED, header={"alg": ["EdDSA"]}), "malformed"),
        (forged(ED, header={"alg": None}), "malformed"),
        (forged(ED, header={"kid": 7}), "malformed"),
        ("", "malformed"),
        (".", "malformed"),
        ("..", "malformed"),
        ("a.b.c", "malformed"),
        ("\xe9.\xff.\x00", "malformed"),
        ("\ud800.b.c", "malformed"),
        (f"{part([1])}.{part(HONEST)}.{part(b'x')}", "malformed"),
        (f"{part(['alg'])}.{part(HONEST)}.{part(b'x')}", "malformed"),
        (f"{part('alg')}.{part(HONEST)}.{part(b'x')}", "malformed"),
        (f"{part(b'{' * 5000)}.{part(HONEST)}.{part(b'x')}", "malformed"),
        (f"{part(b'[' * 3000)}.{part(HONEST)}.{part(b'x')}", "malformed"),
    ],
)
def test_signatures_that_are_not_ours(token: str, why: str) -> None:
    assert refusal(token) == why


def test_a_public_key_is_no_secret() -> None:
    """HS256 with what everybody knows: the public key in each form that it is published in."""
    jwk = jwk_of(ED)
    pem = ED.as_pem(private=False)
    for secret in (pem, pem.strip(), json.dumps(jwk).encode(), str(jwk["x"]).encode(), b"", b"\0"):
        for header in ({}, {"kid": jwk["kid"]}, {"alg": "EdDSA"}):
            assert refusal(with_hmac(secret, **header)) in {"unknown_key", "signature"}
    with pytest.raises(ValueError, match="kty"):
        public_key(OctKey.generate_key().as_dict())


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"exp": NOW}, "expired"),
        ({"exp": NOW - 1}, "expired"),
        ({"exp": 0}, "expired"),
        ({"nbf": NOW + 1}, "early"),
        ({"iat": NOW + 1}, "early"),
        ({"iss": "somebody"}, "issuer"),
        ({"iss": ["vectorplane"]}, "issuer"),
        ({"iss": ...}, "issuer"),
        ({"aud": "other"}, "audience"),
        ({"aud": ["other"]}, "audience"),
        ({"aud": {"vectorplane": 1}}, "audience"),
        ({"aud": ...}, "audience"),
        ({"exp": ...}, "claims"),
        ({"iat": ...}, "claims"),
        ({"exp": None}, "claims"),
        ({"exp": str(NOW + 60)}, "claims"),
        ({"exp": True}, "claims"),
        ({"exp": float("nan")}, "claims"),
        ({"exp": float("inf")}, "claims"),
        ({"exp": 10**400}, "claims"),
        ({"exp": [NOW + 60]}, "claims"),
        ({"iat": -1}, "claims"),
        ({"nbf": "now"}, "claims"),
        ({"jti": ...}, "claims"),
        ({"jti": ""}, "claims"),
        ({"jti": 7}, "claims"),
        ({"jti": "a\nb"}, "claims"),
        ({"jti": "a" * 256}, "claims"),
        ({"permissions": ...}, "claims"),
        ({"permissions": []}, "claims"),
        ({"permissions": "read"}, "claims"),
        ({"permissions": ["root"]}, "claims"),
        ({"permissions": ["read", 1]}, "claims"),
        ({"permissions": {"read": True}}, "claims"),
        ({"collections": ...}, "claims"),
        ({"collections": []}, "claims"),
        ({"collections": "*"}, "claims"),
        ({"collections": [""]}, "claims"),
        ({"collections": [["*"]]}, "claims"),
        ({"collections": ["a"] * 257}, "claims"),
        ({"tenant": ""}, "claims"),
        ({"tenant": ["a.b"]}, "claims"),
        ({"tenant": 0}, "claims"),
    ],
)
def test_claims_that_do_not_hold(changed: dict[str, Any], why: str) -> None:
    assert refusal(forged(ED, **changed)) == why


@pytest.mark.parametrize(
    "payload", [[], "x", 1, None, b"", b"{", b"\xff", b"[" * 9000, b"9" * 9000]
)
def test_claims_that_are_none(payload: Any) -> None:
    said = forged(ED, b"null" if payload is None else payload)
    assert refusal(said) == "claims"


def test_another_audience_is_another_service() -> None:
    token = sign(replace(CLAIMS, audience="east"), ED)
    assert verify(token, BOTH, NOW, "east").audience == "east"
    assert refusal(token) == "audience"


def test_clocks_may_differ_by_so_much() -> None:
    late, early = forged(ED, exp=NOW - 5), forged(ED, iat=NOW + 5, nbf=NOW + 5)
    for token, why in ((late, "expired"), (early, "early")):
        assert refusal(token) == why
        assert refusal(token, leeway=4) == why
        assert verify(token, BOTH, NOW, leeway=6).id == "shop-1"


def test_a_token_may_not_be_long() -> None:
    globs = ["a" * 250] * 50
    assert len(forged(ED, collections=globs)) > MOST_CHARACTERS
    assert refusal(forged(ED, collections=globs)) == "malformed"
    assert refusal("a" * 100_000_000) == "malformed"
    assert issuer_of("a." * 2 + "a" * 100_000) is None


TOKENS = [sign(CLAIMS, ED), sign(CLAIMS, EC)]


@given(st.sampled_from(TOKENS), st.data())
def test_no_byte_can_be_changed(token: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(token) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != ord(token[at])))
    refusal(token[:at] + chr(byte) + token[at + 1 :])


def test_no_bit_of_a_signature_can_be_flipped() -> None:
    """Every one of them, with the spare bits of the last character."""
    for token in TOKENS:
        start = token.rindex(".") + 1
        for at in range(start, len(token)):
            for bit in range(8):
                refusal(token[:at] + chr(ord(token[at]) ^ (1 << bit)) + token[at + 1 :])


def test_no_token_can_be_cut_or_grown() -> None:
    for token in TOKENS:
        for length in range(len(token)):
            refusal(token[:length])
        for more in ("A", "AA", "AAAA", "=", "==", ".", ".A", " ", "\n"):
            refusal(token + more)
            refusal(more + token)


@given(st.permutations([*TOKENS[0].split("."), *TOKENS[1].split(".")]))
def test_parts_cannot_be_mixed(parts: list[str]) -> None:
    token = ".".join(parts[:3])
    if token not in TOKENS:
        refusal(token)


@given(st.text(max_size=400))
def test_anything_else_is_no_token(text: str) -> None:
    refusal(text)
    assert issuer_of(text) is None


def test_keys_are_read_in_the_forms_that_people_have() -> None:
    pem = ED.as_pem(private=False).decode()
    both = pem + "\n" + EC.as_pem(private=False).decode()
    assert [len(public_keys(text)) for text in (pem, both, json.dumps(jwk_of(EC)))] == [1, 2, 1]
    for token in TOKENS:
        assert verify(token, KeySet(public_keys(both)), NOW) == CLAIMS
        jwks = json.dumps({"keys": [jwk_of(ED), jwk_of(EC)]})
        assert verify(token, KeySet(public_keys(jwks)), NOW) == CLAIMS
    named = {**jwk_of(ED), "kid": "2026-11"}
    assert verify(TOKENS[0], KeySet([public_key(named)]), NOW) == CLAIMS, "by its thumbprint"
    for key in (ED, EC):
        assert private_key(key.as_pem(private=True)) == key
        assert "d" not in jwk_of(key)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "neither JSON"),
        ("hello", "neither JSON"),
        ("[]", "no JWKS"),
        ('{"keys": {}}', "no JWKS"),
        ('{"keys": [7]}', "kty"),
        ('{"kty": "OKP", "crv": "Ed25519"}', "cannot be read"),
        ('{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}', "cannot be read"),
        ('{"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}', "cannot be read"),
        ('{"kty": "EC", "crv": "none", "x": "AAAA", "y": "AAAA"}', "cannot be read"),
        (json.dumps({**jwk_of(ED), "use": "enc"}), "use"),
        (json.dumps(ED.as_dict(private=True)), "private key"),
        (ED.as_pem(private=True).decode(), "private key"),
        (ED.as_pem(private=False).decode()[:60], "no public key"),
        (RSAKey.generate_key(2048).as_pem(private=False).decode(), "Ed25519 or P-256"),
        (json.dumps(RSAKey.generate_key(2048).as_dict(private=False)), "kty"),
        (generate("ES256").as_pem(private=False).decode() + "rest", "no public key"),
    ],
    # Keys are other ones in each process; names of tests are the same in all.
    ids=map(str, range(16)),
)
def test_keys_that_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        public_keys(text)


def test_small_rsa_keys_and_other_curves_verify_nothing() -> None:
    small = {"kty": "RSA", "e": "AQAB", "n": part((2**1024 - 1).to_bytes(128, "big"))}
    with pytest.raises(ValueError, match="2048 bits"):
        public_key(small, rsa=True)
    for key in (ECKey.generate_key("P-384"), OKPKey.generate_key("X25519")):
        with pytest.raises(ValueError, match="its curve"):
            public_key(key.as_dict(private=False), rsa=True)


def test_a_private_key_is_not_shown_by_an_error() -> None:
    for pem in (b"", b"secret", EC.as_pem(private=False), ED.as_pem(private=True)[:80]):
        with pytest.raises(ValueError, match="not a private key"):
            private_key(pem)


def test_the_rest_of_the_core_needs_no_joserfc() -> None:
    code = (
        "import sys, vectorplane.controller, vectorplane.reconcile, vectorplane.errors;"
        "assert not {'joserfc', 'cryptography'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
