"""One collection's shard: opened when first used, searched in batches, optimized beside.

The library holds Python's interpreter lock in every call (measured), so threads would not make
searches faster. Instead the searches that wait at one moment go to the engine as one batch, which
costs a fraction of so many single ones. A write goes to a thread in small pieces, and between two
pieces everybody else runs.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import qdrant_edge as edge

from vectorplane.adapters.vectors.common.columns import as_points, rows_of
from vectorplane.adapters.vectors.common.schema import Schema, unwrap
from vectorplane.adapters.vectors.common.searches import Checked
from vectorplane.adapters.vectors.qdrant_embedded.config import edge_config
from vectorplane.adapters.vectors.qdrant_embedded.optimize import copy_shard, optimize_apart
from vectorplane.adapters.vectors.qdrant_embedded.queries import edge_query, edge_vector
from vectorplane.adapters.vectors.qdrant_embedded.whole import whole
from vectorplane.domain.model import Settings
from vectorplane.errors import InvalidInput, StoreFailed, VectorplaneError
from vectorplane.ports.vectors import Columns, Found, Json, PointId

PIECE = 200
"""Points in one call of the engine: about 10 ms in which nothing else runs."""
MAX_BATCH = 32
"""Searches in one call of the engine."""
DEFAULT_THRESHOLD = 10_000
"""Kilobytes of vectors that are searched without an index, as in Qdrant."""

MAX_VALUES = 1_000_000
"""Values of a field that are counted: all."""

T = TypeVar("T")
Operation = edge.UpdateOperation
_Waiting = tuple[Checked, "asyncio.Future[list[Found]]"]


@dataclass(slots=True)
class Shard:
    path: Path
    settings: Settings
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    schema: Schema = field(init=False)
    changed: int = 0
    """Points written or deleted since the last optimization, about."""
    reshaped: bool = False
    """Settings changed since the last optimization."""
    unflushed: bool = False
    optimizing: bool = False
    journal: list[Operation] | None = None
    """While a copy is optimized: what was written since it was taken."""
    _edge: edge.EdgeShard | None = None
    _loading: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False
    _waiting: list[_Waiting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.schema = Schema.of(self.settings)

    @classmethod
    def create(cls, path: Path, settings: Settings) -> Shard:
        path.mkdir(parents=True)
        shard = cls(path, settings)
        shard._edge = guarded(lambda: edge.EdgeShard.create(str(path), edge_config(settings)))
        return shard

    @property
    def live(self) -> edge.EdgeShard:
        """The engine's shard, loaded when first asked for."""
        with self._loading:
            if self._closed:
                raise StoreFailed("the embedded engine is closed")
            if self._edge is None:
                self._edge = guarded(lambda: edge.EdgeShard.load(str(self.path)))
                info = guarded(self._edge.info)
                indexed = info.indexed_vectors_count // max(1, len(self.schema.dense))
                self.changed = max(0, info.points_count - indexed)
            return self._edge

    def open(self) -> None:
        _ = self.live

    def counts(self) -> tuple[int, int]:
        """Points, and vectors in an index."""
        points = guarded(lambda: self.live.count(edge.CountRequest(exact=True)))
        return points, guarded(lambda: self.live.info().indexed_vectors_count)

    def tally(self, field: str) -> dict[str, int]:
        """Points by the value of an indexed field."""
        request = edge.FacetRequest(field, limit=MAX_VALUES, exact=True)
        answer = guarded(lambda: self.live.facet(request))
        return {str(hit.value): hit.count for hit in answer.hits if hit.count}

    def close(self) -> None:
        """For good; what was written is flushed."""
        self._closed = True
        if self._edge is not None:
            closing, self._edge = self._edge, None
            guarded(closing.close)

    # Writing

    @whole
    async def upsert(self, points: dict[PointId, tuple[dict[str, Any], Json]]) -> None:
        items = list(points.items())
        async with self.writing:
            for start in range(0, len(items), PIECE):
                await asyncio.to_thread(self._upsert, items[start : start + PIECE])

    @whole
    async def upsert_columns(self, columns: Columns) -> None:
        """The engine reads lists of numbers faster than arrays (measured: 15 and 23 us for 384), so
        a piece becomes lists, and the next one only after it."""
        async with self.writing:
            for start in range(0, len(columns.ids), PIECE):
                piece = rows_of(columns, start, start + PIECE)
                await asyncio.to_thread(self._upsert, piece)

    def _upsert(
        self, piece: Sequence[tuple[PointId, tuple[dict[str, Any], Json]]] | Columns
    ) -> None:
        points = list(as_points(piece).items()) if isinstance(piece, Columns) else piece

        def made() -> Operation:
            return edge.UpdateOperation.upsert_points(
                [
                    edge.Point(i, {n: edge_vector(v) for n, v in vectors.items()}, payload)
                    for i, (vectors, payload) in points
                ]
            )

        self.apply(guarded(made), len(points))

    @whole
    async def update(self, operation: Operation, touched: int = 0) -> None:
        async with self.writing:
            await asyncio.to_thread(self.apply, operation, touched)

    def apply(self, operation: Operation, touched: int = 0) -> None:
        guarded(lambda: self.live.update(operation))
        self.changed += touched
        self.unflushed = True
        if self.journal is not None:
            self.journal.append(operation)

    async def flush(self) -> None:
        async with self.writing:
            if self._edge is not None and self.unflushed:
                await asyncio.to_thread(guarded, self._edge.flush)
                self.unflushed = False

    async def reshape(self, settings: Settings) -> None:
        """Take other settings: closed and opened again. In one go, as no search may come
        between."""
        async with self.writing:
            if self._edge is not None:
                guarded(self._edge.close)
                self._edge = None
            config = edge_config(settings)
            self._edge = guarded(lambda: edge.EdgeShard.load(str(self.path), config))
            self.settings = settings
            self.schema = Schema.of(settings)
            self.reshaped = True

    # Searching

    async def search(self, searches: list[Checked]) -> list[list[Found]]:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in searches]
        if not self._waiting:
            loop.call_soon(self._search_waiting)
        self._waiting += zip(searches, futures, strict=True)
        return await asyncio.gather(*futures) if len(futures) != 1 else [await futures[0]]

    def _search_waiting(self) -> None:
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._search_waiting)
        try:
            self._answer(batch)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch[0][1], error)
                return
            # A batch fails as a whole; alone, only the bad one does.
            for single in batch:
                try:
                    self._answer([single])
                except Exception as reason:
                    _fail(single[1], reason)

    def _answer(self, batch: list[_Waiting]) -> None:
        requests = [guarded(partial(edge_query, search)) for search, _ in batch]
        answers = guarded(lambda: self.live.query_batch(edge.QueryBatchRequest(requests)))
        for (search, future), hits in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result([scored(hit, search) for hit in hits])

    # Optimizing

    def wants_optimizing(self) -> bool:
        """True where an optimizer would find something: much without an index, much deleted,
        other settings."""
        if self._edge is None or self.optimizing:
            return False
        if self.reshaped:
            return self.counts()[0] > 0
        size = sum(spec.size * 4 for spec in self.schema.dense.values())
        threshold: Any = self.settings.get(("optimizers", "indexingThreshold"), DEFAULT_THRESHOLD)
        return self.changed > 1000 and self.changed * max(size, 256) > float(threshold) * 1024

    async def optimize(
        self, target: Path, changing: asyncio.Lock, commit: Callable[[], Awaitable[None]]
    ) -> bool:
        """Optimize a copy in `target`, which then takes this shard's place. True where it changed.

        `commit` makes that last, under `changing`, the lock that is taken before `writing`.
        """
        self.optimizing = True
        due = self.changed, self.reshaped
        try:
            settings = await self._copy(target)
            if not await optimize_apart(target):
                return False
            async with changing, self.writing:
                if self.settings != settings or self._closed:
                    self.reshaped = True
                    return False
                await self._take_over(target, commit)
            return True
        except BaseException:
            self.changed, self.reshaped = self.changed + due[0], self.reshaped or due[1]
            raise
        finally:
            self.journal = None
            self.optimizing = False
            if self.path != target:
                shutil.rmtree(target, ignore_errors=True)

    @whole
    async def _copy(self, target: Path) -> Settings:
        """A copy as of now. From here on, what is written goes into the journal too."""
        async with self.writing:
            await asyncio.to_thread(guarded, self.live.flush)
            await asyncio.to_thread(copy_shard, self.path, target)
            self.journal, self.changed, self.reshaped = [], 0, False
            return self.settings

    @whole
    async def _take_over(self, target: Path, commit: Callable[[], Awaitable[None]]) -> None:
        fresh = await asyncio.to_thread(guarded, lambda: edge.EdgeShard.load(str(target)))
        for operation in self.journal or ():
            await asyncio.to_thread(guarded, partial(fresh.update, operation))
        await asyncio.to_thread(guarded, fresh.flush)
        await commit()
        old, old_path = self._edge, self.path
        self._edge, self.path = fresh, target
        if old is not None:
            guarded(old.close)
        await asyncio.to_thread(shutil.rmtree, old_path, ignore_errors=True)


