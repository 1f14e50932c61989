"""The points half of the embedded engine: `VectorPoints`, over shards that are opened elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import qdrant_edge as edge

from vectorplane.adapters.vectors.common.changes import check_change, check_facet
from vectorplane.adapters.vectors.common.columns import check_columns
from vectorplane.adapters.vectors.common.filters import check_filter
from vectorplane.adapters.vectors.common.grouping import grouped
from vectorplane.adapters.vectors.common.ids import check_id, check_ids, check_one_of
from vectorplane.adapters.vectors.common.jsonpath import check_path
from vectorplane.adapters.vectors.common.resolving import by_name, named, plain, resolve
from vectorplane.adapters.vectors.common.schema import check_points, check_selection
from vectorplane.adapters.vectors.common.searches import (
    Checked,
    check_count,
    check_groups,
    check_searches,
)
from vectorplane.adapters.vectors.qdrant_embedded.changing import edge_change
from vectorplane.adapters.vectors.qdrant_embedded.filters import edge_filter, payload_selector
from vectorplane.adapters.vectors.qdrant_embedded.shard import Shard, guarded, record
from vectorplane.domain.model import Index, Value
from vectorplane.ports.vectors import (
    Columns,
    Found,
    Group,
    Json,
    Ordering,
    Page,
    PayloadChange,
    Point,
    PointId,
    Search,
)


class EmbeddedPoints(ABC):
    """Everything of `VectorPoints` that works on one shard."""

    @abstractmethod
    def _client(self, collection: str) -> tuple[str, Shard]:
        """The physical collection of a name, and its shard. Raises `NotFound`."""

    @abstractmethod
    def _index(self, collection: str, field: str) -> Index | None: ...

    @abstractmethod
    def _touched(self, collection: str) -> None:
        """Something was written."""

    async def upsert(
        self,
        collection: str,
        points: Sequence[Point] | Columns,
        *,
        wait: bool = True,
        ordering: Ordering | None = None,
    ) -> None:
        name, shard = self._client(collection)
        if isinstance(points, Columns):
            await shard.upsert_columns(check_columns(shard.schema, points))
        else:
            await shard.upsert(check_points(shard.schema, points))
        self._touched(name)

    async def retrieve(
        self,
        collection: str,
        ids: Sequence[PointId],
        *,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> list[Found]:
        _, shard = self._client(collection)
        fields = check_selection(payload, "payload")
        names = shard.schema.check_names(vectors, "vectors")
        order = check_ids(ids, "ids")
        found = _retrieved(shard, order, fields, names)
        return [found[i] for i in order if i in found]

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
        _, shard = self._client(collection)
        fields = check_selection(payload, "payload")
        names = shard.schema.check_names(vectors, "vectors")
        check_count(limit, "limit", least=1)
        start = None if offset is None else check_id(offset, "offset")
        request = edge.ScrollRequest(
            offset=start,
            limit=limit,
            filter=_filter(check_filter(filter)),
            with_payload=payload_selector(fields),
            with_vector=names,
        )
        hits, following = guarded(lambda: shard.live.scroll(request))
        after = following if following is None or isinstance(following, int) else str(following)
        return Page([record(hit, fields, names) for hit in hits], after)

    async def delete(
        self,
        collection: str,
        *,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> None:
        name, shard = self._client(collection)
        check_one_of(ids, filter)
        if ids is not None:
            gone = check_ids(ids, "ids")
            operation = edge.UpdateOperation.delete_points(list(gone))
            touched = len(gone)
        else:
            checked = check_filter(filter) or {}
            flt = guarded(lambda: edge_filter(checked))
            touched = guarded(lambda: shard.live.count(edge.CountRequest(True, flt)))
            operation = edge.UpdateOperation.delete_points_by_filter(flt)
        if touched:
            await shard.update(operation, touched)
            self._touched(name)

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
        name, shard = self._client(collection)
        checked = check_change(change, payload, fields, path, ids, filter)
        if checked is not None:
            await shard.update(guarded(lambda: edge_change(checked)))
            self._touched(name)

    async def count(
        self, collection: str, *, filter: Json | None = None, exact: bool = True
    ) -> int:
        _, shard = self._client(collection)
        flt = _filter(check_filter(filter))
        return guarded(lambda: shard.live.count(edge.CountRequest(exact, flt)))

    async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
        _, shard = self._client(collection)
        checked = _resolved(shard, check_searches(shard.schema, searches))
        return await shard.search(checked) if checked else []

    async def groups(self, collection: str, search: Search, by: str, size: int) -> list[Group]:
        _, shard = self._client(collection)
        [checked] = _resolved(shard, [check_groups(shard.schema, search, by, size)])
        points = guarded(lambda: shard.live.count(edge.CountRequest(exact=False)))
        groups = await grouped(shard.search, checked, by, size, points)
        ids = list(dict.fromkeys(hit.id for group in groups for hit in group.hits))
        full = _retrieved(shard, ids, checked.payload, checked.vectors)
        return [
            Group(
                group.key,
                [
                    Found(hit.id, full[hit.id].payload, full[hit.id].vector, hit.score)
                    for hit in group.hits
                    if hit.id in full  # else deleted meanwhile
                ],
            )
            for group in groups
        ]

    async def facet(
        self,
        collection: str,
        field: str,
        *,
        filter: Json | None = None,
        limit: int = 10,
        exact: bool = False,
    ) -> list[tuple[Value, int]]:
        name, shard = self._client(collection)
        check_path(field, "field")
        flt = _filter(check_filter(filter))
        check_count(limit, "limit", least=1)
        check_facet(field, self._index(name, field))
        request = edge.FacetRequest(field, limit=limit, exact=exact, filter=flt)
        answer = guarded(lambda: shard.live.facet(request))
        return [(_value(hit.value), hit.count) for hit in answer.hits if hit.count]


def _filter(flt: Json | None) -> edge.Filter | None:
    return None if flt is None else guarded(lambda: edge_filter(flt))


def _retrieved(
    shard: Shard, ids: Sequence[PointId], payload: bool | list[str], vectors: bool | list[str]
) -> dict[PointId, Found]:
    hits = guarded(lambda: shard.live.retrieve(list(ids), payload_selector(payload), vectors))
    return {point.id: point for point in (record(hit, payload, vectors) for hit in hits)}


def _resolved(shard: Shard, searches: list[Checked]) -> list[Checked]:
    """The searches by vectors: the engine knows no points as queries, and no averages."""
    if all(map(plain, searches)):
        return searches
    ids, names = named(searches)
    found = _retrieved(shard, ids, False, names) if ids else {}
    known = {i: by_name(shard.schema, point.vector) for i, point in found.items()}
    return [resolve(shard.schema, s, known, f"searches[{i}]") for i, s in enumerate(searches)]


def _value(raw: object) -> Value:
    return raw if isinstance(raw, bool | int | str) else str(raw)
