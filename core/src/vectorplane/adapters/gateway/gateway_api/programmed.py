"""Whether the controllers of a Gateway and of Kong say that our objects work. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vectorplane.adapters.gateway.gateway_api.kinds import CONSUMER, PLUGIN, ROUTE
from vectorplane.adapters.gateway.gateway_api.render import Place
from vectorplane.domain.exposure import Body, Found, Ref

NOT_TAKEN = "not taken up by a Gateway controller yet"
_MEANS = {
    "Accepted": "has not accepted",
    "ResolvedRefs": "cannot resolve what is referred to by",
    "Programmed": "has not programmed",
}


def why_not(refs: Mapping[Ref, Found], place: Place) -> str | None:
    """The first reason, in the order of the objects' names; None where all of them work."""
    for ref, found in sorted(refs.items()):
        if ref.kind == ROUTE.name:
            why = _of_route(ref, found.body, place)
        elif ref.kind in (CONSUMER.name, PLUGIN.name):
            why = _of_kong(ref, found.body)
        else:
            why = None
        if why:
            return why
    return None


def _of_route(ref: Ref, body: Body, place: Place) -> str | None:
    said = [
        parent.get("conditions") or ()
        for parent in (body.get("status") or {}).get("parents") or ()
        if _is_ours(parent.get("parentRef") or {}, place)
    ]
    # Several controllers may speak of one parent: one that took it up is enough.
    reasons = [_of_parent(ref, _by_type(conditions), body, place) for conditions in said]
    if None in reasons:
        return None
    return next(iter(reasons), None) or f"{ref}: {NOT_TAKEN}"


def _is_ours(parent: Mapping[str, Any], place: Place) -> bool:
    return (
        parent.get("name") == place.gateway_name
        and parent.get("namespace") == place.gateway_namespace
        and (not place.listener or parent.get("sectionName") == place.listener)
    )


def _of_parent(
    ref: Ref, conditions: Mapping[str, Mapping[str, Any]], body: Body, place: Place
) -> str | None:
    if "Accepted" not in conditions:
        return f"{ref}: {NOT_TAKEN}"
    for kind, means in _MEANS.items():
        condition = conditions.get(kind)
        if not condition:
            continue
        if _old(condition, body):
            return f"{ref}: its last change is {NOT_TAKEN}"
        status = condition.get("status")
        # Not every controller says all of them; of acceptance each must be sure.
        if status == "False" or (kind != "ResolvedRefs" and status != "True"):
            gateway = f"{place.gateway_namespace}/{place.gateway_name}"
            return f"the Gateway {gateway} {means} {ref}: {_words(condition)}"
    return None


def _of_kong(ref: Ref, body: Body) -> str | None:
    """Kong's controller says this of its own kinds; the CRD says `Unknown` before it does."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    condition = _by_type(conditions).get("Programmed")
    if not condition or condition.get("status") == "True":
        return None
    if condition.get("status") == "False" and not _old(condition, body):
        return f"Kong has not programmed {ref}: {_words(condition)}"
    return f"{ref}: not taken up by Kong's ingress controller yet"


def _by_type(conditions: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(condition.get("type")): condition for condition in conditions}


def _old(condition: Mapping[str, Any], body: Body) -> bool:
    """Said of an earlier form of the object."""
    now: int = body["metadata"].get("generation") or 0
    seen: int = condition.get("observedGeneration") or now
    return seen < now


def _words(condition: Mapping[str, Any]) -> str:
    return str(condition.get("message") or condition.get("reason") or "no reason given")
