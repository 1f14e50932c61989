"""Looking at an engine's folder without opening it, for `vectorplane plan` beside a running
`vectorplane dev`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from vectorplane.adapters.vectors.common.surveying import Surveyor
from vectorplane.adapters.vectors.qdrant_embedded.catalogue import EmbeddedCatalogue
from vectorplane.adapters.vectors.qdrant_embedded.config import engine_info
from vectorplane.domain.model import Collection, Index, Record, Settings
from vectorplane.domain.status import Taken
from vectorplane.errors import Unsupported
from vectorplane.ports.vectors import Listing, StoreInfo, Survey, VectorPoints


class ReadOnlyAdmin:
    """`VectorAdmin` that observes and refuses every change, and points. Counts need the shards, so
    they are 0."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._surveyor = Surveyor()

    async def info(self) -> StoreInfo:
        return engine_info()

    async def listing(self) -> Listing:
        catalogue = await self._read()
        return Listing(frozenset(catalogue.collections), catalogue.aliases)

    async def describe(self, collection: str) -> Collection | None:
        entry = (await self._read()).collections.get(collection)
        return None if entry is None else entry.collection(collection)

    async def create(self, collection: str, settings: Settings, record: Record) -> None:
        self._refuse()

    async def update(self, collection: str, settings: Settings) -> None:
        self._refuse()

    async def add_vector(self, collection: str, name: str, settings: Settings) -> None:
        self._refuse()

    async def write_record(self, collection: str, record: Record) -> None:
        self._refuse()

    async def create_index(self, collection: str, index: Index) -> None:
        self._refuse()

    async def drop_index(self, collection: str, field: str) -> None:
        self._refuse()

    async def change_aliases(self, point: Mapping[str, str], drop: frozenset[str]) -> None:
        self._refuse()

    async def drop(self, collection: str) -> None:
        self._refuse()

    async def survey(self) -> Survey:
        return await self._surveyor.survey(self)

    async def tally(self, collection: str, field: str) -> Mapping[str, int]:
        return {}

    async def hold(self, collection: str) -> None:
        self._refuse()

    async def release(self, collection: str, before: Settings) -> None:
        self._refuse()

    async def take_snapshot(self, collection: str) -> Taken:
        self._refuse()

    async def drop_snapshot(self, collection: str, snapshot: str) -> None:
        self._refuse()

    async def restore_snapshot(self, collection: str, snapshot: str) -> None:
        self._refuse()

    @property
    def points(self) -> VectorPoints:
        self._refuse()

    async def close(self) -> None:
        """Nothing to close."""

    async def _read(self) -> EmbeddedCatalogue:
        return await asyncio.to_thread(EmbeddedCatalogue.read, self._path)

    def _refuse(self) -> NoReturn:
        raise Unsupported(f"{self._path} is only looked at, not changed")
