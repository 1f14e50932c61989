"""Puts the edge together from the settings: what counts and keeps for as long as the service runs,
and the layers that every request passes.

What only Redis needs is imported only where Redis is wanted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from vectorplane.adapters.cache.memory import MemoryCache
from vectorplane.ports.cache import AnswerCache
from vectorplane.ports.vectors import StoreInfo, VectorPoints
from vectorplane_service.edge.cache import MARK_SECONDS, CachedPoints, CacheHeader
from vectorplane_service.edge.compression import Compression
from vectorplane_service.edge.counting import Counts, OwnCounts
from vectorplane_service.edge.headers import always
from vectorplane_service.edge.limits import FAILURES, RateLimits
from vectorplane_service.edge.shedding import Shedding
from vectorplane_service.edge.tracing import Tracing, traced_points
from vectorplane_service.edge.watch import Times
from vectorplane_service.health.service import Probe
from vectorplane_service.metrics import Metrics
from vectorplane_service.middleware import RequestMiddleware
from vectorplane_service.settings import ServiceSettings

REDIS = "redis"
_HEADERS_IN = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "X-API-Key",
    "X-Request-ID",
    "traceparent",
    "tracestate",
)
_HEADERS_OUT = (
    "Deprecation",
    "Link",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Sunset",
    "X-Cache",
    "X-Request-ID",
)


@dataclass(frozen=True, slots=True)
class Edge:
    """What runs behind the layers. `points` is the store as the endpoints should see it."""

    points: VectorPoints
    limits: RateLimits | None
    probes: Mapping[str, Probe]
    spared: frozenset[str]
    """Probes of what the service can do without."""


@asynccontextmanager
async def opened_edge(
    settings: ServiceSettings, metrics: Metrics, store: VectorPoints, *, traced: bool = False
) -> AsyncIterator[Edge]:
    """Connect what the settings ask for. Nothing is asked of Redis yet: it may come later."""
    points = traced_points(store) if traced else store
    probes: dict[str, Probe] = {}
    async with AsyncExitStack() as stack:
        limits = None
        if settings.rate_limit_enabled:
            limits = _limits(settings, metrics)
            stack.push_async_callback(limits.close)
        if settings.search_cache != "off":
            cache = _cache(settings)
            stack.push_async_callback(cache.close)
            if settings.search_cache == REDIS:
                probes = {REDIS: _probe(cache)}
            points = CachedPoints(
                points,
                cache,
                count=lambda result: metrics.cache[result].inc(),
                mark_seconds=max(MARK_SECONDS, 6 * settings.qdrant_timeout_seconds),
            )
        if settings.counts_in_redis and not probes:
            asked = _redis_cache(settings)
            stack.push_async_callback(asked.close)
            probes = {REDIS: _probe(asked)}
        spared = frozenset() if settings.needs_redis else frozenset({REDIS})
        yield Edge(points, limits, probes, spared)


def add_layers(
    app: FastAPI,
    settings: ServiceSettings,
    metrics: Metrics,
    *,
    traced: bool = False,
    made: Callable[[ASGIApp], None] = lambda layer: None,
) -> None:
    """The layers around the endpoints, from the inside out. A layer that is off is not there.
    `made` is told of the outermost layer that hot requests need."""
    app.state.read_timeout_seconds = settings.read_timeout_seconds
    if traced:
        app.add_middleware(Tracing)
    if settings.search_cache != "off":
        app.add_middleware(CacheHeader)
    if settings.compression_enabled:
        app.add_middleware(Compression, minimum_size=settings.compression_min_bytes)
    asked_by_machines = ("/health", "/health/check", "/health/live", "/health/ready", "/metrics")
    app.add_middleware(
        RequestMiddleware,
        max_body_bytes=settings.max_body_bytes,
        metrics=metrics,
        times=Times(settings.read_timeout_seconds, settings.request_timeout_seconds),
        shedding=Shedding(settings.max_inflight_requests, settings.max_queue_seconds),
        exempt=frozenset(
            prefix + path for prefix in ("", settings.base_path) for path in asked_by_machines
        ),
        headers=always(settings.hsts_max_age_seconds),
        # What browsers are told is added outside of it.
        **({} if settings.cors_origins else {"made": made}),
    )
    if settings.cors_origins:
        # Outermost: a page must be able to read why it was refused.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=_HEADERS_IN,
            expose_headers=_HEADERS_OUT,
            max_age=settings.cors_max_age_seconds,
        )


def _limits(settings: ServiceSettings, metrics: Metrics) -> RateLimits:
    return RateLimits(
        _counts(settings),
        {
            "search": settings.rate_limit_search,
            "read": settings.rate_limit_read,
            "write": settings.rate_limit_write,
            "admin": settings.rate_limit_admin,
            FAILURES: settings.rate_limit_failures,
        },
        metrics=metrics,
        trusted=settings.trusted_proxies,
        fail_open=settings.rate_limit_on_failure == "open",
    )


def _counts(settings: ServiceSettings) -> Counts:
    if settings.rate_limit_storage != REDIS:
        return OwnCounts()
    from vectorplane_service.edge.shared_counts import SharedCounts

    return SharedCounts(
        _url(settings), settings.redis_prefix, timeout=settings.redis_timeout_seconds
    )


def _cache(settings: ServiceSettings) -> AnswerCache:
    if settings.search_cache == REDIS:
        return _redis_cache(settings)
    return MemoryCache(settings.search_cache_max_bytes, settings.search_cache_ttl_seconds)


def _redis_cache(settings: ServiceSettings) -> AnswerCache:
    from vectorplane.adapters.cache.redis import RedisCache

    return RedisCache(
        _url(settings),
        settings.redis_prefix,
        settings.search_cache_ttl_seconds,
        timeout=settings.redis_timeout_seconds,
    )


def _url(settings: ServiceSettings) -> str:
    assert settings.redis_url is not None  # check_redis
    return settings.redis_url.get_secret_value()


def _probe(cache: AnswerCache) -> Probe:
    async def ask() -> StoreInfo:
        return StoreInfo(REDIS, await cache.version(), frozenset())

    return ask
