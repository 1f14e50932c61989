"""The embedded engine: both ports over one folder. See the package for what lies in it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import qdrant_edge as edge

from vectorplane.adapters.vectors.common.settings import (
    check_index,
    check_name,
    check_new,
    check_update,
    replace_quantization,
    with_defaults,
)
from vectorplane.adapters.vectors.common.surveying import Surveyor
from vectorplane.adapters.vectors.qdrant_embedded.catalogue import (
    SHARDS,
    EmbeddedCatalogue,
    Entry,
)
from vectorplane.adapters.vectors.qdrant_embedded.config import (
    engine_info,
    index_schema,
    new_vector,
    supported,
)
from vectorplane.adapters.vectors.qdrant_embedded.lock import FolderLock
from vectorplane.adapters.vectors.qdrant_embedded.maintenance import Maintenance
from vectorplane.adapters.vectors.qdrant_embedded.points import EmbeddedPoints
from vectorplane.adapters.vectors.qdrant_embedded.shard import Shard, guarded
from vectorplane.adapters.vectors.qdrant_embedded.whole import whole
from vectorplane.domain.model import Collection, Index, Record, Settings
from vectorplane.domain.record import to_metadata
from vectorplane.domain.status import Taken
from vectorplane.errors import (
    Conflict,
    NotFound,
    StoreFailed,
    Unsupported,
    VectorplaneError,
)
from vectorplane.ports.vectors import Listing, StoreInfo, Survey, VectorPoints

NO_SNAPSHOTS = "the embedded engine has no snapshots"


class EmbeddedEngine(EmbeddedPoints):
    """`VectorAdmin` and `VectorPoints`. Made by `open`, once per folder and machine."""

    def __init__(self, path: Path, lock: FolderLock, catalogue: EmbeddedCatalogue) -> None:
        self._path = path
        self._lock = lock
        self._catalogue = catalogue
        self._shards: dict[str, Shard] = {
            name: Shard(path / SHARDS / entry.shard, entry.settings)
            for name, entry in catalogue.collections.items()
        }
        self._changing = asyncio.Lock()
        self._surveyor = Surveyor()
        self._maintenance = Maintenance(self._shards, self._optimize)
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> EmbeddedEngine:
        """Open or make the folder. Raises `EngineLocked` where another process has it."""
        engine = await asyncio.to_thread(cls._open, path)
        engine._maintenance.warm()
        return engine

    @classmethod
    def _open(cls, path: Path) -> EmbeddedEngine:
        try:
            (path / SHARDS).mkdir(parents=True, exist_ok=True)
            lock = FolderLock(path)
        except OSError as error:
            raise StoreFailed(f"{path} cannot be opened: {error.strerror}") from error
        try:
            catalogue = EmbeddedCatalogue.read(path)
            known = {entry.shard for entry in catalogue.collections.values()}
            for folder in (path / SHARDS).iterdir():
                if folder.name not in known:
                    shutil.rmtree(folder, ignore_errors=True)
            return cls(path, lock, catalogue)
        except BaseException:
            lock.release()
            raise

    async def info(self) -> StoreInfo:
        return engine_info()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._maintenance.close()
        async with self._changing:
            for shard in self._shards.values():
                async with shard.writing:
                    await asyncio.to_thread(shard.close)
            self._lock.release()

    async def settle(self) -> None:
        """Wait until nothing is left to flush or optimize: for benchmarks and tests."""
        await self._maintenance.settle()

    # VectorAdmin

    async def listing(self) -> Listing:
        return Listing(frozenset(self._catalogue.collections), dict(self._catalogue.aliases))

    async def describe(self, collection: str) -> Collection | None:
        entry = self._catalogue.collections.get(collection)
        if entry is None:
            return None
        shard = self._shards[collection]
        points, indexed = shard.counts()
        busy = shard.optimizing or shard.wants_optimizing()
        return entry.collection(collection, points, indexed, "yellow" if busy else "green")

    @whole
    async def create(self, collection: str, settings: Settings, record: Record) -> None:
        check_name(collection)
        check_new(settings)
        async with self._changing:
            if collection in self._catalogue.collections or collection in self._catalogue.aliases:
                raise Conflict(f"{collection} exists already")
            kept = with_defaults(supported(settings))
            name = secrets.token_hex(8)
            folder = self._path / SHARDS / name
            entry = Entry(name, kept, to_metadata(record))
            try:
                shard = await asyncio.to_thread(Shard.create, folder, kept)
                await self._write(self._catalogue.having(collection, entry))
            except VectorplaneError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            self._shards[collection] = shard

    @whole
    async def update(self, collection: str, settings: Settings) -> None:
        async with self._changing:
            entry = self._entry(collection)
            wanted = supported(settings)
            check_update(entry.settings, wanted)
            changed = replace_quantization(entry.settings, wanted)
            if changed == entry.settings:
                return
            # The catalogue last: a change that was interrupted is seen as drift and made again.
            await self._shards[collection].reshape(changed)
            await self._write(self._catalogue.having(collection, replace(entry, settings=changed)))
        self._maintenance.touched(collection)

    @whole
    async def add_vector(self, collection: str, name: str, settings: Settings) -> None:
        check_new(settings)
        async with self._changing:
            entry = self._entry(collection)
            if any(path[1:2] == (name,) for path in entry.settings if len(path) > 2):
                return
            wanted = with_defaults(supported(settings))
            shard = self._shards[collection]
            await shard.update(guarded(lambda: new_vector(name, wanted)))
            changed = {**entry.settings, **wanted}
            await shard.reshape(changed)
            await self._write(self._catalogue.having(collection, replace(entry, settings=changed)))

    @whole
    async def write_record(self, collection: str, record: Record) -> None:
        async with self._changing:
            entry = self._entry(collection)
            metadata = {**entry.metadata, **to_metadata(record)}
            await self._write(self._catalogue.having(collection, replace(entry, metadata=metadata)))

    @whole
    async def create_index(self, collection: str, index: Index) -> None:
        check_index(index)
        async with self._changing:
            entry = self._entry(collection)
            if entry.indexes.get(index.field) == index:
                return
            shard = self._shards[collection]
            if index.field in entry.indexes:
                await shard.update(edge.UpdateOperation.delete_field_index(index.field))
            schema = guarded(lambda: index_schema(index))
            await shard.update(edge.UpdateOperation.create_field_index(index.field, schema))
            indexes = {**entry.indexes, index.field: index}
            await self._write(self._catalogue.having(collection, replace(entry, indexes=indexes)))
        self._maintenance.touched(collection)

    @whole
    async def drop_index(self, collection: str, field: str) -> None:
        async with self._changing:
            entry = self._catalogue.collections.get(collection)
            if entry is None or field not in entry.indexes:
                return
            await self._shards[collection].update(edge.UpdateOperation.delete_field_index(field))
            indexes = {f: i for f, i in entry.indexes.items() if f != field}
            await self._write(self._catalogue.having(collection, replace(entry, indexes=indexes)))
        self._maintenance.touched(collection)

    @whole
    async def change_aliases(self, point: Mapping[str, str], drop: frozenset[str]) -> None:
        async with self._changing:
            for alias, collection in point.items():
                check_name(alias)
                self._entry(collection)
                if alias in self._catalogue.collections:
                    raise Conflict(f"{alias} is a collection")
            kept = {a: c for a, c in self._catalogue.aliases.items() if a not in drop}
            await self._write(replace(self._catalogue, aliases={**kept, **point}))

    @whole
    async def drop(self, collection: str) -> None:
        async with self._changing:
            if collection not in self._catalogue.collections:
                return
            await self._write(self._catalogue.without(collection))
            shard = self._shards.pop(collection)
        await self._maintenance.stop(collection)
        async with shard.writing:
            await asyncio.to_thread(shard.close)
            await asyncio.to_thread(shutil.rmtree, shard.path, ignore_errors=True)

    async def survey(self) -> Survey:
        return await self._surveyor.survey(self)

    async def tally(self, collection: str, field: str) -> Mapping[str, int]:
        entry = self._catalogue.collections.get(collection)
        if entry is None or field not in entry.indexes:
            return {}
        return self._shards[collection].tally(field)

    async def hold(self, collection: str) -> None:
        raise Unsupported("the embedded engine does not hold back writes")

    async def release(self, collection: str, before: Settings) -> None:
        raise Unsupported("the embedded engine does not hold back writes")

    async def take_snapshot(self, collection: str) -> Taken:
        raise Unsupported(NO_SNAPSHOTS)

    async def drop_snapshot(self, collection: str, snapshot: str) -> None:
        raise Unsupported(NO_SNAPSHOTS)

    async def restore_snapshot(self, collection: str, snapshot: str) -> None:
        raise Unsupported(NO_SNAPSHOTS)

    @property
    def points(self) -> VectorPoints:
        return self

    # What the points half needs

    async def names(self) -> Mapping[str, str]:
        return {c: c for c in self._catalogue.collections} | dict(self._catalogue.aliases)

    async def resolve(self, collection: str) -> Collection:
        found = await self.describe(self._catalogue.aliases.get(collection, collection))
        if found is None:
            raise NotFound(f"there is no collection {collection}")
        return found

    async def peek(self, collection: str) -> Collection:
        return await self.resolve(collection)

    def _client(self, collection: str) -> tuple[str, Shard]:
        name = self._catalogue.aliases.get(collection, collection)
        shard = self._shards.get(name)
        if shard is None:
            raise NotFound(f"there is no collection {collection}")
        return name, shard

    def _index(self, collection: str, field: str) -> Index | None:
        return self._catalogue.collections[collection].indexes.get(field)

    def _touched(self, collection: str) -> None:
        self._maintenance.touched(collection)

    # Behind all

    def _entry(self, collection: str) -> Entry:
        entry = self._catalogue.collections.get(collection)
        if entry is None:
            raise NotFound(f"there is no collection {collection}")
        return entry

    async def _write(self, catalogue: EmbeddedCatalogue) -> None:
        try:
            await asyncio.to_thread(catalogue.write, self._path)
        except OSError as error:
            raise StoreFailed(f"{self._path} cannot be written: {error.strerror}") from error
        self._catalogue = catalogue

    async def _optimize(self, name: str, shard: Shard) -> None:
        fresh = secrets.token_hex(8)

        async def commit() -> None:
            entry = replace(self._entry(name), shard=fresh)
            await self._write(self._catalogue.having(name, entry))

        with contextlib.suppress(NotFound):  # dropped meanwhile
            await shard.optimize(self._path / SHARDS / fresh, self._changing, commit)
