"""Writing to a collection: points, their payloads, and many of them at once."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from vectorplane.client.aio.at import AsyncAt
from vectorplane.client.aio.transport import decoded
from vectorplane.client.asking import by_ids_or_filter
from vectorplane.client.batching import LARGEST, Batch, batches_of, packed
from vectorplane.client.config import query
from vectorplane.client.models import Json, Ordering, Point, PointId, Written
from vectorplane.client.progress import Report, reporting
from vectorplane.client.wire import JSON, NDJSON, Columns, json_bytes, ndjson_line, point_json
from vectorplane.client.workers import AsyncWorkers, async_each

_PIECE = 256 * 1024
_PARALLEL = 2
AnyPoint = Point | Mapping[str, Any]


class AsyncWriting(AsyncAt):
    """Writes name what they write, so they may be made again, and are. With `wait=False` the answer
    comes before the change can be seen."""

    async def upsert(
        self,
        points: Sequence[AnyPoint] | AnyPoint | Columns,
        *,
        wait: bool = True,
        ordering: Ordering | None = None,
    ) -> Written:
        """Write points in one request: all of them, or none. `Columns` travel in binary."""
        if isinstance(points, Columns):
            return await self._put(packed(points), wait, ordering)
        some = [points] if isinstance(points, Point | Mapping) else points
        body = json_bytes({"points": [point_json(point) for point in some]})
        return await self._put(Batch(body, JSON, len(some)), wait, ordering)

    async def upsert_stream(
        self,
        points: Iterable[AnyPoint] | AsyncIterable[AnyPoint],
        *,
        wait: bool = True,
        ordering: Ordering | None = None,
    ) -> Written:
        """Write points in one request that lasts as long as they come: NDJSON, which the service
        begins to write before it has all. It is not made again where it fails, and what was
        written by then stays; `upload` is the one that gets through."""
        answer = await self._transport.send(
            "PUT",
            self._path("points"),
            _lines(points),
            media_type=NDJSON,
            query=query(wait=wait, ordering=ordering),
            repeatable=False,
        )
        return _written(decoded(answer))

    async def upload(
        self,
        points: Iterable[AnyPoint] | AsyncIterable[AnyPoint] | None = None,
        *,
        vectors: NDArray[Any] | Mapping[str, NDArray[Any]] | None = None,
        ids: Sequence[PointId] | NDArray[Any] | None = None,
        payloads: Sequence[Mapping[str, Any] | None] | None = None,
        batch: int = 1000,
        parallel: int = _PARALLEL,
        wait: bool = True,
        progress: bool | Report = False,
    ) -> int:
        """Write any number of points: an iterable of them, or numpy arrays of shape (points, size)
        with `ids` (left out: row numbers) and `payloads`. Gives how many were written.

        `parallel` requests of at most `batch` points are under way, and no more than that is in
        memory. Each is made again where it failed for a passing reason; an error ends the upload,
        and what was acknowledged by then stays. Of two points with one id any may win, unless
        `parallel` is 1. `progress` is True for a bar, or a function that
        is called with numbers of points.
        """
        given = None if vectors is None else _columns(vectors, ids, payloads)
        if (given is None) == (points is None):
            raise TypeError("upload takes points or vectors, one of the two")
        size = len(given) if given is not None else _length(points)

        async def send(part: Batch) -> None:
            await self._put(part, wait, None)
            tally.add(part.points)

        with reporting(progress, size, self.name) as tally:
            async with AsyncWorkers(parallel) as workers:
                if given is not None:
                    for part in batches_of(given, batch):
                        await workers.do(send, packed(part))
                elif points is not None:
                    async for some in _batches(points, batch):
                        await workers.do(send, some)
        return tally.done

    async def delete(
        self,
        ids: Sequence[PointId] | None = None,
        *,
        filter: Json | None = None,
        wait: bool = True,
    ) -> Written:
        """Delete points by ids or by filter. Ids that are not there are no error."""
        asked = query(wait=wait)
        return _written(
            await self._post("points", "delete", body=by_ids_or_filter(ids, filter), query=asked)
        )

    async def set_payload(
        self,
        payload: Mapping[str, Any],
        *,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        path: str | None = None,
        wait: bool = True,
    ) -> Written:
        """Merge into the payload of points; with `path`, into that field of it."""
        change = {"action": "set", "payload": payload} | ({"path": path} if path else {})
        return await self._change(change, ids, filter, wait)

    async def overwrite_payload(
        self,
        payload: Mapping[str, Any],
        *,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> Written:
        """Replace the payload of points."""
        change = {"action": "overwrite", "payload": payload}
        return await self._change(change, ids, filter, wait)

    async def delete_payload(
        self,
        fields: Sequence[str],
        *,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> Written:
        """Delete fields of the payload of points."""
        change = {"action": "delete", "fields": list(fields)}
        return await self._change(change, ids, filter, wait)

    async def clear_payload(
        self,
        *,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> Written:
        """Delete the whole payload of points."""
        return await self._change({"action": "clear"}, ids, filter, wait)

    async def _change(
        self,
        change: Json,
        ids: Sequence[PointId] | None,
        filter: Json | None,
        wait: bool,
    ) -> Written:
        body = change | by_ids_or_filter(ids, filter)
        asked = query(wait=wait)
        return _written(await self._post("points", "payload", body=body, query=asked))

    async def _put(self, part: Batch, wait: bool, ordering: Ordering | None) -> Written:
        answer = await self._transport.send(
            "PUT",
            self._path("points"),
            part.body,
            media_type=part.media_type,
            query=query(wait=wait, ordering=ordering),
        )
        return _written(decoded(answer))


def _written(answer: Any) -> Written:
    return Written(answer["status"], answer.get("points", 0))


def _columns(
    vectors: NDArray[Any] | Mapping[str, NDArray[Any]],
    ids: Sequence[PointId] | NDArray[Any] | None,
    payloads: Sequence[Mapping[str, Any] | None] | None,
) -> Columns:
    first = next(iter(vectors.values())) if isinstance(vectors, Mapping) else vectors
    return Columns(range(len(first)) if ids is None else ids, vectors, payloads)


def _length(points: object) -> int | None:
    return len(points) if isinstance(points, Sequence) else None


async def _lines(points: Iterable[AnyPoint] | AsyncIterable[AnyPoint]) -> AsyncIterator[bytes]:
    """An NDJSON body in pieces, made as they are asked for."""
    piece = bytearray()
    async for point in async_each(points):
        piece += ndjson_line(point)
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


async def _batches(
    points: Iterable[AnyPoint] | AsyncIterable[AnyPoint], most: int
) -> AsyncIterator[Batch]:
    """Bodies of at most `most` points and about `LARGEST` bytes."""
    some: list[bytes] = []
    size = 0
    async for point in async_each(points):
        some.append(json_bytes(point_json(point)))
        size += len(some[-1])
        if len(some) >= most or size >= LARGEST:
            yield Batch.of(some)
            some, size = [], 0
    if some:
        yield Batch.of(some)
