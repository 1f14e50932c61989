"""An application for real gunicorn processes in tests: the service over a store in memory, whose
searches wait at a gate where there is one.

The gate is a socket of the test: a search connects to it and goes on when a byte comes. So a test
knows which requests are in flight, and decides when they may finish, without a clock.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from support.serving import WordEmbedder, add_collection
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.ports.vectors import Found, Search
from vectorplane_service import logs
from vectorplane_service.app import create_app
from vectorplane_service.settings import ServiceSettings


class GatedStore(MemoryStore):
    async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
        gate = os.environ.get("GATE_PORT")
        if gate is not None:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(gate))
            await reader.read(1)
            writer.close()
        return await super().search(collection, searches)


async def opened() -> GatedStore:
    store = GatedStore()
    await add_collection(store, "shop.products")
    return store


@lru_cache(maxsize=1)
def _app() -> Any:
    settings = ServiceSettings.load(env_file=None)
    logs.configure(settings.log_level, settings.log_format)
    return create_app(settings, points=opened, embedders={("test", "words"): WordEmbedder})


def __getattr__(name: str) -> Any:
    if name == "app":
        return _app()
    raise AttributeError(name)
