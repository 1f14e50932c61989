"""What Prometheus sees of the operator. Every name begins with `vectorplane_`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as Total

from vectorplane.domain.exposure import Change, Put
from vectorplane.domain.status import Outcome
from vectorplane.ports.resources import Resource
from vectorplane_operator.census import AccessCensus, Census

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "vectorplane_reconcile_duration_seconds",
            "Seconds that one look at a collection took in its store.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._looks = Total(
            "vectorplane_reconcile",
            "Looks at collections, by what they came to: done, waiting or stalled.",
            ["result"],
            registry=self._registry,
        )
        for result in ("done", "waiting", "stalled"):
            self._looks.labels(result)
        self._drift = Total(
            "vectorplane_drift",
            "Collections that somebody else had changed, and that were mended.",
            registry=self._registry,
        )
        self._sweeps = Histogram(
            "vectorplane_sweep_duration_seconds",
            "Seconds that one sweep of a store took.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._up = Gauge(
            "vectorplane_store_up",
            "Whether a VectorStore answers (1) or not (0).",
            ["store"],
            registry=self._registry,
        )

        self._api_seconds = Histogram(
            "vectorplane_api_request_duration_seconds",
            "Seconds that the Kubernetes API took to answer.",
            ["method"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._api_requests = Total(
            "vectorplane_api_requests",
            "Requests to the Kubernetes API, by the status of the answer; none where none came.",
            ["method", "code"],
            registry=self._registry,
        )
        self._published = Total(
            "vectorplane_published",
            "Objects that were put or deleted, by provider: gateway or registry.",
            ["provider", "action"],
            registry=self._registry,
        )
        self._reached = Gauge(
            "vectorplane_provider_up",
            "Whether the gateway, or the registry, takes what it is told (1) or not (0).",
            ["provider"],
            registry=self._registry,
        )

    def observe(
        self,
        queue: Callable[[], int],
        resources: Callable[[], Iterable[Resource]],
        unverified: Callable[[], int],
    ) -> None:
        """Take what is counted only when somebody asks from here."""
        depth = Gauge(
            "vectorplane_queue_depth",
            "Collections that are looked at or wait for it.",
            registry=self._registry,
        )
        depth.set_function(queue)
        Gauge(
            "vectorplane_unverified",
            "Collections that nobody has looked at since this replica leads.",
            registry=self._registry,
        ).set_function(unverified)
        self._registry.register(Census(resources))

    def accesses(self, accesses: Callable[[], Iterable[Resource]]) -> None:
        """Take the VectorAccesses from here, at each scrape."""
        self._registry.register(AccessCensus(accesses))

    def leads(self, held: Callable[[], bool]) -> None:
        """Take whether this replica leads from here, at each scrape."""
        leader = Gauge(
            "vectorplane_leader",
            "Whether this replica leads (1) or stands by (0).",
            registry=self._registry,
        )
        leader.set_function(lambda: float(held()))

    def looked(self, outcome: Outcome, seconds: float) -> None:
        """One look at a collection ended."""
        self._seconds.observe(seconds)
        self._looks.labels(outcome.result).inc()

    def swept(self, seconds: float) -> None:
        """A sweep of a store ended."""
        self._sweeps.observe(seconds)

    def drifted(self, count: int) -> None:
        """Somebody else's changes were undone."""
        self._drift.inc(count)

    def store(self, name: str, up: bool | None) -> None:
        """A store answers, does not, or (None) is gone."""
        if up is None:
            with suppress(KeyError):
                self._up.remove(name)
        else:
            self._up.labels(name).set(int(up))

    def published(self, provider: str, change: Change) -> None:
        """An object was put or deleted."""
        action = "put" if isinstance(change, Put) else "delete"
        self._published.labels(provider, action).inc()

    def reached(self, provider: str, up: bool) -> None:
        """A provider was asked, and answered or not."""
        self._reached.labels(provider).set(int(up))

    def asked(self, method: str, code: int | None, seconds: float) -> None:
        """The Kubernetes API answered with a status, or (None) did not."""
        self._api_seconds.labels(method).observe(seconds)
        self._api_requests.labels(method, str(code) if code else "none").inc()

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
