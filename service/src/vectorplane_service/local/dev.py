"""`vectorplane dev`: watch, reconcile and serve, in one process on one event loop.

Who comes first matters. The engine's lock is taken before anything is written, so a second process
on the folder ends without a trace; the address is announced once it answers; on the way out the
requests under way end first, then the looks, and the engine is closed last.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import structlog
import uvloop

from vectorplane import __version__
from vectorplane.adapters.vectors.qdrant_embedded import EmbeddedEngine
from vectorplane.controller import Controller
from vectorplane.domain.model import Key
from vectorplane.errors import EngineLocked, Stalled
from vectorplane.ports.embeddings import Embedder
from vectorplane.queue import KeyedQueue
from vectorplane_service import collecting, logs
from vectorplane_service.app import create_app
from vectorplane_service.console.planning import Comparison
from vectorplane_service.local.announcer import Announcer, line
from vectorplane_service.local.data import DataFolder, Run
from vectorplane_service.local.exposing import exposed_here
from vectorplane_service.local.folder import ManifestFolder
from vectorplane_service.local.records import ResourceFiles
from vectorplane_service.local.resources import FolderResources
from vectorplane_service.local.server import Server, listen, url_of
from vectorplane_service.local.stores import EmbeddedStores
from vectorplane_service.local.targets import Target
from vectorplane_service.local.watching import watch
from vectorplane_service.settings import ServiceSettings

LOOK_AGAIN = 5.0
"""Seconds until a resource at rest is looked at again: the engine is in this process, so a look is
cheap, and `vectorplane get` shows its points."""
LOCK_PATIENCE = 5.0
"""Seconds to wait for an engine that no `dev` holds: an `apply` will be done with it soon."""
COMPARED = (
    "Compared with the collections of this machine and their resources, as they are now: what"
    " `vectorplane apply` would do."
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    folder: Path
    data: DataFolder
    host: str
    port: int
    settings: ServiceSettings


def run(options: Options) -> None:
    """Serve until a signal says stop."""
    logs.configure(options.settings.log_level, options.settings.log_format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options))


async def _serve(options: Options) -> None:
    engine = await _open(options.data)
    try:
        with listen(options.host, options.port) as bound:
            await _run(options, engine, bound)
    finally:
        await engine.close()


async def _run(options: Options, engine: EmbeddedEngine, bound: socket.socket) -> None:
    data, settings = options.data, options.settings
    data.make()
    url = url_of(bound)

    def endpoint(key: Key) -> str:
        return f"{url}{settings.base_path}/collections/{key.collection}"

    files = ResourceFiles(data)
    files.tidy()
    said = Announcer(endpoint)
    queue: KeyedQueue[Key] = KeyedQueue(lambda key: controller.look(key))
    resources = FolderResources(files, look=queue.add, damaged=said.damaged, recorded=said.recorded)
    controller = Controller(
        resources,
        EmbeddedStores(engine),
        cluster=data.identity(),
        exposed=lambda resource: exposed_here(resource, endpoint(resource.key)),
        watcher=said,
        resync=LOOK_AGAIN,
    )
    folder = ManifestFolder(options.folder, files, say=line, problems=said.problems)

    @asynccontextmanager
    async def as_it_is() -> AsyncIterator[Target]:
        yield Target(engine, await asyncio.to_thread(files.all), data.known_identity() or "new")

    server = Server(
        create_app(
            settings,
            points=engine,
            embedders={("local", "wordllama"): _wordllama},
            comparison=Comparison(as_it_is, COMPARED),
        ),
        settings,
    )
    server.stop_on_signals()

    def seen(paths: set[Path]) -> None:
        resources.refresh(_concerned(files, paths))

    async def follow() -> None:
        await server.answers.wait()
        collecting.settle()
        data.announce(Run(os.getpid(), url))
        _greet(options, url)
        await asyncio.gather(
            watch(data.resources, seen, recursive=True),
            watch(options.folder, lambda paths: folder.changed(), recursive=False),
            folder.follow(),
        )

    try:
        async with _alongside(follow()):
            await server.serve(sockets=[bound])
    finally:
        await queue.close()
        data.withdraw()
    line("stopped")


@asynccontextmanager
async def _alongside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do `work` for as long as the block runs; its failure is said and does not end the block."""

    async def guarded() -> None:
        try:
            await work
        except Exception:
            log.exception("watching_failed")
            line("problem  the folders are no longer watched; start `vectorplane dev` again")

    task = asyncio.create_task(guarded())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _open(data: DataFolder) -> EmbeddedEngine:
    """The engine, once a command that holds it is done. Another `dev` is not waited for."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LOCK_PATIENCE
    while True:
        try:
            return await EmbeddedEngine.open(data.engine)
        except EngineLocked as error:
            run = data.running()
            if run:
                raise EngineLocked(
                    f"a `vectorplane dev` (pid {run.pid}) runs on {data.root} already and serves "
                    f"{run.url}; stop it first, or give another --data-dir"
                ) from error
            if loop.time() >= end:
                raise
            await asyncio.sleep(0.1)


def _concerned(files: ResourceFiles, paths: set[Path]) -> set[Key] | None:
    """The resources that paths belong to; None for all: a folder is new or gone, or nobody knows.

    What a writer writes before it puts a file in place concerns nobody.
    """
    real = {path for path in paths if not path.name.startswith(".")}
    if not paths or any(path.suffix != ".json" for path in real):
        return None
    return {key for path in real if (key := files.key_of(path)) is not None}


def _wordllama(dimensions: int) -> Embedder:
    """Loaded at the first text: it takes a second, and not every collection has text."""
    from vectorplane.adapters.embeddings.wordllama import WordLlamaEmbedder

    return WordLlamaEmbedder(dimensions)


def _greet(options: Options, url: str) -> None:
    settings = options.settings
    line(f"vectorplane {__version__} serves {click.style(url, bold=True)}")
    line(f"  API        {url}{settings.base_path}/collections")
    if settings.console_enabled:
        line(f"  console    {url}/")
    line(f"  docs       {url}/docs")
    line(f"  manifests  {options.folder} (watched)")
    line(f"  data       {options.data.root}")
    if settings.auth_enabled:
        line(f"  access     with a key: {', '.join(_sources(settings))}")
    else:
        line(
            click.style("  access     AUTHENTICATION IS OFF", fg="yellow", bold=True)
            + ": whoever reaches this address may read and write everything (API_KEYS turns it on)"
        )


def _sources(settings: ServiceSettings) -> list[str]:
    return [
        *([f"{len(settings.api_keys)} of API_KEYS"] if settings.api_keys else []),
        *(["signed"] if settings.access_public_keys else []),
        *([f"of {settings.oidc_issuer}"] if settings.oidc_issuer else []),
        f"issued here (POST {settings.base_path}/keys)",
    ]


def options_of(
    folder: Path, data: DataFolder, host: str, port: int, log_level: str | None
) -> Options:
    """Put the options together. Authentication is on as soon as there is a key, and off without
    one only where nobody else can come in, or where somebody said so."""
    settings = ServiceSettings.load()
    said = settings.model_fields_set
    changes: dict[str, Any] = {"host": host, "port": port}
    if "log_format" not in said:
        changes["log_format"] = "console"
    if log_level or "log_level" not in said:
        changes["log_level"] = log_level or "warning"
    if settings.keys_file is None:
        changes["keys_file"] = str(data.keys)
    if not settings.has_access and "auth_enabled" not in said:
        if not _is_loopback(host):
            raise Stalled(
                f"--host {host} lets others in, and there is no key: set "
                "API_KEYS=id:secret:read+write, or AUTH_ENABLED=false to let everybody do "
                "everything"
            )
        changes["auth_enabled"] = False
    return Options(folder, data, host, port, settings.model_copy(update=changes))


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(str(info[4][0]).startswith("127.") or info[4][0] == "::1" for info in found)
