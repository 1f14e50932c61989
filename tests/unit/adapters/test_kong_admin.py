"""How `KongAdmin` asks, and what it makes of answers that are no success."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import pytest

from support.gateways import apply, due
from support.kong import kong_without_database
from support.kong_double import KongDouble, kong_double
from support.wishes import Wishes
from vectorplane.adapters.gateway.kong_admin import KongAdmin
from vectorplane.domain.exposure import Ref
from vectorplane.errors import (
    GatewayFailed,
    GatewayReadOnly,
    GatewayRejected,
    GatewayUnauthorized,
    GatewayUnreachable,
    Stalled,
    VectorplaneError,
    Waiting,
)

pytestmark = pytest.mark.anyio
SERVICE = "http://127.0.0.1:9"


@pytest.fixture
def double() -> Iterator[KongDouble]:
    with kong_double() as opened:
        yield opened


@pytest.fixture
async def admin(double: KongDouble) -> AsyncIterator[KongAdmin]:
    opened = _open(double.kong.admin)
    yield opened
    await opened.close()


def _open(url: str, **options: Any) -> KongAdmin:
    return KongAdmin(url, cluster="ours", service_url=SERVICE, **{"timeout": 30, **options})


async def _refused(admin: KongAdmin, wishes: Wishes) -> list[VectorplaneError]:
    """The errors of each kind of call, for each kind of object."""
    errors: list[VectorplaneError] = []
    calls = [admin.survey]
    for ref, body in (admin.render(wishes.exposure()) | admin.render(wishes.credential())).items():
        calls.append(lambda r=ref, b=body: admin.put(r, b))
        calls.append(lambda r=ref: admin.delete(r))
    for call in calls:
        with pytest.raises(VectorplaneError) as refused:
            await call()
        assert "secret" not in str(refused.value)
        errors.append(refused.value)
    return errors


async def test_a_survey_is_a_list_of_each_kind(double: KongDouble, admin: KongAdmin) -> None:
    wishes = Wishes()
    many = [wishes.exposure(f"c{n}") for n in range(30)]
    many_keys = [wishes.credential(f"a{n}") for n in range(30)]
    await apply(admin, *many, *many_keys)
    double.asked.clear()
    assert await due(admin, *many, *many_keys) == []
    kinds = ["services", "routes", "plugins", "consumers", "acls", "key-auths"]
    assert double.asked == [("GET", f"/{kind}") for kind in kinds]


async def test_the_token_goes_along(double: KongDouble, admin: KongAdmin) -> None:
    double.token = ("X-Admin", "s3cret")
    for error in await _refused(admin, Wishes()):
        assert isinstance(error, GatewayUnauthorized)
    for token in ("s3cret", "other"):
        with_token = _open(double.kong.admin, token=token, token_header="X-Admin")
        if token == "s3cret":
            assert await with_token.survey() == {}
        else:
            with pytest.raises(GatewayUnauthorized) as refused:
                await with_token.survey()
            assert "other" not in str(refused.value)
        await with_token.close()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, GatewayUnauthorized),
        (403, GatewayUnauthorized),
        (408, GatewayFailed),
        (429, GatewayFailed),
        (500, GatewayFailed),
        (502, GatewayFailed),
        (503, GatewayFailed),
        (302, GatewayFailed),
        (400, GatewayRejected),
        (405, GatewayRejected),
        (413, GatewayRejected),
    ],
)
async def test_a_status_says_who_must_act(
    double: KongDouble, admin: KongAdmin, status: int, expected: type[VectorplaneError]
) -> None:
    double.failing = (status, {"Retry-After": "7"})
    for error in await _refused(admin, Wishes()):
        assert type(error) is expected
        if status in (429, 503):
            assert isinstance(error, Waiting)
            assert error.retry_after == 7


async def test_what_is_not_there_is_gone_and_an_unknown_list_is_said(
    double: KongDouble, admin: KongAdmin
) -> None:
    double.failing = (404, {})
    await admin.delete(Ref("routes", "0"))
    with pytest.raises(GatewayRejected, match="does not know services"):
        await admin.survey()


@pytest.mark.parametrize(
    "said", [b"", b"<html>", b"[]", b"17", b'{"data": [1]}', b'{"data": [{}]}']
)
async def test_an_answer_that_makes_no_sense_is_waited_for(
    double: KongDouble, admin: KongAdmin, said: bytes
) -> None:
    double.answers = lambda _path: said
    ref, body = next(iter(admin.render(Wishes().exposure()).items()))
    with pytest.raises(GatewayFailed):
        await admin.survey()
    with pytest.raises(GatewayFailed):
        await admin.put(ref, body)


async def test_what_the_filter_lets_through_is_looked_at_again(
    double: KongDouble, admin: KongAdmin
) -> None:
    double.answers = lambda _path: (
        b'{"data": [{"id": "1", "tags": ["managed-by:vectorplane", "cluster:theirs"]},'
        b' {"id": "2", "tags": null}], "next": null}'
    )
    assert await admin.survey() == {}


async def test_an_empty_table_of_lua_is_an_empty_list(double: KongDouble, admin: KongAdmin) -> None:
    double.answers = lambda _path: b'{"data": {}, "next": null}'
    assert await admin.survey() == {}


async def test_what_somebody_else_holds_is_named_but_no_key(
    double: KongDouble, admin: KongAdmin
) -> None:
    wishes = Wishes()
    way, credential = wishes.exposure(), wishes.credential()
    theirs = KongAdmin(double.kong.admin, cluster="ours too", service_url=SERVICE)
    rendered = {ref.kind: (ref, body) for ref, body in admin.render(credential).items()}
    foreign = {ref.kind: (ref, body) for ref, body in theirs.render(credential).items()}
    consumer, body = foreign["consumers"]
    await theirs.put(consumer, body)
    with pytest.raises(GatewayRejected) as refused:
        await admin.put(*rendered["consumers"])
    assert f"username {credential.username}" in str(refused.value)
    # Their consumer has another name in the end, but the key is the same.
    await theirs.put(consumer, {**body, "username": "other", "custom_id": "other"})
    await theirs.put(*foreign["key-auths"])
    await admin.put(*rendered["consumers"])
    with pytest.raises(GatewayRejected) as refused:
        await admin.put(*rendered["key-auths"])
    assert "its key" in str(refused.value)
    assert wishes.key("reader") not in str(refused.value)
    service, named = next((r, b) for r, b in admin.render(way).items() if r.kind == "services")
    foreign_service = next(r for r in theirs.render(way) if r.kind == "services")
    await theirs.put(foreign_service, named)
    with pytest.raises(GatewayRejected, match=f"name {named['name']}"):
        await admin.put(service, named)
    await theirs.close()


async def test_a_wrong_key_is_refused_without_words_about_it(admin: KongAdmin) -> None:
    rendered = {r.kind: (r, b) for r, b in admin.render(Wishes().credential()).items()}
    await admin.put(*rendered["consumers"])
    ref, body = rendered["key-auths"]
    with pytest.raises(GatewayRejected, match=r"schema violation \(key\)"):
        await admin.put(ref, {**body, "key": ["secret"]})


async def test_what_it_belongs_to_is_put_before(admin: KongAdmin) -> None:
    rendered = {r.kind: (r, b) for r, b in admin.render(Wishes().exposure()).items()}
    with pytest.raises(GatewayFailed, match="what it belongs to"):
        await admin.put(*rendered["routes"])


async def test_a_service_that_others_use_is_kept_and_said(
    double: KongDouble, admin: KongAdmin
) -> None:
    wish = Wishes().exposure()
    await apply(admin, wish)
    service = next(ref for ref in admin.render(wish) if ref.kind == "services")
    double.entities.post("routes", {"paths": ["/theirs"], "service": {"id": service.id}})
    with pytest.raises(GatewayRejected, match="routes"):
        await apply(admin)
    assert service.id in double.entities.kinds["services"]


async def test_nobody_there_or_no_answer_is_waited_for(double: KongDouble) -> None:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=8)) as silent:
        url = f"http://user:secret@127.0.0.1:{silent.getsockname()[1]}/admin"
        admin = _open(url, timeout=0.2)
        ref, body = next(iter(admin.render(Wishes().credential()).items()))
        for call in (admin.survey(), admin.put(ref, body), admin.delete(ref)):
            with pytest.raises(GatewayUnreachable, match="no answer in time") as refused:
                await call
            assert "secret" not in str(refused.value)
        await admin.close()
    admin = _open(url)
    with pytest.raises(GatewayUnreachable, match="connection refused"):
        await admin.survey()
    await admin.close()


async def test_one_without_a_database_is_said(double: KongDouble, admin: KongAdmin) -> None:
    double.read_only = True
    await _read_only(admin)


async def test_a_real_one_without_a_database_is_said() -> None:
    with kong_without_database() as at:
        admin = _open(at.admin)
        await _read_only(admin)
        await admin.close()


async def _read_only(admin: KongAdmin) -> None:
    wishes = Wishes()
    assert await admin.survey() == {}
    rendered = admin.render(wishes.exposure()) | admin.render(wishes.credential())
    for ref, body in rendered.items():
        with pytest.raises(GatewayReadOnly) as refused:
            await admin.put(ref, body)
        assert isinstance(refused.value, Stalled)
        assert "no database" in str(refused.value)
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["", "kong:8001", "ftp://kong", "http://kong:99999"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(GatewayRejected):
        _open(url)
