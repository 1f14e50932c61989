"""Signed keys in the service: public keys and denied ids in files that change while it runs."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from support.serving import PRODUCTS, serving, settings
from vectorplane.errors import Unauthenticated
from vectorplane.tokens import Claims, PrivateKey, generate, jwk_of, sign
from vectorplane_service.access.authority import MOST_CHARACTERS, Authority
from vectorplane_service.access.identity import Identity, Permission
from vectorplane_service.access.keys import api_key
from vectorplane_service.access.opening import denied_ids, opened_access
from vectorplane_service.access.refusals import CannotVerify
from vectorplane_service.access.watched import Watched

pytestmark = pytest.mark.anyio

ED, EC = generate("Ed25519"), generate("ES256")
STATIC = api_key("static", "static-secret", ["admin"])


def token(key: PrivateKey = ED, **changes: Any) -> str:
    now = time.time()
    usual: dict[str, Any] = {
        "id": "shop-1",
        "permissions": frozenset({"read"}),
        "collections": ("shop.*",),
        "issued": now - 1,
        "expires": now + 600,
    }
    return sign(Claims(**{**usual, **changes}), key)


def jwks(*keys: PrivateKey) -> str:
    return json.dumps({"keys": [jwk_of(key) for key in keys]})


def put(file: Path, text: str) -> None:
    """Replace a file whole, as everybody should."""
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(text.encode("utf-8", "surrogatepass"))
    os.replace(new, file)


@asynccontextmanager
async def opened(path: Path, **changes: Any) -> AsyncIterator[Authority]:
    chosen = settings(access_public_keys=str(path), access_clock_skew_seconds=0, **changes)
    async with opened_access(chosen, [STATIC]) as access:
        assert access.authority is not None
        yield access.authority


async def refusal(authority: Authority, secret: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await authority.identify(secret)
    assert authority.known(secret) is None
    return caught.value.why


async def taken(authority: Authority, secret: str) -> Identity:
    """As soon as it is."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await authority.identify(secret)
            except (Unauthenticated, CannotVerify):
                await asyncio.sleep(0.01)


async def forgotten(authority: Authority, secret: str) -> None:
    """As soon as it is."""
    async with asyncio.timeout(20):
        while authority.known(secret) is not None:
            await asyncio.sleep(0.01)


async def test_a_signed_key_stands_for_its_claims(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(jwks(ED, EC))
    async with opened(file) as authority:
        for key in (ED, EC):
            sent = token(key, permissions=frozenset({"admin"}), tenant="shop.products")
            assert authority.known(sent) is None
            found = await authority.identify(sent)
            assert found.id == "shop-1"
            assert found.permissions == frozenset(Permission)
            assert (found.sees("shop.a"), found.sees("docs.a")) == (True, False)
            assert (found.may_reach("shop.products"), found.may_reach("shop.b")) == (True, False)
            assert found.may_reach(None)
            assert authority.known(sent) is found
        assert (await authority.identify("static-secret")).id == "static"
        assert await refusal(authority, "no-such-key") == "unknown"
        assert await refusal(authority, token(generate())) == "unknown_key"
        assert await refusal(authority, token(audience="elsewhere")) == "audience"
        assert await refusal(authority, "x" * (MOST_CHARACTERS + 1)) == "malformed"


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize("form", ["pem", "jwks"])
async def test_the_forms_of_a_mount(tmp_path: Path, folder: bool, form: str) -> None:
    texts = {
        key.key_type: jwks(key) if form == "jwks" else key.as_pem(private=False).decode()
        for key in (ED, EC)
    }
    if folder:
        for name, text in texts.items():
            (tmp_path / f"{name}.key").write_text(text)
        (tmp_path / ".hidden").write_text("not a key")
        path = tmp_path
    else:
        path = tmp_path / "keys"
        path.write_text("\n".join(texts.values()) if form == "pem" else jwks(ED, EC))
    async with opened(path) as authority:
        for key in (ED, EC):
            assert (await authority.identify(token(key))).id == "shop-1"


async def test_keys_are_rotated_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(jwks(ED))
    old, new = token(ED), token(EC)
    async with opened(file) as authority:
        await authority.identify(old)
        assert await refusal(authority, new) == "unknown_key"
        file.write_text(jwks(ED, EC))
        await taken(authority, new)
        assert await authority.identify(old), "both, while the new one takes over"
        file.write_text(jwks(EC))
        await forgotten(authority, old)
        assert await refusal(authority, old) == "unknown_key"
        assert await authority.identify(new)


async def test_the_swap_of_a_mounted_secret_is_seen(tmp_path: Path) -> None:
    """As Kubernetes does it: files are links into a folder, which is a link that is replaced."""
    for version, key in (("1", ED), ("2", EC)):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "jwks").write_text(jwks(key))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "jwks").symlink_to("..data/jwks")
    for path in (tmp_path, tmp_path / "jwks"):
        async with opened(path) as authority:
            await authority.identify(token(ED))
            (tmp_path / "..tmp").symlink_to("..2")
            os.replace(tmp_path / "..tmp", tmp_path / "..data")
            await taken(authority, token(EC))
            assert await refusal(authority, token(ED)) == "unknown_key"
            (tmp_path / "..tmp").symlink_to("..1")
            os.replace(tmp_path / "..tmp", tmp_path / "..data")


