"""What the embedded engine promises when a process is killed: nothing acknowledged is lost,
nothing is half made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("qdrant_edge")

from vectorplane.adapters.vectors.qdrant_embedded import (
    EmbeddedCatalogue,
    EmbeddedEngine,
    ReadOnlyAdmin,
)
from vectorplane.domain.model import Index, Owner, Record
from vectorplane.errors import EngineLocked, StoreFailed, StoreRejected, Unsupported
from vectorplane.ports.vectors import Point, Search

pytestmark = pytest.mark.anyio

SETTINGS = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Dot"}
RECORD = Record(owner=Owner("u", "n", "c", "k"), generation=2)
WRITER = """
import asyncio, sys
from pathlib import Path
from vectorplane.adapters.vectors.qdrant_embedded import EmbeddedEngine
from vectorplane.domain.model import Record
from vectorplane.ports.vectors import Point

async def main():
    engine = await EmbeddedEngine.open(Path(sys.argv[1]))
    settings = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Dot"}
    await engine.create("a_1", settings, Record(owner=None))
    await engine.change_aliases({"a": "a_1"}, frozenset())
    print("ready", flush=True)
    batch = 0
    while True:
        ids = range(batch * 50, batch * 50 + 50)
        await engine.upsert("a", [Point(i, [i, 1, 2, 3], {"i": i}) for i in ids])
        if batch % 7 == 3:
            await engine.delete("a", ids=[ids[0]])
        print(batch, flush=True)
        batch += 1

asyncio.run(main())
"""
MAKER = """
import asyncio, sys
from pathlib import Path
from vectorplane.adapters.vectors.qdrant_embedded import EmbeddedEngine
from vectorplane.domain.model import Index, Record
from vectorplane.ports.vectors import Point

async def main():
    engine = await EmbeddedEngine.open(Path(sys.argv[1]))
    settings = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Dot"}
    print("ready", flush=True)
    for n in range(10_000):
        name = f"c{n}_1"
        await engine.create(name, settings, Record(owner=None, generation=n))
        await engine.change_aliases({f"c{n}": name}, frozenset())
        await engine.create_index(name, Index("a", "Keyword"))
        await engine.upsert(name, [Point(1, [1, 2, 3, 4])])
        print(n, flush=True)
        if n:
            await engine.drop(f"c{n - 1}_1")
            print(f"-{n - 1}", flush=True)

asyncio.run(main())
"""


def killed_after(script: str, folder: Path, lines: int) -> list[str]:
    """What the script had acknowledged when it was killed with SIGKILL, some lines after it was
    ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        said = [process.stdout.readline().strip() for _ in range(lines + 1)]
        assert said[0] == "ready"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read()
        process.stdout.close()
        process.wait()
    return said[1:] + [line for line in rest.split("\n")[:-1] if line]


async def test_a_killed_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    batches = [int(line) for line in killed_after(WRITER, tmp_path, 60)]
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        want = {i for b in batches for i in range(b * 50, b * 50 + 50)}
        want -= {b * 50 for b in batches if b % 7 == 3}
        found = await engine.retrieve("a", sorted(want))
        assert [(p.id, p.payload) for p in found] == [(i, {"i": i}) for i in sorted(want)]
        gone = [b * 50 for b in batches if b % 7 == 3]
        assert await engine.retrieve("a", gone) == []
        [hits] = await engine.search(
            "a", [Search([1, 0, 0, 0], 1, filter={"must": [{"has_id": [49]}]})]
        )
        assert [(h.id, h.score) for h in hits] == [(49, 49.0)]
        await engine.upsert("a", [Point(7, [0, 0, 0, 0])])
    finally:
        await engine.close()


