"""A pool holds the points of many tenants. Until the service binds a request to one of them, none
is served, and no name of the machinery is known."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from support.serving import API, SIZE, add_collection, filled_store, serving
from vectorplane.domain.model import Record
from vectorplane.domain.tenancy import TENANT_FIELD, TENANT_INDEX, pool_name, pool_owner
from vectorplane.ports.vectors import Point
from vectorplane_service.collections.endpoints import OPERATIONS as COLLECTIONS
from vectorplane_service.points.endpoints import OPERATIONS as POINTS
from vectorplane_service.search.endpoints import OPERATIONS as SEARCH
from vectorplane_service.vectors.endpoints import OPERATIONS as VECTORS

pytestmark = pytest.mark.anyio

POOL = f"{pool_name(SIZE, {}, ())}_1"
TENANT, MARKER = "shop.tenant", "shop.tenant@uid-1"
HIDDEN = (POOL, MARKER, "_pool.legacy", "shop.odd@uid-2")
AT_ONE = [o for o in (*COLLECTIONS, *POINTS, *SEARCH) if "{collection}" in o.path]
IN_BODY = list(VECTORS)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """One pool with a tenant; a pool whose record was lost; an odd alias of a plain collection."""
    store = await filled_store()
    await store.create(POOL, SIZE, Record(pool_owner(POOL[:-2], "test"), tenancy="Partition"))
    await store.create_index(POOL, TENANT_INDEX)
    await store.create("_pool.legacy", SIZE, Record(None))
    names = {
        TENANT: POOL,
        MARKER: POOL,
        "shop.lost": "_pool.legacy",
        "shop.odd@uid-2": "shop.products_1",
    }
    await store.change_aliases(names, frozenset())
    await store.upsert(POOL, [Point(1, [1.0, 0, 0, 0], {TENANT_FIELD: "another.tenant"})])
    async with serving(store) as client:
        yield client


async def call(client: httpx.AsyncClient, method: str, path: str, name: str) -> httpx.Response:
    """An operation as its documentation shows it, so that nothing but the name is wrong."""
    operation = next(o for o in (*AT_ONE, *IN_BODY) if (o.method, o.path) == (method, path))
    body = operation.body_examples or {}
    content = dict(next(iter(body.values()))) if body else {}
    if operation in IN_BODY:
        content["collection"] = name
    url = API + path.replace("{collection}", name).replace("{id}", "1")
    return await client.request(method, url, json=content if method != "GET" else None)


@pytest.mark.parametrize("operation", [*AT_ONE, *IN_BODY], ids=lambda o: f"{o.method} {o.path}")
@pytest.mark.parametrize("name", [TENANT, "shop.lost"])
async def test_no_operation_serves_a_tenant(
    client: httpx.AsyncClient, operation: object, name: str
) -> None:
    method, path = operation.method, operation.path  # type: ignore[attr-defined]
    answer = await call(client, method, path, name)
    assert answer.status_code == 501, answer.text
    said = f"collection {name} is a tenant of a pool: this service does not serve tenants yet"
    assert answer.json()["detail"] == said
    assert answer.json()["code"] == "unsupported"
    assert 501 in operation.problems  # type: ignore[attr-defined]


@pytest.mark.parametrize("operation", [*AT_ONE, *IN_BODY], ids=lambda o: f"{o.method} {o.path}")
@pytest.mark.parametrize("name", HIDDEN)
async def test_names_of_the_machinery_are_no_collections(
    client: httpx.AsyncClient, operation: object, name: str
) -> None:
    method, path = operation.method, operation.path  # type: ignore[attr-defined]
    answer = await call(client, method, path, name)
    assert answer.status_code == 404, answer.text
    assert answer.json()["detail"] == f"no collection {name!r}"


async def test_lists_show_neither(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{API}/collections")
    names = [c["name"] for c in answer.json()["collections"]]
    assert names == ["other.secrets", "shop.products", "shop.texts"]


async def test_many_tenants_cost_a_list_nothing() -> None:
    """Their names are passed over, not looked up one by one."""
    store = await filled_store()
    await store.create(POOL, SIZE, Record(pool_owner(POOL[:-2], "test"), tenancy="Partition"))
    await store.change_aliases({f"a.t{n}": POOL for n in range(1000)}, frozenset())
    asked: list[str] = []
    look_up = store.resolve

    async def resolve(name: str) -> object:
        asked.append(name)
        return await look_up(name)

    store.resolve = resolve  # type: ignore[method-assign, assignment]
    async with serving(store) as client:
        assert len((await client.get(f"{API}/collections")).json()["collections"]) == 3
    assert not [name for name in asked if name.startswith("a.t")]


async def test_a_collection_that_turns_into_a_tenant_while_it_is_shown() -> None:
    store = await filled_store()
    await add_collection(store, "shop.pooled", tenancy="Partition")
    async with serving(store) as client:
        assert (await client.get(f"{API}/collections/shop.products")).status_code == 200
        await store.change_aliases({"shop.products": "shop.pooled_1"}, frozenset())
        assert (await client.get(f"{API}/collections/shop.products")).status_code == 501
