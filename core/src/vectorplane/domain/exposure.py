"""What is made known outside: ways through a gateway, credentials, entries of a registry; and the
one decision about them, `changes`, which is pure.

A provider (Kong, the Gateway API, Consul) turns an `Exposure`, a `Credential` or an `Entry` into
objects of its own: a `Ref` says which, a body says how. What is compared is what is declared: a
field that a body leaves out is the provider's own business. The decision table:

    | wanted | found, and ours            | then                                                   |
    | ------ | -------------------------- | ------------------------------------------------------ |
    | yes    | no                         | put                                                    |
    | yes    | as declared                | nothing                                                |
    | yes    | otherwise                  | put                                                    |
    | no     | its owner is paused        | nothing                                                |
    | no     | else                       | delete                                                 |

What is not provably ours is never found, so it is never touched. Puts go by kind in the provider's
order, deletions in the opposite one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vectorplane.domain.model import Key

READ, WRITE = "read", "write"
Body = Mapping[str, Any]
"""JSON, as the provider's own interface has it."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """One object at a provider: its kind in the provider's words, and its identity there."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """The resource that an object is made for; `kind` is VectorCollection, VectorAccess, or Service
    for what serves all of them."""

    kind: Literal["VectorCollection", "VectorAccess", "Service"]
    key: Key
    uid: str

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


Per = Literal["second", "minute", "hour", "day"]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` in a `per`, for each consumer."""

    requests: int
    per: Per


@dataclass(frozen=True, slots=True)
class Exposure:
    """A way through the gateway to the service.

    `path` is what clients send (`/shop/products`), `upstream` what the service is asked
    instead (`/api/v1/collections/shop.products`). `readers` and `writers` are acl groups: one of
    them lets a consumer through. Of the service as a whole, both are the same.
    """

    owner: Owner
    path: str
    upstream: str
    readers: tuple[str, ...]
    writers: tuple[str, ...]
    rate_limit: RateLimit | None = None
    max_body_bytes: int | None = None
    origins: tuple[str, ...] = ()
    """For CORS; without any, browsers of other sites are not let in."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A consumer of the gateway, with all keys that are valid for it now and its acl groups."""

    owner: Owner
    username: str
    """Unique at the gateway."""
    keys: Mapping[str, str] = field(repr=False)
    """The secrets, by the ids of the keys."""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A service in a registry. `address` and `port` are where it answers."""

    owner: Owner
    name: str
    id: str
    address: str
    port: int
    passing: bool
    output: str = ""
    """Why, for people."""
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)


Wish = Exposure | Credential | Entry


@dataclass(frozen=True, slots=True)
class Found:
    """An object as a provider has it. `uid` is of the resource it was made for."""

    body: Body = field(repr=False)
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Put:
    ref: Ref
    body: Body = field(repr=False)

    def __str__(self) -> str:
        return f"put {self.ref}"


@dataclass(frozen=True, slots=True)
class Delete:
    ref: Ref

    def __str__(self) -> str:
        return f"delete {self.ref}"


Change = Put | Delete


def changes(
    wanted: Mapping[Ref, Body],
    found: Mapping[Ref, Found],
    order: Sequence[str],
    *,
    paused: Collection[str] = (),
) -> list[Change]:
    """What makes `found` as `wanted`; see the table above. `paused` are UIDs."""
    rank = {kind: place for place, kind in enumerate(order)}
    puts = [
        Put(ref, body)
        for ref, body in wanted.items()
        if ref not in found or differs(body, found[ref].body)
    ]
    gone = [ref for ref, it in found.items() if ref not in wanted and it.uid not in paused]
    puts.sort(key=lambda put: (rank[put.ref.kind], put.ref))
    gone.sort(key=lambda ref: (-rank[ref.kind], ref))
    return [*(Delete(ref) for ref in gone), *puts]


def differs(declared: Any, found: Any) -> bool:
    """Whether something declared is otherwise than declared; what is left out is not looked at."""
    if isinstance(declared, Mapping):
        if not isinstance(found, Mapping):
            return bool(declared)
        return any(differs(value, found.get(key)) for key, value in declared.items())
    if isinstance(declared, Sequence) and not isinstance(declared, str):
        if not isinstance(found, Sequence) or isinstance(found, str):
            # Some providers leave an empty list out.
            return bool(declared) or found is not None
        return len(declared) != len(found) or any(map(differs, declared, found))
    return bool(declared != found)


def group_of(collection: str, permission: str) -> str:
    """The acl group that may read, or write, a collection (`shop.products`)."""
    return f"vectorplane.{collection}.{permission}"


EVERYBODY = "vectorplane"
"""The acl group of every consumer of ours: it opens the service as a whole."""
VERIFIER = "vectorplane.verifier"
"""The operator's own consumer, that `EndpointVerified` is asked with; also its acl group."""


def groups_of(collection: str, permissions: Iterable[str]) -> tuple[str, ...]:
    """The acl groups of a key for one collection. `admin` is all of them."""
    granted = set(permissions)
    if "admin" in granted:
        granted |= {READ, WRITE}
    return (EVERYBODY, *(group_of(collection, p) for p in (READ, WRITE) if p in granted))