@pytest.mark.parametrize("bad", ["", "{", '{"keys": []}', "\ud800", None])
async def test_what_cannot_be_read_keeps_the_old_keys(tmp_path: Path, bad: str | None) -> None:
    file = tmp_path / "keys.json"
    file.write_text(jwks(ED))
    with structlog.testing.capture_logs() as lines:
        async with opened(file) as authority:
            if bad is None:
                file.unlink()
            else:
                put(file, bad)

            async with asyncio.timeout(20):
                while not lines:
                    await asyncio.sleep(0.01)
            assert await authority.identify(token(ED))
            put(file, jwks(EC))
            await taken(authority, token(EC))
    said = [line for line in lines if line["log_level"] == "error"]
    assert len(said) == 1, "once, not at every look"
    assert str(file) in str(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("", "neither JSON"),
        ('{"keys": []}', "no public key"),
        (ED.as_pem(private=True).decode(), "a private key"),
        (json.dumps(ED.as_dict(private=True)), "a private key"),
    ],
)
async def test_a_start_without_keys_lets_in_who_needs_none_and_goes_on_looking(
    tmp_path: Path, text: str | None, said: str
) -> None:
    """A worker that is replaced while the file is bad must not take the service down."""
    file = tmp_path / "keys"
    if text is not None:
        file.write_text(text)
    with structlog.testing.capture_logs() as lines:
        async with opened(file) as authority:
            with pytest.raises(CannotVerify):
                await authority.identify(token(ED))
            assert (await authority.identify("static-secret")).id == "static"
            assert await refusal(authority, "no-such-key") == "unknown"
            put(file, jwks(ED))
            assert (await taken(authority, token(ED))).id == "shop-1"
    (line,) = (line for line in lines if line["log_level"] == "error")
    assert said in line["error"]
    assert line["in_force"] == "nothing"


async def test_an_empty_folder_is_no_keys(tmp_path: Path) -> None:
    async with opened(tmp_path) as authority:
        with pytest.raises(CannotVerify):
            await authority.identify(token(ED))
        (tmp_path / "new.pem").write_bytes(ED.as_pem(private=False))
        assert (await taken(authority, token(ED))).id == "shop-1"


async def test_denied_ids_are_let_in_no_more(tmp_path: Path) -> None:
    file, denied = tmp_path / "keys.json", tmp_path / "denied"
    file.write_text(jwks(ED))
    denied.write_text("# nobody yet\n")
    mine, other = token(ED), token(ED, id="shop-2")
    async with opened(file, access_denied_ids=str(denied)) as authority:
        for secret in (mine, other, "static-secret"):
            assert await authority.identify(secret)
        put(denied, "# lost on a train\nshop-1\n  static  \n")
        await forgotten(authority, mine)
        assert await refusal(authority, mine) == "revoked"
        assert await refusal(authority, "static-secret") == "revoked"
        assert (await authority.identify(other)).id == "shop-2"
        put(denied, "")
        assert (await taken(authority, mine)).id == "shop-1"
        assert (await authority.identify("static-secret")).id == "static"


