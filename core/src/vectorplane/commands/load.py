"""`vectorplane load`: a file of points into a collection, with progress, and going on where it was
stopped."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vectorplane.commands.options import Service, said, service_options
from vectorplane.commands.resume import Job, Ledger, remembered, state_file
from vectorplane.errors import InvalidInput, Stalled, VectorplaneError

if TYPE_CHECKING:
    from vectorplane.client import Collection
    from vectorplane.commands.sources import ColumnNames, Rows, Source

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".npy": "npy",
    ".npz": "npz",
}
_PLACE = re.compile(r"(?:points|ids|vectors|payloads)(?:\.[^\[\]]+)?\[(\d+)\]\.?(.*)")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--collection", "-c", required=True, help="namespace.name")
@click.option(
    "--format",
    type=click.Choice(sorted(set(FORMATS.values()))),
    help="What FILE is; left out: by its ending.",
)
@click.option("--id-column", default="id", show_default=True, help="Column of the ids.")
@click.option(
    "--vector-column",
    "vector_columns",
    multiple=True,
    metavar="[NAME=]COLUMN",
    help="Column of the vectors [vector]; with a name, of that named vector. May be repeated.",
)
@click.option("--text-column", help="Column of texts to embed, in the place of vectors.")
@click.option(
    "--payload-columns", help="Columns of the payload, with commas; `none` for no payload. [all]"
)
@click.option(
    "--ids",
    "ids_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="For .npy: a .npy with the ids. Left out: row numbers.",
)
@click.option("--first-id", default=0, type=click.IntRange(min=0), help="For .npy: id of row 0.")
@click.option(
    "--batch",
    default=1000,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Most points in one request.",
)
@click.option(
    "--parallel",
    default=2,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Requests at the same time.",
)
@click.option(
    "--resume/--restart",
    default=None,
    help="Go on where an earlier run was stopped, even if FILE has changed since; or begin again. "
    "Left out: go on if FILE is the same.",
)
@click.option("--progress/--no-progress", default=None, help="A bar. [on a terminal]")
@service_options
def load(
    file: Path,
    collection: str,
    format: str | None,
    id_column: str,
    vector_columns: Sequence[str],
    text_column: str | None,
    payload_columns: str | None,
    ids_file: Path | None,
    first_id: int,
    batch: int,
    parallel: int,
    resume: bool | None,
    progress: bool | None,
    service: Service,
) -> None:
    """Write the points of FILE (Parquet, JSON lines, .npy or .npz) to a collection.

    What was acknowledged is remembered in a small file beside FILE. Run the same command again
    after a stop, however it came, and it goes on there.
    """
    from vectorplane.commands.sources import ColumnNames

    columns = ColumnNames(
        id_column,
        {} if text_column else named_columns(vector_columns or ("vector",)),
        text_column,
        None if payload_columns is None else _names(payload_columns),
        first_id,
        ids_file,
    )
    source = opened(file, format, columns)
    url = service.url or os.environ.get("VECTORPLANE_URL", "")
    job = Job.of(file, url, collection, columns)
    state = state_file(file)
    rows = start_at(state, job, resume)
    if rows:
        click.echo(f"going on at row {rows} (--restart begins again)", err=True)
    started = time.monotonic()
    ledger = Ledger(state if _writable(state) else None, job, rows)
    bar = sys.stderr.isatty() if progress is None else progress
    try:
        run(source, ledger, service, collection, batch, parallel, bar)
    except OSError as error:
        raise Stalled(f"{error.filename or file}: {error.strerror or error}") from error
    except VectorplaneError as error:
        if ledger.rows:
            error.message += (
                f"\n{ledger.rows} rows are written; the same command goes on there"
                " (with --resume where FILE was mended)"
            )
        raise
    ledger.forget()
    seconds = max(time.monotonic() - started, 1e-3)
    done = ledger.rows - rows
    click.echo(f"{done} points written to {collection} in {seconds:.1f} s ({done / seconds:.0f}/s)")


def run(
    source: Source,
    ledger: Ledger,
    service: Service,
    collection: str,
    batch: int,
    parallel: int,
    bar: bool,
) -> None:
    """From the ledger's row to the end of the source. Raises errors of ours that name the row."""
    from vectorplane.client import Retries
    from vectorplane.client.progress import bar as shown
    from vectorplane.client.workers import Workers

    with (
        service.client(Retries(attempts=8)) as client,
        shown(source.total, collection, ledger.rows) if bar else nullcontext(_nobody) as report,
    ):
        target = client.collection(collection)
        # One look before the first row is read: a wrong name or key is said at once.
        target.info()

        def send(rows: Rows) -> None:
            sent(target, rows)
            ledger.done(rows.first, rows.end)
            report(len(rows))

        with Workers(parallel) as workers:
            for rows in source.batches(ledger.rows, batch):
                workers.do(send, rows)


