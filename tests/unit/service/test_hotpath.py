"""The short way gives what the long way gives."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from support.serving import ALL, API, PRODUCTS, READER, WRITER, filled_store, running, settings
from vectorplane_service import app as composition
from vectorplane_service.app import VERSIONED, create_app
from vectorplane_service.hotpath import HotPath

pytestmark = pytest.mark.anyio

GOOD = {"vector": [1, 2, 3, 4], "limit": 2}
SEARCH, BATCH, FLAT = f"{PRODUCTS}/search", f"{PRODUCTS}/search/batch", f"{API}/vectors/search"
JSON = {"Content-Type": "application/json"}
REQUESTS: list[tuple[str, str, dict[str, str], Any]] = [
    ("POST", SEARCH, ALL, GOOD),
    ("POST", SEARCH, READER, {**GOOD, "with_vectors": True, "offset": 1}),
    ("POST", BATCH, ALL, {"searches": [GOOD, GOOD]}),
    ("POST", FLAT, ALL, {"collection": "shop.products", **GOOD}),
    ("POST", SEARCH, {}, GOOD),
    ("POST", SEARCH, WRITER, GOOD),
    ("POST", SEARCH, ALL, {"vector": [1]}),
    ("POST", SEARCH, ALL, {"wrong": 1}),
    ("POST", SEARCH, {**ALL, "Content-Type": "text/plain"}, GOOD),
    ("POST", f"{API}/collections/shop.none/search", ALL, GOOD),
    ("POST", f"{API}/collections/shop%2Eproducts/search", ALL, GOOD),
    ("POST", f"{API}/collections/shop.products%2Fx/search", ALL, GOOD),
    ("POST", f"{API}/collections/other.secrets/search", READER, GOOD),
    ("POST", f"{API}/collections/{'x' * 255}/search", ALL, GOOD),
    ("POST", f"{API}/collections/{'x' * 256}/search", ALL, GOOD),
    ("POST", f"{API}/collections//search", ALL, GOOD),
    ("POST", f"{SEARCH}/", ALL, GOOD),
    ("POST", f"/x{SEARCH}", ALL, GOOD),
    ("GET", SEARCH, ALL, None),
    ("OPTIONS", SEARCH, ALL, None),
]


async def answers(app: FastAPI) -> list[tuple[int, dict[str, str], Any]]:
    found = []
    async with running(app, headers={}) as client:
        points = [{"id": i, "vector": [1, 2, 3, i]} for i in range(5)]
        await client.put(f"{PRODUCTS}/points", json=points, headers=ALL)
        for method, url, headers, body in REQUESTS:
            sent = {**headers, "X-Request-ID": "same"}
            answer = await client.request(method, url, json=body, headers=sent)
            found.append((answer.status_code, dict(answer.headers), answer.json()))
        metrics = (await client.get("/metrics")).text
        lines = [x for x in metrics.splitlines() if x.startswith("vectorplane_http_requests_t")]
        found.append((200, {}, sorted(lines)))
    return found


async def test_both_ways_answer_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    short = await answers(create_app(settings(), points=await filled_store()))

    def long_way(app: Any, *, prefix: str, operations: Any) -> HotPath:
        return HotPath(app, prefix=prefix, operations=())

    monkeypatch.setattr(composition, "HotPath", long_way)
    long = await answers(create_app(settings(), points=await filled_store()))
    for asked, one, other in zip([*REQUESTS, "metrics"], short, long, strict=True):
        assert one == other, asked
    assert {status for status, _, _ in short} == {200, 401, 403, 404, 405, 415, 422}


async def test_the_short_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of FastAPI's own way is gone through."""
    app = create_app(settings(), points=await filled_store())
    async with running(app) as client:

        async def never(*arguments: Any) -> None:
            raise AssertionError("the long way")

        monkeypatch.setattr(app.router, "middleware_stack", never)
        for url, body in (
            (SEARCH, GOOD),
            (BATCH, {"searches": [GOOD]}),
            (FLAT, {"collection": "shop.products", **GOOD}),
        ):
            assert (await client.post(url, json=body)).status_code == 200
        other = await client.post(f"{PRODUCTS}/points/count", json={})
        assert other.status_code == 500


def test_hot_operations_are_the_searches() -> None:
    assert {o.path for o in VERSIONED if o.hot} == {
        "/collections/{collection}/search",
        "/collections/{collection}/search/batch",
        "/vectors/search",
    }


async def test_what_nobody_foresaw_on_the_short_way() -> None:
    store = await filled_store()

    async def broken(*arguments: Any) -> None:
        raise RuntimeError("secret detail")

    store.search = broken  # type: ignore[method-assign, assignment]
    async with running(create_app(settings(), points=store)) as client:
        answer: httpx.Response = await client.post(SEARCH, json=GOOD)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
