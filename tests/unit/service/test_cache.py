"""Answers of searches that are kept: what is told of them, what ends them, what they do without
Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from support.redis import RedisProcess, redis_process
from support.serving import API, PRODUCTS, WordEmbedder, filled_store, running, serving, settings
from vectorplane.adapters.cache.memory import MemoryCache
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.errors import InvalidInput, StoreTimeout
from vectorplane.ports.vectors import (
    ById,
    Found,
    Fusion,
    FusionMethod,
    Point,
    Prefetch,
    Recommend,
    Search,
)
from vectorplane_service.app import create_app
from vectorplane_service.edge.cache import CachedPoints, family

pytestmark = pytest.mark.anyio

SEARCH = {"vector": [1, 2, 3, 4]}
POINTS = [{"id": i, "vector": [1, 2, 3, i], "payload": {"n": i}} for i in range(1, 6)]
MEMORY = {"search_cache": "memory"}


@asynccontextmanager
async def filled(**changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(**changes) as client:
        assert (await client.put(f"{PRODUCTS}/points", json=POINTS)).status_code == 200
        yield client


async def search(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    answer = await client.post(f"{PRODUCTS}/search", json={**SEARCH, **changes})
    assert answer.status_code == 200
    return answer


async def test_the_second_time_is_a_hit_and_the_same() -> None:
    async with filled(**MEMORY) as client, filled() as plain:
        for changes in ({}, {"with_vectors": True}, {"limit": 2}, {"group_by": "n"}):
            if changes.get("group_by"):
                changes = {"group_by": {"field": "n", "size": 1}}
            first, second = [await search(client, **changes) for _ in range(2)]
            without = await search(plain, **changes)
            assert (first.headers["x-cache"], second.headers["x-cache"]) == ("MISS", "HIT")
            assert first.content == second.content == without.content
            assert "x-cache" not in without.headers
        lines = (await client.get("/metrics")).text.splitlines()
    assert 'vectorplane_cache_requests_total{result="hit"} 4.0' in lines
    assert 'vectorplane_cache_requests_total{result="miss"} 4.0' in lines


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "points", POINTS[0]),
        ("PUT", "points?wait=false", POINTS[0]),
        ("POST", "points/delete", {"ids": [5]}),
        ("POST", "points/payload", {"action": "set", "payload": {"n": 9}, "ids": [5]}),
    ],
)
async def test_a_write_ends_it(method: str, path: str, body: Any) -> None:
    async with filled(**MEMORY) as client:
        await search(client)
        assert (await client.request(method, f"{PRODUCTS}/{path}", json=body)).status_code == 200
        assert (await search(client)).headers["x-cache"] == "MISS"
        assert (await search(client)).headers["x-cache"] == "HIT"


async def test_a_write_elsewhere_does_not() -> None:
    async with filled(**MEMORY) as client:
        await search(client)
        other = f"{API}/collections/other.secrets/points"
        assert (await client.put(other, json=POINTS)).status_code == 200
        assert (await search(client)).headers["x-cache"] == "HIT"


async def test_a_write_under_another_name_ends_it_also_when_the_name_has_moved() -> None:
    store = await filled_store()
    points = CachedPoints(store, MemoryCache(100_000, 60), believed_seconds=1e9)
    await store.change_aliases({"shop.live": "shop.texts_1"}, frozenset())
    live, products = [[Search([1.0, 2.0, 3.0, 4.0], 9)]] * 2
    assert await points.search("shop.live", live) == [[]]
    # Now the alias is of the other collection, and nobody has been told.
    await store.change_aliases({"shop.live": "shop.products_1"}, frozenset())
    assert await points.search("shop.products", products) == [[]]
    await points.upsert("shop.live", [Point(1, [1.0, 2.0, 3.0, 4.0])])
    for name in ("shop.products", "shop.live"):
        assert [hit.id for hit in (await points.search(name, products))[0]] == [1]


async def test_a_write_ends_what_is_kept_of_a_name_that_has_just_moved() -> None:
    """Writes go to the physical collection, and a reader may believe for a second in the last."""
    store = await filled_store()
    await store.change_aliases({"shop.live": "shop.texts_1"}, frozenset())
    live = f"{API}/collections/shop.live"
    async with serving(store, **MEMORY) as client:
        assert (await client.post(f"{live}/search", json=SEARCH)).json()["results"] == []
        await store.change_aliases({"shop.live": "shop.products_1"}, frozenset())
        assert (await client.put(f"{live}/points", json=POINTS[:1])).status_code == 200
        found = await client.post(f"{live}/search", json=SEARCH)
        assert [hit["id"] for hit in found.json()["results"]] == [1]


async def test_what_is_asked_makes_the_difference() -> None:
    """Everything that could give another answer is another key, also what looks alike as JSON."""
    seen: list[Any] = []

    class Store(MemoryStore):
        async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
            seen.append((collection, *searches))
            return [[] for _ in searches]

    store = Store()
    plain = await filled_store()
    store.__dict__.update(plain.__dict__)
    points = CachedPoints(store, MemoryCache(1_000_000, 60))
    fusion = Fusion(FusionMethod.RRF)
    kinds: list[Any] = [
        [1.0, 2.0],
        [1.0, 2.5],
        ById(1),
        ById("1"),
        {"id": 1},
        Recommend([[1.0]]),
        Recommend([ById(1)]),
        Recommend([ById(1)], [ById(2)]),
    ]
    searches = [Search(kind, 5) for kind in kinds]
    searches += [
        Search(kinds[0], 6),
        Search(kinds[0], 5, using="a"),
        Search(kinds[0], 5, filter={"must": []}),
        Search(kinds[0], 5, payload=False),
        Search(kinds[0], 5, payload=["a"]),
        Search(kinds[0], 5, score_threshold=0.0),
        Search(fusion, 5, prefetch=[Prefetch([1.0], 5)]),
        Search(fusion, 5, prefetch=[Prefetch(ById(1), 5)]),
        Search(fusion, 5, prefetch=[Prefetch([1.0], 5, prefetch=[Prefetch(ById(1), 5)])]),
    ]
    for name in ("shop.products", "shop.texts"):
        for one in searches:
            await points.search(name, [one])
    await points.search("shop.products", searches[:2])
    assert len(seen) == 2 * len(searches) + 1
    for one in searches:
        await points.search("shop.products", [one])
    assert len(seen) == 2 * len(searches) + 1


async def test_what_is_no_json_is_answered_and_not_kept() -> None:
    counted: list[str] = []
    points = CachedPoints(await filled_store(), MemoryCache(100_000, 60), count=counted.append)
    await points.upsert("shop.products", [Point(1, [1.0, 2.0, 3.0, 4.0], {"big": 2**70})])
    one = [Search([1.0, 2.0, 3.0, 4.0], 5)]
    for _ in range(2):
        assert (await points.search("shop.products", one))[0][0].payload == {"big": 2**70}
    big = {"must": [{"key": "big", "range": {"lte": 2**71}}]}
    odd = [Search([1.0, 2.0, 3.0, 4.0], 5, filter=big)]
    assert len(await points.search("shop.products", odd)) == 1
    assert counted == ["miss", "miss", "bypass"]


class FailingStore(MemoryStore):
    error: Exception | None = None

    async def upsert(self, *arguments: Any, **named: Any) -> None:
        if self.error is not None:
            raise self.error
        await super().upsert(*arguments, **named)


@pytest.mark.parametrize(
    ("error", "after"),
    [
        (InvalidInput("bad"), ["miss", "hit"]),
        (StoreTimeout("perhaps"), ["bypass", "bypass"]),
        (asyncio.CancelledError(), ["bypass", "bypass"]),
    ],
)
async def test_a_write_that_may_still_land_keeps_readers_from_keeping(
    error: Exception, after: list[str]
) -> None:
    store = FailingStore()
    store.__dict__.update((await filled_store()).__dict__)
    now = 0.0
    counted: list[str] = []
    points = CachedPoints(
        store,
        MemoryCache(100_000, 1e9, clock=lambda: now),
        count=counted.append,
        mark_seconds=60,
        clock=lambda: now,
    )
    one = [Search([1.0, 2.0, 3.0, 4.0], 5)]
    await points.search("shop.products", one)
    store.error = error
    with pytest.raises(type(error)):
        await points.upsert("shop.products", [Point(1, [1.0, 2.0, 3.0, 4.0])])
    counted.clear()
    for _ in range(2):
        await points.search("shop.products", one)
    assert counted == after
    now += 60
    counted.clear()
    for _ in range(2):
        await points.search("shop.products", one)
    assert counted[-1] == "hit"


def test_families() -> None:
    found = [family(name) for name in ("a.b_1", "a.b_12", "a.b", "a_b", "_7", "_pool.c0ffee_2")]
    assert found == ["a.b", "a.b", "a.b", "a_b", "_7", "_pool.c0ffee"]


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    with redis_process() as process:
        yield process


async def test_two_services_share_what_they_keep(redis: RedisProcess) -> None:
    store = await filled_store()
    found = settings(search_cache="redis", redis_url=redis.url)
    apps = [
        create_app(found, points=store, embedders={("test", "words"): WordEmbedder})
        for _ in range(2)
    ]
    async with running(apps[0]) as one, running(apps[1]) as other:
        assert (await one.put(f"{PRODUCTS}/points", json=POINTS)).status_code == 200
        assert (await search(one)).headers["x-cache"] == "MISS"
        assert (await search(other)).headers["x-cache"] == "HIT"
        assert (await other.put(f"{PRODUCTS}/points", json=POINTS[:1])).status_code == 200
        assert (await search(one)).headers["x-cache"] == "MISS"


async def test_while_redis_is_away_searches_go_on_and_writes_wait(redis: RedisProcess) -> None:
    changes = {"search_cache": "redis", "redis_url": redis.url}
    async with filled(**changes) as client:
        await search(client)
        redis.kill()
        for _ in range(2):
            assert (await search(client)).headers["x-cache"] == "MISS"
        refused = await client.put(f"{PRODUCTS}/points", json=POINTS)
        assert (refused.status_code, refused.json()["code"]) == (503, "cache_unreachable")
        assert refused.headers["retry-after"]
        assert (await client.get("/health/ready")).status_code == 503
        redis.start()
        assert (await client.put(f"{PRODUCTS}/points", json=POINTS)).status_code == 200
        lines = (await client.get("/metrics")).text.splitlines()
        assert 'vectorplane_cache_requests_total{result="error"} 2.0' in lines


async def test_readers_and_writers_of_two_services_at_once(redis: RedisProcess) -> None:
    """Nobody reads less than what was acknowledged before, over HTTP and without any gates."""
    store = await filled_store()
    await store.change_aliases({"shop.live": "shop.products_1"}, frozenset())
    found = settings(search_cache="redis", redis_url=redis.url)
    apps = [create_app(found, points=store) for _ in range(2)]
    acknowledged: set[int] = set()
    hits = 0

    async def write(client: httpx.AsyncClient, numbers: range, name: str) -> None:
        for number in numbers:
            point = {"id": number, "vector": [1, 2, 3, 4]}
            url = f"{API}/collections/{name}/points"
            assert (await client.put(url, json=point)).status_code == 200
            acknowledged.add(number)
            await asyncio.sleep(0.005)

    async def read(client: httpx.AsyncClient, name: str, done: asyncio.Event) -> None:
        nonlocal hits
        while not done.is_set():
            before = set(acknowledged)
            url = f"{API}/collections/{name}/search"
            answer = await client.post(url, json={**SEARCH, "limit": 1000})
            hits += answer.headers["x-cache"] == "HIT"
            assert {hit["id"] for hit in answer.json()["results"]} >= before
            await asyncio.sleep(0)

    async with running(apps[0]) as one, running(apps[1]) as other:
        done = asyncio.Event()
        readers = [
            asyncio.create_task(read(client, name, done))
            for client in (one, other)
            for name in ("shop.products", "shop.live", "shop.live")
        ]
        await asyncio.gather(
            write(one, range(60), "shop.products"),
            write(other, range(100, 160), "shop.live"),
        )
        done.set()
        await asyncio.gather(*readers)
    assert len(acknowledged) == 120
    assert hits
