"""Both ports in one process: see the package."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import vectorplane
from vectorplane.adapters.vectors.common.changes import check_change, check_facet
from vectorplane.adapters.vectors.common.columns import as_points, check_columns
from vectorplane.adapters.vectors.common.filters import check_filter
from vectorplane.adapters.vectors.common.ids import check_id, check_ids, check_one_of
from vectorplane.adapters.vectors.common.jsonpath import check_path
from vectorplane.adapters.vectors.common.schema import Schema, check_points, check_selection
from vectorplane.adapters.vectors.common.searches import check_count, check_groups, check_searches
from vectorplane.adapters.vectors.common.settings import (
    check_index,
    check_name,
    check_new,
    check_update,
    replace_quantization,
    with_defaults,
)
from vectorplane.adapters.vectors.common.surveying import Surveyor
from vectorplane.adapters.vectors.memory.points import Points, words_at
from vectorplane.domain.model import (
    Capability,
    Collection,
    Index,
    Path,
    Record,
    Settings,
    Value,
)
from vectorplane.domain.record import from_metadata, to_metadata
from vectorplane.domain.status import Taken
from vectorplane.errors import Conflict, NotFound, StoreOverloaded, StoreRejected
from vectorplane.ports.vectors import (
    Columns,
    Found,
    Group,
    Json,
    Listing,
    Ordering,
    Page,
    PayloadChange,
    Point,
    PointId,
    Search,
    StoreInfo,
    Survey,
    VectorPoints,
)


@dataclass(slots=True)
class _Held:
    settings: dict[Path, Value]
    metadata: dict[str, Any]
    points: Points
    indexes: dict[str, Index] = field(default_factory=dict)


class MemoryStore:
    """`VectorAdmin` and `VectorPoints` over dictionaries. Nothing is kept when the process ends."""

    def __init__(self, capabilities: frozenset[Capability] = frozenset(Capability)) -> None:
        self._capabilities = capabilities
        self._collections: dict[str, _Held] = {}
        self._aliases: dict[str, str] = {}
        self._holds: set[str] = set()
        self._surveyor = Surveyor()
        self._snapshots: dict[str, Points] = {}
        """By collection and name. They outlive their collection."""

    async def info(self) -> StoreInfo:
        return StoreInfo("memory", vectorplane.__version__, self._capabilities)

    async def close(self) -> None:
        """Nothing to close."""

    # VectorAdmin

    async def listing(self) -> Listing:
        return Listing(frozenset(self._collections), dict(self._aliases))

    async def describe(self, collection: str) -> Collection | None:
        held = self._collections.get(collection)
        if held is None:
            return None
        count = len(held.points.held)
        vectors = sum(len(p.vectors) for p in held.points.held.values())
        return Collection(
            name=collection,
            settings=with_defaults(held.settings),
            indexes=dict(held.indexes),
            record=from_metadata(held.metadata),
            points=count,
            indexed_vectors=vectors,
        )

    async def create(self, collection: str, settings: Settings, record: Record) -> None:
        check_name(collection)
        check_new(settings)
        if collection in self._collections or collection in self._aliases:
            raise Conflict(f"{collection} exists already")
        self._collections[collection] = _Held(
            dict(settings), to_metadata(record), Points(Schema.of(settings))
        )

    async def update(self, collection: str, settings: Settings) -> None:
        held = self._physical(collection)
        check_update(held.settings, settings)
        held.settings = replace_quantization(held.settings, settings)

    async def add_vector(self, collection: str, name: str, settings: Settings) -> None:
        held = self._physical(collection)
        if name in held.points.schema.dense or name in held.points.schema.sparse:
            return
        check_new(settings)
        held.settings.update(settings)
        held.points.schema = Schema.of(held.settings)

    async def write_record(self, collection: str, record: Record) -> None:
        self._physical(collection).metadata.update(to_metadata(record))

    async def create_index(self, collection: str, index: Index) -> None:
        check_index(index)
        self._physical(collection).indexes[index.field] = index

    async def drop_index(self, collection: str, field: str) -> None:
        if held := self._collections.get(collection):
            held.indexes.pop(field, None)

    async def change_aliases(self, point: Mapping[str, str], drop: frozenset[str]) -> None:
        for alias, collection in point.items():
            check_name(alias)
            self._physical(collection)
            if alias in self._collections:
                raise Conflict(f"{alias} is a collection")
        for alias in drop:
            self._aliases.pop(alias, None)
        self._aliases.update(point)

    async def drop(self, collection: str) -> None:
        self._holds.discard(collection)
        if self._collections.pop(collection, None) is not None:
            self._aliases = {a: c for a, c in self._aliases.items() if c != collection}

    async def survey(self) -> Survey:
        return await self._surveyor.survey(self)

    async def tally(self, collection: str, field: str) -> Mapping[str, int]:
        held = self._collections.get(collection)
        if held is None or field not in held.indexes:
            return {}
        return Counter(
            str(word)
            for point in held.points.held.values()
            for word in words_at(point.payload, field)
        )

    async def hold(self, collection: str) -> None:
        self._holds.add(collection)

    async def release(self, collection: str, before: Settings) -> None:
        self._holds.discard(collection)

    async def take_snapshot(self, collection: str) -> Taken:
        points = copy.deepcopy(self._physical(collection).points)
        now = datetime.now(UTC)
        name = f"{collection}-1-{now:%Y-%m-%d-%H-%M-%S}-{len(self._snapshots)}.snapshot"
        self._snapshots[f"{collection}/{name}"] = points
        return Taken(collection, name, len(repr(points.held)), f"{now:%Y-%m-%dT%H:%M:%SZ}")

    async def drop_snapshot(self, collection: str, snapshot: str) -> None:
        if collection in self._collections:
            self._snapshots.pop(f"{collection}/{snapshot}", None)

    async def restore_snapshot(self, collection: str, snapshot: str) -> None:
        held = self._physical(collection)
        points = self._snapshots.get(snapshot)
        if points is None:
            raise NotFound(f"there is no snapshot {snapshot}")
        dense, sparse = held.points.schema.dense, held.points.schema.sparse
        if dense != points.schema.dense or not points.schema.sparse.keys() <= sparse.keys():
            raise StoreRejected(f"snapshot {snapshot} has other vectors than {collection}")
        held.points.held = copy.deepcopy(points.held)

    @property
    def points(self) -> VectorPoints:
        return self

    def metadata(self, collection: str) -> dict[str, Any]:
        """The metadata itself, so that a test can put something of others beside our record."""
        return self._physical(collection).metadata

    # VectorPoints

    async def names(self) -> Mapping[str, str]:
        return {c: c for c in self._collections} | self._aliases

    async def resolve(self, collection: str) -> Collection:
        physical = self._aliases.get(collection, collection)
        found = await self.describe(physical)
        if found is None:
            raise NotFound(f"there is no collection {collection}")
        return found

    async def peek(self, collection: str) -> Collection:
        return await self.resolve(collection)

    async def upsert(
        self,
        collection: str,
        points: Sequence[Point] | Columns,
        *,
        wait: bool = True,
        ordering: Ordering | None = None,
    ) -> None:
        held = self._client(collection).points
        checked = (
            as_points(check_columns(held.schema, points))
            if isinstance(points, Columns)
            else check_points(held.schema, points)
        )
        self._writable(collection)
        held.upsert(checked)

    async def retrieve(
        self,
        collection: str,
        ids: Sequence[PointId],
        *,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> list[Found]:
        points = self._client(collection).points
        wanted = check_selection(payload, "payload"), points.schema.check_names(vectors, "vectors")
        return [points.found(i, *wanted) for i in check_ids(ids, "ids") if i in points.held]

    async def scroll(
        self,
        collection: str,
        *,
        filter: Json | None = None,
        limit: int = 10,
        offset: PointId | None = None,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> Page:
        points = self._client(collection).points
        wanted = check_selection(payload, "payload"), points.schema.check_names(vectors, "vectors")
        check_count(limit, "limit", least=1)
        start = None if offset is None else check_id(offset, "offset")
        ids = points.page(check_filter(filter), start, limit + 1)
        return Page(
            [points.found(i, *wanted) for i in ids[:limit]],
            ids[limit] if len(ids) > limit else None,
        )

    async def delete(
        self,
        collection: str,
        *,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> None:
        points = self._client(collection).points
        check_one_of(ids, filter)
        gone = points.ids(check_filter(filter)) if ids is None else check_ids(ids, "ids")
        self._writable(collection)
        for point_id in gone:
            points.held.pop(point_id, None)

    async def change_payload(
        self,
        collection: str,
        change: PayloadChange,
        *,
        payload: Json | None = None,
        fields: Sequence[str] = (),
        path: str | None = None,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> None:
        points = self._client(collection).points
        checked = check_change(change, payload, fields, path, ids, filter)
        self._writable(collection)
        if checked is not None:
            points.change(checked)

    async def count(
        self, collection: str, *, filter: Json | None = None, exact: bool = True
    ) -> int:
        points = self._client(collection).points
        return sum(1 for _ in points.ids(check_filter(filter)))

    async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
        points = self._client(collection).points
        checked = check_searches(points.schema, searches)
        found = [points.resolved(s, f"searches[{i}]") for i, s in enumerate(checked)]
        return [points.search(search) for search in found]

    async def groups(self, collection: str, search: Search, by: str, size: int) -> list[Group]:
        points = self._client(collection).points
        checked = points.resolved(check_groups(points.schema, search, by, size), "searches[0]")
        return points.groups(checked, by, size)

    async def facet(
        self,
        collection: str,
        field: str,
        *,
        filter: Json | None = None,
        limit: int = 10,
        exact: bool = False,
    ) -> list[tuple[Value, int]]:
        held = self._client(collection)
        check_path(field, "field")
        flt = check_filter(filter)
        check_count(limit, "limit", least=1)
        index = check_facet(field, held.indexes.get(field))
        return held.points.facet(field, index.type, flt, limit)

    def _physical(self, collection: str) -> _Held:
        held = self._collections.get(collection)
        if held is None:
            raise NotFound(f"there is no collection {collection}")
        return held

    def _writable(self, collection: str) -> None:
        if self._aliases.get(collection, collection) in self._holds:
            raise StoreOverloaded(f"writes to {collection} are held back", retry_after=1.0)

    def _client(self, collection: str) -> _Held:
        return self._physical(self._aliases.get(collection, collection))
