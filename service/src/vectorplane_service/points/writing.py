"""Points to write, as clients send them: one, many, by column, as a stream, or as numpy arrays. All
become what the port takes, and a mistake that the store finds is said at its place in the body."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request

from vectorplane.errors import CallerError, InvalidInput
from vectorplane.ports.vectors import Columns, Ordering, Point
from vectorplane_service import answers
from vectorplane_service.access.dependencies import CollectionAccess
from vectorplane_service.bodies import NDJSON, NPZ, JsonBody, decode, media_type
from vectorplane_service.points import npz, stream
from vectorplane_service.points.limits import check_size
from vectorplane_service.points.schemas import ColumnsIn, PointIn, PointsIn

_ONE: JsonBody[PointIn] = JsonBody(PointIn)
_MANY: JsonBody[PointsIn] = JsonBody(PointsIn)
_LIST: JsonBody[list[PointIn]] = JsonBody(list[PointIn])
_COLUMNS: JsonBody[ColumnsIn] = JsonBody(ColumnsIn)
_LARGE_BYTES = 1024 * 1024
"""A binary body of so much is read in a thread: the loop has searches to answer meanwhile."""


async def upsert_body(
    at: CollectionAccess, request: Request, *, wait: bool, ordering: str | None
) -> dict[str, Any]:
    """Write what a request's body holds, whatever kind it is of."""
    kind = media_type(request, NDJSON, NPZ)
    write = Writer(at, wait=wait, ordering=ordering)
    if kind == NDJSON:
        settings = at.services.settings
        written = await stream.write_lines(
            request.stream(),
            write.given,
            most_points=settings.max_batch_size,
            most_line_bytes=settings.max_line_bytes,
        )
        return answer(written, wait=wait)
    body = await request.body()
    if kind == NPZ:
        return answer(await write.arrays(body), wait=wait)
    return await upsert(at, decode(body), wait=wait, ordering=ordering)


async def upsert(
    at: CollectionAccess, content: Any, *, wait: bool, ordering: str | None
) -> dict[str, Any]:
    """Write points that were sent as JSON. All of them, or none."""
    write = Writer(at, wait=wait, ordering=ordering)
    if isinstance(content, dict) and "ids" in content:
        return answer(await write.columns(_COLUMNS.check(content)), wait=wait)
    given, path = points_of(content)
    check_size(at, len(given), path if path == "points" else "body")
    with answers.said_as({}, drop={"points": "", "": "points", "[0]": "points[0]"}[path]):
        await write.given(given)
    return answer(len(given), wait=wait)


def answer(written: int, *, wait: bool) -> dict[str, Any]:
    return {"status": "completed" if wait else "accepted", "points": written}


def points_of(content: Any) -> tuple[list[PointIn], str]:
    """The points of a body, and the path to their list: `{"points": [...]}`, a bare list, or one
    point by itself."""
    if isinstance(content, list):
        return _LIST.check(content), ""
    if isinstance(content, dict) and "points" not in content:
        return [_ONE.check(content)], "[0]"
    return _MANY.check(content).points, "points"


