"""A survey of a server: how many calls it takes, and what becomes of a server without telemetry."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("httpx")

from support.answering import answering
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.domain.model import PARTITION, Record
from vectorplane.domain.record import to_metadata
from vectorplane.domain.tenancy import pool_owner
from vectorplane.errors import StoreTimeout, StoreUnreachable
from vectorplane.ports.vectors import VectorAdmin

pytestmark = pytest.mark.anyio

POOL = "_pool.x_1"
INDEX = {"data_type": "keyword", "params": {"type": "keyword"}, "points": 7}


def config(name: str) -> dict[str, Any]:
    pool = Record(pool_owner("_pool.x", "c"), tenancy=PARTITION)
    return {
        "params": {"vectors": {"size": 4, "distance": "Dot"}},
        "hnsw_config": {"m": 16},
        "metadata": to_metadata(pool) if name == POOL else None,
    }


def segment(points: int, indexed: int = 0) -> dict[str, Any]:
    info = {"num_points": points, "num_indexed_vectors": indexed, "index_schema": {"k": INDEX}}
    return {"info": info, "config": {}}


@dataclass
class Fake:
    """A Qdrant of some collections. `shards` are those that telemetry tells of by name."""

    names: list[str]
    shards: dict[str, Any] = field(default_factory=dict)
    telemetry: tuple[int, Any] | None = None
    rest: dict[str, Any] = field(default_factory=dict)
    """Further fields of each collection's telemetry."""
    operations: int = 3
    calls: Counter[str] = field(default_factory=Counter)

    def answer(self, method: str, target: str) -> tuple[int, Any, dict[str, str]]:
        path = urlsplit(target).path
        self.calls[path] += 1
        if path == "/telemetry" and self.telemetry:
            return *self.telemetry, {}
        return 200, {"result": self.result(path)} if path != "/" else {"version": "1.18.3"}, {}

    def result(self, path: str) -> Any:
        match path.split("/")[1:]:
            case ["cluster"]:
                return {"status": "disabled"}
            case ["collections"]:
                return {"collections": [{"name": n} for n in self.names]}
            case ["aliases"]:
                return {"aliases": []}
            case ["telemetry"]:
                return {"collections": {"collections": [self.told(n) for n in self.names]}}
            case ["collections", _, "facet"]:
                return {"hits": [{"value": "a", "count": 2}, {"value": "b", "count": 0}]}
            case ["collections", name]:
                said = {"config": config(name), "payload_schema": {"k": INDEX}, "status": "green"}
                return said | {"points_count": 5, "indexed_vectors_count": 3}
            case other:
                raise AssertionError(other)

    def told(self, name: str) -> dict[str, Any]:
        local = {
            "status": "green",
            "segments": [segment(2, 1), segment(3, 2)],
            "update_queue": {"length": 0, "op_num": self.operations},
        }
        shards = self.shards.get(name, [{"local": local}])
        return {"id": name, "config": config(name), "shards": shards, **self.rest}

    @property
    def described(self) -> int:
        return sum(self.calls[f"/collections/{name}"] for name in self.names)


MANY = [f"shop.p{n}_1" for n in range(50)]


async def test_the_number_of_calls_does_not_grow_with_the_collections() -> None:
    fake = Fake([*MANY, POOL])
    async with answering(fake.answer) as url:
        admin = QdrantAdmin(url)
        survey = await admin.survey()
        assert sum(fake.calls.values()) == 6  # root, cluster, names, aliases, telemetry, one pool
        assert survey.collections.keys() == set(fake.names)
        assert survey.tenants == {"a": 2}
        for name in (MANY[0], POOL):
            assert survey.collections[name] == await admin.describe(name)
        await admin.close()


async def test_a_pool_is_counted_again_after_a_write() -> None:
    fake = Fake([POOL])
    facet = f"/collections/{POOL}/facet"
    async with answering(fake.answer) as url:
        admin = QdrantAdmin(url)
        for _ in range(3):
            assert (await admin.survey()).tenants == {"a": 2}
        assert fake.calls[facet] == 1
        fake.operations += 1
        assert (await admin.survey()).tenants == {"a": 2}
        assert fake.calls[facet] == 2
        local = {"status": "green", "segments": [segment(5)], "update_queue": {"length": 1}}
        fake.shards[POOL] = [{"local": local}]
        for _ in range(2):  # operations wait, so nobody knows what was counted
            await admin.survey()
        assert fake.calls[facet] == 4
        await admin.close()


