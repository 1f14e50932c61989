"""The vector-store adapters, each as something a test can open. A new adapter is one line in
`ADAPTERS`."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from support.parts import require_or_skip
from support.qdrant import MISSING, QdrantServer
from vectorplane.domain.model import Record, Settings
from vectorplane.ports.vectors import VectorAdmin, VectorPoints

COSINE = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Cosine"}
NOBODY = Record(owner=None)


class Metadata(Protocol):
    """A collection's raw metadata, as somebody else would write and read it."""

    async def put(self, collection: str, extra: dict[str, Any]) -> None: ...

    async def get(self, collection: str) -> dict[str, Any]: ...


@dataclass
class Stores:
    """One adapter, opened: its two halves, and what a test made in it."""

    kind: str
    admin: VectorAdmin
    points: VectorPoints
    made: list[str] = field(default_factory=list)
    metadata: Metadata | None = None

    def name(self, base: str = "c") -> str:
        """A collection's name that no other test has; dropped at the end."""
        name = f"t{secrets.token_hex(4)}.{base}_1"
        self.made.append(name)
        return name

    async def collection(self, settings: Settings = COSINE, record: Record = NOBODY) -> str:
        name = self.name()
        await self.admin.create(name, settings, record)
        return name

    @asynccontextmanager
    async def passing(self, settings: Settings) -> AsyncIterator[str]:
        """A collection for a while."""
        name = await self.collection(settings)
        try:
            yield name
        finally:
            await self.admin.drop(name)
            self.made.remove(name)

    async def clean(self) -> None:
        for name in self.made:
            await self.admin.drop(name)


Request = pytest.FixtureRequest
Opener = Callable[[Path, Request], AbstractAsyncContextManager[Stores]]


@asynccontextmanager
async def memory(path: Path, request: Request) -> AsyncIterator[Stores]:
    from vectorplane.adapters.vectors.memory import MemoryStore

    store = MemoryStore()

    class Raw:
        async def put(self, collection: str, extra: dict[str, Any]) -> None:
            store.metadata(collection).update(extra)

        async def get(self, collection: str) -> dict[str, Any]:
            return store.metadata(collection)

    yield Stores("memory", store, store, metadata=Raw())


@asynccontextmanager
async def embedded(path: Path, request: Request) -> AsyncIterator[Stores]:
    try:
        from vectorplane.adapters.vectors.qdrant_embedded import EmbeddedEngine
    except ModuleNotFoundError:
        require_or_skip("embedded", "the extra `embedded` is not installed")
    engine = await EmbeddedEngine.open(path / "engine")

    class Raw:
        async def put(self, collection: str, extra: dict[str, Any]) -> None:
            entry = engine._catalogue.collections[collection]
            entry = replace(entry, metadata={**entry.metadata, **extra})
            engine._catalogue = engine._catalogue.having(collection, entry)

        async def get(self, collection: str) -> dict[str, Any]:
            return dict(engine._catalogue.collections[collection].metadata)

    try:
        yield Stores("embedded", engine, engine, metadata=Raw())
    finally:
        await engine.close()


@asynccontextmanager
async def _server(request: Request, kind: str, *, grpc: bool) -> AsyncIterator[Stores]:
    server: QdrantServer = request.getfixturevalue("qdrant")
    if grpc and server.grpc_port is None:
        pytest.skip("QDRANT_URL is set without QDRANT_GRPC_PORT")
    from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
    from vectorplane.adapters.vectors.qdrant_server.points import QdrantPoints

    admin = QdrantAdmin(server.url, server.api_key, timeout=60, snapshots_path=server.snapshots)
    points = QdrantPoints(
        server.url, server.api_key, server.grpc_port if grpc else None, timeout=60
    )

    class Raw:
        async def put(self, collection: str, extra: dict[str, Any]) -> None:
            await admin._rest.call("PATCH", f"/collections/{collection}", {"metadata": extra})

        async def get(self, collection: str) -> dict[str, Any]:
            info = await admin._rest.call("GET", f"/collections/{collection}")
            found: dict[str, Any] = info["config"]["metadata"]
            return found

    stores = Stores(kind, admin, points, metadata=Raw())
    try:
        yield stores
        await stores.clean()
    finally:
        await points.close()
        await admin.close()


def server_rest(path: Path, request: Request) -> AbstractAsyncContextManager[Stores]:
    return _server(request, "server-rest", grpc=False)


def server_grpc(path: Path, request: Request) -> AbstractAsyncContextManager[Stores]:
    return _server(request, "server-grpc", grpc=True)


ADAPTERS: dict[str, Opener] = {
    "memory": memory,
    "embedded": embedded,
    "server-rest": server_rest,
    "server-grpc": server_grpc,
}

__all__ = ["ADAPTERS", "COSINE", "MISSING", "NOBODY", "Stores"]
