"""Points as a test reads them back over HTTP, and collections to write them into."""

from __future__ import annotations

from typing import Any

import httpx

from support.serving import API, PRODUCTS, add_collection, filled_store
from vectorplane.adapters.vectors.memory import MemoryStore

UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
LINES = {"Content-Type": "application/x-ndjson"}
NPZ = {"Content-Type": "application/x-npz"}
POINTS, COUNT = f"{PRODUCTS}/points", f"{PRODUCTS}/points/count"
MIXED = f"{API}/collections/shop.mixed"
GOOD = {"vector": [1, 0, 0, 0]}


async def mixed_store() -> MemoryStore:
    """The usual collections, and `shop.mixed` with vectors of several kinds."""
    store = await filled_store()
    await add_collection(
        store,
        "shop.mixed",
        {
            ("vectors", "image", "size"): 2,
            ("vectors", "image", "distance"): "Dot",
            ("vectors", "title.en", "size"): 3,
            ("vectors", "title.en", "distance"): "Dot",
            ("sparseVectors", "words", "modifier"): "None",
        },
    )
    return store


async def count(client: httpx.AsyncClient, url: str = COUNT) -> int:
    return int((await client.post(url, json={})).json()["count"])


async def read(client: httpx.AsyncClient, *ids: Any, url: str = PRODUCTS) -> list[Any]:
    asked = {"ids": list(ids), "with_vectors": True}
    answer = await client.post(f"{url}/points/retrieve", json=asked)
    return list(answer.json()["points"])
