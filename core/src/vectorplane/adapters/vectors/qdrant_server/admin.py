"""Collections of a Qdrant server over plain REST.

Not qdrant-client: importing it costs 105 MB of memory (measured), and an operator must idle under
120 MB. The plan works on JSON paths anyway, and REST gives a 32-bit float back as the shortest
decimal (0.99), gRPC as what it became (0.9900000095367432), which would be drift for ever.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import vectorplane
from vectorplane.adapters.vectors.common.settings import (
    check_index,
    check_name,
    check_new,
    check_update,
)
from vectorplane.adapters.vectors.qdrant_server import bodies
from vectorplane.adapters.vectors.qdrant_server.rest import Rest
from vectorplane.domain.model import Capability, Collection, Index, Record, Settings
from vectorplane.domain.record import from_metadata, to_metadata
from vectorplane.errors import Conflict, NotFound, StoreFailed
from vectorplane.ports.vectors import Listing, StoreInfo

ADD_VECTORS_SINCE = (1, 18)


class QdrantAdmin:
    """`VectorAdmin` of one server. `verify` is True, False, a file of certificates to trust,
    or a TLS context."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        timeout: float = 10.0,
        verify: bool | str | ssl.SSLContext = True,
    ) -> None:
        agent = f"vectorplane/{vectorplane.__version__}"
        self._rest = Rest(url, api_key, timeout, verify, agent=agent)
        self._physical: set[str] = set()
        """Names that the last listing gave."""

    async def info(self) -> StoreInfo:
        root = await self._rest.call("GET", "/")
        version = str(root.get("version", "")) if isinstance(root, dict) else ""
        if not version:
            raise StoreFailed(f"{self._rest.place} does not say its version: is it a Qdrant?")
        # Asked with the key: the version is open to everybody, and a wrong key must show here.
        cluster = await self._rest.call("GET", "/cluster")
        enabled = isinstance(cluster, dict) and cluster.get("status") == "enabled"
        peers = max(1, len(cluster.get("peers") or {})) if enabled else 1
        return StoreInfo("qdrant", version, capabilities(version), peers)

    async def listing(self) -> Listing:
        collections = await self._names()
        aliases = await self._rest.call("GET", "/aliases")
        try:
            found = {a["alias_name"]: a["collection_name"] for a in aliases["aliases"]}
        except (KeyError, TypeError) as error:
            raise self._garbage() from error
        return Listing(collections, found)

    async def describe(self, collection: str) -> Collection | None:
        # Qdrant follows aliases here, and a plan asks for what is physical. Names that a listing
        # gave are physical; any other is looked for first.
        if collection not in self._physical and collection not in (await self._names()):
            return None
        try:
            info = await self._rest.call("GET", _path(collection))
        except NotFound:
            self._physical.discard(collection)
            return None
        return self._read(collection, info)

    async def resolve(self, collection: str) -> Collection:
        """The physical collection behind a name of either kind. Raises `NotFound`."""
        physical = collection
        if collection not in self._physical:
            physical = (await self.listing()).aliases.get(collection, collection)
        if (found := await self.describe(physical)) is None:
            raise NotFound(f"there is no collection {collection}")
        return found

    async def settings(self, collection: str) -> Settings:
        """The settings behind a name of either kind, in one call. Raises `NotFound`."""
        try:
            return self._read(collection, await self._rest.call("GET", _path(collection))).settings
        except NotFound as error:
            raise NotFound(f"there is no collection {collection}") from error

    async def create(self, collection: str, settings: Settings, record: Record) -> None:
        check_name(collection)
        check_new(settings)
        body = bodies.create_body(settings, to_metadata(record))
        try:
            await self._rest.call("PUT", _path(collection), body)
        except Exception as error:
            if "already exists" in str(error):
                raise Conflict(f"{collection} exists already") from error
            raise
        if rest := bodies.later(settings):
            await self.update(collection, rest)

    async def update(self, collection: str, settings: Settings) -> None:
        present = await self._present(collection)
        check_update(present.settings, settings)
        if body := bodies.update_body(settings):
            await self._rest.call("PATCH", _path(collection), body)

    async def add_vector(self, collection: str, name: str, settings: Settings) -> None:
        check_new(settings)
        present = await self._present(collection)
        if not any(p[1] == name for p in present.settings if p[0] in ("vectors", "sparseVectors")):
            body = bodies.vector_body(name, settings)
            await self._rest.call("PUT", f"{_path(collection)}/vectors/{_quoted(name)}", body)
        # A new vector takes only what cannot be changed later; the rest follows.
        if rest := bodies.update_body(settings):
            await self._rest.call("PATCH", _path(collection), rest)

    async def write_record(self, collection: str, record: Record) -> None:
        await self._rest.call("PATCH", _path(collection), {"metadata": to_metadata(record)})

    async def create_index(self, collection: str, index: Index) -> None:
        check_index(index)
        body = bodies.index_body(index)
        await self._rest.call("PUT", f"{_path(collection)}/index", body, {"wait": "true"})

    async def drop_index(self, collection: str, field: str) -> None:
        try:
            await self._rest.call(
                "DELETE", f"{_path(collection)}/index/{_quoted(field)}", params={"wait": "true"}
            )
        except NotFound:
            return

    async def change_aliases(self, point: Mapping[str, str], drop: frozenset[str]) -> None:
        # Qdrant runs the actions one by one and stops at the first that fails, so what could fail
        # is looked for before: all or none.
        names = await self._names()
        for alias, collection in point.items():
            check_name(alias)
            if collection not in names:
                raise NotFound(f"there is no collection {collection}")
            if alias in names:
                raise Conflict(f"{alias} is a collection")
        actions: list[dict[str, Any]] = [
            {"delete_alias": {"alias_name": alias}} for alias in sorted(drop | set(point))
        ]
        actions += [
            {"create_alias": {"alias_name": alias, "collection_name": collection}}
            for alias, collection in sorted(point.items())
        ]
        if actions:
            await self._rest.call("POST", "/collections/aliases", {"actions": actions})

    async def drop(self, collection: str) -> None:
        await self._rest.call("DELETE", _path(collection))

    async def close(self) -> None:
        await self._rest.close()

    async def _names(self) -> frozenset[str]:
        found = await self._rest.call("GET", "/collections")
        try:
            names = frozenset(c["name"] for c in found["collections"])
        except (KeyError, TypeError) as error:
            raise self._garbage() from error
        self._physical = set(names)
        return names

    async def _present(self, collection: str) -> Collection:
        found = await self.describe(collection)
        if found is None:
            raise NotFound(f"there is no collection {collection}")
        return found

    def _read(self, collection: str, info: Any) -> Collection:
        try:
            return Collection(
                name=collection,
                settings=bodies.read_settings(info),
                indexes=bodies.read_indexes(info),
                record=from_metadata(info["config"].get("metadata")),
                points=int(info.get("points_count") or 0),
                indexed_vectors=int(info.get("indexed_vectors_count") or 0),
                state=str(info["status"]),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._garbage() from error

    def _garbage(self) -> StoreFailed:
        return StoreFailed(f"{self._rest.place} answered something that Qdrant does not say")


def capabilities(version: str) -> frozenset[Capability]:
    """What a server of this version can do."""
    can = set(Capability)
    if _numbers(version) < ADD_VECTORS_SINCE:
        can.discard(Capability.ADD_VECTORS)
    return frozenset(can)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split(".") if part.isdigit())


def _path(collection: str) -> str:
    return f"/collections/{_quoted(collection)}"


def _quoted(name: str) -> str:
    return quote(name, safe="")
