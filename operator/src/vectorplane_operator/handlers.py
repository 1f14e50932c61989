"""What kopf calls. The handlers carry what was seen into the operator, and decide nothing: so kopf
adds no finalizer and no annotation, keeps no progress, and stays light with many objects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import kopf
import structlog
from kubernetes.aio.config import ConfigException

from vectorplane import tracing
from vectorplane.settings import SettingsError
from vectorplane.spec_base import GROUP, VERSION
from vectorplane_operator import logs
from vectorplane_operator.app import Operator
from vectorplane_operator.connection import Connect
from vectorplane_operator.forgetful import EndlessPauses, NoDiffBase, NoProgress
from vectorplane_operator.kube import ACCESSES, COLLECTIONS, STORES
from vectorplane_operator.settings import OperatorSettings

log = structlog.get_logger(__name__)


def register(connect: Connect, registry: kopf.OperatorRegistry | None = None) -> None:
    """Put the handlers of one operator into a registry (kopf's own one by default)."""
    running: list[Operator] = []
    traces: list[Callable[[], None] | None] = []

    async def access(event: kopf.RawEvent, **_: Any) -> None:
        running[0].access_seen(event["type"], event["object"])

    @kopf.on.startup(registry=registry, id="start")
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)
        # kopf's own tasks begin, so that one of them cannot complain when a start is refused.
        await asyncio.sleep(0)
        try:
            ours = OperatorSettings.load(env_file=None)
        except SettingsError as error:
            raise _refused(str(error)) from None
        logs.configure(ours.operator_log_format, ours.operator_log_level)
        try:
            traces.append(tracing.configure("vectorplane-operator"))
        except tracing.MissingTracing as error:
            raise _refused(error.message) from None
        operator = Operator(ours, connect)
        try:
            await operator.start()
        except (OSError, ConfigException, SettingsError) as error:
            await operator.stop()
            raise _refused(str(error)) from None
        except BaseException:
            await operator.stop()
            raise
        running.append(operator)
        if ours.operator_access:
            # Here, so that who makes no keys needs no right to watch; kopf's watches begin later.
            kopf.on.event(GROUP, VERSION, ACCESSES, registry=registry, id="access")(access)

    @kopf.on.cleanup(registry=registry, id="stop")
    async def stop(**_: Any) -> None:
        while running:
            await running.pop().stop()
        while traces:
            if end := traces.pop():
                await asyncio.to_thread(end)

    @kopf.on.event(GROUP, VERSION, COLLECTIONS, registry=registry, id="collection")
    async def collection(event: kopf.RawEvent, **_: Any) -> None:
        running[0].collection_seen(event["type"], event["object"])

    @kopf.on.event(GROUP, VERSION, STORES, registry=registry, id="store")
    async def store(event: kopf.RawEvent, **_: Any) -> None:
        running[0].store_seen(event["type"], event["object"])


def _refused(message: str) -> SystemExit:
    """A start that a person must mend. kopf would try it again for ever, or show a traceback."""
    return SystemExit(f"error: {message}")


def configure(settings: kopf.OperatorSettings) -> None:
    """kopf's settings, as its known traps ask for."""
    settings.peering.standalone = True
    # The server ends a watch before we do; a watch that is silent for longer than the bookmarks
    # (one a minute) is dead, though its connection looks alive.
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.inactivity_timeout = 90
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    # kopf's own list of pauses ends after a minute, and the process with it.
    settings.networking.error_backoffs = EndlessPauses()
    # Events are ours to post, on transitions only.
    settings.posting.enabled = False
    # Without this, kopf lists and watches CRDs and namespaces of the whole cluster.
    settings.scanning.disabled = True
    # A handler here takes microseconds. With 10,000 objects this is 173 MB instead of 1 GB; a limit
    # is a deadlock only where kopf keeps an index, and this operator keeps none.
    settings.queueing.worker_limit = 50
    # A worker lingers for this long after its object: 50 of them bound the events of a second.
    settings.queueing.idle_timeout = 0.005
    # Nothing here makes kopf write or remember.
    settings.persistence.finalizer = f"{GROUP}/kopf"
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.process.ultimate_exiting_timeout = 60
