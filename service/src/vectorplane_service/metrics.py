"""Metrics for Prometheus, and the path that shows them.

Under gunicorn each worker counts into files of PROMETHEUS_MULTIPROC_DIR, and whichever worker is
asked adds them up. The variable must be set before prometheus_client is imported: gunicorn_conf
does.
"""

from __future__ import annotations

import os

from fastapi import Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import Response

from vectorplane_service.documentation import Operation
from vectorplane_service.tallies import Spread, Tallies, Tally

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
UNMATCHED = "unmatched"
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class Metrics:
    """The service's metrics, in a registry of their own. Labels take a bounded set of values."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "vectorplane_http_requests_total",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "vectorplane_http_request_duration_seconds",
            "Time from the first byte in to the last byte out.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=registry,
        )
        tallies = self._tallies = Tallies()
        self.inflight = tallies.tally(
            Gauge(
                "vectorplane_inflight_requests",
                "Requests being answered now.",
                registry=registry,
                multiprocess_mode="livesum",
            )
        )
        Gauge(
            "vectorplane_workers",
            "Processes that answer requests.",
            registry=registry,
            multiprocess_mode="livesum",
        ).set(1)
        search_seconds = Histogram(
            "vectorplane_search_duration_seconds",
            "Time that the store took to search.",
            buckets=_SECONDS,
            registry=registry,
        )
        store_seconds = Histogram(
            "vectorplane_store_duration_seconds",
            "Time that the store took to write points.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._auth_failures = Counter(
            "vectorplane_auth_failures_total",
            "Requests refused for their key, by why: missing, unknown, expired, permission, ...",
            ("reason",),
            registry=registry,
        )
        sizes = Histogram(
            "vectorplane_batch_size",
            "Points of an upsert, or searches of a search request.",
            ("operation",),
            buckets=_SIZES,
            registry=registry,
        )
        self._rate_limited = Counter(
            "vectorplane_rate_limited_total",
            "Requests refused for being too many, by group; failures are wrong keys.",
            ("group",),
            registry=registry,
        )
        self._rate_limit_failures = Counter(
            "vectorplane_rate_limit_failures_total",
            "Requests that could not be counted, since Redis was away.",
            registry=registry,
        )
        cache = Counter(
            "vectorplane_cache_requests_total",
            "Searches that asked the cache: hit, miss, bypass (while somebody writes), error.",
            ("result",),
            registry=registry,
        )
        self.cache = {name: cache.labels(name) for name in ("hit", "miss", "bypass", "error")}
        self.shed = Counter(
            "vectorplane_shed_requests_total",
            "Requests refused since the queue was longer than could be served.",
            registry=registry,
        )
        self.search_seconds, self.store_seconds = tallies.spread(search_seconds), store_seconds
        self.search_size = tallies.spread(sizes.labels("search"))
        self.upsert_size = sizes.labels("upsert")
        # Looking a child up by its labels takes a lock; the same few are asked for all the time.
        self._known: dict[tuple[str, str, int], tuple[Tally, Spread]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in METHODS else "other"
        known = self._known.get((method, route, status))
        if known is None:
            known = self._known[method, route, status] = (
                self._tallies.tally(self._requests.labels(method, route, str(status))),
                self._tallies.spread(self._request_seconds.labels(method, route)),
            )
        known[0].value += 1
        known[1].observe(seconds)
        self._tallies.due()

    def auth_failed(self, reason: str) -> None:
        self._auth_failures.labels(reason).inc()

    def rate_limited(self, group: str) -> None:
        self._rate_limited.labels(group).inc()

    def rate_limit_failed(self) -> None:
        self._rate_limit_failures.inc()

    def flush(self) -> None:
        """Hand over what was counted since the last time."""
        self._tallies.flush()

    def exposition(self) -> bytes:
        """All metrics as text; of all workers where there are several."""
        self.flush()
        registry = self._registry
        if os.environ.get(MULTIPROCESS_VARIABLE):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


async def metrics(request: Request) -> Response:
    """All metrics in Prometheus' text format."""
    shown: Metrics = request.app.state.services.metrics
    return Response(shown.exposition(), media_type=CONTENT_TYPE_LATEST)


OPERATIONS = (
    Operation(
        "GET",
        "/metrics",
        metrics,
        summary="Metrics for Prometheus",
        tag="health",
        media_type="text/plain",
        example=(
            "# TYPE vectorplane_http_requests_total counter\n"
            'vectorplane_http_requests_total{method="POST",route="/collections/{collection}/search"'
            ',status="200"} 1024.0\n'
        ),
    ),
)
