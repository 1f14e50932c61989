"""What is counted from the caches at each scrape, so no look has to keep the sums right.

Names that people choose are labels here, so their number is bounded: the namespaces and stores with
the most collections stand for themselves, the rest together. The label is `resource_namespace`, for
Prometheus puts its target's own `namespace` over one of that name.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vectorplane.domain.status import (
    DISCOVERY_REGISTERED,
    ENDPOINT_VERIFIED,
    GATEWAY_PROGRAMMED,
    READY,
    condition_of,
)
from vectorplane.ports.resources import PAUSED, Resource
from vectorplane.schedule import due_after

PHASES = ("Copying", "CatchingUp", "Holding", "Failed")
WAYS = (GATEWAY_PROGRAMMED, ENDPOINT_VERIFIED, DISCOVERY_REGISTERED)
STATES = ("True", "False", "Unknown")
NAMES = 200
"""So many values has a label that people choose."""
OTHERS = "(others)"

Clock = Callable[[], float]
"""Seconds since 1970."""
Family = tuple[str, str, tuple[str, ...]]
"""Name, meaning and labels."""

FAMILIES: tuple[Family, ...] = (
    (
        "vectorplane_collections",
        "VectorCollections, by store and by their Ready condition.",
        ("store", "ready"),
    ),
    (
        "vectorplane_namespace_collections",
        "VectorCollections, by their namespace and their Ready condition.",
        ("resource_namespace", "ready"),
    ),
    ("vectorplane_points", "Points, as the store last counted them.", ("store",)),
    (
        "vectorplane_namespace_points",
        "Points by namespace, as the stores last counted them.",
        ("resource_namespace",),
    ),
    (
        "vectorplane_not_ready_seconds",
        "How long the one that is longest without being Ready is so already.",
        ("store",),
    ),
    (
        "vectorplane_exposure",
        "VectorCollections by what is said of their ways: the conditions of gateway and registry.",
        ("condition", "status"),
    ),
    (
        "vectorplane_rebuilds",
        "Rebuilds that are under way or have failed, by their phase.",
        ("phase",),
    ),
    (
        "vectorplane_rebuild_points",
        "Points of the rebuilds under way: copied, and to copy in all.",
        ("part",),
    ),
    (
        "vectorplane_rebuild_stalled_seconds",
        "The longest time for which a rebuild under way has made no step.",
        (),
    ),
    (
        "vectorplane_snapshot_overdue_seconds",
        "How late the scheduled snapshot is that is latest; 0 where none is due.",
        (),
    ),
)
ACCESS_FAMILIES: tuple[Family, ...] = (
    ("vectorplane_accesses", "VectorAccesses, by their Ready condition.", ("ready",)),
    (
        "vectorplane_access_key_expiry_timestamp_seconds",
        "When the first access is without a valid key, where nothing renews one: Unix time.",
        (),
    ),
    (
        "vectorplane_access_key_life_left_ratio",
        "The smallest share of its life that the newest key of an access has left, 0 to 1.",
        (),
    ),
)


@dataclass(slots=True)
class _Sums:
    """One pass over all resources."""

    ready: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By store, namespace and status."""
    points: Counter[tuple[str, str]] = field(default_factory=Counter)
    waiting: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    ways: Counter[tuple[str, str]] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    copied: int = 0
    total: int = 0
    overdue: float = 0.0


class Census(Collector):
    """Of the VectorCollections."""

    def __init__(self, resources: Callable[[], Iterable[Resource]], clock: Clock = time.time):
        self._resources = resources
        self._clock = clock
        self._steps: dict[str, tuple[object, float]] = {}
        """Of each rebuild under way, how far it was, and since when it has been there."""

    def describe(self) -> Iterator[Metric]:
        yield from _empty(FAMILIES).values()

    def collect(self) -> Iterator[Metric]:
        now = self._clock()
        sums, steps = _Sums(), {}
        for resource in self._resources():
            _add(sums, resource, now)
            if (step := _step(resource)) is not None:
                before = self._steps.get(resource.uid)
                steps[resource.uid] = before if before and before[0] == step else (step, now)
        self._steps = steps
        stalled = max((now - since for _, since in steps.values()), default=0.0)
        yield from _families(sums, stalled)


class AccessCensus(Collector):
    """Of the VectorAccesses."""

    def __init__(self, accesses: Callable[[], Iterable[Resource]], clock: Clock = time.time):
        self._accesses = accesses
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        yield from _empty(ACCESS_FAMILIES).values()

    def collect(self) -> Iterator[Metric]:
        now = self._clock()
        ready: Counter[str] = Counter(dict.fromkeys(STATES, 0))
        ends, shares = [], []
        for access in self._accesses():
            ready[_state(condition_of(access.status, READY).get("status"))] += 1
            newest = (access.status.get("keys") or [None])[-1]
            if newest is None or access.deleting:
                continue
            issued, expires = _seconds(newest.get("issued")), _seconds(newest.get("expires"))
            if issued is not None and expires is not None and issued < expires:
                ends.append(expires)
                shares.append(min(1.0, max(0.0, (expires - now) / (expires - issued))))
        made = _empty(ACCESS_FAMILIES)
        for state in STATES:
            made["vectorplane_accesses"].add_metric([state], ready[state])
        if ends:
            made["vectorplane_access_key_expiry_timestamp_seconds"].add_metric([], min(ends))
            made["vectorplane_access_key_life_left_ratio"].add_metric([], min(shares))
        yield from made.values()


