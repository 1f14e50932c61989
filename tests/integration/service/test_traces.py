"""What a collector of traces is sent by a service, and what the lines of its log say then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.cluster import wait
from support.collector import Collector, attributes, collecting
from support.gunicorn_process import gunicorn
from support.loops import loop_thread
from support.serving import API

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

KEY = {"X-API-Key": "test-secret"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with loop_thread() as thread, collecting(thread) as found:
        yield found


def of_trace(collector: Collector) -> dict[str, Any]:
    return {s.name: s for s in list(collector.spans) if s.trace_id.hex() == TRACE}


def test_a_search_is_one_trace_from_its_client_to_the_store(collector: Collector) -> None:
    traced = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "SEARCH_CACHE": "memory",
    }
    url = f"{API}/collections/shop.products"
    with gunicorn(**traced) as server:
        server.ready()
        with httpx.Client(base_url=server.url, headers=KEY) as client:
            put = client.put(f"{url}/points", json=[{"id": 1, "vector": [1, 2, 3, 4]}])
            assert put.status_code == 200
            found = client.post(
                f"{url}/search",
                json={"vector": [1, 2, 3, 4]},
                headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "mine"},
            )
            assert found.headers["x-cache"] == "MISS"
            refused = client.post(f"{url}/search", json={"vector": [1]})
            assert refused.status_code == 422
        name = f"POST {API}/collections/{{collection}}/search"
        spans = wait(lambda: of_trace(collector) if name in of_trace(collector) else None, "spans")
        assert server.stop() == 0
    assert set(spans) == {name, "store peek", "cache look", "store search"}
    assert spans[name].parent_span_id.hex() == PARENT
    assert spans[name].kind == 2
    said = attributes(spans[name])
    assert said["http.route"] == f"{API}/collections/{{collection}}/search"
    assert said["vectorplane.request_id"] == "mine"
    for inner in ("store peek", "cache look", "store search"):
        assert spans[inner].parent_span_id == spans[name].span_id
    assert attributes(spans["store search"])["db.collection.name"] == "shop.products"
    assert collector.services == {"vectorplane-service"}
    assert "test-secret" not in str(collector.spans)
    lines = [line for line in server.requests() if line["request_id"] == "mine"]
    assert [line["trace_id"] for line in lines] == [TRACE]
    # The others began a trace of their own.
    others = {line["trace_id"] for line in server.requests()} - {TRACE}
    assert len(others) == 2


def test_a_collector_that_is_away_holds_nothing_up() -> None:
    away = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with gunicorn(**away) as server:
        server.ready()
        with httpx.Client(base_url=server.url, headers=KEY) as client:
            assert client.get(f"{API}/collections/shop.products").status_code == 200
        assert server.stop() == 0


def test_without_a_collector_nothing_of_it_is_loaded() -> None:
    with gunicorn() as server:
        server.ready()
        with httpx.Client(base_url=server.url, headers=KEY) as client:
            assert client.get(f"{API}/collections/shop.products").status_code == 200
        assert server.stop() == 0
    assert all("trace_id" not in json.dumps(line) for line in server.requests())