async def test_a_list_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    """Whoever stands in its second half would be back in."""
    denied = tmp_path / "denied"
    denied.write_text("a\nb\n")
    watched = Watched(denied, denied_ids, what="denied ids")
    changed = asyncio.Event()
    following = asyncio.create_task(watched.follow(changed.set))
    try:
        with denied.open("w") as file:
            # For a whole second something comes, and every look finds another file.
            until = time.monotonic() + 1
            while time.monotonic() < until:
                file.write("# more\n")
                file.flush()
                await asyncio.sleep(0.01)
                assert watched.value == {"a", "b"}
            file.write("a\nb\nc\n")
        async with asyncio.timeout(20):
            await changed.wait()
        assert watched.value == {"a", "b", "c"}
    finally:
        following.cancel()


async def test_a_start_without_the_denied_ids_lets_nobody_in(tmp_path: Path) -> None:
    """Else whoever was shut out would be back in."""
    file, denied = tmp_path / "keys.json", tmp_path / "denied"
    file.write_text(jwks(ED))
    async with opened(file, access_denied_ids=str(denied)) as authority:
        for secret in (token(ED), "static-secret", "no-such-key"):
            assert authority.known(secret) is None
            with pytest.raises(CannotVerify):
                await authority.identify(secret)
        put(denied, "shop-2\n")
        assert (await taken(authority, token(ED))).id == "shop-1"
        assert (await authority.identify("static-secret")).id == "static"
        assert await refusal(authority, token(ED, id="shop-2")) == "revoked"


def test_files_of_a_folder_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("2")
    watched = Watched(tmp_path, lambda texts: texts, what="texts")
    assert (watched.value, watched.look()) == (["2"], False)
    (tmp_path / "a").write_text("1")
    assert (watched.look(), watched.value) == (True, ["1", "2"])
    (tmp_path / "b").unlink()
    assert (watched.look(), watched.value) == (True, ["1"])


async def test_over_http(tmp_path: Path) -> None:
    """The status, the words, the metric and the log of each way to be refused."""
    file = tmp_path / "keys.json"
    file.write_text(jwks(ED))
    good, foreign = token(ED), token(EC)
    late = token(ED, issued=time.time() - 20, expires=time.time() - 10)
    elsewhere = token(ED, audience="elsewhere")
    chosen = {"access_public_keys": str(file), "access_clock_skew_seconds": 0}
    with structlog.testing.capture_logs() as lines:
        async with serving(headers={}, **chosen) as client:
            for header in ({"X-API-Key": good}, {"Authorization": f"Bearer {good}"}):
                answer = await client.get(PRODUCTS, headers=header)
                assert answer.status_code == 200
            for secret in (late, foreign, elsewhere, good[:-4]):
                answer = await client.get(PRODUCTS, headers={"X-API-Key": secret})
                assert answer.status_code == 401
                assert answer.json()["code"] == "unauthenticated"
                assert answer.headers["WWW-Authenticate"] == 'Bearer realm="vectorplane"'
                assert secret not in answer.text
            metrics = (await client.get("/metrics")).text
            file.unlink()
        async with serving(headers={}, **chosen) as client:
            answer = await client.get(PRODUCTS, headers={"X-API-Key": good})
            assert (answer.status_code, answer.json()["code"]) == (503, "cannot_verify")
            assert "Retry-After" in answer.headers
            metrics += (await client.get("/metrics")).text
    for reason in ("expired", "unknown_key", "audience", "signature", "unavailable"):
        assert f'vectorplane_auth_failures_total{{reason="{reason}"}} 1.0' in metrics
    said = repr(lines)
    for secret in (good, late, foreign, elsewhere):
        assert secret not in said
        assert secret.split(".")[2] not in said
    assert [line["key"] for line in lines if "key" in line] == ["shop-1"] * 2
