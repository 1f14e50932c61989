"""How a collection is exposed, and who may reach it: parts of the VectorCollection, and the
VectorAccess."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from vectorplane.spec_base import ObjectName, Part, Positive

Origin = Annotated[
    str, StringConstraints(max_length=253, pattern=r"^(\*|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?)$")
]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[!-+\--~]+$")]


class RateLimit(Part):
    """At most so many requests in a time, for each key."""

    requests: Positive
    """How many."""
    per: Literal["second", "minute", "hour", "day"] = "minute"
    """In which time."""


class Gateway(Part):
    """The way through the gateway."""

    enabled: bool = False
    """Whether the gateway leads to the collection. Only keys of a VectorAccess get through."""
    path: (
        Annotated[
            str,
            StringConstraints(max_length=253, pattern=r"^(/[A-Za-z0-9][A-Za-z0-9._~-]*)+$"),
        ]
        | None
    ) = None
    """Where it answers: `/<namespace>/<name>` where it is left out. Begins with the namespace."""
    rate_limit: RateLimit | None = None
    """The most that one key may ask; the platform's where it is left out."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**31 - 1)] | None = None
    """The largest body of a request; the platform's where it is left out."""
    origins: Annotated[
        list[Origin], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """Web sites whose scripts may call it (CORS)."""


class Discovery(Part):
    """The entry in the service registry."""

    enabled: bool = False
    """Whether the registry has a service of its own for the collection."""
    tags: Annotated[
        list[Tag], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """Tags of that service."""


Ttl = Annotated[
    str,
    StringConstraints(
        max_length=12,
        pattern=r"^([1-9][0-9]{1,8}s|[1-9][0-9]{0,6}m|[1-9][0-9]{0,4}h|[1-9][0-9]{0,3}d)$",
    ),
]
"""A `Duration` of at least ten seconds and at most some decades."""


class VectorAccessSpec(Part):
    """A key for one collection of this namespace, in a Secret."""

    collection: ObjectName
    """The VectorCollection of this namespace that the key is for. Where another one is named, the
    keys so far are revoked."""
    permissions: Annotated[
        list[Literal["read", "write", "admin"]],
        Field(min_length=1, max_length=3, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = ["read"]
    """What the key may do; `admin` is all of it."""
    ttl: Ttl = "30d"
    """How long a key is valid: `10s` to `9999d`. A new one is made when a third of this is left;
    both are valid until the older one ends."""
    secret_name: ObjectName | None = None
    """The Secret that the key is written to; the resource's own name where it is left out."""
