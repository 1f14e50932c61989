"""What the endpoints work with, made once when the application starts and found at
`app.state.services`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from starlette.types import Scope

from vectorplane.ports.vectors import VectorPoints
from vectorplane_service.access.authority import Authority
from vectorplane_service.access.identity import Identity
from vectorplane_service.access.own import OwnKeys
from vectorplane_service.catalog import Catalog
from vectorplane_service.embedding import Embedding
from vectorplane_service.health.service import Health
from vectorplane_service.metrics import Metrics
from vectorplane_service.settings import ServiceSettings

PointsSource = VectorPoints | Callable[[], Awaitable[VectorPoints]]
"""An open store, or what opens one."""


class Limits(Protocol):
    """Counts requests."""

    def listen(self, scope: Scope) -> None:
        """Before a key is looked at. Raises where too many wrong ones came from there."""
        ...

    async def failed(self, scope: Scope) -> None:
        """A wrong key. Raises where there were too many."""
        ...

    async def spend(self, group: str, identity: Identity, scope: Scope) -> None:
        """One request of this group. Raises where there were too many."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    settings: ServiceSettings
    points: VectorPoints
    catalog: Catalog
    embedding: Embedding
    authority: Authority | None
    """None where authentication is off."""
    own_keys: OwnKeys | None
    """None where keys are not managed here."""
    health: Health
    metrics: Metrics
    limits: Limits | None = None
    """None where nobody is limited."""


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
