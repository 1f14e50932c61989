"""Gateway and registry on one machine: there are none, and a condition says so."""

from __future__ import annotations

from vectorplane.domain.status import DISCOVERY_REGISTERED, GATEWAY_PROGRAMMED, Condition, Exposed
from vectorplane.ports.resources import Resource


def exposed_here(resource: Resource, endpoint: str) -> Exposed:
    """The service itself answers, so a collection is callable without what its manifest asks a
    cluster for."""
    asked = [part for part in ("gateway", "discovery") if _enabled(resource, part)]
    return Exposed(endpoint, tuple(_NONE[part] for part in asked))


def _enabled(resource: Resource, part: str) -> bool:
    return bool((resource.spec.get(part) or {}).get("enabled"))


_NONE = {
    "gateway": Condition(
        GATEWAY_PROGRAMMED, "False", "NoGateway", "local mode has no gateway: the service answers"
    ),
    "discovery": Condition(
        DISCOVERY_REGISTERED, "False", "NoRegistry", "local mode has no service registry"
    ),
}
