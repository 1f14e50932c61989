"""Wishes for tests of providers: a way, a credential, an entry, each of an owner of its own."""

from __future__ import annotations

from typing import Any, Literal
from uuid import NAMESPACE_OID, uuid4, uuid5

from vectorplane.domain.exposure import (
    EVERYBODY,
    Credential,
    Entry,
    Exposure,
    Owner,
    RateLimit,
    Wish,
    group_of,
    groups_of,
)
from vectorplane.domain.model import Key


class Wishes:
    """Of one namespace, which is nobody else's: tests may share a place."""

    def __init__(self) -> None:
        self.namespace = f"ns{uuid4().hex[:10]}"

    def owner(
        self, name: str, kind: Literal["VectorCollection", "VectorAccess"] = "VectorCollection"
    ) -> Owner:
        uid = uuid5(NAMESPACE_OID, f"{self.namespace}/{kind}/{name}")
        return Owner(kind, Key(self.namespace, name), str(uid))

    def exposure(self, name: str = "products", **fields: Any) -> Exposure:
        collection = f"{self.namespace}.{name}"
        settled: dict[str, Any] = {
            "owner": self.owner(name),
            "path": f"/{self.namespace}/{name}",
            "upstream": f"/api/v1/collections/{collection}",
            "readers": (group_of(collection, "read"),),
            "writers": (group_of(collection, "write"),),
            "rate_limit": RateLimit(600, "minute"),
            "max_body_bytes": 1_048_576,
        }
        return Exposure(**(settled | fields))

    def service(self, path: str | None = None, **fields: Any) -> Exposure:
        """The service as a whole."""
        owner = Owner("Service", Key(self.namespace, "service"), f"service-{self.namespace}")
        path = path or f"/{self.namespace}/api/v1"
        settled: dict[str, Any] = {"rate_limit": None, **fields}
        everybody = {"readers": (EVERYBODY,), "writers": (EVERYBODY,)}
        return Exposure(owner, path, upstream="/api/v1", **everybody, **settled)

    def credential(
        self,
        name: str = "reader",
        *permissions: str,
        of: str = "products",
        keys: dict[str, str] | None = None,
    ) -> Credential:
        owner = self.owner(name, "VectorAccess")
        given = {"k1": self.key(name)} if keys is None else keys
        groups = groups_of(f"{self.namespace}.{of}", permissions or ("read",))
        return Credential(owner, f"vectorplane.{self.namespace}.{name}", given, groups)

    def key(self, name: str, number: int = 1) -> str:
        """A secret that the whole test run has once."""
        return f"secret-{self.namespace}-{name}-{number}"

    def entry(self, name: str = "products", **fields: Any) -> Entry:
        settled: dict[str, Any] = {
            "owner": self.owner(name),
            "name": f"{self.namespace}-{name}",
            "id": f"{self.namespace}-{name}-1",
            "address": "127.0.0.1",
            "port": 10200,
            "passing": True,
            "tags": ("search",),
            "meta": {"collection": f"{self.namespace}.{name}"},
        }
        return Entry(**(settled | fields))

    def all(self) -> list[Wish]:
        """One of each kind, and a way without limits."""
        return [
            self.exposure(),
            self.exposure("plain", rate_limit=None, max_body_bytes=None),
            self.service(),
            self.credential(),
            self.credential("writer", "read", "write"),
            self.entry(),
        ]
