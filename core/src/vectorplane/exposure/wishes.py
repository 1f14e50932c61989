"""From resources to what a gateway and a registry should have. Pure.

Who serves a path keeps it; else the oldest wins. A path that lies below another one would take a
part of it away, so that is a conflict too: `/shop/a` and `/shop/a/b`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from vectorplane.domain.exposure import (
    EVERYBODY,
    READ,
    VERIFIER,
    WRITE,
    Entry,
    Exposure,
    Owner,
    Per,
    RateLimit,
    group_of,
)
from vectorplane.domain.model import Key
from vectorplane.domain.status import READY, Trouble, condition_of
from vectorplane.ports.resources import Resource

SERVICE = Key("", "vectorplane")
"""Stands for the service as a whole."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the platform team says for all. `gateway` and `service` are URLs that clients use."""

    gateway: str = ""
    service: str = ""
    service_path: str = "/api/v1"
    any_path: bool = False
    rate_limit: RateLimit | None = None
    max_body_bytes: int | None = None


def rate_limit(text: str) -> RateLimit | None:
    """`600/minute` as a limit; none where it is empty."""
    if not text:
        return None
    requests, _, per = text.partition("/")
    return RateLimit(int(requests), cast(Per, per))


def asked(resource: Resource, part: str) -> Mapping[str, Any] | None:
    """What a resource says of its `gateway` or `discovery`, where that is enabled and the resource
    stays."""
    said = resource.spec.get(part)
    enabled = isinstance(said, Mapping) and said.get("enabled") and not resource.deleting
    return said if enabled else None


def owner_of(resource: Resource) -> Owner:
    return Owner("VectorCollection", resource.key, resource.uid)


def owner_of_service(uid: str) -> Owner:
    """Of what serves all of a cluster, by the cluster's id."""
    return Owner("Service", SERVICE, uid)


def path_of(resource: Resource) -> str:
    """Where a collection answers at the gateway."""
    path: str | None = (resource.spec.get("gateway") or {}).get("path")
    return path or f"/{resource.key.namespace}/{resource.key.name}"


def upstream_of(resource: Resource, policy: Policy) -> str:
    """Where it answers at the service."""
    return f"{policy.service_path}/collections/{resource.key.collection}"


def refused_paths(resources: Iterable[Resource], policy: Policy) -> dict[Key, Trouble]:
    """The resources whose path they cannot have, with the reason."""
    claims = [r for r in resources if asked(r, "gateway")]
    claims.sort(key=lambda r: (not _serves(r), r.created, r.uid))
    taken: dict[str, Key] = {}
    above: dict[str, Key] = {}
    """What lies above a path that is taken."""
    refused: dict[Key, Trouble] = {}
    if policy.gateway or policy.service:
        taken[policy.service_path] = SERVICE
        above |= dict.fromkeys(_above(policy.service_path), SERVICE)
    for resource in claims:
        path, key = path_of(resource), resource.key
        other = taken.get(path) or above.get(path)
        other = other or next((taken[p] for p in _above(path) if p in taken), None)
        if not policy.any_path and not path.startswith(f"/{key.namespace}/"):
            message = f"spec.gateway.path {path} must begin with /{key.namespace}/"
            refused[key] = Trouble("PathNotAllowed", message)
        elif other:
            whose = "the service's own API" if other == SERVICE else f"VectorCollection {other}"
            message = f"spec.gateway.path {path} meets the path of {whose}"
            refused[key] = Trouble("PathConflict", message)
        else:
            taken[path] = key
            above |= dict.fromkeys(_above(path), key)
    return refused


def exposure_of(resource: Resource, policy: Policy) -> Exposure:
    """The way to a collection whose gateway is enabled."""
    said, name = resource.spec["gateway"], resource.key.collection
    limit = said.get("rateLimit")
    return Exposure(
        owner_of(resource),
        path_of(resource),
        upstream_of(resource, policy),
        readers=(group_of(name, READ), VERIFIER),
        writers=(group_of(name, WRITE),),
        rate_limit=RateLimit(limit["requests"], limit.get("per", "minute"))
        if limit
        else policy.rate_limit,
        max_body_bytes=said.get("maxBodyBytes") or policy.max_body_bytes,
        origins=tuple(said.get("origins") or ()),
    )


def exposure_of_service(policy: Policy, uid: str) -> Exposure:
    """The way to the whole API: the service itself looks at what a key is for."""
    return Exposure(
        owner_of_service(uid),
        policy.service_path,
        policy.service_path,
        readers=(EVERYBODY,),
        writers=(EVERYBODY,),
        rate_limit=policy.rate_limit,
        max_body_bytes=policy.max_body_bytes,
    )


def refused_services(resources: Iterable[Resource]) -> dict[Key, Trouble]:
    """The resources whose name in the registry another one has: `a-b/c` and `a/b-c` are both
    `a-b-c` there, for a name of DNS has no other sign."""
    claims = [r for r in resources if asked(r, "discovery")]
    claims.sort(key=lambda r: (r.created, r.uid))
    taken: dict[str, Key] = {}
    refused: dict[Key, Trouble] = {}
    for resource in claims:
        other = taken.setdefault(_service_name(resource.key), resource.key)
        if other != resource.key:
            message = f"VectorCollection {other} has the name {_service_name(other)} already"
            refused[resource.key] = Trouble("NameConflict", message)
    return refused


def entry_of(resource: Resource, policy: Policy) -> Entry | None:
    """A collection's entry in the registry: where it answers, and whether it does. None where
    nobody has said where the service is."""
    exposed = bool(policy.gateway and asked(resource, "gateway"))
    address, port = address_of(policy.gateway if exposed else policy.service)
    if not address:
        return None
    ready = condition_of(resource.status, READY)
    key = resource.key
    return Entry(
        owner_of(resource),
        name=_service_name(key),
        id=key.collection,
        address=address,
        port=port,
        passing=ready.get("status") == "True",
        output=str(ready.get("reason", "Pending")),
        tags=tuple(resource.spec["discovery"].get("tags") or ()),
        meta={
            "external-source": "kubernetes",
            "namespace": key.namespace,
            "collection": key.collection,
            "path": path_of(resource) if exposed else upstream_of(resource, policy),
        },
    )


def entries_of_service(
    ready: Iterable[tuple[str, int, str]], policy: Policy, uid: str
) -> list[Entry]:
    """The service's own entries: one for each endpoint (address, port, pod) that is ready."""
    return [
        Entry(
            owner_of_service(uid),
            name="vectorplane",
            id=f"vectorplane-{address}-{port}",
            address=address,
            port=port,
            passing=True,
            output="ready",
            meta={"external-source": "kubernetes", "pod": pod, "path": policy.service_path},
        )
        for address, port, pod in sorted(ready)
    ]


def address_of(url: str) -> tuple[str, int]:
    """Host and port of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _serves(resource: Resource) -> bool:
    """Whether its status says that it is served under its path already."""
    return urlsplit(str(resource.status.get("endpoint", ""))).path == path_of(resource)


def _above(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(2, len(parts)))


def _service_name(key: Key) -> str:
    return f"{key.namespace}-{key.name}".replace(".", "-")
