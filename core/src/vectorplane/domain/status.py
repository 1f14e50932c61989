"""What is said of a resource: conditions, status, events. Made in one step from what happened, and
never by the code that did it. A status is a plain dict, ready for JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vectorplane.domain.model import PARTITION, Collection, Desired, Progress

Status = dict[str, Any]
"""The `status` of a VectorCollection, as in its CRD."""

READY = "Ready"
STORE_REACHABLE = "StoreReachable"
COLLECTION_READY = "CollectionReady"
GATEWAY_PROGRAMMED = "GatewayProgrammed"
ENDPOINT_VERIFIED = "EndpointVerified"
DISCOVERY_REGISTERED = "DiscoveryRegistered"


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
class Taken:
    """A snapshot: `size` in bytes, `time` RFC 3339 in UTC."""

    collection: str
    name: str
    size: int
    time: str


@dataclass(frozen=True, slots=True)
class Exposed:
    """What is known of the ways to a collection: where it answers, the conditions that say so, and
    why it cannot be called although its collection is there."""

    endpoint: str | None = None
    conditions: tuple[Condition, ...] = ()
    trouble: Trouble | None = None


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
    progress: Progress | None = None
    """Of a rebuild that is under way, or that ended with this look."""
    snapshots: tuple[Taken, ...] = ()
    """Snapshots that this look took."""
    due: float | None = None
    """Seconds until something falls due by itself."""

    @property
    def result(self) -> str:
        """In one word, for metrics and traces: done, waiting or stalled."""
        trouble = self.trouble
        return "done" if trouble is None else "waiting" if trouble.retry else "stalled"


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes event: `type` is Normal or Warning."""

    type: str
    reason: str
    message: str


def assess(desired: Desired, outcome: Outcome, exposed: Exposed | None = None) -> list[Condition]:
    """The conditions of a resource; `Ready` sums up the others: it means callable."""
    *others, ready = _assess(desired, outcome)
    if exposed is None:
        return [*others, ready]
    if exposed.trouble and ready.status == "True":
        ready = Condition(READY, "False", exposed.trouble.reason, exposed.trouble.message)
    return [*others, *exposed.conditions, ready]


def _assess(desired: Desired, outcome: Outcome) -> list[Condition]:
    """The conditions of the collection itself, with `Ready` as the last."""
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
    progress = outcome.progress
    if progress and progress.phase == "Failed":
        message = f"{progress.message}; {collection.name} goes on serving"
        return [
            reachable,
            Condition(COLLECTION_READY, "False", "RebuildFailed", message),
            Condition(READY, "False", "RebuildFailed", message),
        ]
    if progress and progress.phase != "Done":
        message = f"{progress.target} is made of {progress.source}: {_how_far(progress)}"
        return [
            reachable,
            Condition(COLLECTION_READY, "False", "Rebuilding", message),
            Condition(
                READY, "True", "Rebuilding", f"{desired.name} answers, from {collection.name}"
            ),
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
    exposed: Exposed,
) -> Status:
    """The whole status, with the times of conditions that did not change kept from `previous`.

    `now` is RFC 3339 in UTC. Trouble leaves the last known collection: it says where points are.
    """
    conditions = timed(assess(desired, outcome, exposed), previous, desired.generation, now)
    status: Status = {"observedGeneration": desired.generation, "conditions": conditions}
    if store:
        status["store"] = store
    if outcome.collection:
        status["collection"] = _collection(desired, outcome.collection)
    elif outcome.trouble and previous.get("collection"):
        status["collection"] = previous["collection"]
    if exposed.endpoint:
        status["endpoint"] = exposed.endpoint
    if rebuild := _rebuild(desired, outcome, previous, now):
        status["rebuild"] = rebuild
    if snapshots := _snapshots(desired, outcome, previous):
        status["snapshots"] = snapshots
    return status


def timed(
    conditions: Iterable[Condition], previous: Mapping[str, Any], generation: int, now: str
) -> list[dict[str, Any]]:
    """Conditions as a status has them: with the generation that was looked at, and the time of
    those whose `status` did not change kept from the `previous` status."""
    known = {c.get("type"): c for c in previous.get("conditions", ())}

    def since(condition: Condition) -> Any:
        before = known.get(condition.type, {})
        same = before.get("status") == condition.status
        return before["lastTransitionTime"] if same else now

    return [
        {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
            "observedGeneration": generation,
            "lastTransitionTime": since(condition),
        }
        for condition in conditions
    ]