def _add(sums: _Sums, resource: Resource, now: float) -> None:
    status = resource.status
    store = str(status.get("store") or resource.spec.get("store") or "")
    condition = condition_of(status, READY)
    ready = _state(condition.get("status"))
    namespace = resource.key.namespace
    sums.ready[store, namespace, ready] += 1
    sums.points[store, namespace] += int((status.get("collection") or {}).get("points") or 0)
    since = _seconds(condition.get("lastTransitionTime") or resource.created)
    # Who paused one knows that it waits.
    waits = ready != "True" and since is not None and not resource.says(PAUSED)
    late = now - since if waits and since is not None else 0.0
    sums.waiting[store] = max(sums.waiting[store], late)
    for way in WAYS:
        if said := condition_of(status, way):
            sums.ways[way, _state(said.get("status"))] += 1
    rebuild = status.get("rebuild") or {}
    sums.phases[str(rebuild.get("phase"))] += 1
    if _under_way(rebuild):
        sums.copied += int(rebuild.get("copied") or 0)
        sums.total += int(rebuild.get("total") or 0)
    sums.overdue = max(sums.overdue, _overdue(resource, now))


def _families(sums: _Sums, stalled: float) -> Iterator[Metric]:
    made = _empty(FAMILIES)
    stores: Counter[str] = Counter()
    namespaces: Counter[str] = Counter()
    for (store, namespace, _), count in sums.ready.items():
        stores[store] += count
        namespaces[namespace] += count
    store_of, namespace_of = _bounded(stores), _bounded(namespaces)

    by_store: Counter[tuple[str, ...]] = Counter()
    by_namespace: Counter[tuple[str, ...]] = Counter()
    for (store, namespace, ready), count in sums.ready.items():
        by_store[store_of(store), ready] += count
        by_namespace[namespace_of(namespace), ready] += count
    _fill(made["vectorplane_collections"], by_store)
    _fill(made["vectorplane_namespace_collections"], by_namespace)

    in_store: Counter[tuple[str, ...]] = Counter()
    in_namespace: Counter[tuple[str, ...]] = Counter()
    for (store, namespace), count in sums.points.items():
        in_store[(store_of(store),)] += count
        in_namespace[(namespace_of(namespace),)] += count
    _fill(made["vectorplane_points"], in_store)
    _fill(made["vectorplane_namespace_points"], in_namespace)

    waiting: dict[tuple[str, ...], float] = {}
    for store, seconds in sums.waiting.items():
        name = (store_of(store),)
        waiting[name] = max(waiting.get(name, 0.0), seconds)
    _fill(made["vectorplane_not_ready_seconds"], waiting)
    for way in WAYS:
        for state in STATES:
            made["vectorplane_exposure"].add_metric([way, state], sums.ways[way, state])
    for phase in PHASES:
        made["vectorplane_rebuilds"].add_metric([phase], sums.phases[phase])
    made["vectorplane_rebuild_points"].add_metric(["copied"], sums.copied)
    made["vectorplane_rebuild_points"].add_metric(["total"], sums.total)
    made["vectorplane_rebuild_stalled_seconds"].add_metric([], stalled)
    made["vectorplane_snapshot_overdue_seconds"].add_metric([], sums.overdue)
    yield from made.values()


def _empty(families: Iterable[Family]) -> dict[str, GaugeMetricFamily]:
    return {name: GaugeMetricFamily(name, said, labels=labels) for name, said, labels in families}


def _fill(family: GaugeMetricFamily, values: Mapping[tuple[str, ...], float]) -> None:
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)


def _bounded(names: Counter[str]) -> Callable[[str], str]:
    """A name, or that of the rest where it is none of the most frequent."""
    if len(names) <= NAMES:
        return str
    kept = {name for name, _ in names.most_common(NAMES)}
    return lambda name: name if name in kept else OTHERS


def _state(said: object) -> str:
    return str(said) if said in STATES else "Unknown"


def _under_way(rebuild: Mapping[str, Any]) -> bool:
    return rebuild.get("phase") in PHASES and rebuild.get("phase") != "Failed"


def _step(resource: Resource) -> object:
    """How far a rebuild under way has come; None where there is none."""
    rebuild = resource.status.get("rebuild") or {}
    if not _under_way(rebuild):
        return None
    return tuple(rebuild.get(name) for name in ("target", "phase", "cursor", "copied", "passes"))


def _overdue(resource: Resource, now: float) -> float:
    schedule = (resource.spec.get("snapshots") or {}).get("schedule")
    if not schedule or resource.deleting or resource.says(PAUSED):
        return 0.0
    last = (resource.status.get("snapshots") or {}).get("last")
    due = _due(str(schedule), str(last or resource.created))
    return max(0.0, now - due) if due is not None else 0.0


@lru_cache(maxsize=20_000)
def _due(schedule: str, since: str) -> float | None:
    """Cron lines take long, and the same are asked for at each scrape."""
    try:
        return due_after(schedule, since).timestamp()
    except ValueError:
        return None


@lru_cache(maxsize=20_000)
def _seconds(text: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
