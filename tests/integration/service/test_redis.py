"""Two workers, and two services, that share a Redis: real gunicorn, real Redis, real Qdrant."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from support.cluster import wait
from support.gunicorn_process import gunicorn
from support.qdrant import QdrantServer
from support.redis import PATIENCE, RedisProcess, redis_process
from support.serving import API, PRODUCTS
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.domain.model import Owner, Record

KEY = {"X-API-Key": "test-secret"}
SEARCH = {"vector": [1, 2, 3, 4], "limit": 1000}
REAL = "vectorplane_service.main:app"


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    with redis_process() as process:
        yield process


def test_workers_count_together(redis: RedisProcess) -> None:
    limits = {
        "RATE_LIMIT_ENABLED": "true",
        "RATE_LIMIT_STORAGE": "redis",
        "RATE_LIMIT_SEARCH": "50/hour",
        "REDIS_URL": redis.url,
        "REDIS_TIMEOUT_SECONDS": str(PATIENCE),
        "WEB_CONCURRENCY": "2",
    }
    with gunicorn(**limits) as server:
        server.ready(2)
        url = f"{server.url}{PRODUCTS}/search"

        def ask(_: int) -> int:
            # A connection each: they go to either worker.
            return httpx.post(url, json=SEARCH, headers=KEY, timeout=30).status_code

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(ask, range(60)))
    assert sorted(answers) == [200] * 50 + [429] * 10


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"RATE_LIMIT_ENABLED": "true"}, "RATE_LIMIT_STORAGE: memory is of one process"),
        ({"SEARCH_CACHE": "memory"}, "Set REDIS_URL=redis://... and SEARCH_CACHE=redis"),
        ({"SEARCH_CACHE": "redis"}, "REDIS_URL: not set, and needed for SEARCH_CACHE=redis"),
    ],
)
def test_workers_that_would_count_apart_do_not_start(changes: dict[str, str], said: str) -> None:
    with gunicorn(**changes, WEB_CONCURRENCY="2") as server:
        assert server.join() == 2
    assert any(said in line for line in server.lines)
    assert len(server.lines) == 1


def test_a_service_that_is_killed_while_it_writes_leaves_nothing_old(
    qdrant: QdrantServer, redis: RedisProcess
) -> None:
    """The other one goes on: what was acknowledged is seen at once, and in the end all that is
    there."""
    name = f"shop.t{secrets.token_hex(4)}"
    asyncio.run(_make(qdrant, name))
    settings = {
        "QDRANT_URL": qdrant.url,
        "QDRANT_API_KEY": qdrant.api_key or "",
        "SEARCH_CACHE": "redis",
        "REDIS_URL": redis.url,
        "REDIS_TIMEOUT_SECONDS": str(PATIENCE),
    }
    path = f"{API}/collections/{name}"
    with ExitStack() as stack:
        writer, reader = (stack.enter_context(gunicorn(REAL, **settings)) for _ in range(2))
        writer.ready()
        reader.ready()
        client = stack.enter_context(httpx.Client(base_url=reader.url, headers=KEY, timeout=30))

        def seen() -> tuple[set[int], str]:
            answer = client.post(f"{path}/search", json=SEARCH)
            assert answer.status_code == 200
            return {hit["id"] for hit in answer.json()["results"]}, answer.headers["x-cache"]

        acknowledged: set[int] = set()

        def write() -> None:
            with httpx.Client(base_url=writer.url, headers=KEY, timeout=30) as other:
                for number in range(100_000):
                    point = {"id": number, "vector": [1, 2, 3, 4]}
                    try:
                        assert other.put(f"{path}/points", json=point).status_code == 200
                    except httpx.HTTPError:
                        return  # killed
                    acknowledged.add(number)

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            looks = 0
            while len(acknowledged) < 100 or looks < 20:
                before = set(acknowledged)
                assert seen()[0] >= before
                looks += 1
            master = writer.process.pid
            for worker in Path(f"/proc/{master}/task/{master}/children").read_text().split():
                os.kill(int(worker), signal.SIGKILL)
            writing.result(30)
        # Where a write was under way its mark keeps answers from being kept; the mark is let end.
        there = client.post(f"{path}/points/count", json={}).json()["count"]
        assert there >= len(acknowledged)
        for key in redis.command("KEYS", "*:mark:*").split(b"\r\n"):
            if b":mark:" in key:
                redis.command("DEL", key.decode())
        wait(lambda: seen()[1] == "HIT", "answers are kept again")
        assert seen()[0] >= acknowledged
        assert len(seen()[0]) == client.post(f"{path}/points/count", json={}).json()["count"]


async def _make(server: QdrantServer, name: str) -> None:
    admin = QdrantAdmin(server.url, server.api_key, timeout=60)
    namespace, _, base = name.partition(".")
    settings = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Cosine"}
    await admin.create(f"{name}_1", settings, Record(Owner(f"uid-{name}", namespace, base, "t")))
    await admin.change_aliases({name: f"{name}_1"}, frozenset())
    await admin.close()
