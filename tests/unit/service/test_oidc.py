"""Tokens of an OpenID Connect issuer, which is a real HTTP server here."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from support.certificates import make_certificates
from support.forging import unsigned, with_hmac
from support.issuer import AUDIENCE, DISCOVERY, Issuer, issuing
from support.serving import PRODUCTS, serving, settings
from vectorplane.errors import Unauthenticated
from vectorplane.settings import SettingsError
from vectorplane_service.access.authority import Authority
from vectorplane_service.access.identity import Identity, Permission
from vectorplane_service.access.opening import opened_access
from vectorplane_service.access.refusals import IssuerUnreachable
from vectorplane_service.settings import ServiceSettings

pytestmark = pytest.mark.anyio


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as found:
        yield found


def chosen(issuer: Issuer, **changes: Any) -> ServiceSettings:
    usual = {"api_keys": (), "oidc_issuer": issuer.url, "oidc_audience": AUDIENCE}
    return settings(**{**usual, "access_clock_skew_seconds": 0, **changes})


@asynccontextmanager
async def opened(issuer: Issuer, **changes: Any) -> AsyncIterator[Authority]:
    async with opened_access(chosen(issuer, **changes), ()) as access:
        assert access.authority is not None
        yield access.authority


async def refusal(authority: Authority, token: str) -> str:
    """Why a token is refused; it is, each time that it is sent."""
    with pytest.raises(Unauthenticated) as caught:
        await authority.identify(token)
    assert authority.known(token) is None
    return caught.value.why


async def taken(authority: Authority, token: str) -> Identity:
    """As soon as it is."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await authority.identify(token)
            except (Unauthenticated, IssuerUnreachable):
                await asyncio.sleep(0.02)


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not look():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSAKey.generate_key(2048), "RS256"),
        (RSAKey.generate_key(2048), "PS256"),
        (ECKey.generate_key("P-256"), "ES256"),
        (OKPKey.generate_key("Ed25519"), "EdDSA"),
    ],
)
async def test_a_token_stands_for_whom_it_says(key: Any, algorithm: str) -> None:
    with issuing(key) as issuer:
        async with opened(issuer) as authority:
            expires = time.time() + 100
            token = issuer.token(algorithm=algorithm, exp=expires)
            found = await authority.identify(token)
            assert (found.id, found.permissions) == ("oidc:alice", frozenset({Permission.READ}))
            assert (found.collections, found.tenant) == (("*",), None)
            assert found.expires == pytest.approx(expires)
            assert authority.known(token) is found


async def test_keys_are_fetched_once_for_many(issuer: Issuer) -> None:
    async with opened(issuer) as authority:
        tokens = [issuer.token(sub=f"user-{n}") for n in range(20)]
        found = await asyncio.gather(*map(authority.identify, tokens))
        assert {identity.id for identity in found} == {f"oidc:user-{n}" for n in range(20)}
        assert issuer.jwks_asked() <= 2, "one at the start, one for all who came before it was done"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"aud": "others"}, "audience"),
        ({"aud": ["others", "more"]}, "audience"),
        ({"aud": ...}, "audience"),
        ({"exp": time.time() - 1}, "expired"),
        ({"exp": ...}, "claims"),
        ({"nbf": time.time() + 3600}, "early"),
        ({"iat": time.time() + 3600}, "early"),
        ({"iss": "vectorplane"}, "unknown"),
        ({"iss": "https://elsewhere.example.com"}, "unknown"),
        ({"sub": ...}, "claims"),
        ({"sub": ""}, "claims"),
        ({"sub": 7}, "claims"),
        ({"permissions": ...}, "claims"),
        ({"permissions": 7}, "claims"),
    ],
)
async def test_tokens_that_are_not_for_us(
    issuer: Issuer, changed: dict[str, Any], why: str
) -> None:
    async with opened(issuer) as authority:
        assert await refusal(authority, issuer.token(**changed)) == why


async def test_signatures_that_are_not_the_issuers(issuer: Issuer) -> None:
    stranger = RSAKey.generate_key(2048)
    (real,) = issuer.keys
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "eve", "exp": time.time() + 60}
    claims = {**claims, "iat": time.time(), "permissions": ["admin"]}
    kid = real.thumbprint()
    pem = real.as_pem(private=False)  # type: ignore[union-attr]
    async with opened(issuer) as authority:
        await authority.identify(issuer.token())
        token = issuer.token(permissions=["read"])
        head, body, _ = token.split(".")
        other = issuer.token(stranger)
        assert await refusal(authority, other) == "unknown_key"
        assert await refusal(authority, f"{head}.{body}.{other.split('.')[2]}") == "signature"
        assert await refusal(authority, with_hmac(pem, claims, kid=kid)) == "malformed"
        assert await refusal(authority, with_hmac(pem, claims, kid=kid, alg="RS256")) == "signature"
        assert await refusal(authority, unsigned()) == "unknown"
        assert await refusal(authority, token[:-10]) == "signature"


