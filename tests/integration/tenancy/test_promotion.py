"""Clients write and read through the service while the operator's own rebuild moves their name: a
tenant becomes a collection of its own, and a collection is made anew. What was told to be written
is read at once by who wrote it, and is there in the end. The service's memory never runs out here,
and writes are let through as soon as the names have moved: that is harder than it ever is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.stores import ADAPTERS, COSINE, Stores
from vectorplane.domain.model import (
    DEDICATED,
    PARTITION,
    ChangePolicy,
    Desired,
    Key,
    RebuildPolicy,
    Settings,
)
from vectorplane.domain.tenancy import TENANT_FIELD, pool_name
from vectorplane.errors import StoreOverloaded
from vectorplane.ports.vectors import PayloadChange, Point
from vectorplane.rebuilds import advance, switching
from vectorplane.reconcile import reconcile
from vectorplane_service.catalog import Catalog

pytestmark = pytest.mark.anyio

DOT: Settings = COSINE | {("vectors", "", "distance"): "Dot"}
WRITERS = 4
MINE = 20
"""Points of each writer."""
LEAST_AFTERWARDS = 3
"""Rounds that each writer goes on for when the rebuild is done."""


@pytest.fixture(params=["memory", "server-rest"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Stores]:
    """The engines that rebuild."""
    async with ADAPTERS[request.param](tmp_path, request) as opened:
        yield opened


class Writer:
    """Writes versions of its own points, one after the other, and reads each back."""

    def __init__(self, catalog: Catalog, name: str, first: int) -> None:
        self._catalog = catalog
        self._name = name
        self.ids = range(first, first + MINE)
        self.versions: dict[int, int] = {}
        """The last version of each point that was told to be written; none of those deleted."""
        self.rounds = 0
        self.held = 0

    async def run(self, stop: asyncio.Event) -> None:
        left = LEAST_AFTERWARDS
        while left:
            for id in self.ids:
                await self._patiently(id)
                await self._read(id)
                await asyncio.sleep(0)
            self.rounds += 1
            left -= stop.is_set()

    async def _patiently(self, id: int) -> None:
        version = self.rounds
        while True:
            try:
                await self._write(id, version)
                return
            except StoreOverloaded:
                self.held += 1
                await asyncio.sleep(0.02)

    async def _write(self, id: int, version: int) -> None:
        points = (await self._catalog.entry(self._name)).points
        kind = (version + id) % 4
        if kind == 0 and id in self.versions:
            await points.delete("", ids=[id])
            del self.versions[id]
        elif kind == 1 and id in self.versions:
            payload = {"v": version}
            await points.change_payload("", PayloadChange.OVERWRITE, payload=payload, ids=[id])
            self.versions[id] = version
        else:
            await points.upsert("", [Point(id, [1.0, id, version, 0.5], {"v": version})])
            self.versions[id] = version

    async def _read(self, id: int) -> None:
        points = (await self._catalog.entry(self._name)).points
        found = [(f.id, f.payload) for f in await points.retrieve("", [id])]
        version = self.versions.get(id)
        assert found == ([] if version is None else [(id, {"v": version})]), self.rounds


@pytest.mark.parametrize("kind", ["promotion", "rebuild"])
async def test_nothing_is_lost_and_nothing_is_old(
    store: Stores, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "AFTER_SECONDS", 0.0)
    monkeypatch.setattr(switching, "TRIAL_SECONDS", 0.1)
    monkeypatch.setattr(advance, "SLICE_SECONDS", 0.3)
    namespace = f"t{secrets.token_hex(4)}"
    # Only this test's: a pool is shared by all that declare the same.
    settings = COSINE | {("hnsw", "m"): 16 + secrets.randbelow(10_000)}
    shape = pool_name(settings, {}, ())
    before = Desired(
        key=Key(namespace, "c"),
        uid="us",
        cluster="here",
        settings=settings,
        tenancy=PARTITION if kind == "promotion" else DEDICATED,
        pool=shape if kind == "promotion" else None,
        change_policy=ChangePolicy.REBUILD,
        rebuild=RebuildPolicy(recall=0.0),
        now="2026-01-01T00:00:00Z",
    )
    neighbour = replace(before, key=Key(namespace, "n"), uid="them")
    store.made += [f"{shape}_1", f"{namespace}.c_1", f"{namespace}.c_2", f"{namespace}.n_1"]
    for wish in (before, neighbour):
        assert not (await reconcile(wish, store.admin)).trouble
    catalog = Catalog(store.points, kept_seconds=1e9)
    others = (await catalog.entry(neighbour.name)).points
    await others.upsert("", [Point(id, [1.0, 0, 0, 0], {"v": -1}) for id in range(MINE)])
    writers = [Writer(catalog, before.name, MINE * n) for n in range(WRITERS)]
    stop = asyncio.Event()
    running = [asyncio.create_task(writer.run(stop)) for writer in writers]
    try:
        while not all(writer.rounds for writer in writers):
            await asyncio.sleep(0.01)
            assert not any(task.done() for task in running)
        after = replace(before, tenancy=DEDICATED, pool=None, settings=settings | DOT)
        if kind == "promotion":
            after = replace(after, settings=settings)
        for _ in range(200):
            outcome = await reconcile(after, store.admin)
            if outcome.progress is None or outcome.progress.phase == "Done":
                break
            after = replace(after, progress=outcome.progress)
        assert outcome.trouble is None
        stop.set()
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    new = await store.points.resolve(before.name)
    assert new.name == f"{namespace}.c_{1 if kind == 'promotion' else 2}"
    found = (await store.points.scroll(new.name, limit=1000)).points
    expected = {id: {"v": v} for writer in writers for id, v in writer.versions.items()}
    assert {f.id: f.payload for f in found} == expected
    assert not any(TENANT_FIELD in (f.payload or {}) for f in found)
    assert {f.id for f in (await others.scroll("", limit=99)).points} == set(range(MINE))