def sent(target: Collection, rows: Rows) -> None:
    """One batch, acknowledged. What the service has against it is said with the row."""
    from vectorplane import client
    from vectorplane.client import Columns

    try:
        target.upsert(rows.points if isinstance(rows.points, Columns) else list(rows.points))
    except client.InvalidInput as error:
        for mistake in error.mistakes:
            found = _PLACE.fullmatch(mistake.place)
            if found and int(found[1]) < len(rows):
                inner = f"{found[2]}: " if found[2] else ""
                place = rows.place(int(found[1]))
                raise InvalidInput(f"{place}: {inner}{mistake.message}") from error
        raise InvalidInput(
            f"{rows.place(0)} and the {len(rows) - 1} after it: {error.message}"
        ) from error
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{rows.place(0)} or after it: {error}") from error
    except client.ClientError as error:
        raise said(error) from error


def opened(file: Path, format: str | None, columns: ColumnNames) -> Source:
    """The file as rows. Raises `InvalidInput` where it is not what it seems."""
    from vectorplane.commands.sources import JsonLines

    format = format or FORMATS.get(file.suffix.lower())
    if format is None:
        raise InvalidInput(f"{file}: what is it? Say --format ({', '.join(FORMATS)} are known)")
    try:
        if format == "jsonl":
            return JsonLines(file, columns)
        if format == "parquet":
            from vectorplane.commands.parquet import Parquet

            return Parquet(file, columns)
        from vectorplane.commands.arrays import Arrays

        return Arrays(file, columns)
    except PermissionError as error:
        raise InvalidInput(f"{file}: {error.strerror}") from None


def start_at(state: Path, job: Job, resume: bool | None) -> int:
    """The row to begin at. Raises `InvalidInput` for `--resume` with nothing to go on with."""
    found = None if resume is False else remembered(state)
    if found is None or not found[0].same_work(job):
        if resume:
            raise InvalidInput(f"there is nothing to go on with: no {state} of the same command")
        return 0
    if resume or found[0].same_file(job):
        return found[1]
    click.echo("the file has changed since the last run: beginning again", err=True)
    return 0


def named_columns(given: Sequence[str]) -> dict[str, str]:
    """`image=embedding` is the vector `image`; `embedding` alone is the unnamed one."""
    pairs = [text.rpartition("=") for text in given]
    found = {name: column for name, _, column in pairs}
    if len(found) != len(pairs) or ("" in found and len(found) > 1):
        raise click.BadParameter("each vector once, by its name", param_hint="--vector-column")
    return found


def _names(text: str) -> tuple[str, ...]:
    if text.strip().lower() == "none":
        return ()
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _writable(state: Path) -> bool:
    if os.access(state.parent, os.W_OK):
        return True
    click.echo(f"{state.parent} cannot be written to: a stop will not be remembered", err=True)
    return False


def _nobody(points: int) -> None:
    """Nobody is told."""