async def test_clocks_may_differ(issuer: Issuer) -> None:
    late, early = issuer.token(exp=time.time() - 20), issuer.token(iat=time.time() + 20)
    async with opened(issuer) as authority:
        assert await refusal(authority, late) == "expired"
        assert await refusal(authority, early) == "early"
    async with opened(issuer, access_clock_skew_seconds=60) as authority:
        for token in (late, early):
            assert (await authority.identify(token)).id == "oidc:alice"
            assert authority.known(token) is not None


async def test_a_rotated_key_is_found_by_the_tokens_that_it_signed(issuer: Issuer) -> None:
    """Without a fetch by the clock: the tokens themselves ask for it, as soon as they may."""
    async with opened(issuer, oidc_refetch_seconds=1) as authority:
        old = issuer.token()
        assert await authority.identify(old)
        issuer.keys = [ECKey.generate_key("P-256")]
        new = issuer.token()
        assert (await taken(authority, new)).id == "oidc:alice"
        assert authority.known(new) is not None
        assert await refusal(authority, old) == "unknown_key", "its key is no longer published"


async def test_tokens_with_unknown_keys_do_not_flood_the_issuer(issuer: Issuer) -> None:
    async with opened(issuer) as authority:
        await authority.identify(issuer.token())
        before = issuer.jwks_asked()
        tokens = [issuer.token(OKPKey.generate_key("Ed25519")) for _ in range(50)]
        assert {await refusal(authority, token) for token in tokens} == {"unknown_key"}
        assert issuer.jwks_asked() == before


async def test_a_key_that_is_taken_back_is_noticed_without_any_new_token(issuer: Issuer) -> None:
    async with opened(issuer, oidc_jwks_seconds=1) as authority:
        token = issuer.token()
        await authority.identify(token)
        issuer.keys = [ECKey.generate_key("P-256")]
        await until(lambda: authority.known(token) is None)
        assert await refusal(authority, token) == "unknown_key"


async def test_keys_stay_while_the_issuer_is_away(issuer: Issuer) -> None:
    with structlog.testing.capture_logs() as lines:
        async with opened(issuer, oidc_jwks_seconds=1, oidc_refetch_seconds=1) as authority:
            known = issuer.token()
            await authority.identify(known)
            issuer.go()
            await until(lambda: "warning" in {line["log_level"] for line in lines[1:]})
            assert authority.known(known) is not None
            assert (await authority.identify(issuer.token(sub="bob"))).id == "oidc:bob"
            fresh = ECKey.generate_key("P-256")
            assert await refusal(authority, issuer.token(fresh)) == "unknown_key"
            issuer.keys = [fresh]
            issuer.come()
            assert await taken(authority, issuer.token())
    said = [line for line in lines if "cannot be fetched" in line["event"]]
    assert len(said) == 1, "once for each time that it is away"


async def test_an_issuer_that_was_never_there_is_no_fault_of_the_caller(issuer: Issuer) -> None:
    issuer.go()
    async with opened(issuer) as authority:
        with pytest.raises(IssuerUnreachable) as caught:
            await authority.identify(issuer.token())
        assert caught.value.retry_after is not None
        issuer.come()
        assert await taken(authority, issuer.token())


@pytest.mark.parametrize(
    "said",
    [
        {f"/realm{DISCOVERY}": (200, b'{"issuer": "https://evil", "jwks_uri": "http://evil/"}')},
        {f"/realm{DISCOVERY}": (200, b"[]")},
        {f"/realm{DISCOVERY}": (200, b"not json")},
        {f"/realm{DISCOVERY}": (302, b"")},
        {"/realm/keys": (500, b"")},
        {"/realm/keys": (200, b"{}")},
        {"/realm/keys": (200, b'{"keys": []}')},
        {"/realm/keys": (200, b'{"keys": [{"kty": "oct", "k": "AAAA"}, 7, null]}')},
        {"/realm/keys": (200, b'{"keys": "' + b"a" * 2_000_000 + b'"}')},
        {"/realm/keys": (200, b"[" * 100_000)},
    ],
)
async def test_an_issuer_that_talks_nonsense_lets_nobody_in(
    issuer: Issuer, said: dict[str, tuple[int, bytes]]
) -> None:
    issuer.said = said
    async with opened(issuer) as authority:
        with pytest.raises(IssuerUnreachable):
            await authority.identify(issuer.token())


