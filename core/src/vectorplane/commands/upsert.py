"""`vectorplane upsert`: points as JSON, one, many, or line by line for as long as they come."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import IO, Any

import click

from vectorplane.commands.options import Service, service_options
from vectorplane.errors import InvalidInput


@click.command()
@click.argument("collection")
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--batch",
    type=click.IntRange(1, 100_000),
    default=500,
    show_default=True,
    help="Most points in one request.",
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Until they can be seen.")
@click.option("--progress", is_flag=True, help="A bar on standard error.")
@service_options
def upsert(
    collection: str, file: IO[bytes], batch: int, wait: bool, progress: bool, service: Service
) -> None:
    """Write the points of FILE (or of standard input) to COLLECTION.

    FILE is JSON: one point, a list of points, {"points": [...]}, or one point per line. A point is
    {"id": 1, "vector": [...], "payload": {...}}; where the collection has an embedding, "text" may
    stand in the place of "vector".
    """
    with service.client() as client:
        written = client.collection(collection).upload(
            points_of(file), batch=batch, parallel=1, wait=wait, progress=progress
        )
    click.echo(f"{written} points written to {collection}")


def points_of(file: IO[bytes]) -> Iterator[Any]:
    """The points of a file, read as they are asked for where it has one per line."""
    import orjson

    name = getattr(file, "name", "-")
    name = "standard input" if name in ("-", "<stdin>") else name
    head = _first_line(file)
    first = _loads_or_none(head)
    if not isinstance(first, dict) or "points" in first:
        # Not a point per line: the file is one document.
        text = head + file.read()
        if not text.strip():
            raise InvalidInput(f"{name}: it is empty")
        try:
            whole = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"{name}: not JSON: {error}") from None
        found = whole.get("points", [whole]) if isinstance(whole, dict) else whole
        if not isinstance(found, list):
            raise InvalidInput(f"{name}: a point, a list of points, or one point per line")
        yield from (_checked(point, f"{name}: point {i}") for i, point in enumerate(found))
        return
    for number, line in enumerate(itertools.chain([head], file), start=1):
        if line.strip():
            yield _checked(_loads_or_none(line), f"{name}: line {number}")


def _checked(point: Any, place: str) -> Any:
    if not isinstance(point, dict) or "id" not in point:
        raise InvalidInput(f"{place}: a point is a JSON object with an id")
    return point


def _first_line(file: IO[bytes]) -> bytes:
    return next((line for line in file if line.strip()), b"")


def _loads_or_none(text: bytes) -> Any:
    import orjson

    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
