"""What the endpoints work with, made once when the application starts and found at
`app.state.services`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vectorplane.ports.vectors import VectorPoints
from vectorplane_service.access.keys import Keyring
from vectorplane_service.catalog import Catalog
from vectorplane_service.embedding import Embedding
from vectorplane_service.health.service import Health
from vectorplane_service.metrics import Metrics
from vectorplane_service.settings import ServiceSettings

PointsSource = VectorPoints | Callable[[], Awaitable[VectorPoints]]
"""An open store, or what opens one."""


@dataclass(frozen=True, slots=True)
class Services:
    settings: ServiceSettings
    points: VectorPoints
    catalog: Catalog
    embedding: Embedding
    keyring: Keyring | None
    """None where authentication is off."""
    health: Health
    metrics: Metrics


@asynccontextmanager
async def opened(source: PointsSource) -> AsyncIterator[VectorPoints]:
    """The store, open. Only one that was opened here is closed here."""
    if not callable(source):
        yield source
        return
    store = await source()
    try:
        yield store
    finally:
        await store.close()
