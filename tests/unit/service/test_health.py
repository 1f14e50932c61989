"""Health, and what it costs."""

from __future__ import annotations

import asyncio

import pytest

from support.serving import API, add_collection, serving
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Capability
from vectorplane.errors import NotFound, StoreUnreachable
from vectorplane.ports.vectors import StoreInfo
from vectorplane_service.health.service import Health

pytestmark = pytest.mark.anyio


class Away(MemoryStore):
    async def info(self) -> StoreInfo:
        raise StoreUnreachable("http://10.0.0.7:6333 refused")


async def test_all_is_well() -> None:
    async with serving() as client:
        for base in ("", API):
            live = await client.get(f"{base}/health/live")
            ready = await client.get(f"{base}/health/ready")
            health = await client.get(f"{base}/health")
            check = await client.get(f"{base}/health/check")
            assert [a.status_code for a in (live, ready, health, check)] == [200] * 4
            assert live.json() == {"status": "alive"}
            assert ready.json()["status"] == "ready"
            assert health.json()["status"] == "ok"
            vectors = health.json()["dependencies"]["vectors"]
            assert (vectors["status"], vectors["engine"]) == ("up", "memory")
            assert vectors["version"]
            assert vectors["latency_ms"] >= 0
        one = await client.get(f"{API}/db/status/vectors")
        assert one.json()["engine"] == "memory"
        gone = await client.get(f"{API}/db/status/redis")
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


async def test_a_store_that_is_away() -> None:
    store = Away()
    await add_collection(store, "shop.products")
    async with serving(store) as client:
        live = await client.get("/health/live")
        ready = await client.get("/health/ready")
        health = await client.get("/health")
        one = await client.get(f"{API}/db/status/vectors")
    assert [a.status_code for a in (live, ready, health, one)] == [200, 503, 200, 503]
    assert health.json()["status"] == "degraded"
    assert health.json()["dependencies"]["vectors"]["reason"] == "StoreUnreachable"
    assert "10.0.0.7" not in health.text + ready.text


async def test_it_is_asked_once_a_second_however_many_ask() -> None:
    asked, now = 0, 0.0

    async def probe() -> StoreInfo:
        nonlocal asked
        asked += 1
        return StoreInfo("memory", "1", frozenset(Capability))

    health = Health({"vectors": probe}, clock=lambda: now)
    await asyncio.gather(*(health.all() for _ in range(50)))
    now = 0.9
    await health.one("vectors")
    assert asked == 1
    now = 1.1
    await health.one("vectors")
    # It was up a moment ago, so nobody waited for this one.
    async with asyncio.timeout(10):
        while asked < 2:
            await asyncio.sleep(0)


async def test_one_that_does_not_answer_is_not_waited_for() -> None:
    async def probe() -> StoreInfo:
        await asyncio.Event().wait()
        raise AssertionError

    health = Health({"vectors": probe}, timeout_seconds=0.01)
    report = await health.one("vectors")
    assert (report.up, report.reason) == (False, "Timeout")
    with pytest.raises(NotFound, match="there is vectors"):
        await health.one("other")


async def test_a_busy_dependency_holds_nobody_up_and_a_hung_one_is_found_out() -> None:
    """Who was up a moment ago is believed to be, until the probe says so or has waited enough."""
    now, answering = 0.0, asyncio.Event()
    answering.set()

    async def probe() -> StoreInfo:
        await answering.wait()
        return StoreInfo("memory", "1", frozenset())

    health = Health({"vectors": probe}, timeout_seconds=0.3, clock=lambda: now)
    first = await health.one("vectors")
    answering.clear()
    now = 5.0
    assert await health.one("vectors") is first, "who waits for the probe hears that it hangs"
    while (report := await health.one("vectors")) is first:
        await asyncio.sleep(0.01)
    assert (report.up, report.reason) == (False, "Timeout")
    now = 10.0
    assert not (await health.one("vectors")).up, "who was down is not believed to be up"
