"""What is said of a collection's ways: conditions, endpoint, and whether it can be called. Pure.

    gateway.enabled  the gateway      verification  Ready (where the collection itself is)
    ---------------  ---------------  ------------  --------------------------------------
    no               any              any           as the collection
    yes              there is none    any           False, NoGateway
    yes              any              succeeded     True: a real request came through
    yes              any              failed        False, and why
    yes              works            off           True
    yes              works not        off           False, and why
    yes              away             off           as it was; False where it never worked

The registry never decides `Ready`: a collection that is not listed there can be called. What nobody
knows yet, after a restart for instance, is said as it was said last.
"""

from __future__ import annotations

from dataclasses import dataclass

from vectorplane.domain.status import (
    DISCOVERY_REGISTERED,
    ENDPOINT_VERIFIED,
    GATEWAY_PROGRAMMED,
    Condition,
    Exposed,
    Trouble,
    condition_of,
)
from vectorplane.exposure.publishing import State
from vectorplane.exposure.wishes import asked
from vectorplane.ports.resources import Resource

PENDING = State(False, "Pending", "not there yet")
NO_GATEWAY = State(
    False, "NoGateway", "the operator programs no gateway: OPERATOR_GATEWAY_MODE is none"
)
NO_REGISTRY = State(
    False, "NoRegistry", "the operator has no service registry: OPERATOR_CONSUL_URL is not set"
)


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of the last request through the gateway."""

    works: bool
    reason: str
    message: str


def exposed(
    resource: Resource,
    *,
    endpoint: str | None,
    gateway: State | None = None,
    verifies: bool = False,
    verified: Verified | None = None,
    registry: State | None = None,
) -> Exposed:
    """`gateway`, `verified` and `registry` are None where nobody knows yet."""
    conditions: list[Condition] = []
    trouble: Trouble | None = None
    if asked(resource, "gateway"):
        programmed = _condition(resource, GATEWAY_PROGRAMMED, gateway, "the gateway leads to it")
        conditions.append(programmed)
        decides = programmed
        if verifies and gateway != NO_GATEWAY:
            came = _verified(resource, programmed, verified)
            conditions.append(came)
            # Where both say no, the gateway's is the reason of the other.
            decides = came if came.status == "True" or programmed.status != "False" else programmed
        if decides.status == "False" or (verifies and decides.status != "True"):
            trouble = Trouble(decides.reason, decides.message)
    if asked(resource, "discovery"):
        said = "the registry has an entry for it"
        conditions.append(_condition(resource, DISCOVERY_REGISTERED, registry, said))
    return Exposed(endpoint, tuple(conditions), trouble)


def said_before(resource: Resource, kind: str) -> Condition | None:
    """A condition as the status has it."""
    before = condition_of(resource.status, kind)
    if not before:
        return None
    return Condition(kind, before["status"], before["reason"], before["message"])


def _condition(resource: Resource, kind: str, state: State | None, works: str) -> Condition:
    before = said_before(resource, kind)
    if state is None:
        return before or Condition(kind, "False", PENDING.reason, PENDING.message)
    if state.works:
        return Condition(kind, "True", state.reason, works)
    # What worked before does so still, for all that is known; what never did, does not.
    known = before is not None and before.status in ("True", "Unknown")
    status = "Unknown" if state.away and known else "False"
    return Condition(kind, status, state.reason, state.message)


def _verified(resource: Resource, programmed: Condition, verified: Verified | None) -> Condition:
    if verified is None:
        before = said_before(resource, ENDPOINT_VERIFIED)
        if before and programmed.status != "False":
            return before
        if programmed.status == "False":
            return Condition(ENDPOINT_VERIFIED, "Unknown", programmed.reason, programmed.message)
        message = "no request came through the gateway yet"
        return Condition(ENDPOINT_VERIFIED, "Unknown", "NotVerifiedYet", message)
    status = "True" if verified.works else "False"
    return Condition(ENDPOINT_VERIFIED, status, verified.reason, verified.message)
