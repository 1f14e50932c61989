"""However much there is, `/metrics` stays small: labels take a bounded number of values."""

from __future__ import annotations

import random

import httpx
import pytest

from support.serving import API, serving
from vectorplane.domain.model import Key
from vectorplane.ports.resources import Resource
from vectorplane_operator.census import NAMES, OTHERS
from vectorplane_operator.metrics import Metrics

LIMIT = 2 * 1024 * 1024
COLLECTIONS, URLS = 1_000, 10_000


def resources(count: int) -> list[Resource]:
    """Each with a namespace and a store of its own, and names as long as they may be."""
    condition = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    return [
        Resource(
            Key(f"{n:05}-{'n' * 57}", f"c{n}"),
            f"uid-{n}",
            1,
            "2026-01-01T00:00:00Z",
            {"store": f"{n:05}-{'s' * 240}", "snapshots": {"schedule": "0 3 * * *"}},
            {
                "conditions": [condition, {"type": f"Odd{n}", "status": "Maybe"}],
                "rebuild": {"phase": f"Phase{n}"},
                "collection": {"points": 7},
            },
        )
        for n in range(count)
    ]


def test_of_the_operator() -> None:
    found = resources(COLLECTIONS)
    metrics = Metrics()
    metrics.observe(lambda: 0, lambda: found, lambda: 0)
    metrics.accesses(lambda: found)
    text = metrics.text().decode()
    assert len(text) < LIMIT
    lines = [x for x in text.splitlines() if x.startswith("vectorplane_namespace_collections{")]
    assert len(lines) == NAMES + 1
    assert f'{{ready="False",resource_namespace="{OTHERS}"}} {COLLECTIONS - NAMES}.0' in text
    # Ten times as many collections are no more lines.
    before = len(text.splitlines())
    found += resources(10 * COLLECTIONS)[COLLECTIONS:]
    assert len(metrics.text().decode().splitlines()) == before


@pytest.mark.anyio
async def test_of_the_service() -> None:
    dice = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-._~%/"

    async with serving() as client:
        await client.get(f"{API}/collections")
        for n in range(URLS):
            odd = "".join(dice.choices(letters, k=dice.randrange(1, 60))).replace("%", "%25")
            place = (f"/{odd}", f"{API}/collections/{odd}", f"{API}/collections/{odd}/points")[
                n % 3
            ]
            method = dice.choice(("GET", "PUT", "POST", "DELETE", f"M{n}"))
            answer = await ask(client, method, place)
            assert answer.status_code < 500
        text = (await client.get("/metrics", headers={"X-API-Key": ""})).text
    assert len(text) < LIMIT
    assert "vectorplane_http_requests_total" in text
    lines = [x for x in text.splitlines() if x.startswith("vectorplane_http_requests_total{")]
    assert len(lines) < 150


async def ask(client: httpx.AsyncClient, method: str, place: str) -> httpx.Response:
    return await client.request(method, place, headers={"X-API-Key": "all-secret"})
