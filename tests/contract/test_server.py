"""What only a real server can show: keys, rate limits, strict mode, moving under a client's
feet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from support.parts import require_or_skip
from support.qdrant import MISSING, QdrantServer, started
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.adapters.vectors.qdrant_server.points import QdrantPoints
from vectorplane.domain.model import Record
from vectorplane.errors import InvalidInput, StoreOverloaded, StoreUnauthorized
from vectorplane.ports.vectors import Point, Search

pytestmark = pytest.mark.anyio

KEY = "a-secret-key"
SETTINGS = {("vectors", "", "size"): 2, ("vectors", "", "distance"): "Dot"}


@pytest.fixture(scope="module")
def locked() -> Iterator[QdrantServer]:
    if shutil.which("qdrant") is None:
        require_or_skip("qdrant", MISSING)
    with started(QDRANT__SERVICE__API_KEY=KEY) as server:
        yield server


@pytest.mark.parametrize("grpc", [False, True], ids=["rest", "grpc"])
async def test_a_key_opens_and_a_wrong_one_does_not(locked: QdrantServer, grpc: bool) -> None:
    port = locked.grpc_port if grpc else None
    admin = QdrantAdmin(locked.url, KEY)
    await admin.create("keys_1", SETTINGS, Record(owner=None))
    points = QdrantPoints(locked.url, KEY, port)
    await points.upsert("keys_1", [Point(1, [1, 1])])
    assert await points.count("keys_1") == 1
    for key in (None, "wrong"):
        other_admin, other_points = (
            QdrantAdmin(locked.url, key),
            QdrantPoints(locked.url, key, port),
        )
        for call in (
            other_admin.info(),
            other_admin.listing(),
            other_admin.describe("keys_1"),
            other_points.count("keys_1"),
            other_points.search("keys_1", [Search([1, 1], 1)]),
        ):
            with pytest.raises(StoreUnauthorized) as raised:
                await call
            assert "wrong" not in raised.value.message
        await other_admin.close()
        await other_points.close()
    await admin.drop("keys_1")
    await admin.close()
    await points.close()


@pytest.mark.parametrize("grpc", [False, True], ids=["rest", "grpc"])
async def test_strict_mode_is_the_callers_error_and_a_limit_is_not(
    locked: QdrantServer, grpc: bool
) -> None:
    admin = QdrantAdmin(locked.url, KEY)
    points = QdrantPoints(locked.url, KEY, locked.grpc_port if grpc else None)
    name = f"strict-{grpc}_1"
    strict = {("strictMode", "enabled"): True, ("strictMode", "maxQueryLimit"): 5}
    await admin.create(name, SETTINGS | strict, Record(owner=None))
    with pytest.raises(InvalidInput, match="Limit exceeded") as refused:
        await points.search(name, [Search([1, 1], 6)])
    assert "127.0.0.1" not in refused.value.message
    await admin.update(name, {("strictMode", "readRateLimit"): 1})
    await points.count(name)
    with pytest.raises(StoreOverloaded) as limited:
        await points.count(name)
    assert limited.value.retry_after == pytest.approx(60, abs=2)
    await admin.drop(name)
    await admin.close()
    await points.close()


@pytest.mark.parametrize("grpc", [False, True], ids=["rest", "grpc"])
async def test_a_collection_changes_under_a_clients_feet(locked: QdrantServer, grpc: bool) -> None:
    admin = QdrantAdmin(locked.url, KEY)
    points = QdrantPoints(locked.url, KEY, locked.grpc_port if grpc else None)
    await admin.create("moves_1", SETTINGS, Record(owner=None))
    await points.upsert("moves_1", [Point(1, [1, 1])])
    await admin.drop("moves_1")
    await admin.create("moves_1", SETTINGS | {("vectors", "", "size"): 3}, Record(owner=None))
    # The remembered vectors say two numbers: the first refusal is the server's, the second knows.
    with pytest.raises(InvalidInput):
        await points.upsert("moves_1", [Point(1, [1, 1])])
    with pytest.raises(InvalidInput) as refused:
        await points.upsert("moves_1", [Point(1, [1, 1])])
    assert refused.value.place == "points[0].vector"
    await points.upsert("moves_1", [Point(1, [1, 1, 1])])
    await admin.drop("moves_1")
    await admin.close()
    await points.close()
