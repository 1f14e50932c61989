"""Tenants of a pool over HTTP: who reaches which, what is shown of them, and what is refused. That
no request crosses from one to another is tested at the points themselves: `integration/tenancy`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from support.serving import API, SIZE, add_collection, filled_store, place, serving
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Index, Record
from vectorplane.domain.tenancy import TENANT_FIELD, TENANT_INDEX, pool_name, pool_owner
from vectorplane.ports.vectors import Point
from vectorplane_service.collections.endpoints import OPERATIONS as COLLECTIONS
from vectorplane_service.points.endpoints import OPERATIONS as POINTS
from vectorplane_service.search.endpoints import OPERATIONS as SEARCH
from vectorplane_service.vectors.endpoints import OPERATIONS as VECTORS

pytestmark = pytest.mark.anyio

POOL = f"{pool_name(SIZE, {}, ())}_1"
ONE, TWO, MARKER = "shop.one", "shop.two", "shop.one@uid-1"
HIDDEN = (POOL, MARKER, "_pool.legacy", "shop.odd@uid-2")
AT_ONE = [o for o in (*COLLECTIONS, *POINTS, *SEARCH) if "{collection}" in o.path]
IN_BODY = list(VECTORS)
KEYS = json.dumps(
    [
        {"id": "all", "key": "all-secret", "permissions": ["admin"]},
        {"id": "one", "key": "one-secret", "permissions": ["read", "write"], "tenant": ONE},
        {
            "id": "narrow",
            "key": "narrow-secret",
            "permissions": ["read", "write"],
            "collections": ["shop.two"],
            "tenant": ONE,
        },
    ]
)
BOUND = {"X-API-Key": "one-secret"}
NARROW = {"X-API-Key": "narrow-secret"}


async def pooled_store() -> MemoryStore:
    """One pool with two tenants; a pool whose record was lost; an odd alias of a plain one."""
    store = await filled_store()
    await store.create(POOL, SIZE, Record(pool_owner(POOL[:-2], "test"), tenancy="Partition"))
    for index in (TENANT_INDEX, Index("kind", "Keyword")):
        await store.create_index(POOL, index)
    await store.create("_pool.legacy", SIZE, Record(None))
    names = {
        ONE: POOL,
        TWO: POOL,
        MARKER: POOL,
        "shop.lost": "_pool.legacy",
        "shop.odd@uid-2": "shop.products_1",
    }
    await store.change_aliases(names, frozenset())
    return store


@pytest.fixture
async def store() -> MemoryStore:
    return await pooled_store()


@pytest.fixture
async def client(store: MemoryStore) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(store, api_keys=KEYS) as client:
        yield client


async def put(client: httpx.AsyncClient, name: str, *points: dict[str, Any]) -> httpx.Response:
    return await client.put(f"{API}/collections/{name}/points", json=list(points))


async def call(
    client: httpx.AsyncClient, operation: Any, name: str, **options: Any
) -> httpx.Response:
    """An operation as its documentation shows it, so that nothing but the name is wrong."""
    body = operation.body_examples or {}
    content = dict(next(iter(body.values()))) if body else {}
    if operation in IN_BODY:
        content["collection"] = name
    url = API + operation.path.replace("{collection}", name).replace("{id}", "1")
    content = None if operation.method == "GET" else content
    return await client.request(operation.method, url, json=content, **options)


@pytest.mark.parametrize("operation", [*AT_ONE, *IN_BODY], ids=lambda o: f"{o.method} {o.path}")
@pytest.mark.parametrize("name", HIDDEN)
async def test_names_of_the_machinery_are_no_collections(
    client: httpx.AsyncClient, operation: Any, name: str
) -> None:
    answer = await call(client, operation, name)
    assert answer.status_code == 404, answer.text
    # An answer to HEAD has a status alone.
    assert operation.method == "HEAD" or answer.json()["detail"] == f"no collection {name!r}"


@pytest.mark.parametrize("operation", [*AT_ONE, *IN_BODY], ids=lambda o: f"{o.method} {o.path}")
async def test_a_key_of_one_tenant_reaches_no_other(
    client: httpx.AsyncClient, store: MemoryStore, operation: Any
) -> None:
    """Whatever its collections say. Both must hold: a key for other collections reaches none."""
    await put(client, TWO, {"id": 1, "vector": [1, 0, 0, 0]})
    for headers, name in ((BOUND, TWO), (BOUND, "shop.lost"), (NARROW, TWO), (NARROW, ONE)):
        answer = await call(client, operation, name, headers=headers)
        assert answer.status_code == 403, answer.text
        detail = f"this key is not for collection {name!r}"
        assert operation.method == "HEAD" or answer.json()["detail"] == detail
    answer = await call(client, operation, ONE, headers=BOUND)
    assert answer.status_code in (200, 404, 422), answer.text
    assert "not for collection" not in answer.text
    assert (await client.post(f"{API}/collections/{TWO}/points/count", json={})).json() == {
        "count": 1
    }


async def test_lists_show_tenants_to_whom_they_are_open(client: httpx.AsyncClient) -> None:
    await put(client, ONE, *({"id": i, "vector": [1, 0, 0, i]} for i in range(3)))
    await put(client, TWO, {"id": 1, "vector": [1, 0, 0, 0]})
    for headers, more in (({}, [("shop.lost", 0), (TWO, 1)]), (BOUND, [])):
        answer = await client.get(f"{API}/collections", headers=headers)
        shown = {c["name"]: c["points"] for c in answer.json()["collections"]}
        assert shown == {
            "other.secrets": 0,
            "shop.products": 0,
            "shop.texts": 0,
            ONE: 3,
            **dict(more),
        }
        assert "_pool" not in answer.text
        assert "_tenant" not in answer.text


async def test_what_is_shown_of_a_tenant(client: httpx.AsyncClient) -> None:
    await put(client, ONE, {"id": 1, "vector": [1, 0, 0, 0]})
    await put(client, TWO, *({"id": i, "vector": [1, 0, 0, 0]} for i in range(5)))
    answer = await client.get(f"{API}/collections/{ONE}", headers=BOUND)
    shown = answer.json()
    assert (shown["name"], shown["points"], shown["indexed_vectors"]) == (ONE, 1, 1)
    assert shown["payload_indexes"] == [{"field": "kind", "type": "Keyword"}]
    assert "_pool" not in answer.text


async def test_many_tenants_cost_a_list_nothing(store: MemoryStore) -> None:
    """A page looks up the names that it shows, and no other."""
    await store.change_aliases({f"a.t{n:04}": POOL for n in range(1000)}, frozenset())
    asked: list[str] = []
    look = store.peek

    async def peek(name: str) -> Any:
        asked.append(name)
        return await look(name)

    store.peek = peek  # type: ignore[method-assign]
    async with serving(store, api_keys=KEYS) as client:
        answer = await client.get(f"{API}/collections", params={"limit": 5})
        names = [c["name"] for c in answer.json()["collections"]]
        assert names == [f"a.t{n:04}" for n in range(5)]
        answer = await client.get(f"{API}/collections", headers=BOUND)
        assert len(answer.json()["collections"]) == 4
    assert len([name for name in asked if name.startswith("a.t")]) <= 2 * 16


async def test_the_points_of_two_tenants(client: httpx.AsyncClient) -> None:
    for name, headers in ((ONE, BOUND), (TWO, {})):
        client.headers.update({"X-API-Key": "all-secret", **headers})
        points = [
            {"id": i, "vector": [1, i, 0, 0], "payload": {"kind": name, "n": i}} for i in (1, 2, 3)
        ]
        assert (await put(client, name, *points)).status_code == 200
    for name in (ONE, TWO):
        url = f"{API}/collections/{name}"
        searched = {"vector": [1, 1, 0, 0], "limit": 9}
        hits = (await client.post(f"{url}/search", json=searched)).json()["results"]
        assert [(h["id"], h["payload"]) for h in hits] == [
            (i, {"kind": name, "n": i}) for i in (1, 2, 3)
        ]
        one = (await client.get(f"{url}/points/2")).json()
        assert (one["id"], one["payload"]) == (2, {"kind": name, "n": 2})
        facet = await client.post(f"{url}/points/facet", json={"field": "kind"})
        assert facet.json() == {"hits": [{"value": name, "count": 3}]}
    for action in ({"action": "clear"}, {"action": "overwrite", "payload": {"x": 1}}):
        changed = await client.post(
            f"{API}/collections/{ONE}/points/payload",
            json={**action, "filter": {"must_not": [{"has_id": [3]}]}},
        )
        assert changed.status_code == 200, changed.text
    found = await client.post(f"{API}/collections/{ONE}/points/scroll", json={})
    assert sorted((p["id"], p["payload"]) for p in found.json()["points"])[:2] == [
        (1, {"x": 1}),
        (2, {"x": 1}),
    ]


async def test_a_cursor_is_of_one_tenant(client: httpx.AsyncClient) -> None:
    """It says where a page begins, so it is good for nothing elsewhere."""
    points = [{"id": i, "vector": [1, i, 0, 0]} for i in range(10)]
    cursors = {}
    for name in (ONE, TWO, "shop.products"):
        await put(client, name, *points)
        url = f"{API}/collections/{name}/points/scroll"
        cursors[name] = (await client.post(url, json={"limit": 4})).json()["next_cursor"]
    for name, url in ((n, f"{API}/collections/{n}/points/scroll") for n in cursors):
        for of, cursor in cursors.items():
            answer = await client.post(url, json={"limit": 9, "cursor": cursor})
            assert answer.status_code == (200 if of == name else 422), answer.text
            if of == name:
                assert len(answer.json()["points"]) == 6
            else:
                assert place(answer) == "cursor"


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (
            "search",
            {"vector": [1, 0, 0, 0], "filter": {"must_not": ["?"]}},
            "filter.must_not[0].key",
        ),
        ("points/count", {"filter": {"should": [{"must": "?"}]}}, "filter.should[0].must[0].key"),
        ("points/facet", {"field": TENANT_FIELD}, "field"),
        (
            "points/payload",
            {"action": "set", "payload": {TENANT_FIELD: TWO}, "ids": [1]},
            "payload._tenant",
        ),
        ("points/payload", {"action": "delete", "fields": ["a", "_id"], "ids": [1]}, "fields[1]"),
        (
            "points/payload",
            {"action": "set", "path": "_tenant", "payload": {}, "ids": [1]},
            "path",
        ),
    ],
)
async def test_fields_of_the_machinery_are_refused_at_their_place(
    client: httpx.AsyncClient, path: str, body: Any, where: str
) -> None:
    condition = {"key": TENANT_FIELD, "match": {"value": TWO}}
    sent = json.loads(json.dumps(body).replace('"?"', json.dumps(condition)))
    answer = await client.post(f"{API}/collections/{ONE}/{path}", json=sent, headers=BOUND)
    assert answer.status_code == 422, answer.text
    assert place(answer) == where
    assert "reserved" in answer.text


async def test_a_payload_of_the_machinery_is_refused_at_its_place(
    client: httpx.AsyncClient,
) -> None:
    point = {"id": 1, "vector": [1, 0, 0, 0], "payload": {"_tenant": TWO}}
    answer = await put(client, ONE, {"id": 2, "vector": [1, 0, 0, 0]}, point)
    assert (answer.status_code, place(answer)) == (422, "[1].payload._tenant")
    columns = {"ids": [1], "vectors": {"": [[1, 0, 0, 0]]}, "payloads": [{"_id": 3}]}
    answer = await client.put(f"{API}/collections/{ONE}/points", json=columns)
    assert (answer.status_code, place(answer)) == (422, "payloads[0]._id")
    assert (await put(client, "shop.products", point)).status_code == 200


async def test_a_collection_that_turns_into_a_tenant_while_it_is_shown(
    store: MemoryStore, client: httpx.AsyncClient
) -> None:
    await add_collection(store, "shop.pooled", tenancy="Partition")
    await store.upsert("shop.pooled_1", [Point(1, [1, 0, 0, 0], {TENANT_FIELD: "another.one"})])
    url = f"{API}/collections/shop.products"
    await put(client, "shop.products", {"id": 1, "vector": [1, 0, 0, 0]})
    assert (await client.get(url)).json()["points"] == 1
    await store.change_aliases({"shop.products": "shop.pooled_1"}, frozenset())
    assert (await client.get(url)).json()["points"] == 0
    assert (await client.get(f"{url}/points/1")).status_code == 404
    assert (await client.get(url, headers=BOUND)).status_code == 403
