"""Optimizing beside: the index is built in a child process while searches and writes go on, and
no write is lost."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("qdrant_edge")

from vectorplane.adapters.vectors.qdrant_embedded import EmbeddedCatalogue, EmbeddedEngine
from vectorplane.adapters.vectors.qdrant_embedded.optimize import copy_shard
from vectorplane.domain.model import Record
from vectorplane.errors import InvalidInput, StoreFailed
from vectorplane.ports.vectors import Point, Search

pytestmark = pytest.mark.anyio

SIZE = 64
SETTINGS = {
    ("vectors", "", "size"): SIZE,
    ("vectors", "", "distance"): "Dot",
    ("hnsw", "m"): 8,
    ("hnsw", "efConstruct"): 32,
    ("optimizers", "indexingThreshold"): 300,
}
COUNT = 2000


def vectors(count: int, seed: int = 0) -> list[list[float]]:
    rng = random.Random(seed)
    return [[rng.uniform(-1, 1) for _ in range(SIZE)] for _ in range(count)]


async def test_writes_and_searches_go_on_while_it_optimizes(tmp_path: Path) -> None:
    rows = vectors(COUNT)
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        await engine.create("a_1", SETTINGS, Record(owner=None))
        await engine.upsert("a_1", [Point(i, v, {"i": i}) for i, v in enumerate(rows)])
        before = EmbeddedCatalogue.read(tmp_path).collections["a_1"].shard
        done = asyncio.create_task(engine.settle())
        written, searches, busy = 0, 0, False
        while not done.done():
            found = await engine.describe("a_1")
            assert found is not None
            busy = busy or found.state == "yellow"
            if written < 200:
                i = COUNT + written
                await engine.upsert("a_1", [Point(i, rows[written], {"i": i})])
                await engine.delete("a_1", ids=[written])
                written += 1
            [hits] = await engine.search("a_1", [Search(rows[1999], 1)])
            assert [hit.id for hit in hits] == [1999]
            searches += 1
            await asyncio.sleep(0)
        await done
        after = EmbeddedCatalogue.read(tmp_path).collections["a_1"].shard
        assert after != before
        assert [f.name for f in (tmp_path / "shards").iterdir()] == [after]
        found = await engine.describe("a_1")
        assert found is not None
        assert busy
        assert found.state == "green"
        assert (found.points, await engine.count("a_1")) == (COUNT, COUNT)
        assert found.indexed_vectors >= COUNT - 1000
    finally:
        await engine.close()
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        kept = await engine.retrieve("a_1", range(COUNT + 200))
        assert [p.id for p in kept] == list(range(written, COUNT + written))
    finally:
        await engine.close()


async def test_a_change_of_settings_is_carried_out(tmp_path: Path) -> None:
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        await engine.create("a_1", SETTINGS, Record(owner=None))
        await engine.upsert("a_1", [Point(i, v) for i, v in enumerate(vectors(COUNT))])
        await engine.settle()
        shard = EmbeddedCatalogue.read(tmp_path).collections["a_1"].shard
        await engine.update("a_1", {("hnsw", "m"): 12})
        await engine.settle()
        assert EmbeddedCatalogue.read(tmp_path).collections["a_1"].shard != shard
        found = await engine.describe("a_1")
        assert found is not None
        assert found.points == COUNT
        assert found.settings["hnsw", "m"] == 12
    finally:
        await engine.close()


async def test_a_failing_optimizer_costs_nothing_but_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from vectorplane.adapters.vectors.qdrant_embedded import shard as module

    async def fail(folder: Path) -> bool:
        assert folder.exists()
        raise StoreFailed("the optimizer failed: no memory")

    monkeypatch.setattr(module, "optimize_apart", fail)
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        await engine.create("a_1", SETTINGS, Record(owner=None))
        await engine.upsert("a_1", [Point(i, v) for i, v in enumerate(vectors(COUNT))])
        await engine.settle()
        assert "no memory" in caplog.text
        assert await engine.count("a_1") == COUNT
        assert len(list((tmp_path / "shards").iterdir())) == 1
    finally:
        await engine.close()


async def test_dropped_while_it_optimizes(tmp_path: Path) -> None:
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        await engine.create("a_1", SETTINGS, Record(owner=None))
        await engine.upsert("a_1", [Point(i, v) for i, v in enumerate(vectors(COUNT))])
        while not (found := await engine.describe("a_1")) or len(_shards(tmp_path)) < 2:
            await asyncio.sleep(0.01)
        assert found.points == COUNT
        await engine.drop("a_1")
        assert _shards(tmp_path) == []
    finally:
        await engine.close()


async def test_closed_while_it_optimizes(tmp_path: Path) -> None:
    engine = await EmbeddedEngine.open(tmp_path)
    await engine.create("a_1", SETTINGS, Record(owner=None))
    await engine.upsert("a_1", [Point(i, v) for i, v in enumerate(vectors(COUNT))])
    while len(_shards(tmp_path)) < 2:
        await asyncio.sleep(0.01)
    await engine.close()
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        assert await engine.count("a_1") == COUNT
        await engine.settle()  # what was begun is finished without a further write
        found = await engine.describe("a_1")
        assert found is not None
        assert found.indexed_vectors >= COUNT - 1000
        assert len(_shards(tmp_path)) == 1
    finally:
        await engine.close()


async def test_a_shard_that_cannot_be_opened_harms_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = await EmbeddedEngine.open(tmp_path)
    for name in ("a_1", "b_1"):
        await engine.create(name, SETTINGS, Record(owner=None))
        await engine.upsert(name, [Point(1, [0.5] * SIZE)])
    await engine.close()
    broken = tmp_path / "shards" / EmbeddedCatalogue.read(tmp_path).collections["a_1"].shard
    (broken / "edge_config.json").write_text("{")
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        await engine.settle()
        assert "a_1 could not be opened" in caplog.text
        assert await engine.count("b_1") == 1
        with pytest.raises(StoreFailed):
            await engine.count("a_1")
    finally:
        await engine.close()


async def test_a_search_that_fails_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vectorplane.adapters.vectors.qdrant_embedded import shard as module

    real = module.edge_query

    def bad(search: Any) -> Any:
        if search.limit == 13:
            raise ValueError("unlucky")
        return real(search)

    monkeypatch.setattr(module, "edge_query", bad)
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        await engine.create("a_1", SETTINGS, Record(owner=None))
        await engine.upsert("a_1", [Point(i, v) for i, v in enumerate(vectors(50))])
        answers = await asyncio.gather(
            *(
                engine.search("a_1", [Search([1.0] * SIZE, limit)])
                for limit in (1, 13, *[2] * 70, 13, 3)
            ),
            return_exceptions=True,
        )
        failed = [a for a in answers if isinstance(a, BaseException)]
        assert [type(a) for a in failed] == [InvalidInput, InvalidInput]
        sizes = [len(a[0]) for a in answers if not isinstance(a, BaseException)]
        assert sizes == [1, *[2] * 70, 3]
        waiting = asyncio.create_task(engine.search("a_1", [Search([1.0] * SIZE, 2)]))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        [alone] = await asyncio.gather(
            engine.search("a_1", [Search([1.0] * SIZE, 13)]), return_exceptions=True
        )
        assert isinstance(alone, InvalidInput)
    finally:
        await engine.close()


def test_a_panic_is_our_error() -> None:
    from vectorplane.adapters.vectors.qdrant_embedded.shard import guarded

    class PanicException(BaseException):
        pass

    def panic() -> None:
        raise PanicException("called unwrap on None")

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(StoreFailed, match="unwrap"):
        guarded(panic)
    with pytest.raises(KeyboardInterrupt):
        guarded(interrupt)


async def test_a_cancelled_write_is_still_whole(tmp_path: Path) -> None:
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        await engine.create("a_1", SETTINGS, Record(owner=None))
        batch = [Point(i, v) for i, v in enumerate(vectors(COUNT))]
        task = asyncio.create_task(engine.upsert("a_1", batch))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await engine.count("a_1") == COUNT
    finally:
        await engine.close()


def test_a_copy_keeps_holes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "sparse", "wb") as file:
        file.seek(1 << 20)
        file.write(b"middle")
        file.truncate(32 << 20)
    (source / "empty").touch()
    (source / "full").write_bytes(b"x" * 3_000_000)
    copy_shard(source, tmp_path / "target")
    for name in ("sparse", "empty", "full"):
        assert (tmp_path / "target" / name).read_bytes() == (source / name).read_bytes()
    assert (tmp_path / "target" / "sparse").stat().st_blocks * 512 < 1 << 21


def _shards(path: Path) -> list[str]:
    return [f.name for f in (path / "shards").iterdir()]
