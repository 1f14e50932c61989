"""The commands of local mode: `dev`, `apply`, `get`, `delete` and `plan`. They read their options,
import what they need when they need it, and print what others found out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vectorplane.cli import KUBECTL
from vectorplane.errors import InvalidInput, NotFound, Stalled, StoreUnreachable
from vectorplane_service.local.data import DataFolder

if TYPE_CHECKING:
    from vectorplane.domain.model import Key
    from vectorplane_service.local.records import Stored
    from vectorplane_service.local.settling import Answer

F = TypeVar("F", bound=Callable[..., Any])
PLURAL = "vectorcollections.vectorplane.dev"
ONE = "vectorcollection.vectorplane.dev"


def _data_dir(function: F) -> F:
    return click.option(
        "--data-dir",
        "data",
        default=".vectorplane",
        show_default=True,
        envvar="VECTORPLANE_DATA_DIR",
        show_envvar=True,
        callback=lambda ctx, param, value: DataFolder(Path(value).resolve()),
        help="Where the collections and their resources are.",
    )(function)


def _files(required: bool) -> Callable[[F], F]:
    return click.option(
        "-f",
        "--filename",
        "paths",
        multiple=True,
        required=required,
        type=click.Path(exists=True, path_type=Path),
        help="A manifest, or a folder of manifests. May be given several times.",
    )


def _waiting(function: F) -> F:
    function = click.option(
        "--wait/--no-wait", default=True, show_default=True, help="Wait for the outcome."
    )(function)
    return click.option(
        "--timeout",
        default=60.0,
        show_default=True,
        type=click.FloatRange(min=0),
        help="Seconds to wait at most.",
    )(function)


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@_data_dir
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    default=10200,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen at; 0 is a free one.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What is logged; LOG_LEVEL, or warning, where it is left out.",
)
def dev(folder: Path | None, data: DataFolder, host: str, port: int, log_level: str | None) -> None:
    """Run the manifests of FOLDER on this machine.

    Watches FOLDER (./manifests where there is one, else the current folder), keeps its
    VectorCollections in the embedded engine, and serves the API.
    """
    from vectorplane.settings import SettingsError
    from vectorplane_service.local.dev import options_of, run

    if folder is None:
        folder = Path("manifests") if Path("manifests").is_dir() else Path(".")
    if not folder.is_dir():
        raise InvalidInput(f"there is no folder {folder}")
    try:
        run(options_of(folder.resolve(), data, host, port, log_level))
    except SettingsError as error:
        raise Stalled(str(error)) from None


@click.command()
@_files(required=True)
@_data_dir
@_waiting
def apply(paths: Sequence[Path], data: DataFolder, wait: bool, timeout: float) -> None:
    """Make the VectorCollections of manifests, or change them.

    A running `vectorplane dev` carries it out; where none runs, this command does. Nothing is
    changed where any of the documents is refused.
    """
    from vectorplane_service.local.manifests import read_all
    from vectorplane_service.local.records import ResourceFiles

    reading = read_all(paths)
    data.make()
    files = ResourceFiles(data)
    for wish in reading.wishes:
        stored = files.read(wish.key)
        if stored and stored.resource.deleting:
            raise Stalled(f"{wish.key} is being deleted; apply it again when it is gone")
    for note in reading.notes:
        click.echo(note)
    for wish in reading.wishes:
        verb, stored = files.apply(wish)
        click.echo(f"{ONE}/{wish.key.name} {verb}")
        if verb == "configured" and stored.source:
            click.echo(
                f"  note: {stored.source.folder}/{stored.source.file} declares it too, and counts"
                " again with its next change"
            )
    _finish(data, [wish.key for wish in reading.wishes], wait, timeout, _applied)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_files(required=False)
@click.option("-n", "--namespace", help="The namespace of the names.")
@_data_dir
@_waiting
def delete(
    names: Sequence[str],
    paths: Sequence[Path],
    namespace: str | None,
    data: DataFolder,
    wait: bool,
    timeout: float,
) -> None:
    """Delete VectorCollections, by name or as manifests name them.

    What becomes of the data is for `spec.deletionPolicy` to say: Retain keeps it.
    """
    from vectorplane_service.local.manifests import read_all
    from vectorplane_service.local.records import ResourceFiles

    if bool(names) == bool(paths):
        raise click.UsageError("Give names, or manifests with -f: one of the two.")
    if names:
        found = [_one(_known(data), name, namespace) for name in names]
    else:
        known = {stored.resource.key: stored for stored in _known(data)}
        keys = [wish.key for wish in read_all(paths).wishes]
        for key in keys:
            if key not in known:
                raise _not_found(key.name)
        found = [known[key] for key in keys]
    files = ResourceFiles(data)
    for stored in found:
        files.delete(stored.resource.key)
        click.echo(f'{ONE} "{stored.resource.key.name}" deleted')
        if stored.source and (Path(stored.source.folder) / stored.source.file).exists():
            click.echo(
                f"  note: {stored.source.folder}/{stored.source.file} still declares it, and "
                "brings it back with its next change"
            )
    _finish(data, [stored.resource.key for stored in found], wait, timeout, _deleted)


@click.command()
@click.argument("name", required=False)
@click.option("-n", "--namespace", help="Only this namespace.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json", "yaml"]),
    default="table",
    show_default=True,
)
@_data_dir
def get(name: str | None, namespace: str | None, output: str, data: DataFolder) -> None:
    """Show VectorCollections, as `kubectl get vcol` does."""
    from vectorplane_service.local import table

    known = _known(data)
    if name is not None:
        known = [_one(known, name, namespace)]
    elif namespace is not None:
        known = [stored for stored in known if stored.resource.key.namespace == namespace]
    documents = [stored.document for stored in known]
    if output in ("json", "yaml"):
        dump = table.as_json if output == "json" else table.as_yaml
        click.echo(dump(documents, name is not None))
        return
    if not known:
        where = f" in namespace {namespace}" if namespace else ""
        click.echo(f"No resources found{where}.", err=True)
        return
    run = data.running()
    wide = output == "wide"
    for text in table.table(known, serving=bool(run), wide=wide, now=datetime.now(UTC)):
        click.echo(text)
    if run is None:
        click.echo(f"(no `vectorplane dev` runs on {data.root}: nothing serves them now)", err=True)


@click.command()
@click.argument("name", required=False)
@_files(required=False)
@click.option("-n", "--namespace", help="The namespace of NAME.")
@_data_dir
@click.option(
    "--qdrant-url",
    help="Plan against this Qdrant server; its key is QDRANT_API_KEY. With --cluster it is the "
    "address of the VectorStore as it is reached from here.",
)
@click.option("--cluster", is_flag=True, help="Plan against the cluster that kubectl speaks with.")
@click.option("--context", help="The context of kubectl.")
@click.option("--kubeconfig", help="The kubeconfig of kubectl.")
@click.option(
    "--exit-code",
    "exit_code",
    is_flag=True,
    help="Exit with 0 for no changes, 2 for changes, 1 where a person must act first.",
)
@click.pass_context
def plan(
    context_of_call: click.Context,
    name: str | None,
    paths: Sequence[Path],
    namespace: str | None,
    data: DataFolder,
    qdrant_url: str | None,
    cluster: bool,
    context: str | None,
    kubeconfig: str | None,
    exit_code: bool,
) -> None:
    """Show what is to be done for manifests, or for NAME as it is there, and do nothing.

    Of manifests (-f): what `apply` would do. Of a VectorCollection by its NAME: what is pending,
    for instance a refused change, a rebuild, or drift.
    """
    from vectorplane_service.local.kubectl import Kubectl
    from vectorplane_service.local.manifests import read_all
    from vectorplane_service.local.planning import previews
    from vectorplane_service.local.records import Wish
    from vectorplane_service.local.targets import target

    if bool(name) == bool(paths):
        raise click.UsageError("Give a name, or manifests with -f: one of the two.")
    cluster = cluster or context_of_call.find_root().info_name == KUBECTL
    given = (("--context", context), ("--kubeconfig", kubeconfig))
    kubectl = Kubectl(tuple(f"{flag}={value}" for flag, value in given if value))
    if name is None:
        wishes: Sequence[Wish] = read_all(paths).wishes
    else:
        live = (
            kubectl.resource(name, namespace)
            if cluster
            else _one(_known(data), name, namespace).resource
        )
        wishes = [Wish(live.key, live.spec, live.annotations)]

    async def make() -> list[Any]:
        async with target(data, wishes, qdrant_url, cluster, kubectl) as chosen:
            return await previews(
                wishes,
                chosen.known,
                chosen.store,
                chosen.cluster,
                admit=chosen.admit,
                likely=chosen.likely,
            )

    try:
        found = asyncio.run(make())
    except StoreUnreachable as error:
        if not cluster or qdrant_url:
            raise
        hint = "its address may be the cluster's own: say with --qdrant-url how it is reached here"
        raise StoreUnreachable(f"{error.message}; {hint}") from error
    for preview in found:
        for text in preview.lines():
            click.echo(text)
    if not found:
        click.echo("no changes")
    if not all(preview.plan for preview in found):
        raise click.exceptions.Exit(1)
    if exit_code and not all(preview.stands for preview in found):
        raise click.exceptions.Exit(1)
    if exit_code and any(preview.changes for preview in found):
        raise click.exceptions.Exit(2)


def _known(data: DataFolder) -> list[Stored]:
    from vectorplane_service.local.records import ResourceFiles

    files = ResourceFiles(data)
    return [stored for key in files.keys() if (stored := files.read(key)) is not None]


def _one(known: Sequence[Stored], name: str, namespace: str | None) -> Stored:
    """The resource of a name, which may be `namespace/name`."""
    if "/" in name and namespace is None:
        namespace, name = name.split("/", 1)
    found = [
        stored
        for stored in known
        if stored.resource.key.name == name and namespace in (None, stored.resource.key.namespace)
    ]
    if not found:
        raise _not_found(name)
    if len(found) > 1:
        places = ", ".join(stored.resource.key.namespace for stored in found)
        raise InvalidInput(f'"{name}" stands in several namespaces ({places}): say which with -n')
    return found[0]


def _not_found(name: str) -> NotFound:
    return NotFound(f'{PLURAL} "{name}" not found')


def _finish(
    data: DataFolder,
    keys: Sequence[Key],
    wait: bool,
    timeout: float,
    done: Callable[[Key, Answer], bool],
) -> None:
    """Have it carried out, and say what came of it."""
    from vectorplane_service.local.settling import attempt, settle

    if not keys:
        return
    if not wait:
        asyncio.run(attempt(data, keys))
        return
    answers = asyncio.run(settle(data, keys, timeout=timeout))
    if not all([done(key, answer) for key, answer in answers.items()]):
        raise click.exceptions.Exit(1)


def _applied(key: Key, answer: Answer) -> bool:
    if answer.ready:
        click.echo(f"{key} is Ready" + (f": {answer.text}" if answer.text else ""))
    elif answer.final:
        click.echo(f"error: {key} is not Ready: {answer.text}", err=True)
    else:
        click.echo(f"error: {key}: no outcome in time: {answer.text}", err=True)
    return answer.ready


def _deleted(key: Key, answer: Answer) -> bool:
    if not answer.gone:
        click.echo(f"error: {key} {answer.text}", err=True)
    return answer.gone
