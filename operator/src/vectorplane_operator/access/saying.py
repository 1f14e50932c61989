"""What is said of a VectorAccess: its status and its events, made in one step. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vectorplane.domain.access import KeyRecord
from vectorplane.domain.status import (
    READY,
    Condition,
    Event,
    Exposed,
    Status,
    Trouble,
    timed,
)
from vectorplane.ports.resources import Resource
from vectorplane_operator.access.times import seconds_of, text_of

SECRET_WRITTEN = "SecretWritten"
_PAUSED = Trouble("Paused", "paused by the annotation vectorplane.dev/paused: nothing is changed")


@dataclass(frozen=True, slots=True)
class Result:
    """What a look came to: the valid keys, oldest first, where they stand, what was in the way."""

    collection: str
    keys: Sequence[KeyRecord] = ()
    secret: str | None = None
    endpoint: str | None = None
    trouble: Trouble | None = None
    paused: bool = False


def records_of(status: Mapping[str, Any]) -> list[KeyRecord]:
    """The keys that a status records."""
    return [
        KeyRecord(
            key["id"],
            key.get("signedBy", ""),
            seconds_of(key["issued"]),
            seconds_of(key["expires"]),
            key["collection"],
            frozenset(key["permissions"]),
            written=not key.get("pending"),
        )
        for key in status.get("keys") or ()
    ]


def recorded(keys: Iterable[KeyRecord]) -> list[dict[str, Any]]:
    """The same, as they stand in a status."""
    return [
        {
            "id": key.id,
            "collection": key.collection,
            "permissions": sorted(key.permissions),
            "signedBy": key.signed_by,
            "issued": text_of(key.issued),
            "expires": text_of(key.expires),
            **({} if key.written else {"pending": True}),
        }
        for key in keys
    ]


def status_of(access: Resource, result: Result, exposed: Exposed, now: str) -> Status:
    """The whole status, with the times of conditions that did not change kept."""
    status: Status = {
        "observedGeneration": access.generation,
        "collection": result.collection,
        "keys": recorded(result.keys),
        "conditions": timed(_conditions(result, exposed), access.status, access.generation, now),
    }
    if result.secret:
        status["secretName"] = result.secret
    if result.endpoint:
        status["endpoint"] = result.endpoint
    if result.keys:
        status["expires"] = text_of(result.keys[-1].expires)
    return status


def issued(made: KeyRecord, before: Sequence[KeyRecord], secret: str) -> Event:
    """Of a new key; `before` are those that stay valid beside it."""
    until = text_of(made.expires)
    if not before:
        return Event("Normal", "KeyIssued", f"key {made.id} is in Secret {secret}, until {until}")
    older = ", ".join(f"{key.id} until {text_of(key.expires)}" for key in before)
    message = f"key {made.id} takes over in Secret {secret}, until {until}; still valid: {older}"
    return Event("Normal", "KeyRotated", message)


def revoked(keys: Iterable[KeyRecord], why: str) -> list[Event]:
    return [
        Event("Warning", "KeyRevoked", f"key {key.id} is let in no more: {why}") for key in keys
    ]


def _conditions(result: Result, exposed: Exposed) -> list[Condition]:
    trouble = _PAUSED if result.paused else result.trouble
    if trouble:
        value = "Unknown" if result.paused else "False"
        written = Condition(SECRET_WRITTEN, value, trouble.reason, trouble.message)
    else:
        message = f"Secret {result.secret} holds the key"
        written = Condition(SECRET_WRITTEN, "True", "Written", message)
        trouble, value = exposed.trouble, "False"
    if trouble:
        ready = Condition(READY, value, trouble.reason, trouble.message)
    else:
        message = f"the key in Secret {result.secret} opens {result.collection}"
        ready = Condition(READY, "True", "Ready", message)
    # Without a key there is nothing that the gateway should know.
    others = exposed.conditions if result.keys else ()
    return [written, *others, ready]
