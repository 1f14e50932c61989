"""What a wish is in Kong: its services, routes, plugins, consumers and credentials. Pure.

A way through the gateway, with `readers` and `writers` that differ:

    | object                                  | says                                            |
    | --------------------------------------- | ----------------------------------------------- |
    | service                                 | where the service answers, with the upstream    |
    | its plugins                             | key-auth, limits, ids, CORS, metrics; and acl:  |
    |                                         | writers                                         |
    | route read: GET, HEAD, POST, OPTIONS    | the path by whole segments                      |
    | its acl                                 | readers; it goes before the service's           |
    | route write: PUT, PATCH, DELETE         | the path by whole segments                      |
    | route change: POST points/delete, ...   | a regex, so it goes before read                 |
    | its request-transformer                 | puts back what the regex has stripped           |

So whatever is killed in between, nothing is ever open: a route comes after the service's key-auth
and acl and goes before them, and a route without an acl of its own is for writers.

Ids are UUIDs of the cluster, the resource and the part: whoever begins again puts the same objects.
A field that another one could set, and that changes what a request meets, is declared even where it
is null: what is not declared is no drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from vectorplane.domain.exposure import Body, Credential, Exposure, Owner, RateLimit, Ref, Wish
from vectorplane.errors import GatewayRejected

SERVICES, SERVICE_PLUGINS, ROUTES, ROUTE_PLUGINS = (
    "services",
    "service-plugins",
    "routes",
    "route-plugins",
)
CONSUMERS, ACLS, KEYS = "consumers", "acls", "key-auths"
ORDER = (SERVICES, SERVICE_PLUGINS, ROUTES, ROUTE_PLUGINS, CONSUMERS, ACLS, KEYS)
MANAGED = "managed-by:vectorplane"
KEY_HEADER = "x-api-key"
REQUEST_ID = "X-Request-ID"

_READS = ("GET", "HEAD", "OPTIONS", "POST")
_WRITES = ("DELETE", "PATCH", "PUT")
_CHANGES = "points/(?<change>delete|payload)"
_PROTOCOLS = ("http", "https")
_IDS = UUID("a3d9a8b4-6b0e-5c0f-9d0c-0f6a1a4d7c11")
_EXPOSED = (REQUEST_ID, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After")
_PREFLIGHT_SECONDS = 600


class Rendering:
    """Renders for one cluster, and one service behind the gateway.

    `service_url` is like `http://vectorplane.svc:10200`. Raises `GatewayRejected` where it is not.
    """

    def __init__(self, cluster: str, service_url: str) -> None:
        self._cluster = cluster
        self._service = _upstream(service_url)

    def render(self, wish: Wish) -> Mapping[Ref, Body]:
        """The objects of a wish; none of what is not a gateway's."""
        match wish:
            case Exposure():
                return dict(self._exposure(wish))
            case Credential():
                return dict(self._credential(wish))
        return {}

    def tags(self, uid: str) -> list[str]:
        return sorted((*self.own_tags, f"uid:{uid}"))

    @property
    def own_tags(self) -> tuple[str, str]:
        """Those that all our objects carry, and nobody else's."""
        return MANAGED, f"cluster:{self._cluster}"

    def _exposure(self, wish: Exposure) -> Iterator[tuple[Ref, Body]]:
        path, upstream = wish.path.rstrip("/"), wish.upstream.rstrip("/")
        upstream = self._service["path"] + upstream
        service = self._ref(SERVICES, wish.owner)
        tags = self.tags(wish.owner.uid)
        name = self._name(wish.owner)
        yield (
            service,
            {**self._service, "name": name, "path": upstream or "/", "enabled": True, "tags": tags},
        )
        for plugin, config in _plugins(wish):
            yield self._plugin(wish.owner, "service", service, plugin, config)

        whole = wish.readers == wish.writers
        by_segment = ["/"] if not path else [f"{path}/", f"~{_escaped(path)}$"]

        def route(part: str, methods: Sequence[str] | None, paths: list[str]) -> tuple[Ref, Body]:
            return self._ref(ROUTES, wish.owner, part), {
                "name": f"{name}.{part}",
                "service": {"id": service.id},
                "protocols": list(_PROTOCOLS),
                "methods": None if methods is None else list(methods),
                "hosts": None,
                "headers": None,
                "snis": None,
                "paths": paths,
                "strip_path": True,
                "preserve_host": False,
                "path_handling": "v0",
                "regex_priority": 1 if part == "change" else 0,
                "tags": tags,
            }

        read = route("all" if whole else "read", None if whole else _READS, by_segment)
        yield read
        if whole:
            return
        acl = _acl(wish.readers)
        yield self._plugin(wish.owner, "route", read[0], "acl", acl)
        yield route("write", _WRITES, by_segment)
        # A slash at its end makes it no read.
        change = route("change", ("POST",), [f"~{_escaped(path)}/{_CHANGES}/?$"])
        yield change
        put_back = {"replace": {"uri": f"{upstream}/points/$(uri_captures.change)"}}
        yield self._plugin(wish.owner, "route", change[0], "request-transformer", put_back)

    def _credential(self, wish: Credential) -> Iterator[tuple[Ref, Body]]:
        consumer = self._ref(CONSUMERS, wish.owner)
        tags = self.tags(wish.owner.uid)
        yield consumer, {"username": wish.username, "custom_id": wish.owner.uid, "tags": tags}
        of = {"consumer": {"id": consumer.id}, "tags": tags}
        for group in wish.groups:
            yield self._ref(ACLS, wish.owner, group), {**of, "group": group}
        for key_id, key in wish.keys.items():
            yield self._ref(KEYS, wish.owner, key_id), {**of, "key": key}

    def _plugin(
        self, owner: Owner, at: str, where: Ref, name: str, config: Body
    ) -> tuple[Ref, Body]:
        on_service = at == "service"
        place: dict[str, Any] = {"service": None, "route": None, "consumer": None}
        kind = SERVICE_PLUGINS if on_service else ROUTE_PLUGINS
        return self._ref(kind, owner, f"{where.id}/{name}"), {
            "name": name,
            **place,
            at: {"id": where.id},
            "enabled": True,
            "config": config,
            "tags": self.tags(owner.uid),
        }

    def _ref(self, kind: str, owner: Owner, part: str = "") -> Ref:
        return Ref(kind, str(uuid5(_IDS, "/".join((self._cluster, kind, owner.uid, part)))))

    def _name(self, owner: Owner) -> str:
        """For people and metrics: unique in a Kong that several clusters share."""
        of = "service" if owner.kind == "Service" else owner.key.collection
        return f"vectorplane.{self._cluster[:8]}.{of}"


