"""What is said of a VectorStore: its status, made in one step from one probe. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vectorplane.domain.status import READY, Event, Status, condition_of
from vectorplane.ports.vectors import StoreInfo


@dataclass(frozen=True, slots=True)
class Probe:
    """What came back when a store was asked: its own words, or why there are none."""

    info: StoreInfo | None
    reason: str = "Reachable"
    message: str = "the store answers and takes the key"


def status_of(
    probe: Probe, previous: Mapping[str, Any], *, generation: int, collections: int, now: str
) -> Status:
    """The whole status. A store that does not answer keeps what it last said of itself."""
    value = "True" if probe.info else "False"
    before = condition_of(previous, READY)
    condition = {
        "type": READY,
        "status": value,
        "reason": probe.reason,
        "message": probe.message,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"]
        if before.get("status") == value
        else now,
    }
    status: Status = {"observedGeneration": generation, "collections": collections}
    if probe.info:
        status |= {
            "version": probe.info.version,
            "peers": probe.info.peers,
            "capabilities": sorted(probe.info.capabilities),
        }
    else:
        kept = ("version", "peers", "capabilities")
        status |= {field: previous[field] for field in kept if field in previous}
    status["conditions"] = [condition]
    return status


def event_of(previous: Mapping[str, Any], status: Status) -> Event | None:
    """An event where `Ready` went over to another status or reason."""
    before, after = condition_of(previous, READY), condition_of(status, READY)
    if (before.get("status"), before.get("reason")) == (after["status"], after["reason"]):
        return None
    kind = "Normal" if after["status"] == "True" else "Warning"
    return Event(kind, after["reason"], after["message"])
