"""Who may do what."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from support.serving import (
    ALL,
    API,
    PRODUCTS,
    READER,
    SIZE,
    WRITER,
    add_collection,
    filled_store,
    running,
    serving,
    settings,
)
from vectorplane.domain.model import Record
from vectorplane.errors import Unauthenticated
from vectorplane_service.access.keys import Keyring, api_key, parse_keys
from vectorplane_service.app import create_app

pytestmark = pytest.mark.anyio

PUBLIC = {"/health", "/health/live", "/health/ready", "/health/check", "/metrics"}
UPSERT = {"points": [{"id": 1, "vector": [1, 2, 3, 4]}]}
SEARCH = {"vector": [1, 2, 3, 4]}


async def test_every_operation_asks_for_a_key_unless_it_is_public() -> None:
    async with serving(headers={}) as client:
        document = (await client.get("/openapi.json")).json()
        checked = 0
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                url = path.replace("{collection}", "shop.products").replace("{id}", "1")
                answer = await client.request(method, url.replace("{dependency}", "vectors"))
                public = path.removeprefix(API) in PUBLIC
                assert (answer.status_code == 401) != public, (method, path)
                assert ("security" in operation) != public, (method, path)
                assert set(map(str, (401, 403))) <= set(operation["responses"]) or public
                checked += not public
        assert checked >= 13


async def test_every_route_is_in_the_document_but_the_document() -> None:
    app = create_app(settings(), points=await filled_store())
    documented = set(app.openapi()["paths"])
    hidden = {route.path for route in app.routes} - documented  # type: ignore[attr-defined]
    assert hidden == {"/docs", "/openapi.json", f"{API}/docs", f"{API}/openapi.json"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "wrong"},
        {"X-API-Key": "all-secre"},
        {"X-API-Key": "all-secret "[::-1]},
        {"X-API-Key": "\xe9\xff"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic all-secret"},
        {"Authorization": "all-secret"},
    ],
)
async def test_no_key_and_a_wrong_key(headers: dict[str, str]) -> None:
    async with serving(headers={}) as client:
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = await client.get(PRODUCTS, headers=raw)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "unauthenticated"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "reader-secret"},
        {"Authorization": "Bearer reader-secret"},
        {"authorization": "bearer  reader-secret "},
        # X-API-Key counts where both are there: a gateway may use Authorization for itself.
        {"X-API-Key": "reader-secret", "Authorization": "Bearer other"},
    ],
)
async def test_ways_to_send_a_key(headers: dict[str, str]) -> None:
    async with serving(headers=headers) as client:
        assert (await client.get(PRODUCTS)).status_code == 200


async def test_permissions(client: httpx.AsyncClient) -> None:
    calls = [
        ("PUT", f"{PRODUCTS}/points", UPSERT, "write"),
        ("POST", f"{PRODUCTS}/points/delete", {"ids": [9]}, "write"),
        ("POST", f"{API}/vectors/store", {"collection": "shop.products", **UPSERT}, "write"),
        ("POST", f"{API}/vectors/search", {"collection": "shop.products", **SEARCH}, "read"),
        ("POST", f"{PRODUCTS}/search", SEARCH, "read"),
        ("POST", f"{PRODUCTS}/search/batch", {"searches": [SEARCH]}, "read"),
        ("POST", f"{PRODUCTS}/points/retrieve", {"ids": [1]}, "read"),
        ("POST", f"{PRODUCTS}/points/scroll", {}, "read"),
        ("POST", f"{PRODUCTS}/points/count", {}, "read"),
        ("GET", f"{PRODUCTS}/points/1", None, "read"),
        ("GET", PRODUCTS, None, "read"),
        ("GET", f"{API}/collections", None, "read"),
        ("GET", f"{API}/db/status/vectors", None, "read"),
    ]
    for method, path, body, permission in calls:
        for headers, has in ((READER, "read"), (WRITER, "write"), (ALL, permission)):
            answer = await client.request(method, path, json=body, headers=headers)
            if has == permission:
                assert answer.status_code == 200, (method, path, has, answer.text)
            else:
                assert answer.status_code == 403, (method, path, has)
                assert answer.json()["code"] == "forbidden"


@pytest.mark.parametrize("name", ["other.secrets", "other.nothing"])
async def test_a_key_learns_nothing_of_collections_that_it_is_not_for(
    client: httpx.AsyncClient, name: str
) -> None:
    """The same answer whether it is there or not, on every path."""
    answers = [
        await client.get(f"{API}/collections/{name}", headers=READER),
        await client.post(f"{API}/collections/{name}/search", json=SEARCH, headers=READER),
        await client.post(
            f"{API}/vectors/search", json={"collection": name, **SEARCH}, headers=READER
        ),
        await client.post(
            f"{API}/vectors/store", json={"collection": name, **UPSERT}, headers=WRITER
        ),
    ]
    assert {a.status_code for a in answers} == {403}
    assert {a.json()["detail"] for a in answers} == {f"this key is not for collection '{name}'"}


async def test_a_physical_name_is_no_way_in(client: httpx.AsyncClient) -> None:
    for headers in (ALL, READER):
        for method, path in (("GET", ""), ("POST", "/search"), ("POST", "/points/scroll")):
            answer = await client.request(
                method, f"{API}/collections/shop.products_1{path}", json=SEARCH, headers=headers
            )
            assert answer.status_code == 404
    flat = {"collection": "shop.products_1", **SEARCH}
    assert (await client.post(f"{API}/vectors/search", json=flat)).status_code == 404


@pytest.fixture
async def grown() -> AsyncIterator[httpx.AsyncClient]:
    store = await filled_store()
    await store.create("legacy", SIZE, Record(None))
    store.metadata("legacy").clear()
    await store.create("shop.released_1", SIZE, Record(owner=None, generation=3))
    await add_collection(store, "shop.pooled", tenancy="Partition")
    async with serving(store) as client:
        yield client


async def test_a_collection_that_nobody_manages_is_served_by_its_name(
    grown: httpx.AsyncClient,
) -> None:
    for name in ("legacy", "shop.released_1"):
        answer = await grown.post(f"{API}/collections/{name}/search", json=SEARCH)
        assert answer.status_code == 200


async def test_a_shared_collection_is_not_served_without_its_tenant(
    grown: httpx.AsyncClient,
) -> None:
    answer = await grown.post(f"{API}/collections/shop.pooled/search", json=SEARCH)
    assert answer.status_code == 501


async def test_no_body_is_read_of_one_who_may_not_send_it() -> None:
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"{}"

    async with serving(headers={}) as client:
        for headers, status in (({}, 401), (READER, 403)):
            kind = {"Content-Type": "application/json"}
            answer = await client.put(
                f"{PRODUCTS}/points", content=body(), headers={**headers, **kind}
            )
            assert answer.status_code == status
    assert not read


async def test_switched_off_everybody_may_everything() -> None:
    app = create_app(settings(auth_enabled=False, api_keys=()), points=await filled_store())
    async with running(app, headers={}) as client:
        assert (await client.put(f"{PRODUCTS}/points", json=UPSERT)).status_code == 200
        assert (await client.get(f"{API}/collections/other.secrets")).status_code == 200


def test_a_keyring_knows_its_keys_only() -> None:
    keys = parse_keys("a:secret-a:read,b:secret-b:write")
    ring = Keyring(keys)
    assert ring.identify("secret-a").id == "a"
    assert ring.identify("secret-b").id == "b"
    for wrong in ("", "secret", "secret-A", "a"):
        with pytest.raises(Unauthenticated):
            ring.identify(wrong)


@pytest.mark.parametrize(
    ("globs", "name", "seen"),
    [
        (["*"], "shop.products", True),
        (["shop.*"], "shop.products", True),
        (["shop.*"], "shopping.products", False),
        (["shop.*"], "my.shop.products", False),
        (["shop.prod"], "shop.products", False),
        (["shop.product?"], "shop.products", True),
        (["a.*", "b.c"], "b.c", True),
        (["a.*", "b.c"], "b.c\n", False),
        (["shop.[ab]"], "shop.c", False),
    ],
)
def test_globs_are_over_whole_names(globs: list[str], name: str, seen: bool) -> None:
    assert api_key("k", "secret", ["read"], globs).sees(name) is seen


def test_keys_do_not_show_their_secret() -> None:
    assert "secret" not in repr(api_key("k", "secret", ["read"]))
