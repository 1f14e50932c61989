"""An application for real processes in tests: the service with the collections of
`support.showcase`, over the embedded engine where `ENGINE_FOLDER` names a folder, over the Qdrant
at `QDRANT_URL` (where the test makes the collections), else over a store in memory."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from support import showcase
from support.serving import WordEmbedder
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.adapters.vectors.qdrant_embedded import EmbeddedEngine
from vectorplane.adapters.vectors.qdrant_server.points import QdrantPoints
from vectorplane.ports.vectors import VectorPoints
from vectorplane_service import logs
from vectorplane_service.app import create_app
from vectorplane_service.settings import ServiceSettings


async def opened() -> VectorPoints:
    if folder := os.environ.get("ENGINE_FOLDER"):
        engine = await EmbeddedEngine.open(Path(folder))
        await showcase.fill(engine)
        return engine
    if "QDRANT_URL" in os.environ:
        settings = ServiceSettings.load(env_file=None)
        return QdrantPoints(settings.qdrant_url, timeout=settings.qdrant_timeout_seconds)
    store = MemoryStore()
    await showcase.fill(store)
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
