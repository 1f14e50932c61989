"""Which collections a key sees, and what it learns of one."""

from __future__ import annotations

import httpx
import pytest

from support.serving import (
    API,
    PRODUCTS,
    READER,
    SIZE,
    add_collection,
    filled_store,
    place,
    serving,
)
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Collection, Index, Record
from vectorplane.errors import NotFound

pytestmark = pytest.mark.anyio


async def names(client: httpx.AsyncClient, **parameters: object) -> list[str]:
    answer = await client.get(f"{API}/collections", params=parameters)
    assert answer.status_code == 200, answer.text
    return [c["name"] for c in answer.json()["collections"]]


async def test_one_collection() -> None:
    store = await filled_store()
    await add_collection(
        store,
        "shop.mixed",
        {
            ("vectors", "b", "size"): 2,
            ("vectors", "b", "distance"): "Dot",
            ("vectors", "a", "size"): 3,
            ("vectors", "a", "distance"): "Cosine",
            ("vectors", "a", "hnsw", "m"): 8,
            ("sparseVectors", "words", "modifier"): "Idf",
            ("hnsw", "m"): 16,
        },
        embedding=(("model", "wordllama"), ("provider", "local")),
    )
    await store.create_index("shop.mixed_1", Index("price", "Float"))
    await store.create_index("shop.mixed_1", Index("kind", "Keyword"))
    async with serving(store) as client:
        await client.put(
            f"{API}/collections/shop.mixed/points", json={"id": 1, "vector": {"b": [1, 2]}}
        )
        shown = (await client.get(f"{API}/collections/shop.mixed")).json()
    assert shown["name"] == "shop.mixed"
    assert shown["points"] == 1
    assert shown["state"] == "green"
    assert [v["name"] for v in shown["vectors"]] == ["a", "b"]
    assert shown["vectors"][0]["size"] == 3
    assert shown["vectors"][0]["hnsw"] == {"m": 8}
    assert shown["sparse_vectors"][0]["modifier"] == "Idf"
    assert shown["embedding"] == {"provider": "local", "model": "wordllama"}
    assert shown["payload_indexes"] == [
        {"field": "kind", "type": "Keyword"},
        {"field": "price", "type": "Float"},
    ]


async def test_a_key_sees_what_it_is_for_by_the_names_of_clients() -> None:
    store = await filled_store()
    await store.create("legacy", SIZE, Record(None))
    await store.change_aliases({"shop.live": "shop.products_1"}, frozenset())
    async with serving(store) as client:
        assert await names(client) == [
            "legacy",
            "other.secrets",
            "shop.live",
            "shop.products",
            "shop.texts",
        ]
        client.headers.update(READER)
        assert await names(client) == ["shop.live", "shop.products", "shop.texts"]


async def test_pages() -> None:
    store = MemoryStore()
    for n in range(40):
        await add_collection(store, f"shop.c{n:02}")
    async with serving(store) as client:
        seen: list[str] = []
        cursor = None
        for _ in range(6):
            parameters = {"limit": 10} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(f"{API}/collections", params=parameters)).json()
            seen += [c["name"] for c in page["collections"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == [f"shop.c{n:02}" for n in range(40)]
        assert len(await names(client, limit=40)) == 40
        for parameters, where in (
            ({"limit": 0}, "limit"),
            ({"limit": 101}, "limit"),
            ({"cursor": "x"}, "cursor"),
        ):
            answer = await client.get(f"{API}/collections", params=parameters)
            assert (answer.status_code, place(answer)) == (422, where)


async def test_a_collection_that_goes_while_it_is_listed() -> None:
    class Going(MemoryStore):
        async def resolve(self, collection: str) -> Collection:
            if collection.startswith("shop.products"):
                raise NotFound("gone")
            return await super().resolve(collection)

    store = Going()
    await add_collection(store, "shop.products")
    await add_collection(store, "shop.texts")
    async with serving(store) as client:
        assert await names(client) == ["shop.texts"]


async def test_a_name_that_turns_into_a_managed_collections_own() -> None:
    """Looked at afresh, not as it was some seconds ago."""
    store = MemoryStore()
    await store.create("legacy_1", SIZE, Record(None))
    async with serving(store) as client:
        url = f"{API}/collections/legacy_1"
        assert (await client.get(url)).status_code == 200
        owned = Record((await _owned()).owner)
        await store.write_record("legacy_1", owned)
        assert (await client.get(url)).status_code == 404


async def _owned() -> Record:
    store = MemoryStore()
    await add_collection(store, "a.b")
    found = await store.resolve("a.b")
    assert found.record is not None
    return found.record


async def test_a_long_name_is_no_name() -> None:
    async with serving() as client:
        answer = await client.get(f"{API}/collections/{'x' * 256}")
        assert (answer.status_code, place(answer)) == (422, "collection")
        assert (await client.get(f"{PRODUCTS}")).status_code == 200
