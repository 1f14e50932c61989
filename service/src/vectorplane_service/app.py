"""The application, put together from its parts. This module is composition only: it does no I/O
until the lifespan starts.

    create_app(
        settings: ServiceSettings,
        *,
        points: VectorPoints | Callable[[], Awaitable[VectorPoints]],
        embedders: Mapping[tuple[str, str], Callable[[int], Embedder]] = {},
        keys: Sequence[ApiKey] | None = None,
        alongside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
        comparison: Comparison | None = None,
    ) -> FastAPI

- `points`: an open store, which stays the caller's to close; or an async factory, called when the
  lifespan starts, whose store the lifespan closes.
- `embedders`: for (provider, model), what makes the embedder; called once, in a thread, at first
  use. The usual one is `{("local", "wordllama"): WordLlamaEmbedder}`.
- `keys`: who may call; left out, the ones of the settings. With `auth_enabled` and no key there is
  nothing to serve, and `SettingsError` says so.
- `alongside`: entered when all else is ready, and left before anything is closed.
- `comparison`: what the console compares a pasted manifest with; without one it only checks it.

Logs go through structlog: whoever starts a process calls `vectorplane_service.logs.configure`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp

from vectorplane import __version__, tracing
from vectorplane_service import documentation, problems
from vectorplane_service.access.endpoints import OPERATIONS as KEYS
from vectorplane_service.access.keys import ApiKey
from vectorplane_service.access.opening import opened_access
from vectorplane_service.catalog import Catalog
from vectorplane_service.collections.endpoints import OPERATIONS as COLLECTIONS
from vectorplane_service.console import endpoints as console
from vectorplane_service.console.planning import Comparison
from vectorplane_service.context import PointsSource, Services, opened
from vectorplane_service.edge.opening import add_layers, opened_edge
from vectorplane_service.edge.tracing import exporting
from vectorplane_service.embedding import EmbedderFactory, Embedding
from vectorplane_service.health.endpoints import OPERATIONS as HEALTH
from vectorplane_service.health.endpoints import STATUS_OPERATIONS as STATUS
from vectorplane_service.health.service import Health
from vectorplane_service.hotpath import HotPath, ShortWay
from vectorplane_service.metrics import OPERATIONS as METRICS
from vectorplane_service.metrics import Metrics
from vectorplane_service.points.endpoints import OPERATIONS as POINTS
from vectorplane_service.search.endpoints import OPERATIONS as SEARCH
from vectorplane_service.settings import ServiceSettings
from vectorplane_service.vectors.endpoints import OPERATIONS as VECTORS

VERSIONED = (*SEARCH, *POINTS, *COLLECTIONS, *VECTORS, *KEYS, *STATUS, *HEALTH, *METRICS)
UNVERSIONED = (*HEALTH, *METRICS)

log = structlog.get_logger(__name__)


def create_app(
    settings: ServiceSettings,
    *,
    points: PointsSource,
    embedders: Mapping[tuple[str, str], EmbedderFactory] | None = None,
    keys: Sequence[ApiKey] | None = None,
    alongside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    comparison: Comparison | None = None,
) -> FastAPI:
    """The service over a store. See the module for what the arguments are."""
    keys = settings.api_keys if keys is None else tuple(keys)
    settings.model_copy(update={"api_keys": keys}).check_access()
    settings.check_redis()
    metrics = Metrics()
    traced = tracing.wanted()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if not settings.auth_enabled:
            log.warning("authentication is OFF: everybody may read and write everything")
        async with (
            exporting(traced),
            opened(points) as store,
            opened_access(settings, keys) as access,
            opened_edge(settings, metrics, store, traced=traced) as edge,
        ):
            app.state.services = Services(
                settings=settings,
                points=edge.points,
                catalog=Catalog(edge.points),
                embedding=Embedding(embedders or {}),
                authority=access.authority,
                own_keys=access.own_keys,
                health=Health({"vectors": store.info, **edge.probes}, spared=edge.spared),
                metrics=metrics,
                limits=edge.limits,
            )
            async with alongside():
                yield
            metrics.flush()

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

    def short_way(layer: ASGIApp) -> None:
        app.state.short_way = ShortWay(app, layer, prefix=settings.base_path, operations=VERSIONED)

    app.add_middleware(HotPath, prefix=settings.base_path, operations=VERSIONED)
    add_layers(app, settings, metrics, traced=traced, made=short_way)
    documentation.install(
        app, settings.base_path, VERSIONED, UNVERSIONED, limits=settings.model_dump()
    )
    if settings.console_enabled:
        console.install(app, settings, comparison)
    return app
