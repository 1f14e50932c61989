"""What a store that misbehaves looks like: every failure is one of ours, and no secret is in its
words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable
from typing import Any

import pytest

pytest.importorskip("httpx")

from support.answering import KEY, Answer, answering
from support.qdrant import free_port
from vectorplane.adapters.connections import place_of
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin, capabilities
from vectorplane.adapters.vectors.qdrant_server.points import QdrantPoints
from vectorplane.adapters.vectors.qdrant_server.rest import check_url
from vectorplane.domain.model import Capability, Record
from vectorplane.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    StoreFailed,
    StoreOverloaded,
    StoreRejected,
    StoreTimeout,
    StoreUnauthorized,
    StoreUnreachable,
    VectorplaneError,
)
from vectorplane.ports.vectors import Point

pytestmark = pytest.mark.anyio

INFO = {
    "status": "green",
    "points_count": 0,
    "indexed_vectors_count": 0,
    "config": {"params": {"vectors": {"size": 2, "distance": "Dot"}}, "metadata": None},
    "payload_schema": {},
}


def always(status: int, body: Any = None, **headers: str) -> Answer:
    return lambda method, path: (status, body, headers)


def error(text: str) -> dict[str, Any]:
    return {"status": {"error": text}, "time": 0}


CASES: list[tuple[Answer, type[VectorplaneError]]] = [
    (always(401, b"Must provide an API key"), StoreUnauthorized),
    (always(403, error("Forbidden: " + KEY)), StoreUnauthorized),
    (always(429, error("too many")), StoreOverloaded),
    (always(503, error("starting")), StoreOverloaded),
    (always(408, error("slow")), StoreTimeout),
    (always(504, b""), StoreTimeout),
    (always(500, error("disk")), StoreFailed),
    (always(502, b"<html>"), StoreFailed),
    (always(302, b""), StoreFailed),
    (always(418, b""), StoreFailed),
    (always(200, b"<html>hello</html>"), StoreFailed),
    (always(200, [1, 2]), StoreFailed),
    (always(200, {"result": {"collections": 5}}), StoreFailed),
    (always(0), StoreUnreachable),
]


@pytest.mark.parametrize(("answer", "expected"), CASES)
async def test_every_failure_is_ours(answer: Answer, expected: type[VectorplaneError]) -> None:
    async with answering(answer) as url:
        admin, points = QdrantAdmin(url, KEY, timeout=5), QdrantPoints(url, KEY, timeout=5)
        try:
            for call in (admin.listing(), points.names(), points.count("a"), admin.drop("a")):
                if expected is StoreFailed and call.__name__ in ("drop", "count"):
                    call.close()  # these have an answer of another shape
                    continue
                with pytest.raises(expected) as raised:
                    await call
                assert KEY not in raised.value.message.replace(f"Forbidden: {KEY}", "")
                assert "user" not in raised.value.message
        finally:
            await admin.close()
            await points.close()


async def test_retry_after_is_passed_on() -> None:
    for header, seconds in (("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("Wed, 21 Oct 2026", None)):
        async with answering(always(429, error("slow down"), **{"retry-after": header})) as url:
            admin = QdrantAdmin(url)
            with pytest.raises(StoreOverloaded) as raised:
                await admin.listing()
            assert raised.value.retry_after == seconds
            await admin.close()


async def test_what_a_refusal_means_depends_on_the_half() -> None:
    def answer(method: str, path: str) -> tuple[int, Any, dict[str, str]]:
        if path.endswith("/collections/a") and method == "GET":
            return 200, {"result": INFO}, {}
        if path == "/collections":
            return 200, {"result": {"collections": [{"name": "a"}]}}, {}
        return 400, error("Wrong input: no"), {}

    async with answering(answer) as url:
        admin, points = QdrantAdmin(url), QdrantPoints(url)
        with pytest.raises(StoreRejected, match="Wrong input: no"):
            await admin.update("a", {("hnsw", "m"): 5})
        with pytest.raises(InvalidInput, match="Wrong input: no"):
            await points.upsert("a", [Point(1, [1, 2])])
        await admin.close()
        await points.close()
    async with answering(always(404, error("Not found: Collection `a`"))) as url:
        admin, points = QdrantAdmin(url), QdrantPoints(url)
        with pytest.raises(NotFound):
            await points.count("a")
        with pytest.raises(NotFound):
            await admin.write_record("a", Record(None))
        await admin.close()
        await points.close()
    async with answering(always(409, error("Collection `a` already exists!"))) as url:
        admin = QdrantAdmin(url)
        with pytest.raises(Conflict):
            await admin.create(
                "a", {("vectors", "", "size"): 2, ("vectors", "", "distance"): "Dot"}, Record(None)
            )
        await admin.close()


async def test_a_store_that_is_not_qdrant_is_told_so() -> None:
    for body in ({"title": "something else"}, [], {"version": ""}):
        async with answering(always(200, body)) as url:
            admin = QdrantAdmin(url)
            with pytest.raises(StoreFailed):
                await admin.info()
            await admin.close()


async def test_peers_of_a_cluster_are_counted() -> None:
    def answer(method: str, path: str) -> tuple[int, Any, dict[str, str]]:
        if path == "/cluster":
            return 200, {"result": {"status": "enabled", "peers": {"1": {}, "2": {}, "3": {}}}}, {}
        return 200, {"version": "1.17.1"}, {}

    async with answering(answer) as url:
        admin = QdrantAdmin(url)
        info = await admin.info()
        assert (info.version, info.peers) == ("1.17.1", 3)
        # Each peer has a snapshot of its own shards: a deletion must not take one for a whole.
        assert Capability.SNAPSHOTS not in info.capabilities
        assert Capability.ADD_VECTORS not in info.capabilities
        await admin.close()


async def call_all(admin: QdrantAdmin, points: QdrantPoints) -> list[Awaitable[object]]:
    return [admin.info(), admin.listing(), points.names(), points.count("a"), points.resolve("a")]


@pytest.mark.parametrize("grpc", [False, True], ids=["rest", "grpc"])
async def test_a_store_that_is_not_there(grpc: bool) -> None:
    port = free_port()
    url = f"http://user:{KEY}@127.0.0.1:{port}"
    admin = QdrantAdmin(url, KEY, timeout=2)
    points = QdrantPoints(url, KEY, grpc_port=port if grpc else None, timeout=2)
    for call in await call_all(admin, points):
        with pytest.raises(StoreUnreachable) as raised:
            await call
        assert raised.value.message.startswith(f"http://127.0.0.1:{port}")
        assert KEY not in raised.value.message
    await admin.close()
    await points.close()


@pytest.mark.parametrize("grpc", [False, True], ids=["rest", "grpc"])
async def test_a_store_that_never_answers(grpc: bool) -> None:
    async with answering(None) as url:
        port = int(url.rsplit(":", 1)[1])
        admin = QdrantAdmin(url, KEY, timeout=0.2)
        points = QdrantPoints(url, KEY, grpc_port=port if grpc else None, timeout=0.2)
        for call in await call_all(admin, points):
            with pytest.raises(StoreTimeout):
                await call
        await admin.close()
        await points.close()


@pytest.mark.parametrize("url", ["", "qdrant:6333", "ftp://a", "http://", "http://a:99999"])
def test_a_url_that_makes_no_sense(url: str) -> None:
    with pytest.raises(StoreRejected):
        check_url(url)


def test_a_place_has_no_secret() -> None:
    assert place_of("https://me:pw@Host:6334/path?api-key=x#y") == "https://host:6334"
    assert place_of("http://[::1]:6333") == "http://[::1]:6333"
    assert place_of("nonsense") == "://?"


def test_capabilities_follow_the_version() -> None:
    assert Capability.ADD_VECTORS in capabilities("1.18.0")
    assert Capability.ADD_VECTORS in capabilities("2.0.0-dev")
    assert Capability.ADD_VECTORS not in capabilities("1.9.7")


def test_the_admin_needs_no_qdrant_client() -> None:
    code = (
        "import sys; import vectorplane.adapters.vectors.qdrant_server.admin;"
        "import vectorplane.adapters.vectors.qdrant_server.points;"
        "assert not {'qdrant_client', 'grpc', 'numpy', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