def events_of(previous: Mapping[str, Any], status: Status) -> list[Event]:
    """An event where `Ready` went over to another status or reason, and none where it stayed."""
    after = condition_of(status, READY)
    before = condition_of(previous, READY)
    if (before.get("status"), before.get("reason")) == (after.get("status"), after.get("reason")):
        return []
    kind = "Normal" if after.get("status") in ("True", "Unknown") else "Warning"
    return [Event(kind, after["reason"], after["message"])]


def repairs_of(desired: Desired, outcome: Outcome, previous: Mapping[str, Any]) -> list[Event]:
    """What was mended of a collection that was as declared before, and that nobody edited: drift.
    One that was gone is told apart, for its points are gone too.
    """
    before = condition_of(previous, COLLECTION_READY)
    settled = previous.get("observedGeneration") == desired.generation
    known = previous.get("collection") or {}
    changed = [c for c in outcome.changed if not c.startswith(_OWN_DOING)]
    if not changed or desired.deleting or not known or outcome.progress:
        return []
    lost = [c for c in changed if c.startswith("create collection ")]
    if lost and outcome.collection and not outcome.collection.points:
        message = f"{known.get('physical')} was gone from the store; made anew, empty"
        return [Event("Warning", "Recreated", message)]
    if not settled or before.get("reason") != "AsDeclared":
        return []
    return [Event("Normal", "DriftRepaired", "; ".join(changed))]


def last_words(outcome: Outcome) -> list[Event]:
    """What must be told of a resource whose status goes with it: the snapshots to restore from."""
    return [
        Event("Normal", "SnapshotTaken", f"snapshot {t.name} of {t.collection}, {t.size} bytes")
        for t in outcome.snapshots
    ]


_OWN_DOING = ("take a snapshot", "drop snapshot", "drop collection", "delete the points", "record ")
"""Actions, in words, that are no answer to somebody else's change."""


def condition_of(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition of a type, or an empty mapping."""
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions", ())
    return next((c for c in conditions if c.get("type") == kind), {})


def _collection(desired: Desired, collection: Collection) -> dict[str, Any]:
    said = {
        "name": desired.name,
        "physical": collection.name,
        "points": collection.points,
        "indexedVectors": collection.indexed_vectors,
        "state": collection.state,
    }
    if desired.tenancy == PARTITION:
        # The store counts these of the whole pool only.
        del said["indexedVectors"]
    return said


def _how_far(progress: Progress) -> str:
    match progress.phase:
        case "Copying":
            return f"{progress.copied} of {progress.total} points copied"
        case "CatchingUp":
            return f"catching up with what was written meanwhile, pass {progress.passes + 1}"
        case _:
            return "the last pass, with writes held back"


def _rebuild(
    desired: Desired, outcome: Outcome, previous: Mapping[str, Any], now: str
) -> dict[str, Any] | None:
    """The rebuild under way; of the last one, what came of it."""
    progress = outcome.progress
    if progress is None:
        kept: dict[str, Any] | None = previous.get("rebuild")
        # A rebuild that is wanted no more is not told of; one that could not be looked at is.
        done = kept is not None and kept.get("phase") == "Done"
        return kept if done or outcome.trouble else None
    said: dict[str, Any] = {
        "source": progress.source,
        "target": progress.target,
        "phase": progress.phase,
        "cursor": None if progress.cursor is None else str(progress.cursor),
        "copied": progress.copied,
        "total": progress.total,
        "passes": progress.passes,
        "changed": progress.changed,
        "started": progress.started or now,
        "message": progress.message or None,
        "finished": now if progress.phase == "Done" else None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _snapshots(
    desired: Desired, outcome: Outcome, previous: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The snapshots that we took and keep, oldest first."""
    before: list[dict[str, Any]] = (previous.get("snapshots") or {}).get("kept", [])
    dropped = {name for _, name in desired.snapshot.surplus} if not outcome.trouble else set()
    kept = [s for s in before if s.get("name") not in dropped]
    kept += [
        {"name": t.name, "collection": t.collection, "size": t.size, "time": t.time}
        for t in outcome.snapshots
    ]
    if not kept:
        return None
    last = kept[-1]
    return {"last": last["time"], "size": last["size"], "kept": kept}