async def test_shards_are_added_up_and_the_worst_speaks() -> None:
    def local(status: str, points: int) -> dict[str, Any]:
        return {"local": {"status": status, "segments": [segment(points, points)]}}

    fake = Fake(["a_1"], {"a_1": [local("green", 1), local("red", 2), local("yellow", 4)]})
    async with answering(fake.answer) as url:
        admin = QdrantAdmin(url)
        found = (await admin.survey()).collections["a_1"]
        await admin.close()
    assert (found.points, found.indexed_vectors, found.state) == (7, 7, "red")
    assert found.indexes.keys() == {"k"}
    assert fake.described == 0


@pytest.mark.parametrize(
    "telemetry",
    [
        (401, b"Must provide an API key"),
        (403, {"status": {"error": "Forbidden"}}),
        (404, b""),
        (400, {"status": {"error": "unknown parameter"}}),
        (500, {"status": {"error": "disk"}}),
        (200, {"result": None}),
        (200, {"result": {"collections": 5}}),
        (200, {"result": {"collections": {"collections": [{"id": "shop.p0_1"}]}}}),
        (200, b"no JSON"),
    ],
    ids=str,
)
async def test_without_telemetry_each_is_asked_for(telemetry: tuple[int, Any]) -> None:
    fake = Fake(MANY, telemetry=telemetry)
    async with answering(fake.answer) as url:
        admin = QdrantAdmin(url)
        first, second = await admin.survey(), await admin.survey()
        assert first.collections.keys() == set(MANY)
        assert first.collections[MANY[7]] == await admin.describe(MANY[7])
        assert all(second.collections[name] is first.collections[name] for name in MANY)
        await admin.close()


@pytest.mark.parametrize(
    "shards",
    [
        [{"local": None}],
        [{"local": {"status": "green", "segments": [segment(1)]}}, {"local": None}],
        [{"local": {"status": None, "segments": [segment(1)]}}],
        [{"local": {"status": "green"}}],
    ],
    ids=str,
)
async def test_a_collection_that_is_elsewhere_too_is_asked_for(shards: Any) -> None:
    fake = Fake(MANY, {MANY[3]: shards})
    async with answering(fake.answer) as url:
        admin = QdrantAdmin(url)
        survey = await admin.survey()
        assert survey.collections[MANY[3]].points == 5
        assert fake.described == 1
        await admin.close()


@pytest.mark.parametrize("rest", [{"transfers": [{}]}, {"resharding": [{}]}], ids=str)
async def test_a_collection_that_moves_is_asked_for(rest: dict[str, Any]) -> None:
    fake = Fake(["a_1"], rest=rest)
    async with answering(fake.answer) as url:
        admin = QdrantAdmin(url)
        await admin.survey()
        assert fake.described == 1
        await admin.close()


async def test_a_store_that_goes_away_is_no_survey() -> None:
    fake = Fake(MANY, telemetry=(0, b""))
    async with answering(fake.answer) as url:
        admin = QdrantAdmin(url)
        with pytest.raises(StoreUnreachable):
            await admin.survey()
        fake.telemetry = (408, {"status": {"error": "slow"}})
        with pytest.raises(StoreTimeout):
            await admin.survey()
        assert fake.described == 0
        await admin.close()


async def test_few_are_asked_for_at_a_time() -> None:
    class Slow(QdrantAdmin):
        under_way = most = 0

        async def describe(self, collection: str) -> Any:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await asyncio.sleep(0)
            found = await super().describe(collection)
            self.under_way -= 1
            return found

    fake = Fake(MANY, telemetry=(404, b""))
    async with answering(fake.answer) as url:
        admin = Slow(url)
        port: VectorAdmin = admin
        await port.survey()
        assert admin.most == 8
        await admin.close()
