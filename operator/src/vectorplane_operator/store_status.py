"""What is said of a VectorStore: its status, made in one step from one probe. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vectorplane.domain.status import READY, Condition, Event, Status, condition_of, timed
from vectorplane.ports.vectors import StoreInfo

REACHABLE = "Reachable"
_SILENT = ("StoreUnreachable", "StoreTimeout")
_NOT_ASKED = ("SecretUnreadable", "InvalidStore")


@dataclass(frozen=True, slots=True)
class Probe:
    """What came back when a store was asked: its own words, or why there are none."""

    info: StoreInfo | None
    reason: str = "Reachable"
    message: str = "the store answers and takes the key"
    lost: int = 0
    """Collections that lived there, where none of them is there any more."""


def status_of(
    probe: Probe, previous: Mapping[str, Any], *, generation: int, collections: int, now: str
) -> Status:
    """The whole status. A store that does not answer keeps what it last said of itself."""
    said = ((READY, "True" if probe.info else "False"), (REACHABLE, _reachable(probe)))
    conditions = [Condition(kind, value, probe.reason, probe.message) for kind, value in said]
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
    status["conditions"] = timed(conditions, previous, generation, now)
    return status


def event_of(previous: Mapping[str, Any], status: Status) -> Event | None:
    """An event where `Ready` went over to another status or reason."""
    before, after = condition_of(previous, READY), condition_of(status, READY)
    if (before.get("status"), before.get("reason")) == (after["status"], after["reason"]):
        return None
    kind = "Normal" if after["status"] == "True" else "Warning"
    return Event(kind, after["reason"], after["message"])


def lost_event(lost: int) -> Event:
    """Of a store that answers, and has nothing of what lived there."""
    message = (
        f"none of the {lost} collections that lived here is there any more; they are made anew, "
        "empty: restore their points"
    )
    return Event("Warning", "CameBackEmpty", message)


def _reachable(probe: Probe) -> str:
    """Whether the store answered at all, be it only to refuse the key."""
    if probe.info:
        return "True"
    return (
        "Unknown" if probe.reason in _NOT_ASKED else "False" if probe.reason in _SILENT else "True"
    )