class Writer:
    """Writes points into one collection, in one way. Places are the port's: `points[3].vector`."""

    def __init__(self, at: CollectionAccess, *, wait: bool, ordering: str | None) -> None:
        self._at = at
        self._wait = wait
        self._ordering = None if ordering is None else Ordering(ordering)

    async def given(self, given: Sequence[PointIn]) -> None:
        """Points of which each has a vector or a text."""
        texts: dict[int, str] = {}
        for i, point in enumerate(given):
            if (point.vector is None) == (point.text is None):
                message = "a point has a vector or a text, one of the two"
                raise InvalidInput(message, place=f"points[{i}]")
            if point.text is not None:
                texts[i] = point.text
        embedded = await self._embedded(texts)
        await self._store(
            [
                Point(point.id, embedded[i], {"text": point.text, **(point.payload or {})})
                if i in texts
                else Point(point.id, point.vector, point.payload or {})
                for i, point in enumerate(given)
            ]
        )

    async def columns(self, columns: ColumnsIn) -> int:
        """Points by column, of JSON."""
        number = len(columns.ids)
        check_size(self._at, number, "ids")
        if (columns.vectors is None) == (columns.texts is None):
            raise InvalidInput("say vectors or texts, one of the two", place="body")
        same_length(number, columns.payloads, "payloads")
        payloads = columns.payloads or [None] * number
        with _in_columns(columns):
            if columns.texts is not None:
                same_length(number, columns.texts, "texts")
                embedded = await self._embedded(dict(enumerate(columns.texts)))
                payloads = [
                    {"text": text, **(payload or {})}
                    for text, payload in zip(columns.texts, payloads, strict=True)
                ]
                vectors = list(embedded.values())
            else:
                vectors = _rows(columns.vectors, number)
            await self._store(
                [
                    Point(id, vector, payload or {})
                    for id, vector, payload in zip(columns.ids, vectors, payloads, strict=True)
                ]
            )
        return number

    async def arrays(self, body: bytes) -> int:
        """Points by column, of numpy arrays."""
        most = self._at.services.settings.max_binary_batch_size
        if len(body) > _LARGE_BYTES:
            columns = await asyncio.to_thread(npz.read, body, most)
        else:
            columns = npz.read(body, most)
        await self._store(columns)
        return len(columns.ids)

    async def _embedded(self, texts: Mapping[int, str]) -> dict[int, Any]:
        """Vectors for texts, all by one call."""
        if not texts:
            return {}
        using, vectors = await self._at.services.embedding.embed(
            self._at.entry,
            None,
            list(texts.values()),
            place=f"points[{next(iter(texts))}].text",
        )
        return {
            i: {using: vector} if using else vector
            for i, vector in zip(texts, vectors, strict=True)
        }

    async def _store(self, points: Sequence[Point] | Columns) -> None:
        metrics = self._at.services.metrics
        started = time.perf_counter()
        await self._at.points.upsert(
            self._at.name, points, wait=self._wait, ordering=self._ordering
        )
        metrics.store_seconds.observe(time.perf_counter() - started)
        number = len(points.ids) if isinstance(points, Columns) else len(points)
        metrics.upsert_size.observe(number)


def same_length(number: int, column: Sequence[Any] | None, place: str) -> None:
    if column is not None and len(column) != number:
        raise InvalidInput(f"as many as ids: {number}, not {len(column)}", place=place)


def _rows(columns: Any, number: int) -> list[Any]:
    """The vectors of each point. A named column has null for a point without such a vector."""
    if isinstance(columns, list):
        same_length(number, columns, "vectors")
        return columns
    if not isinstance(columns, dict) or not columns:
        raise InvalidInput("a list of vectors, or such a list by name", place="vectors")
    for name, column in columns.items():
        if not isinstance(column, list):
            raise InvalidInput("a list of vectors", place=f"vectors.{name}")
        same_length(number, column, f"vectors.{name}")
    return [
        {name: vector for name, vector in zip(columns, row, strict=True) if vector is not None}
        for row in zip(*columns.values(), strict=True)
    ]


_COLUMN = re.compile(r"points\[(\d+)\]\.?(\w+)")
_PLURAL = {"id": "ids", "vector": "vectors", "text": "texts", "payload": "payloads"}


@contextmanager
def _in_columns(columns: ColumnsIn) -> Iterator[None]:
    """Inside, a place in a point is said as the place in its column: `points[3].vector.image[1]` is
    `vectors.image[3][1]`."""
    try:
        yield
    except CallerError as error:
        found = _COLUMN.match(error.place or "")
        if found is not None:
            row, word, rest = found[1], found[2], error.place[found.end() :]  # type: ignore[index]
            name = ""
            if word == "vector" and isinstance(columns.vectors, dict):
                names = sorted(columns.vectors, key=len, reverse=True)
                name = next((f".{n}" for n in names if n and rest.startswith(f".{n}")), "")
            error.place = f"{_PLURAL.get(word, word)}{name}[{row}]{rest.removeprefix(name)}"
        raise
