"""The engines that operator tests run on, behind one face: a place, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from support.operator_process import KOPF
from support.parts import required
from support.qdrant import available
from support.remote_store import RemoteAdmin
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.adapters.vectors.qdrant_server.points import QdrantPoints
from vectorplane.domain.model import Collection, Owner, Record
from vectorplane.ports.vectors import Listing, Point


def _only(engine: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("engine", [engine], indirect=True, scope="session")


REAL = "qdrant" if available() or required("qdrant") else "memory"
MEMORY_ENGINE = _only("memory")
"""For tests whose subject is not the store."""
REAL_ENGINE = _only(REAL)
"""For long tests: one engine, and a real one where there is one."""


@dataclass(frozen=True)
class Engine:
    """`url` is the store itself; the operator goes through a proxy in front of it."""

    name: str
    url: str
    api_key: str | None = None
    snapshots: str = "/qdrant/snapshots"
    """The folder of snapshots, as the store sees it."""

    @property
    def command(self) -> Sequence[str]:
        module = "support.operator_memory" if self.name == "memory" else "vectorplane_operator.main"
        return (*KOPF, module)

    def call(self, method: str, *arguments: object) -> Any:
        """One call of `VectorAdmin`, past the proxy."""
        return asyncio.run(self._call(method, arguments))

    def listing(self) -> Listing:
        found: Listing = self.call("listing")
        return found

    def describe(self, collection: str) -> Collection | None:
        found: Collection | None = self.call("describe", collection)
        return found

    def owner(self, collection: str) -> Owner | None:
        found = self.describe(collection)
        return found.record.owner if found and found.record else None

    def make(self, collection: str, owner: Owner | None = None, *, size: int = 4) -> None:
        """A collection that no operator of this test made."""
        settings = {("vectors", "", "size"): size, ("vectors", "", "distance"): "Cosine"}
        self.call("create", collection, settings, Record(owner=owner))

    def point(self, alias: str, collection: str) -> None:
        self.call("change_aliases", {alias: collection}, frozenset())

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Write points, past the proxy and past the service."""
        if self.name == "memory":
            self.call("upsert", collection, points)
        else:
            asyncio.run(self._upsert(collection, points))

    def of(self, namespace: str) -> set[str]:
        """The collections of a namespace, by their physical names."""
        return {c for c in self.listing().collections if c.startswith(f"{namespace}.")}

    def aliases(self, namespace: str) -> dict[str, str]:
        found = self.listing().aliases
        return {a: c for a, c in found.items() if a.startswith(f"{namespace}.")}

    async def _upsert(self, collection: str, points: Sequence[Point]) -> None:
        client = QdrantPoints(self.url, self.api_key, timeout=20.0)
        try:
            await client.upsert(collection, points)
        finally:
            await client.close()

    async def _call(self, method: str, arguments: tuple[object, ...]) -> Any:
        client: Any = (
            RemoteAdmin(self.url, self.api_key, 20.0)
            if self.name == "memory"
            else QdrantAdmin(self.url, api_key=self.api_key, timeout=20.0)
        )
        try:
            return await getattr(client, method)(*arguments)
        finally:
            await client.close()
