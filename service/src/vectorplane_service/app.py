"""The application, put together from its parts. This module is composition only: it does no I/O
until the lifespan starts.

    create_app(
        settings: ServiceSettings,
        *,
        points: VectorPoints | Callable[[], Awaitable[VectorPoints]],
        embedders: Mapping[tuple[str, str], Callable[[int], Embedder]] = {},
        keys: Sequence[ApiKey] | None = None,
    ) -> FastAPI

- `points`: an open store, which stays the caller's to close; or an async factory, called when the
  lifespan starts, whose store the lifespan closes.
- `embedders`: for (provider, model), what makes the embedder; called once, in a thread, at first
  use. The usual one is `{("local", "wordllama"): WordLlamaEmbedder}`.
- `keys`: who may call; left out, the ones of the settings. With `auth_enabled` and no key there is
  nothing to serve, and `SettingsError` says so.

Logs go through structlog: whoever starts a process calls `vectorplane_service.logs.configure`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI

from vectorplane import __version__
from vectorplane.settings import SettingsError
from vectorplane_service import documentation, problems
from vectorplane_service.access.keys import ApiKey, Keyring
from vectorplane_service.catalog import Catalog
from vectorplane_service.collections.endpoints import OPERATIONS as COLLECTIONS
from vectorplane_service.context import PointsSource, Services, opened
from vectorplane_service.embedding import EmbedderFactory, Embedding
from vectorplane_service.health.endpoints import OPERATIONS as HEALTH
from vectorplane_service.health.endpoints import STATUS_OPERATIONS as STATUS
from vectorplane_service.health.service import Health
from vectorplane_service.hotpath import HotPath
from vectorplane_service.metrics import OPERATIONS as METRICS
from vectorplane_service.metrics import Metrics
from vectorplane_service.middleware import RequestMiddleware
from vectorplane_service.points.endpoints import OPERATIONS as POINTS
from vectorplane_service.search.endpoints import OPERATIONS as SEARCH
from vectorplane_service.settings import NO_KEYS, ServiceSettings
from vectorplane_service.vectors.endpoints import OPERATIONS as VECTORS

VERSIONED = (*SEARCH, *POINTS, *COLLECTIONS, *VECTORS, *STATUS, *HEALTH, *METRICS)
UNVERSIONED = (*HEALTH, *METRICS)

log = structlog.get_logger(__name__)


def create_app(
    settings: ServiceSettings,
    *,
    points: PointsSource,
    embedders: Mapping[tuple[str, str], EmbedderFactory] | None = None,
    keys: Sequence[ApiKey] | None = None,
) -> FastAPI:
    """The service over a store. See the module for what the arguments are."""
    keys = settings.api_keys if keys is None else tuple(keys)
    if settings.auth_enabled and not keys:
        raise SettingsError(NO_KEYS)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if not settings.auth_enabled:
            log.warning("authentication is OFF: everybody may read and write everything")
        async with opened(points) as store:
            app.state.services = Services(
                settings=settings,
                points=store,
                catalog=Catalog(store),
                embedding=Embedding(embedders or {}),
                keyring=Keyring(keys) if settings.auth_enabled else None,
                health=Health({"vectors": store.info}),
                metrics=metrics,
            )
            yield

    app = FastAPI(
        title="vectorplane",
        version=__version__,
        summary="Vector collections as a service.",
        lifespan=lifespan,
        # Documented by `documentation`, under both prefixes.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    app.add_middleware(HotPath, prefix=settings.base_path, operations=VERSIONED)
    app.add_middleware(RequestMiddleware, max_body_bytes=settings.max_body_bytes, metrics=metrics)
    documentation.install(app, settings.base_path, VERSIONED, UNVERSIONED)
    return app
