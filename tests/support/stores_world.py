"""`KubeStores` with nothing behind it but doubles: clients that fail when they are told to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from support.kube_double import KubeDouble
from support.stores import COSINE
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Key, Record
from vectorplane.errors import VectorplaneError
from vectorplane.ports.resources import Resource
from vectorplane.ports.vectors import StoreInfo
from vectorplane_operator.connection import Connection
from vectorplane_operator.kube import STORES, path_of
from vectorplane_operator.stores import KubeStores, store_of


class Client(MemoryStore):
    """A client that can fail, and knows what it was made of."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection
        self.closed = False
        self.failing: VectorplaneError | None = None

    async def info(self) -> StoreInfo:
        if self.failing:
            raise self.failing
        return await super().info()

    async def close(self) -> None:
        self.closed = True


class StoresWorld:
    def __init__(self) -> None:
        self.api = KubeDouble()
        self.clients: list[Client] = []
        self.affected: list[str] = []
        self.looks: list[str] = []
        self.up: dict[str, bool | None] = {}
        self.collections: list[Resource] = []
        self.stores = self.another()

    def another(self, resync: float = 60.0) -> KubeStores:
        return KubeStores(
            self.api,
            self.connect,
            collections=self.all,
            affected=self.affected.append,
            look_soon=self.looks.append,
            watcher=self,
            resync=resync,
        )

    def connect(self, connection: Connection) -> Client:
        self.clients.append(Client(connection))
        return self.clients[-1]

    def all(self) -> Iterable[Resource]:
        return self.collections

    def store(self, name: str, up: bool | None) -> None:
        self.up[name] = up

    def put(self, name: str = "main", uid: str | None = None, **rest: Any) -> None:
        self.stores.seen(store_of(self.make(name, uid, **rest)))

    def make(self, name: str = "main", uid: str | None = None, **rest: Any) -> Any:
        spec = {"qdrant": {"url": "http://qdrant:6333"}, "default": True}
        return self.api.put(
            path_of(STORES, name=name), name=name, uid=uid or name, **({"spec": spec} | rest)
        )

    async def there(self, *names: str) -> None:
        """Make the collections of resources in the store."""
        _, admin = await self.stores.find("main")
        for name in names:
            await admin.create(f"shop.{name}_1", COSINE, Record(owner=None))

    def says(self, name: str = "main") -> str:
        status = self.api.objects[path_of(STORES, name=name)]["status"]
        reason: str = status["conditions"][0]["reason"]
        return reason


def spec(**qdrant: Any) -> Any:
    return {"qdrant": {"url": "http://qdrant:6333", **qdrant}, "default": False}


def ruled(**rules: Any) -> Any:
    return {**spec(), "default": True, **rules}


def resource(name: str, **rest: Any) -> Resource:
    return Resource(Key("shop", name), f"uid-{name}", 1, "2026-01-01T00:00:00Z", {}, **rest)


def living(found: Resource) -> Resource:
    collection = {"physical": f"{found.key.collection}_1"}
    return replace(found, status={"store": "main", "collection": collection})