def _plugins(wish: Exposure) -> Iterator[tuple[str, Body]]:
    """Those that all routes of a way have in common."""
    yield (
        "key-auth",
        {
            "key_names": [KEY_HEADER],
            "key_in_header": True,
            "key_in_query": False,
            "key_in_body": False,
            # The service verifies the same key itself.
            "hide_credentials": False,
            "anonymous": None,
            "run_on_preflight": True,
        },
    )
    yield "acl", _acl(wish.writers)
    yield (
        "correlation-id",
        {"header_name": REQUEST_ID, "generator": "uuid", "echo_downstream": True},
    )
    yield (
        "prometheus",
        {
            "status_code_metrics": True,
            "latency_metrics": True,
            "bandwidth_metrics": True,
            "per_consumer": True,
        },
    )
    if wish.rate_limit:
        yield "rate-limiting", _rate(wish.rate_limit)
    if wish.max_body_bytes is not None:
        size = {"allowed_payload_size": wish.max_body_bytes, "size_unit": "bytes"}
        yield "request-size-limiting", size
    if wish.origins:
        # It answers an OPTIONS before key-auth is asked: browsers send no key with that.
        yield (
            "cors",
            {
                "origins": list(wish.origins),
                "methods": [*_READS, *_WRITES],
                "headers": None,
                "exposed_headers": list(_EXPOSED),
                "credentials": False,
                "max_age": _PREFLIGHT_SECONDS,
                "preflight_continue": False,
            },
        )


def _acl(groups: Sequence[str]) -> Body:
    return {"allow": sorted(groups), "deny": None}


def _rate(limit: RateLimit) -> Body:
    periods: dict[str, int | None] = dict.fromkeys(("second", "minute", "hour", "day"))
    periods[limit.per] = limit.requests
    # Counts of each node of its own, and open where they cannot be had: a limit is no lock.
    return {**periods, "limit_by": "consumer", "policy": "local", "fault_tolerant": True}


def _escaped(path: str) -> str:
    """A path as a regex. Kong's two routers know the backslash before a sign, but not before all
    that `re.escape` puts it before."""
    return re.sub(r"[^A-Za-z0-9/_~-]", lambda sign: f"\\{sign[0]}", path)


def _upstream(service_url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(service_url)
        port = parts.port
    except ValueError as error:
        raise GatewayRejected("the service's URL has a port between 0 and 65535") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise GatewayRejected("the service's URL is like http://vectorplane-service:10200")
    host = parts.hostname
    return {
        "protocol": parts.scheme,
        "host": f"[{host}]" if ":" in host else host,
        "port": port or (443 if parts.scheme == "https" else 80),
        "path": parts.path.rstrip("/"),
    }
