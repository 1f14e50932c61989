"""Who may do what."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from support.serving import (
    ALL,
    API,
    KEYS,
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
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Collection, Record
from vectorplane.errors import StoreUnreachable
from vectorplane_service.access.keys import ApiKey, api_key, digest, parse_keys
from vectorplane_service.app import create_app

pytestmark = pytest.mark.anyio

HEALTH = {"/health", "/health/live", "/health/ready", "/health/check", "/metrics"}
PAGES = {"/docs", "/openapi.json"}
CONSOLE = {"/", "/console/{name}"}
PUBLIC = {prefix + path for prefix in ("", API) for path in HEALTH | PAGES} | CONSOLE
"""Whoever adds a path here says that everybody may read it."""
UPSERT = {"points": [{"id": 1, "vector": [1, 2, 3, 4]}]}
SEARCH = {"vector": [1, 2, 3, 4]}


NOBODY = {"X-API-Key": "nobody-secret"}
STRANGER = {"X-API-Key": "stranger-secret"}
VERIFIER = {"X-API-Key": "verifier-secret"}
PLACES = {"collection": "shop.products", "id": "1", "dependency": "vectors", "name": "api.js"}


@pytest.fixture
async def watched() -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """An application with a key that may nothing, and one that may everything elsewhere."""
    keys = [
        ApiKey("nobody", frozenset(), digest=digest("nobody-secret")),
        api_key("stranger", "stranger-secret", ["admin"], ["elsewhere.*"]),
        api_key("all", "all-secret", ["admin"]),
    ]
    app = create_app(settings(), points=await filled_store(), keys=keys)
    async with running(app, headers={}) as client:
        yield app, client


def routes(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of every operation: of the document, and of what is really routed."""
    documented = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }
    routed: set[tuple[str, str]] = set()
    for route in app.routes:
        assert isinstance(route, Route | APIRoute), f"how would one ask {route} for a key?"
        routed |= {(method, route.path) for method in route.methods or ()}
    assert documented <= routed
    hidden = {(m, path) for m, path in routed - documented if path not in PUBLIC}
    assert hidden == {("HEAD", f"{API}/collections/{{collection}}"), ("POST", "/console/plan")}
    return routed


def url(path: str) -> str:
    for name, value in PLACES.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, "a new parameter: say what to put there"
    return path


async def test_no_route_is_open_that_is_not_public(
    watched: tuple[FastAPI, httpx.AsyncClient],
) -> None:
    app, client = watched
    protected = {(m, p) for m, p in routes(app) if p not in PUBLIC}
    assert len(protected) >= 18
    for method, path in routes(app):
        answer = await client.request(method, url(path))
        assert (answer.status_code == 401) == ((method, path) in protected), (method, path)
    for method, path in protected:
        body = {"content": b"{", "headers": {**NOBODY, "Content-Type": "application/json"}}
        answer = await client.request(method, url(path), **body)
        assert answer.status_code == 403, (method, path, "it may nothing")
        if "{collection}" in path:
            answer = await client.request(method, url(path), headers=STRANGER)
            assert answer.status_code == 403, (method, path, "it is for other collections")


async def test_the_document_says_what_asks_for_a_key(
    watched: tuple[FastAPI, httpx.AsyncClient],
) -> None:
    app, _ = watched
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            public = path in PUBLIC
            assert ("security" in operation) != public, (method, path)
            assert {"401", "403"} <= set(operation["responses"]) or public, (method, path)


async def test_each_operation_counts_against_its_group() -> None:
    calls = [
        ("POST", f"{PRODUCTS}/search", "search"),
        ("POST", f"{PRODUCTS}/search/batch", "search"),
        ("POST", f"{API}/vectors/search", "search"),
        ("POST", f"{API}/vectors/store", "write"),
        ("PUT", f"{PRODUCTS}/points", "write"),
        ("POST", f"{PRODUCTS}/points/delete", "write"),
        ("POST", f"{PRODUCTS}/points/retrieve", "read"),
        ("GET", PRODUCTS, "read"),
        ("GET", f"{API}/collections", "read"),
        ("GET", f"{API}/keys", "admin"),
    ]
    async with serving(rate_limit_enabled=True, headers=READER) as client:
        for method, path, group in calls:
            answer = await client.request(method, path, json={})
            policy = answer.headers["RateLimit-Policy"]
            assert group in policy, (method, path, policy, "also where it is refused")


async def test_a_path_that_is_nearly_public_is_not(
    watched: tuple[FastAPI, httpx.AsyncClient],
) -> None:
    _, client = watched
    protected = f"{PRODUCTS}/search"
    for path in (
        protected + "/",
        "/" + protected,
        f"/health/..{protected}",
        f"/health/%2e%2e{protected}",
        protected.replace("/search", "%2Fsearch"),
        protected.upper(),
    ):
        answer = await client.post(path, json=SEARCH)
        assert answer.status_code in (401, 404, 405), path


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


@pytest.fixture
async def verifying() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(api_keys=f"{KEYS},verifier:verifier-secret:verify") as client:
        yield client


async def test_a_key_that_may_only_verify(verifying: httpx.AsyncClient) -> None:
    """It learns that a collection answers, and nothing else."""
    client = verifying
    for headers in (VERIFIER, READER, WRITER, ALL):
        answer = await client.head(PRODUCTS, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")
    missing = await client.head(f"{API}/collections/shop.nothing", headers=VERIFIER)
    assert missing.status_code == 404
    assert (await client.head(PRODUCTS, headers={"X-API-Key": "wrong"})).status_code == 401
    document = (await client.get(f"{API}/openapi.json")).json()
    calls = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "security" in operation
    }
    assert len(calls) >= 18
    for method, path in calls:
        answer = await client.request(method, url(path), json={}, headers=VERIFIER)
        assert answer.status_code == 403, (method, path)


class FailingStore(MemoryStore):
    """A store that can be away."""

    away = False

    async def peek(self, name: str) -> Collection:
        if self.away:
            raise StoreUnreachable("the store does not answer")
        return await super().peek(name)


async def test_to_verify_is_to_ask_the_store() -> None:
    store = FailingStore()
    await add_collection(store, "shop.products")
    async with serving(store) as client:
        assert (await client.head(PRODUCTS)).status_code == 200
        store.away = True
        assert (await client.head(PRODUCTS)).status_code == 503


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
    async with serving(store) as client:
        yield client


async def test_a_collection_that_nobody_manages_is_served_by_its_name(
    grown: httpx.AsyncClient,
) -> None:
    for name in ("legacy", "shop.released_1"):
        answer = await grown.post(f"{API}/collections/{name}/search", json=SEARCH)
        assert answer.status_code == 200


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


def test_a_key_may_be_bound_to_a_tenant() -> None:
    text = '[{"id":"a","key":"secret","permissions":["read"],"tenant":"shop.products"}]'
    (key,) = parse_keys(text)
    assert (key.may_reach("shop.products"), key.may_reach("shop.other")) == (True, False)
    assert key.may_reach(None), "a collection that is no tenant's"
    for bad in ('""', "7", '["a"]'):
        with pytest.raises(ValueError, match="tenant"):
            parse_keys(text.replace('"shop.products"', bad))