def guarded(call: Callable[[], T]) -> T:
    """Call the engine. It raises bare `Exception`s, and a panic that is not even one of those."""
    try:
        return call()
    except Exception as error:
        raise _ours(error) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise StoreFailed(f"the embedded engine failed: {error}") from error
        raise


def _fail(future: asyncio.Future[list[Found]], error: Exception) -> None:
    if not future.done():
        future.set_exception(_ours(error))


def _ours(error: Exception) -> VectorplaneError:
    if isinstance(error, VectorplaneError):
        return error
    text = str(error)
    if isinstance(error, TypeError | ValueError | OverflowError) or "Service" not in text:
        return InvalidInput(text)
    return StoreFailed(f"the embedded engine failed: {text}")


def scored(hit: Any, search: Checked) -> Found:
    point_id = hit.id
    return Found(
        point_id if type(point_id) is int else str(point_id),
        None if search.payload is False else hit.payload or {},
        None if search.vectors is False else vectors_of(hit.vector),
        hit.score,
    )


def record(hit: Any, payload: bool | list[str], vectors: bool | list[str]) -> Found:
    point_id = hit.id
    return Found(
        point_id if type(point_id) is int else str(point_id),
        None if payload is False else hit.payload or {},
        None if vectors is False else vectors_of(hit.vector),
    )


def vectors_of(vector: Any) -> Any:
    if vector is None:
        return {}
    if isinstance(vector, dict):
        return unwrap({name: _vector(v) for name, v in vector.items()})
    return _vector(vector)


def _vector(vector: Any) -> Any:
    if isinstance(vector, edge.SparseVector):
        return {"indices": list(vector.indices), "values": list(vector.values)}
    return vector