@pytest.mark.parametrize("lines", [1, 2, 5, 8, 9])
async def test_a_killed_maker_leaves_nothing_half_made(tmp_path: Path, lines: int) -> None:
    said = killed_after(MAKER, tmp_path, lines)
    made = {int(line) for line in said if not line.startswith("-")}
    dropped = {int(line[1:]) for line in said if line.startswith("-")}
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        listing = await engine.listing()
        for n in made - dropped - {max(made) - 1}:
            found = await engine.describe(f"c{n}_1")
            assert found is not None
            assert (found.points, found.indexes) == (1, {"a": Index("a", "Keyword")})
            assert listing.aliases[f"c{n}"] == f"c{n}_1"
        assert not {f"c{n}_1" for n in dropped} & listing.collections
        for name in listing.collections:  # whatever is there is whole
            assert await engine.describe(name) is not None
            await engine.upsert(name, [Point(2, [1, 1, 1, 1])])
        folders = {f.name for f in (tmp_path / "shards").iterdir()}
        catalogue = EmbeddedCatalogue.read(tmp_path)
        assert folders == {e.shard for e in catalogue.collections.values()}
    finally:
        await engine.close()


async def test_what_no_collection_names_is_swept(tmp_path: Path) -> None:
    engine = await EmbeddedEngine.open(tmp_path)
    await engine.create("a_1", SETTINGS, RECORD)
    await engine.close()
    stray = tmp_path / "shards" / "stray"
    stray.mkdir()
    (stray / "half").write_text("made")
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        assert not stray.exists()
        found = await engine.describe("a_1")
        assert found is not None
        assert found.record == RECORD
    finally:
        await engine.close()


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        with pytest.raises(EngineLocked, match=str(os.getpid())):
            await EmbeddedEngine.open(tmp_path)
        child = subprocess.run(
            [sys.executable, "-c", WRITER, str(tmp_path)], capture_output=True, text=True
        )
        assert f"is in use by process {os.getpid()}" in child.stderr
    finally:
        await engine.close()
    again = await EmbeddedEngine.open(tmp_path)
    await again.close()


async def test_a_closed_engine_stays_closed(tmp_path: Path) -> None:
    engine = await EmbeddedEngine.open(tmp_path)
    await engine.create("a_1", SETTINGS, RECORD)
    await engine.close()
    await engine.close()
    with pytest.raises(StoreFailed, match="closed"):
        await engine.count("a_1")


async def test_looking_needs_no_lock(tmp_path: Path) -> None:
    admin = ReadOnlyAdmin(tmp_path)
    assert (await admin.listing()).collections == frozenset()
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        await engine.create("a_1", SETTINGS, RECORD)
        await engine.create_index("a_1", Index("x", "Float"))
        await engine.change_aliases({"a": "a_1"}, frozenset())
        assert await admin.listing() == await engine.listing()
        assert await admin.describe("a_1") == await engine.describe("a_1")
        assert await admin.describe("b_1") is None
        assert await admin.info() == await engine.info()
        for change in (
            admin.create("b_1", SETTINGS, RECORD),
            admin.update("a_1", {}),
            admin.add_vector("a_1", "v", SETTINGS),
            admin.write_record("a_1", RECORD),
            admin.create_index("a_1", Index("y", "Float")),
            admin.drop_index("a_1", "x"),
            admin.change_aliases({}, frozenset({"a"})),
            admin.drop("a_1"),
        ):
            with pytest.raises(Unsupported):
                await change
    finally:
        await engine.close()
        await admin.close()


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"version": 9}', '{"version": 1}', '{"version": 1, "collections": {"a": 1}}'],
)
async def test_a_damaged_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "catalogue.json").write_text(text)
    with pytest.raises(StoreRejected, match=str(tmp_path)):
        await EmbeddedEngine.open(tmp_path)
    (tmp_path / "catalogue.json").unlink()
    engine = await EmbeddedEngine.open(tmp_path)
    await engine.close()


async def test_a_folder_that_cannot_be_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed, match="cannot be opened"):
        await EmbeddedEngine.open(tmp_path / "file")


async def test_others_metadata_stays(tmp_path: Path) -> None:
    engine = await EmbeddedEngine.open(tmp_path)
    await engine.create("a_1", SETTINGS, RECORD)
    await engine.close()
    path = tmp_path / "catalogue.json"
    raw = json.loads(path.read_text())
    raw["collections"]["a_1"]["metadata"]["theirs"] = {"x": 1}
    path.write_text(json.dumps(raw))
    engine = await EmbeddedEngine.open(tmp_path)
    try:
        await engine.write_record("a_1", Record(owner=None))
    finally:
        await engine.close()
    metadata = EmbeddedCatalogue.read(tmp_path).collections["a_1"].metadata
    assert metadata["theirs"] == {"x": 1}
