"""What a change comes to: whoever holds the engine carries it out. That is a running `dev`, which
sees the file; where none runs it is this process itself, under the engine's lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from vectorplane.controller import Controller
from vectorplane.domain.model import Key
from vectorplane.domain.status import READY, STORE_REACHABLE, condition_of
from vectorplane.errors import EngineLocked
from vectorplane.ports.resources import Resource
from vectorplane_service.local.data import DataFolder
from vectorplane_service.local.records import ResourceFiles
from vectorplane_service.local.resources import FolderResources

_POLL = 0.03
_TRY_AGAIN = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of a resource. `final` is False where it may still become better by itself."""

    ready: bool
    final: bool
    text: str
    gone: bool = False


async def settle(data: DataFolder, keys: Iterable[Key], *, timeout: float) -> dict[Key, Answer]:
    """Wait until every resource has its answer, at most `timeout` seconds."""
    files = ResourceFiles(data)
    wanted = sorted(set(keys))
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    next_try = loop.time()
    acted = False
    while True:
        if not acted and loop.time() >= next_try:
            next_try = loop.time() + _TRY_AGAIN
            # A `dev` that serves the folder acts on it; else whoever gets the engine does.
            acted = data.running() is not None or await _look(data, wanted)
        answers = {key: answer(files, key) for key in wanted}
        final = acted and all(a.final for a in answers.values())
        if final or loop.time() >= end:
            return answers
        acted = acted and loop.time() < next_try
        await asyncio.sleep(_POLL)


async def attempt(data: DataFolder, keys: Iterable[Key]) -> None:
    """Carry it out now, if nobody else holds the engine."""
    await _look(data, sorted(set(keys)))


def answer(files: ResourceFiles, key: Key) -> Answer:
    """What the files say of a resource now."""
    stored = files.read(key)
    if stored is None:
        return Answer(ready=False, final=True, text="is gone", gone=True)
    return _answer(stored.resource)


def _answer(resource: Resource) -> Answer:
    status = resource.status
    ready = condition_of(status, READY)
    if not ready or status.get("observedGeneration") != resource.generation:
        return Answer(False, False, "nobody has looked at it yet")
    text = f"{ready['reason']}: {ready['message']}"
    if resource.deleting:
        return Answer(False, ready["reason"] == "Paused", f"is being deleted ({text})")
    if ready["status"] == "True":
        return Answer(True, True, str(status.get("endpoint") or ""))
    reachable = condition_of(status, STORE_REACHABLE).get("status") == "True"
    return Answer(False, reachable, text)


async def _look(data: DataFolder, keys: list[Key]) -> bool:
    """One look at each resource, and at those that it concerns; False where somebody else holds
    the engine."""
    from vectorplane_service import logs
    from vectorplane_service.local.stores import EmbeddedStores, opened

    logs.configure("warning", "console")
    try:
        async with opened(data.engine) as engine:
            concerned: list[Key] = []
            resources = FolderResources(ResourceFiles(data), look=concerned.append)
            resources.refresh()
            controller = Controller(resources, EmbeddedStores(engine), cluster=data.identity())
            concerned[:] = keys
            while concerned:
                await controller.look(concerned.pop(0))
            return True
    except EngineLocked:
        return False
