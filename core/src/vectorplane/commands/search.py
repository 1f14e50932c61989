"""`vectorplane search`."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from vectorplane.commands.options import Service, json_option, service_options

if TYPE_CHECKING:
    from vectorplane.client import Found


@click.command()
@click.argument("collection")
@click.option("--text", help="Words, where the collection has an embedding.")
@click.option("--vector", help="A vector: 0.1,0.2 or JSON (dense, sparse or multi), or @FILE.")
@click.option("--id", "point", help="Points like this one: a number or a UUID.")
@click.option("--using", help="Name of the vector to compare with.")
@click.option("--filter", help="A filter in Qdrant's language, as JSON or @FILE.")
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True)
@click.option("--offset", type=click.IntRange(min=0), default=0)
@click.option("--score-threshold", type=float, help="Leave out what is on the wrong side of it.")
@click.option("--params", help="Search parameters in Qdrant's words, as JSON or @FILE.")
@click.option("--with-vectors", is_flag=True, help="Vectors as well (with --json).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per result and line.")
@service_options
def search(
    collection: str,
    text: str | None,
    vector: str | None,
    point: str | None,
    using: str | None,
    filter: str | None,
    limit: int,
    offset: int,
    score_threshold: float | None,
    params: str | None,
    with_vectors: bool,
    as_json: bool,
    service: Service,
) -> None:
    """Search COLLECTION (namespace.name) by a text, a vector or the id of a point."""
    if sum(given is not None for given in (text, vector, point)) != 1:
        raise click.UsageError("say --text, --vector or --id, one of the three")
    by_vector = vector_option(vector)
    with service.client() as client:
        results = client.collection(collection).search(
            by_vector,
            text=text,
            id=None if point is None else id_of(point),
            using=using,
            filter=json_option("--filter", filter),
            limit=limit,
            offset=offset,
            score_threshold=score_threshold,
            params=json_option("--params", params),
            with_vectors=with_vectors,
        )
    show(results, as_json)


def vector_option(text: str | None) -> Any:
    """A vector from the command line: numbers with commas, or JSON."""
    if text is None or text.lstrip().startswith(("@", "[", "{")):
        return json_option("--vector", text)
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter("numbers with commas, or JSON", param_hint="--vector") from None


def id_of(text: str) -> int | str:
    """Digits are a number; the service judges the rest."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else text


def show(results: list[Found], as_json: bool) -> None:
    """Results as a table for people, or as JSON lines for programs."""
    from vectorplane.client.wire import json_bytes

    if as_json:
        for found in results:
            shown = {"id": found.id, "score": found.score, "payload": found.payload}
            if found.vector is not None:
                shown["vector"] = found.vector
            click.echo(json_bytes(shown))
        return
    if not results:
        click.echo("nothing found", err=True)
        return
    # A pipe gets whole lines, a terminal what fits.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    ids = max(2, *(len(str(found.id)) for found in results))
    click.echo(f"{'SCORE':>10}  {'ID':<{ids}}  PAYLOAD")
    for found in results:
        payload = json_bytes(found.payload or {}).decode()
        line = f"{found.score or 0.0:>10.6g}  {found.id!s:<{ids}}  {payload}"
        click.echo(line if len(line) <= width else line[: width - 1] + "…")
