"""Metrics: what is counted, and that labels stay few."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.serving import API, PRODUCTS, READER, serving

pytestmark = pytest.mark.anyio

NAMES = {
    "vectorplane_http_requests_total",
    "vectorplane_http_request_duration_seconds_count",
    "vectorplane_inflight_requests",
    "vectorplane_search_duration_seconds_count",
    "vectorplane_store_duration_seconds_count",
    "vectorplane_auth_failures_total",
    "vectorplane_batch_size_count",
}


async def samples(
    client: httpx.AsyncClient,
) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = await client.get("/metrics", headers={"X-API-Key": ""})
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_what_is_counted() -> None:
    async with serving() as client:
        points = [{"id": i, "vector": [1, 2, 3, i]} for i in range(7)]
        await client.put(f"{PRODUCTS}/points", json=points)
        search = {"vector": [1, 2, 3, 4]}
        await client.post(f"{PRODUCTS}/search", json=search)
        await client.post(f"{PRODUCTS}/search/batch", json={"searches": [search] * 3})
        await client.get(PRODUCTS, headers={"X-API-Key": ""})
        await client.get(PRODUCTS, headers={"X-API-Key": "wrong"})
        await client.get(f"{API}/collections/other.secrets", headers=READER)
        await client.put(f"{PRODUCTS}/points", json=points, headers=READER)
        found = await samples(client)
    assert {name for name, _ in found} >= NAMES

    def value(name: str, **labels: str) -> float:
        return found[name, tuple(sorted(labels.items()))]

    route = f"{API}/collections/{{collection}}/search"
    total = "vectorplane_http_requests_total"
    assert value(total, method="POST", route=route, status="200") == 1
    assert value("vectorplane_http_request_duration_seconds_count", method="POST", route=route) == 1
    assert value("vectorplane_search_duration_seconds_count") == 2
    assert value("vectorplane_store_duration_seconds_count") == 1
    assert value("vectorplane_batch_size_sum", operation="upsert") == 7
    assert value("vectorplane_batch_size_sum", operation="search") == 4
    assert value("vectorplane_inflight_requests") == 1
    for reason in ("missing", "unknown", "permission", "collection"):
        assert value("vectorplane_auth_failures_total", reason=reason) == 1


async def test_labels_stay_few_whatever_is_asked() -> None:
    async with serving() as client:
        for n in range(20):
            await client.get(f"{API}/collections/shop.c{n}")
            await client.get(f"/nothing/{n}")
            await client.request(f"METHOD{n}", PRODUCTS)
        found = await samples(client)
    requests = [dict(labels) for name, labels in found if name == "vectorplane_http_requests_total"]
    assert {line["method"] for line in requests} == {"GET", "other"}
    assert {line["route"] for line in requests} == {
        f"{API}/collections/{{collection}}",
        "unmatched",
    }
    assert "shop." not in str(found)


def test_workers_are_added_up(tmp_path: Path) -> None:
    """Two processes count into one folder; one that has gone takes its gauges along."""
    count = (
        "from vectorplane_service.metrics import Metrics\n"
        "m = Metrics(); m.inflight.value += 1; m.answered('GET', '/x', 200, 0.1); m.flush()\n"
    )
    show = "import sys; sys.stdout.buffer.write(Metrics().exposition())\n"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(code: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return ran.stdout

    run(count)
    shown = run(count + show)
    assert 'vectorplane_http_requests_total{method="GET",route="/x",status="200"} 2.0' in shown
    assert "vectorplane_inflight_requests 2.0" in shown
    assert "vectorplane_workers 2.0" in shown
