"""What is said of a resource: conditions, status, events. Made in one step from what happened, and
never by the code that did it. A status is a plain dict, ready for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vectorplane.domain.model import Collection, Desired

Status = dict[str, Any]
"""The `status` of a VectorCollection, as in its CRD."""

READY = "Ready"
STORE_REACHABLE = "StoreReachable"
COLLECTION_READY = "CollectionReady"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition before it has a time. `status` is "True", "False" or "Unknown"."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """What kept a reconcile from its end. `store` is True where the store itself did not answer;
    `retry` where it is tried again without a person.
    """

    reason: str
    message: str
    store: bool = False
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reconcile came to: the collection as it is now, and what was in the way."""

    collection: Collection | None = None
    trouble: Trouble | None = None
    lacking: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """The actions taken, in words."""
    deleted: bool = False
    """True once nothing of a resource that is being deleted is left to do."""
    retry_after: float | None = None
    """Seconds, where the store said when to come back."""


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes event: `type` is Normal or Warning."""

    type: str
    reason: str
    message: str


def assess(desired: Desired, outcome: Outcome) -> list[Condition]:
    """The conditions of a resource; `Ready` sums up the others."""
    trouble = outcome.trouble
    if trouble and trouble.store:
        unknown = "the store did not answer, so the collection was not looked at"
        return [
            Condition(STORE_REACHABLE, "False", trouble.reason, trouble.message),
            Condition(COLLECTION_READY, "Unknown", trouble.reason, unknown),
            Condition(READY, "False", trouble.reason, trouble.message),
        ]
    reachable = Condition(STORE_REACHABLE, "True", "Reachable", "the store answers")
    if desired.paused:
        message = "paused by the annotation vectorplane.dev/paused: nothing is changed"
        return [
            reachable,
            Condition(COLLECTION_READY, "Unknown", "Paused", message),
            Condition(READY, "Unknown", "Paused", message),
        ]
    if trouble:
        return [
            reachable,
            Condition(COLLECTION_READY, "False", trouble.reason, trouble.message),
            Condition(READY, "False", trouble.reason, trouble.message),
        ]
    collection = outcome.collection
    if collection is None:
        message = "the collection is not made yet"
        return [
            reachable,
            Condition(COLLECTION_READY, "False", "Missing", message),
            Condition(READY, "False", "Missing", message),
        ]
    if collection.state == "red":
        message = f"the store says that collection {collection.name} has failed (state red)"
        return [
            reachable,
            Condition(COLLECTION_READY, "False", "CollectionFailed", message),
            Condition(READY, "False", "CollectionFailed", message),
        ]
    message = f"collection {collection.name} is as declared"
    if outcome.lacking:
        message += f"; left out, for this engine has none: {', '.join(outcome.lacking)}"
    return [
        reachable,
        Condition(COLLECTION_READY, "True", "AsDeclared", message),
        Condition(READY, "True", "Ready", f"{desired.name} answers"),
    ]


def status_of(
    desired: Desired,
    outcome: Outcome,
    previous: Mapping[str, Any],
    *,
    now: str,
    store: str | None,
    endpoint: str | None,
) -> Status:
    """The whole status, with the times of conditions that did not change kept from `previous`.

    `now` is RFC 3339 in UTC. Trouble leaves the last known collection: it says where points are.
    """
    known = {c.get("type"): c for c in previous.get("conditions", ())}
    conditions = []
    for condition in assess(desired, outcome):
        before = known.get(condition.type, {})
        same = before.get("status") == condition.status
        conditions.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message,
                "observedGeneration": desired.generation,
                "lastTransitionTime": before["lastTransitionTime"] if same else now,
            }
        )
    status: Status = {"observedGeneration": desired.generation, "conditions": conditions}
    if store:
        status["store"] = store
    if outcome.collection:
        status["collection"] = _collection(desired, outcome.collection)
    elif outcome.trouble and previous.get("collection"):
        status["collection"] = previous["collection"]
    if endpoint:
        status["endpoint"] = endpoint
    return status


def events_of(previous: Mapping[str, Any], status: Status) -> list[Event]:
    """An event where `Ready` went over to another status or reason, and none where it stayed."""
    after = condition_of(status, READY)
    before = condition_of(previous, READY)
    if (before.get("status"), before.get("reason")) == (after.get("status"), after.get("reason")):
        return []
    kind = "Normal" if after.get("status") in ("True", "Unknown") else "Warning"
    return [Event(kind, after["reason"], after["message"])]


def condition_of(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition of a type, or an empty mapping."""
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions", ())
    return next((c for c in conditions if c.get("type") == kind), {})


def _collection(desired: Desired, collection: Collection) -> dict[str, Any]:
    return {
        "name": desired.name,
        "physical": collection.name,
        "points": collection.points,
        "indexedVectors": collection.indexed_vectors,
        "state": collection.state,
    }
