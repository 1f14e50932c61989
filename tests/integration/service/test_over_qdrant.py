"""The service in front of a real Qdrant: two workers, REST and gRPC, and Qdrant going away."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import httpx
import pytest

from support import qdrant
from support.gunicorn_process import Gunicorn, gunicorn
from support.parts import require_or_skip
from support.serving import API, PRODUCTS, SIZE
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.domain.model import Owner, Record

KEY = {"X-API-Key": "test-secret"}
APP = "vectorplane_service.main:app"
WORDS = (("model", "wordllama"), ("provider", "local"))


@pytest.fixture(scope="module")
def server() -> Iterator[qdrant.QdrantServer]:
    if not qdrant.available():
        require_or_skip("qdrant", qdrant.MISSING)
    with qdrant.qdrant_server() as found:
        yield found


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def collections(server: qdrant.QdrantServer, anyio_backend: str) -> None:
    """Two collections as the operator makes them, fresh."""
    admin = QdrantAdmin(server.url, server.api_key, 20.0)
    texts = {("vectors", "", "size"): 256, ("vectors", "", "distance"): "Cosine"}
    for name, settings, embedding in (("products", SIZE, ()), ("texts", texts, WORDS)):
        await admin.drop(f"shop.{name}_1")
        owner = Owner("uid", "shop", name, "test")
        await admin.create(f"shop.{name}_1", settings, Record(owner, embedding=embedding))
        await admin.change_aliases({f"shop.{name}": f"shop.{name}_1"}, frozenset())
    await admin.close()


def variables(server: qdrant.QdrantServer, grpc: bool) -> dict[str, str]:
    found = {"QDRANT_URL": server.url}
    if server.api_key is not None:
        found["QDRANT_API_KEY"] = server.api_key
    if grpc and server.grpc_port is not None:
        found["QDRANT_GRPC_PORT"] = str(server.grpc_port)
    return found


def client(running: Gunicorn) -> httpx.Client:
    return httpx.Client(base_url=running.url, headers=KEY, timeout=30)


@pytest.mark.anyio
@pytest.mark.parametrize("grpc", [False, True], ids=["rest", "grpc"])
@pytest.mark.usefixtures("collections")
async def test_the_job(server: qdrant.QdrantServer, grpc: bool) -> None:
    with (
        gunicorn(APP, WEB_CONCURRENCY="2", **variables(server, grpc)) as running,
        client(running.ready(workers=2)) as http,
    ):
        points = [
            {"id": i, "vector": [1, i, 0, 0], "payload": {"kind": "cup" if i % 2 else "pot"}}
            for i in range(20)
        ]
        assert http.put(f"{PRODUCTS}/points", json={"points": points}).status_code == 200
        cups = {"must": [{"key": "kind", "match": {"value": "cup"}}]}
        found = http.post(
            f"{PRODUCTS}/search", json={"vector": [1, 3, 0, 0], "filter": cups, "limit": 2}
        ).json()["results"]
        assert [hit["id"] for hit in found][0] == 3
        assert found[0]["score"] == pytest.approx(1, abs=1e-5)
        assert http.post(f"{PRODUCTS}/points/count", json={"filter": cups}).json() == {"count": 10}
        page = http.post(f"{PRODUCTS}/points/scroll", json={"limit": 15}).json()
        rest = http.post(f"{PRODUCTS}/points/scroll", json={"cursor": page["next_cursor"]}).json()
        assert [p["id"] for p in page["points"] + rest["points"]] == list(range(20))
        assert http.post(f"{PRODUCTS}/points/delete", json={"filter": cups}).status_code == 200
        assert http.get(f"{PRODUCTS}/points/3").status_code == 404

        texts = f"{API}/collections/shop.texts"
        summaries = ["a web framework", "an array library for numbers", "reads YAML files"]
        sent = [{"id": i, "text": text} for i, text in enumerate(summaries)]
        assert http.put(f"{texts}/points", json=sent).status_code == 200
        hit = http.post(f"{texts}/search", json={"text": "parse yaml", "limit": 1}).json()
        assert hit["results"][0]["payload"] == {"text": "reads YAML files"}

        bad = http.put(f"{PRODUCTS}/points", json=[points[0], {"id": 1, "vector": [1]}])
        assert (bad.status_code, bad.json()["errors"][0]["place"]) == (422, "[1].vector")
        assert http.get(f"{API}/collections/shop.products_1").status_code == 404
        assert http.get(f"{API}/collections/shop.nothing").status_code == 404
        listed = http.get(f"{API}/collections").json()["collections"]
        assert {"shop.products", "shop.texts"} <= {c["name"] for c in listed}
        assert not {c["name"] for c in listed} & {"shop.products_1", "shop.texts_1"}
        status = http.get(f"{API}/db/status/vectors").json()
        assert (status["status"], status["engine"]) == ("up", "qdrant")
        assert running.stop() == 0
        assert "Traceback" not in "\n".join(running.lines)


@pytest.mark.anyio
async def test_qdrant_goes_away_and_comes_back() -> None:
    """Problems with Retry-After while it is stopped; the same processes serve afterwards."""
    if not qdrant.available() or os.environ.get("QDRANT_URL"):
        require_or_skip("qdrant", "a server that may be stopped is needed")
    with qdrant.started() as own:
        assert own.pid is not None
        admin = QdrantAdmin(own.url, None, 20.0)
        await admin.create("shop.products_1", SIZE, Record(Owner("u", "shop", "products", "t")))
        await admin.change_aliases({"shop.products": "shop.products_1"}, frozenset())
        await admin.close()
        with (
            gunicorn(APP, QDRANT_TIMEOUT_SECONDS="0.5", QDRANT_URL=own.url) as running,
            client(running.ready()) as http,
        ):
            url, search = f"{PRODUCTS}/search", {"vector": [1, 2, 3, 4]}
            assert http.post(url, json=search).status_code == 200
            os.kill(own.pid, signal.SIGSTOP)
            try:
                answer = http.post(url, json=search)
                ready = http.get("/health/ready")
            finally:
                os.kill(own.pid, signal.SIGCONT)
            assert (answer.status_code, answer.json()["code"]) == (503, "store_timeout")
            assert int(answer.headers["retry-after"]) >= 1
            assert ready.status_code == 503
            assert own.url.removeprefix("http://") not in answer.text + ready.text
            assert http.post(url, json=search).status_code == 200