async def test_keys_that_we_cannot_use_are_skipped(issuer: Issuer) -> None:
    issuer.keys.append(ECKey.generate_key("P-384"))
    issuer.keys.append(OctKey.generate_key())  # type: ignore[arg-type]
    async with opened(issuer) as authority:
        assert (await authority.identify(issuer.token())).id == "oidc:alice"


async def test_where_the_keys_are_can_be_said(issuer: Issuer) -> None:
    async with opened(issuer, oidc_jwks_url=f"{issuer.url}/keys") as authority:
        assert await authority.identify(issuer.token())
    assert not [path for path in issuer.asked if DISCOVERY in path]


async def test_claims_are_named_by_the_settings(issuer: Issuer) -> None:
    names = {
        "oidc_id_claim": "https://example.com/name",
        "oidc_permissions_claim": "realm.roles",
        "oidc_permissions_prefix": "vp:",
        "oidc_collections_claim": "collections",
        "oidc_tenant_claim": "org",
    }
    full: dict[str, Any] = {
        "https://example.com/name": "Alice",
        "realm": {"roles": "vp:read vp:write openid admin vp:root"},
        "permissions": ["admin"],
        "collections": ["shop.*"],
        "org": "shop.products",
    }
    async with opened(issuer, **names) as authority:
        found = await authority.identify(issuer.token(**full))
        assert found.id == "oidc:Alice"
        assert found.permissions == {Permission.READ, Permission.WRITE}
        assert (found.collections, found.tenant) == (("shop.*",), "shop.products")
        for narrowing in ("collections", "org", "realm", "https://example.com/name"):
            token = issuer.token(**{**full, narrowing: ...})
            assert await refusal(authority, token) == "claims", narrowing
        for wrong in ([], "", None, 7, ["a", "b"], {"a": 1}):
            assert await refusal(authority, issuer.token(**{**full, "org": wrong})) == "claims"


async def test_who_has_no_permission_here_has_none(issuer: Issuer) -> None:
    async with opened(issuer) as authority:
        found = await authority.identify(issuer.token(permissions=["openid", "profile"]))
        assert found.permissions == frozenset()


def test_the_settings_must_make_sense(issuer: Issuer) -> None:
    with pytest.raises(ValueError, match="OIDC_AUDIENCE"):
        chosen(issuer, oidc_audience=None)
    for url in ("ftp://issuer", "issuer.example.com", "https://user:pass@issuer.example.com"):
        with pytest.raises(ValueError, match="address"):
            chosen(issuer, oidc_issuer=url)


async def test_an_issuer_with_a_certificate_authority_of_its_own(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    with issuing(certificates=made) as issuer:
        async with opened(issuer, oidc_tls_ca=str(made.ca)) as authority:
            assert (await authority.identify(issuer.token())).id == "oidc:alice"
            issuer.said = {
                f"/realm{DISCOVERY}": (
                    200,
                    json.dumps({"issuer": issuer.url, "jwks_uri": "http://127.0.0.1:1/"}).encode(),
                )
            }
        for trust in ({"oidc_tls_ca": str(made.ca)}, {}):
            async with opened(issuer, **trust) as authority:
                with pytest.raises(IssuerUnreachable):
                    await authority.identify(issuer.token())
    with pytest.raises(SettingsError, match="OIDC_TLS_CA"):
        chosen(issuer, oidc_tls_ca="/nowhere/ca.pem").check_access()


async def test_over_http(issuer: Issuer) -> None:
    chosen = {"api_keys": (), "oidc_issuer": issuer.url, "oidc_audience": AUDIENCE}
    token = issuer.token(permissions=["read"])
    async with serving(headers={"Authorization": f"Bearer {token}"}, **chosen) as client:
        assert (await client.get(PRODUCTS)).status_code == 200
        body = {"id": 1, "vector": [1, 2, 3, 4]}
        assert (await client.put(f"{PRODUCTS}/points", json=body)).status_code == 403
        late = {"Authorization": f"Bearer {issuer.token(exp=time.time() - 60)}"}
        assert (await client.get(PRODUCTS, headers=late)).status_code == 401
    issuer.go()
    async with serving(headers={"Authorization": f"Bearer {token}"}, **chosen) as client:
        answer = await client.get(PRODUCTS)
        assert (answer.status_code, answer.json()["code"]) == (503, "issuer_unreachable")
        assert issuer.url not in answer.text
        assert int(answer.headers["Retry-After"]) >= 1
