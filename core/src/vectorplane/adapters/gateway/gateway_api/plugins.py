"""What Kong does with a request on its way, as configurations of its plugins (3.x).

Kong counts requests by route, and its ingress controller makes a route of each match: so the rate
limit holds for all that reads together, and for each way to write by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vectorplane.adapters.gateway.gateway_api.kinds import ACL, KEY_AUTH
from vectorplane.domain.exposure import Exposure

Plugin = tuple[str, dict[str, Any]]
"""Its name at Kong, and its configuration."""
REQUEST_ID = "X-Request-ID"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SHOWN = (REQUEST_ID, "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def shared(exposure: Exposure) -> dict[str, Plugin]:
    """What reading and writing have in common, by role."""
    limit, size, origins = exposure.rate_limit, exposure.max_body_bytes, exposure.origins
    plugins: dict[str, Plugin] = {
        "auth": (KEY_AUTH, _KEY_AUTH),
        "id": ("correlation-id", _CORRELATION_ID),
        "metrics": ("prometheus", _PROMETHEUS),
    }
    if limit:
        counted = {"limit_by": "consumer", "policy": "local", "fault_tolerant": True}
        plugins["rate"] = ("rate-limiting", {limit.per: limit.requests, **counted})
    if size:
        most = {"allowed_payload_size": size, "size_unit": "bytes"}
        plugins["size"] = ("request-size-limiting", {**most, "require_content_length": False})
    if origins:
        plugins["cors"] = ("cors", {"origins": list(origins), **_CORS})
    return plugins


def groups(allowed: Sequence[str]) -> Plugin:
    """One of these groups lets a consumer through."""
    return ACL, {"allow": list(allowed), "hide_groups_header": True}


# The service looks at the same key itself, so it is passed on. A preflight carries no key: where
# there is a cors plugin, that one answers it before.
_KEY_AUTH = {
    "key_names": ["x-api-key"],
    "key_in_header": True,
    "key_in_query": False,
    "key_in_body": False,
    "hide_credentials": False,
    "run_on_preflight": True,
}
_CORRELATION_ID = {"header_name": REQUEST_ID, "generator": "uuid", "echo_downstream": True}
_PROMETHEUS = {
    "status_code_metrics": True,
    "latency_metrics": True,
    "bandwidth_metrics": True,
    "per_consumer": True,
}
_CORS = {
    "methods": list(_METHODS),
    "exposed_headers": list(_SHOWN),
    "max_age": 600,
    "credentials": False,
    "preflight_continue": False,
}
