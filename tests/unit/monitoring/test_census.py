"""What the operator counts from its caches: how long something is not as it should be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client.registry import Collector

from vectorplane.domain.model import Key
from vectorplane.ports.resources import PAUSED, Resource
from vectorplane_operator.census import AccessCensus, Census

BEGUN = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
CREATED = "2026-03-01T12:00:00Z"


def resource(name: str = "a", *, spec: Any = None, status: Any = None, **other: Any) -> Resource:
    return Resource(Key("shop", name), name, 1, CREATED, spec or {}, status or {}, **other)


def numbers(collector: Collector) -> dict[str, float]:
    """Values by name, with labels where there are any."""
    found = {}
    for family in collector.collect():
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def census(found: Iterable[Resource], later: float) -> dict[str, float]:
    return numbers(Census(lambda: found, lambda: BEGUN + later))


def test_the_longest_that_one_is_not_ready() -> None:
    def ready(status: str, since: str) -> dict[str, Any]:
        condition = {"type": "Ready", "status": status, "lastTransitionTime": since}
        return {"store": "main", "conditions": [condition]}

    found = [
        resource("a", status=ready("True", "2025-01-01T00:00:00Z")),
        resource("b", status=ready("False", "2026-03-01T12:01:00Z")),
        resource("c", status=ready("Unknown", "2026-03-01T12:02:00Z")),
        resource("never-looked-at", spec={"store": "side"}),
        resource("paused", spec={"store": "idle"}, annotations={PAUSED: "true"}),
    ]
    said = census(found, 300)
    assert said["vectorplane_not_ready_seconds{store=main}"] == 240
    assert said["vectorplane_not_ready_seconds{store=side}"] == 300
    assert said["vectorplane_not_ready_seconds{store=idle}"] == 0
    assert census(found[:1], 300)["vectorplane_not_ready_seconds{store=main}"] == 0


def test_a_rebuild_without_a_step() -> None:
    now = [BEGUN]
    status: dict[str, Any] = {"rebuild": {"phase": "Copying", "copied": 3, "total": 9}}
    found = [resource(status=status)]
    taken = Census(lambda: found, lambda: now[0])

    def stalled(later: float) -> float:
        now[0] = BEGUN + later
        return numbers(taken)["vectorplane_rebuild_stalled_seconds"]

    assert [stalled(0), stalled(10), stalled(25)] == [0, 10, 25]
    status["rebuild"] = {"phase": "Copying", "copied": 4, "total": 9}
    assert [stalled(30), stalled(40)] == [0, 10]
    said = numbers(taken)
    assert said["vectorplane_rebuild_points{part=copied}"] == 4
    assert said["vectorplane_rebuild_points{part=total}"] == 9
    for phase in ("Done", "Failed"):
        status["rebuild"] = {"phase": phase}
        assert stalled(50) == 0
    assert numbers(taken)["vectorplane_rebuilds{phase=Failed}"] == 1


@pytest.mark.parametrize(
    ("status", "other", "late"),
    [
        ({}, {}, 1800.0),
        ({"snapshots": {"last": "2026-03-01T13:00:02Z"}}, {}, 0.0),
        ({"snapshots": {"last": "2026-03-01T11:59:59Z"}}, {}, 5400.0),
        ({}, {"annotations": {PAUSED: "true"}}, 0.0),
        ({}, {"deleting": True}, 0.0),
    ],
)
def test_a_snapshot_that_is_late(status: Any, other: Any, late: float) -> None:
    found = [resource(spec={"snapshots": {"schedule": "0 * * * *"}}, status=status, **other)]
    assert census(found, 5400)["vectorplane_snapshot_overdue_seconds"] == late
    broken = [resource(spec={"snapshots": {"schedule": "never"}})]
    assert census(broken, 5400)["vectorplane_snapshot_overdue_seconds"] == 0


def test_what_a_key_has_left_of_its_life() -> None:
    def access(*keys: tuple[str, str]) -> Resource:
        said = [{"issued": issued, "expires": expires} for issued, expires in keys]
        return resource(status={"keys": said})

    old = ("2026-03-01T12:00:00Z", "2026-03-01T12:10:00Z")
    new = ("2026-03-01T12:05:00Z", "2026-03-01T12:15:00Z")

    def said(*found: Resource, later: float = 480.0) -> dict[str, float]:
        return numbers(AccessCensus(lambda: found, lambda: BEGUN + later))

    share, end = (
        "vectorplane_access_key_life_left_ratio",
        "vectorplane_access_key_expiry_timestamp_seconds",
    )
    assert said(access(old))[share] == pytest.approx(0.2)
    assert said(access(old))[end] == BEGUN + 600
    # Another one is there already.
    assert said(access(old, new))[share] == pytest.approx(0.7)
    assert said(access(old), access(new))[share] == pytest.approx(0.2)
    assert said(access(old), later=700)[share] == 0
    assert share not in said(access())
    assert said(access())["vectorplane_accesses{ready=Unknown}"] == 1


def test_what_nobody_understands_is_passed_over() -> None:
    odd = resource(
        status={
            "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "soon"}],
            "rebuild": {"phase": None},
            "collection": None,
            "snapshots": None,
        },
        spec={"snapshots": None},
    )
    assert census([odd], 60)["vectorplane_not_ready_seconds{store=}"] == 0
    assert census([odd], 60)["vectorplane_points{store=}"] == 0
