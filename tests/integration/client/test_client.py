"""Every call of the client against the real service; each test is of the sync and the async one."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider

from support.clients import Clients
from support.live import live
from vectorplane.client import (
    NO_RETRIES,
    AsyncClient,
    Columns,
    Conflict,
    Forbidden,
    Found,
    InvalidInput,
    NotFound,
    Point,
    RateLimited,
    Retries,
    Unauthenticated,
    Unsupported,
    as_numpy,
)

KEY = "all-secret"
CUP = Point(7, [0.1, 0.2, 0.3, 0.4], {"name": "cup", "price": 4.5})
POT = Point(8, [0.4, 0.3, 0.2, 0.1], {"name": "pot", "price": 20})
CHEAP = {"must": [{"key": "price", "range": {"lte": 10}}]}


@pytest.fixture
def client(clients: Clients, url: str) -> Any:
    return clients(url, api_key=KEY)


@pytest.fixture
def products(client: Any) -> Any:
    found = client.collection("shop.products")
    found.upsert([CUP, POT])
    return found


def test_collections(client: Any) -> None:
    assert [c.name for c in client.collections()] == [
        "other.secrets",
        "shop.products",
        "shop.texts",
    ]
    page = client.collections_page(limit=1)
    assert [c.name for c in page.collections] == ["other.secrets"]
    rest = client.collections_page(cursor=page.next_cursor)
    assert [c.name for c in rest.collections] == ["shop.products", "shop.texts"]
    info = client.collection("shop.products").info()
    assert (info.name, info.points, info.vectors[0]["size"]) == ("shop.products", 0, 4)


def test_points_are_written_and_read(products: Any) -> None:
    assert products.get(7).payload == CUP.payload
    assert products.get(7).vector == pytest.approx(_unit(CUP.vector), abs=1e-6)
    assert [p.id for p in products.retrieve([8, 99, 7])] == [8, 7]
    assert products.retrieve([7], with_payload=["name"])[0].payload == {"name": "cup"}
    assert products.count() == 2
    assert products.count(filter=CHEAP) == 1
    one = products.upsert({"id": str(uuid.UUID(int=5)), "vector": [1, 0, 0, 0]})
    assert (one.status, one.points) == ("completed", 1)
    assert products.upsert(Point(9, [1, 0, 0, 0]), wait=False).status == "accepted"
    with pytest.raises(NotFound):
        products.get(99)


def test_columns_travel_in_binary(products: Any) -> None:
    vectors = np.random.default_rng(1).random((50, 4), dtype=np.float32)
    payloads = [{"n": n} for n in range(50)]
    for ids in (np.arange(100, 150), list(range(100, 150)), range(100, 150)):
        assert products.upsert(Columns(ids, vectors, payloads)).points == 50
    names = [str(uuid.UUID(int=n)) for n in range(50)]
    products.upsert(Columns(names, vectors.astype(np.float64)[:, ::1]))
    products.upsert(Columns([1, *names[:1]], vectors[:2]))
    found = products.retrieve([100, names[3], 1], with_vectors=True)
    assert found[0].payload == {"n": 0}
    expected = vectors[[0, 3, 0]] / np.linalg.norm(vectors[[0, 3, 0]], axis=1, keepdims=True)
    assert as_numpy(found) == pytest.approx(expected, abs=1e-5)
    assert as_numpy(found).dtype == np.float32


def test_a_stream_is_written_while_it_comes(products: Any) -> None:
    points = (Point(n, [n + 1, 1, 1, 1], {"n": n}) for n in range(3000))
    assert products.upsert_stream(points).points == 3000
    assert products.count() == 3000
    with pytest.raises(InvalidInput) as raised:
        products.upsert_stream([CUP, {"id": 1, "vector": [1, 2]}])
    assert raised.value.written == 1
    assert "2" in raised.value.mistakes[0].place


def test_scroll_goes_over_all_pages(products: Any) -> None:
    products.upload(Point(n, [1, 2, 3, n + 1], {"n": n}) for n in range(25))
    assert [p.id for p in products.scroll(page=7)] == list(range(25))
    page = products.scroll_page(limit=3, with_payload=["n"])
    assert [p.payload for p in page.points] == [{"n": n} for n in range(3)]
    assert products.scroll_page(cursor=page.next_cursor).points[0].id == 3
    some = products.scroll(filter={"must": [{"key": "n", "range": {"gte": 20}}]}, page=2)
    assert [p.id for p in some] == list(range(20, 25))


def test_points_are_deleted(products: Any) -> None:
    assert products.delete([7, 99]).status == "completed"
    assert products.count() == 1
    products.delete(filter={"must_not": CHEAP["must"]})
    assert products.count() == 0
    with pytest.raises(InvalidInput):
        products.delete()


def test_payloads_are_changed(products: Any) -> None:
    def payload() -> Any:
        return products.get(7).payload

    products.set_payload({"price": 5, "size": {"height": 9}}, ids=[7])
    assert payload() == {"name": "cup", "price": 5, "size": {"height": 9}}
    products.set_payload({"width": 8}, ids=[7], path="size")
    assert payload()["size"] == {"height": 9, "width": 8}
    products.delete_payload(["size", "price"], filter={"must": [{"has_id": [7]}]})
    assert payload() == {"name": "cup"}
    products.overwrite_payload({"a": 1}, ids=[7])
    assert payload() == {"a": 1}
    products.clear_payload(ids=[7])
    assert payload() == {}
    assert products.get(8).payload == POT.payload


def test_searches(products: Any) -> None:
    best = products.search(CUP.vector, limit=1)
    assert [(f.id, f.payload["name"]) for f in best] == [(7, "cup")]
    assert best[0].score == pytest.approx(1.0, abs=1e-5)
    assert products.search(np.array(CUP.vector, np.float32)[::1], limit=1)[0].id == 7
    assert [f.id for f in products.search(id=7)] == [8]
    assert [f.id for f in products.search(POT.vector, filter=CHEAP, with_vectors=True)] == [7]
    assert products.search(CUP.vector, score_threshold=0.99, with_payload=False) == [
        Found(7, score=best[0].score)
    ]
    assert [f.id for f in products.search(CUP.vector, offset=1, params={"exact": True})] == [8]
    two = products.search_batch([{"vector": np.array(POT.vector), "limit": 1}, {"id": 8}])
    assert [[f.id for f in one] for one in two] == [[8], [7]]


def test_recommendations_hybrids_and_groups(products: Any) -> None:
    products.upsert([Point(9, [0.1, 0.2, 0.3, 0.5], {"name": "cup", "price": 6})])
    assert products.recommend([7], [8], limit=1)[0].id == 9
    assert products.recommend([np.array(CUP.vector)], strategy="best_score", limit=1)[0].id == 7
    fused = products.hybrid(
        [{"vector": np.array(CUP.vector), "limit": 5}, {"vector": POT.vector, "limit": 5}],
        k=60,
        limit=2,
    )
    assert len(fused) == 2
    assert products.hybrid([{"vector": CUP.vector}], fusion="dbsf", limit=1)[0].id == 7
    groups = products.search_groups("name", size=1, vector=CUP.vector, limit=2)
    assert [(g.key, [f.id for f in g.results]) for g in groups] == [("cup", [7]), ("pot", [8])]


def test_texts(client: Any) -> None:
    texts = client.collection("shop.texts")
    texts.upsert([Point(1, text="blue tea pot"), Point(2, text="red coffee cup", payload={"n": 2})])
    assert texts.search(text="blue tea pot", limit=1)[0].payload == {"text": "blue tea pot"}


def test_the_flat_paths(clients: Clients) -> None:
    with live(default_collection="shop.products") as url:
        client = clients(url, api_key=KEY)
        assert client.store([CUP, POT]).points == 2
        assert client.store([CUP], collection="shop.products", wait=False).status == "accepted"
        assert client.search(CUP.vector, limit=1)[0].id == 7
        assert client.search(id=7, collection="shop.products")[0].id == 8


def test_uploads(products: Any) -> None:
    rng = np.random.default_rng(2)
    vectors = rng.random((2500, 4), dtype=np.float32)
    seen: list[int] = []
    assert products.upload(vectors=vectors, batch=400, parallel=3, progress=seen.append) == 2500
    assert (sum(seen), len(seen)) == (2500, 7)
    assert products.count() == 2500
    payloads = [{"n": n} for n in range(10)]
    assert products.upload(vectors={"": vectors[:10]}, ids=range(10), payloads=payloads) == 10
    assert products.get(3).payload == {"n": 3}
    assert products.upload(iter([CUP, POT]), batch=1, progress=True) == 2
    assert products.upload([]) == 0
    for wrong in ({}, {"points": [], "vectors": vectors}):
        with pytest.raises(TypeError, match="one of the two"):
            products.upload(**wrong)


def test_no_more_of_an_upload_is_held_than_is_under_way(products: Any) -> None:
    taken = done = ahead = 0

    def points() -> Any:
        nonlocal taken, ahead
        for n in range(400):
            taken += 1
            ahead = max(ahead, taken - done)
            yield Point(n, [1, 2, 3, n])

    def report(more: int) -> None:
        nonlocal done
        done += more

    assert products.upload(points(), batch=10, parallel=3, progress=report) == 400
    # Three batches under way, one that waits for room, and one that is being filled.
    assert ahead <= 5 * 10


def test_an_upload_ends_at_a_mistake(products: Any) -> None:
    points = [Point(n, [1, 2, 3, 4] if n != 35 else [1, 2]) for n in range(100)]
    with pytest.raises(InvalidInput) as raised:
        products.upload(points, batch=10, parallel=1)
    assert raised.value.mistakes[0].place == "points[5].vector"
    assert 30 <= products.count() < 100


def test_facets(client: Any) -> None:
    with pytest.raises((InvalidInput, Unsupported)):
        client.collection("shop.products").facet("name")


def test_health(client: Any) -> None:
    assert client.live() is True
    assert client.ready()["status"] == "ready"
    assert client.health()["dependencies"]["vectors"]["status"] == "up"
    assert client.dependency("vectors")["engine"] == "memory"
    assert "vectorplane_http_requests_total" in client.metrics()
    with pytest.raises(NotFound):
        client.dependency("nothing")


def test_errors_are_exceptions(clients: Clients, url: str) -> None:
    nobody = clients(url)
    with pytest.raises(Unauthenticated):
        nobody.collection("shop.products").info()
    with pytest.raises(Unauthenticated) as raised:
        clients(url, api_key="wrong-secret").collection("shop.products").info()
    assert "wrong-secret" not in str(raised.value)
    assert raised.value.request_id
    reader = clients(url, api_key="reader-secret").collection("shop.products")
    with pytest.raises(Forbidden):
        reader.upsert([CUP])
    with pytest.raises(InvalidInput) as wrong:
        clients(url, api_key=KEY).collection("shop.products").upsert(
            [CUP, Point(9, [1.0, 2.0]), Point(-1, [1, 2, 3, 4])]
        )
    assert wrong.value.mistakes
    assert "points[" in str(wrong.value)


def test_keys(clients: Clients, tmp_path: Any) -> None:
    with live(keys_file=str(tmp_path / "keys.json")) as url:
        client = clients(url, api_key=KEY)
        issued = client.keys.issue("shop", ["read"], collections=["shop.*"], ttl=3600)
        assert issued.permissions == ["read"]
        assert issued.key not in repr(issued)
        shop = clients(url, api_key=issued.key)
        assert shop.collection("shop.products").count() == 0
        with pytest.raises(Forbidden):
            shop.collection("shop.products").upsert([CUP])
        assert [(k.id, k.collections) for k in client.keys.list()] == [("shop", ["shop.*"])]
        with pytest.raises(Conflict):
            client.keys.issue("shop", ["read"])
        client.keys.revoke("shop")
        with pytest.raises(Unauthenticated):
            shop.collection("shop.products").count()


def test_versions_are_a_switch(clients: Clients) -> None:
    with live(api_versioning_enabled=False) as url:
        assert clients(url, api_key=KEY, api_version=None).collection("shop.products").count() == 0
        with pytest.raises(NotFound):
            clients(url, api_key=KEY, retries=NO_RETRIES).collection("shop.products").count()
    with live(api_prefix="/") as url:
        assert clients(url, api_key=KEY, api_prefix="").collection("shop.products").count() == 0


def test_settings_from_the_environment(
    clients: Clients, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTORPLANE_URL", f"{url}/")
    monkeypatch.setenv("VECTORPLANE_API_KEY", KEY)
    assert clients(None).collection("shop.products").count() == 0


def _unit(vector: Any) -> Any:
    array = np.asarray(vector)
    return list(array / np.linalg.norm(array))


@pytest.mark.anyio
async def test_points_may_come_from_an_async_source(url: str) -> None:
    async def points() -> Any:
        for n in range(30):
            yield Point(n, [1, 2, 3, n])

    async with AsyncClient(url, api_key=KEY) as client:
        products = client.collection("shop.products")
        assert await products.upload(points(), batch=7) == 30
        assert (await products.upsert_stream(points(), ordering="strong")).points == 30
        assert await products.count() == 30


@pytest.mark.anyio
async def test_a_client_of_yours_stays_open_and_carries_the_trace(url: str) -> None:
    seen: list[httpx.Request] = []

    async def look(request: httpx.Request) -> None:
        seen.append(request)

    async with httpx.AsyncClient(event_hooks={"request": [look]}) as http:
        async with AsyncClient(url, api_key=KEY, http=http, traces=True) as client:
            with TracerProvider().get_tracer("test").start_as_current_span("outer") as span:
                assert await client.collection("shop.products").count() == 0
        trace = f"{span.get_span_context().trace_id:032x}"
        assert trace in seen[0].headers["traceparent"]
        assert seen[0].headers["user-agent"].startswith("vectorplane-client/")
        assert (await http.get(f"{url}/health/live")).status_code == 200


def test_a_limit_of_the_service_is_waited_out(clients: Clients) -> None:
    with live(rate_limit_enabled=True, rate_limit_read="3/second") as url:
        patient = clients(url, api_key=KEY, retries=Retries(attempts=20, first=0.01))
        assert [patient.collection("shop.products").count() for _ in range(5)] == [0] * 5
        hasty = clients(url, api_key=KEY, retries=NO_RETRIES).collection("shop.products")
        with pytest.raises(RateLimited) as raised:
            [hasty.count() for _ in range(20)]
        assert raised.value.retry_after is not None
        assert raised.value.retry_after >= 1
