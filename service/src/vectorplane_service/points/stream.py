"""Points as a stream of lines (NDJSON), written piece by piece while the rest is still coming.

A piece is written while the next one is read, and no more than these two are held. So a stream may
be longer than any memory, and one that comes slowly does not wait for its own end.

Pieces are written in their order, one at a time. What is before a mistake is written, what is from
there on is not, and the answer says the line and how many points were written. The lines are points
with ids: sending them again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog
from starlette.requests import ClientDisconnect

from vectorplane.errors import CallerError, InvalidInput, TooLarge, VectorplaneError
from vectorplane_service.bodies import JsonBody, decode
from vectorplane_service.points.schemas import PointIn
from vectorplane_service.problems import InvalidBody, PartlyWritten, Wrong

PIECE_BYTES = 1024 * 1024
"""A piece of so much is written, however few points it has."""
_LINE: JsonBody[PointIn] = JsonBody(PointIn)

Write = Callable[[Sequence[PointIn]], Awaitable[None]]
"""Writes points, all or none; a mistake is at `points[i]`."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Piece:
    """Points that are written together, and the numbers of their lines."""

    points: list[PointIn] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    size: int = 0

    def add(self, line: bytes, number: int) -> None:
        """Raises `CallerError` at its line."""
        try:
            self.points.append(_LINE.check(decode(line)))
        except CallerError as error:
            raise at_line(error, number) from None
        self.lines.append(number)
        self.size += len(line)


@dataclass(frozen=True, slots=True)
class _Outcome:
    written: int
    error: VectorplaneError | None = None


async def write_lines(
    chunks: AsyncIterator[bytes], write: Write, *, most_points: int, most_line_bytes: int
) -> int:
    """How many points were written. Raises `PartlyWritten`, and `ClientDisconnect` where the client
    went away: then what was not whole pieces yet is not written."""
    written = 0
    writing: asyncio.Task[_Outcome] | None = None

    async def settled() -> VectorplaneError | None:
        nonlocal written, writing
        if writing is None:
            return None
        outcome = await writing
        writing = None
        written += outcome.written
        return outcome.error

    try:
        async with aclosing(pieces(chunks, most_points, most_line_bytes)) as read:
            async for piece, mistake in read:
                if (error := await settled()) is None and piece.points:
                    writing = asyncio.create_task(_written(write, piece))
                if mistake is not None and error is None:
                    error = await settled() or mistake
                if error is not None:
                    raise PartlyWritten(error, written)
        if (error := await settled()) is not None:
            raise PartlyWritten(error, written)
    except ClientDisconnect:
        await settled()
        log.warning("the client of a stream went away", written=written)
        raise
    except asyncio.CancelledError:
        # The service stops, or the client does not go on: who answers does not know of points.
        log.warning("a stream was cut", written=written)
        raise
    finally:
        if writing is not None:
            writing.cancel()
    if not written:
        raise InvalidInput("at least one is needed", place="body")
    return written


async def pieces(
    chunks: AsyncIterator[bytes], most_points: int, most_line_bytes: int
) -> AsyncGenerator[tuple[Piece, CallerError | None]]:
    """Pieces in their order; the last one may come with the mistake that ends the stream."""
    piece, number = Piece(), 0
    try:
        async for lines in _lines(chunks, most_line_bytes):
            for line in lines:
                number += 1
                if not line.strip():
                    continue
                piece.add(line, number)
                if len(piece.points) >= most_points or piece.size >= PIECE_BYTES:
                    yield piece, None
                    piece = Piece()
    except TooLarge as error:
        yield piece, at_line(error, number + 1)
    except CallerError as error:
        yield piece, error
    else:
        yield piece, None


async def _lines(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[list[bytes]]:
    """The lines that end in each chunk. Raises `TooLarge` before a longer one is held."""
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        held.append(first)
        size += len(first)
        if others:
            lines = [b"".join(held), *others[:-1]]
            held, size = [others[-1]], len(others[-1])
            for i, line in enumerate(lines):
                if len(line) > most:
                    if i:
                        yield lines[:i]
                    raise TooLarge(f"a line is at most {most} bytes")
            yield lines
        if size > most:
            raise TooLarge(f"a line is at most {most} bytes")
    if size:
        yield [b"".join(held)]


async def _written(write: Write, piece: Piece) -> _Outcome:
    """Of a piece with a mistake in it, what is before the mistake is written all the same."""
    try:
        await write(piece.points)
    except CallerError as error:
        at, rest = _index(error.place)
        if at is None:
            return _Outcome(0, error)
        mistake = at_line(error, piece.lines[at], rest)
        if at:
            before = await _written(write, Piece(piece.points[:at], piece.lines[:at]))
            return before if before.error is not None else _Outcome(before.written, mistake)
        return _Outcome(0, mistake)
    except VectorplaneError as error:
        return _Outcome(0, error)
    return _Outcome(len(piece.points))


def _index(place: str | None) -> tuple[int | None, str]:
    """`points[3].vector` is 3 and `vector`."""
    head, _, rest = (place or "").removeprefix("points[").partition("]")
    return (int(head), rest.removeprefix(".")) if head.isdigit() else (None, "")


def at_line(error: CallerError, number: int, place: str | None = None) -> CallerError:
    """The same error, with its places in the line."""

    def placed(inside: str | None) -> str:
        return f"line {number}" + (f": {inside}" if inside and inside != "body" else "")

    if isinstance(error, InvalidBody):
        return InvalidBody([Wrong(placed(wrong.place), wrong.message) for wrong in error.wrong])
    error.place = placed(error.place if place is None else place)
    return error
