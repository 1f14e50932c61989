"""Where collections live in local mode: in the one embedded engine, whatever store they name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vectorplane.adapters.vectors.qdrant_embedded import EmbeddedEngine, ReadOnlyAdmin
from vectorplane.ports.resources import Resource
from vectorplane.ports.vectors import VectorAdmin

UNNAMED = "embedded"
"""What the status says where a manifest names no store."""


class EmbeddedStores:
    """The `Stores` port over one engine."""

    def __init__(self, engine: VectorAdmin) -> None:
        self._engine = engine

    async def find(self, name: str | None) -> tuple[str, VectorAdmin]:
        return name or UNNAMED, self._engine

    def admit(self, name: str, resource: Resource) -> Resource:
        """One machine has no platform team: as it is."""
        return resource


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[EmbeddedEngine]:
    """The engine under its lock. Raises `EngineLocked`."""
    engine = await EmbeddedEngine.open(path)
    try:
        yield engine
    finally:
        await engine.close()


def observer(path: Path) -> VectorAdmin:
    """The engine's catalogue, to look at only: takes no lock and makes nothing."""
    return ReadOnlyAdmin(path)
