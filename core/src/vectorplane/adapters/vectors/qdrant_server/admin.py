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
from vectorplane.adapters.vectors.qdrant_server import (
    bodies,
    holding,
    markers,
    sharding,
    snapshots,
    surveys,
)
from vectorplane.adapters.vectors.qdrant_server.checked import CheckedPoints
from vectorplane.adapters.vectors.qdrant_server.rest import Rest
from vectorplane.adapters.vectors.qdrant_server.transport import RestTransport
from vectorplane.domain.model import Capability, Collection, Index, Record, Settings
from vectorplane.domain.record import from_metadata, to_metadata
from vectorplane.domain.status import Taken
from vectorplane.domain.tenancy import is_public
from vectorplane.errors import Conflict, NotFound, StoreFailed
from vectorplane.ports.vectors import Listing, StoreInfo, Survey, VectorPoints

ADD_VECTORS_SINCE = (1, 18)
COPYING = 10.0
"""Seconds that an update waits for copies of shards."""


class QdrantAdmin:
    """`VectorAdmin` of one server. `verify` is True, False, a file of certificates to trust,
    or a TLS context. `snapshots_path` is the server's own folder of snapshots."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        timeout: float = 10.0,
        verify: bool | str | ssl.SSLContext = True,
        snapshots_path: str = "/qdrant/snapshots",
    ) -> None:
        self._snapshots_path = snapshots_path
        agent = f"vectorplane/{vectorplane.__version__}"
        self._rest = Rest(url, api_key, timeout, verify, agent=agent)
        self._surveys = surveys.Surveys(self, self._rest)
        self._points: VectorPoints | None = None
        self._marked = False
        """Whether the last listing had the collection of markers."""
        self._physical: set[str] = set()
        """Names that the last listing gave."""
        self._peers: frozenset[int] | None = None
        """Of a server in distributed mode, as it last said; none of another one."""

    async def info(self) -> StoreInfo:
        root = await self._rest.call("GET", "/")
        version = str(root.get("version", "")) if isinstance(root, dict) else ""
        if not version:
            raise StoreFailed(f"{self._rest.place} does not say its version: is it a Qdrant?")
        # Asked with the key: the version is open to everybody, and a wrong key must show here.
        cluster = await self._rest.call("GET", "/cluster")
        enabled = isinstance(cluster, dict) and cluster.get("status") == "enabled"
        self._peers = frozenset(map(int, cluster.get("peers") or ())) if enabled else frozenset()
        can = capabilities(version, distributed=enabled)
        if len(self._peers) > 1:
            # Each peer takes a snapshot of its own shards: no single one has all points.
            can -= {Capability.SNAPSHOTS}
        return StoreInfo("qdrant", version, can, max(1, len(self._peers)))

    async def listing(self) -> Listing:
        names = await self._all_names()
        collections = names - {markers.COLLECTION}
        aliases = await self._rest.call("GET", "/aliases")
        try:
            found = {a["alias_name"]: a["collection_name"] for a in aliases["aliases"]}
        except (KeyError, TypeError) as error:
            raise self._garbage() from error
        if markers.COLLECTION in names:
            # A marker goes with its pool, as an alias does.
            marked = await markers.read(self._rest)
            found |= {m: pool for m, pool in marked.items() if pool in collections}
        return Listing(collections, found)

    async def describe(self, collection: str) -> Collection | None:
        # Qdrant follows aliases here, and a plan asks for what is physical. Names that a listing
        # gave are physical; any other is looked for first.
        if collection not in self._physical and collection not in (await self._names()):
            return None
        try:
            info = await self._rest.call("GET", _path(collection))
            if await self._distributed() and isinstance(info, dict):
                shards = await sharding.look(self._rest, _path(collection))
                info = info | {"shards": sharding.brief(shards)}
        except NotFound:
            self._physical.discard(collection)
            return None
        return self.read(collection, info)

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
        return (await self.peek(collection)).settings

    async def peek(self, collection: str) -> Collection:
        """What is behind a name of either kind, in one call. Raises `NotFound`."""
        try:
            return self.read(collection, await self._rest.call("GET", _path(collection)))
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
        await sharding.create_keys(self._rest, _path(collection), settings, present.settings)
        if body := bodies.update_body(settings):
            await self._rest.call("PATCH", _path(collection), body)
        if isinstance(factor := settings.get(sharding.FACTOR), int):
            if peers := await self._distributed():
                await sharding.spread(self._rest, _path(collection), factor, peers, COPYING)

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
        marks = {a: c for a, c in point.items() if markers.is_marker(a)}
        unmark = {a for a in drop if markers.is_marker(a)}
        for alias, collection in point.items():
            check_name(alias)
            if collection not in names:
                raise NotFound(f"there is no collection {collection}")
            if alias in names:
                raise Conflict(f"{alias} is a collection")
        await markers.write(self._rest, marks)
        actions: list[dict[str, Any]] = [
            {"delete_alias": {"alias_name": alias}}
            for alias in sorted((drop | point.keys()) - marks.keys() - unmark)
        ]
        actions += [
            {"create_alias": {"alias_name": alias, "collection_name": collection}}
            for alias, collection in sorted(point.items())
            if alias not in marks
        ]
        if actions:
            await self._rest.call("POST", "/collections/aliases", {"actions": actions})
        await markers.drop(self._rest, unmark)

    async def drop(self, collection: str) -> None:
        await self._rest.call("DELETE", _path(collection))
        if self._marked and not is_public(collection):
            await markers.drop_of(self._rest, collection)

    async def survey(self) -> Survey:
        return await self._surveys.survey()

    async def tally(self, collection: str, field: str) -> Mapping[str, int]:
        return await surveys.tally(self._rest, collection, field)

    async def hold(self, collection: str) -> None:
        await holding.hold(self._rest, collection)

    async def release(self, collection: str, before: Settings) -> None:
        await holding.release(self._rest, collection, before)

    async def take_snapshot(self, collection: str) -> Taken:
        return await snapshots.take(self._rest, collection)

    async def drop_snapshot(self, collection: str, snapshot: str) -> None:
        await snapshots.drop(self._rest, collection, snapshot)

    async def restore_snapshot(self, collection: str, snapshot: str) -> None:
        await snapshots.restore(self, self._rest, collection, snapshot, self._snapshots_path)

    @property
    def points(self) -> VectorPoints:
        # Points go over the same connections, and look a collection's vectors up here.
        if self._points is None:
            self._points = CheckedPoints(self, RestTransport(self._rest))
        return self._points

    async def close(self) -> None:
        await self._rest.close()

    async def _distributed(self) -> frozenset[int]:
        """The peers of a server in distributed mode; of another one, none."""
        if self._peers is None:
            await self.info()
        return self._peers or frozenset()

    async def _names(self) -> frozenset[str]:
        return await self._all_names() - {markers.COLLECTION}

    async def _all_names(self) -> frozenset[str]:
        """With our own collection of markers."""
        found = await self._rest.call("GET", "/collections")
        try:
            names = frozenset(c["name"] for c in found["collections"])
        except (KeyError, TypeError) as error:
            raise self._garbage() from error
        self._marked = markers.COLLECTION in names
        self._physical = set(names - {markers.COLLECTION})
        return names

    async def _present(self, collection: str) -> Collection:
        found = await self.describe(collection)
        if found is None:
            raise NotFound(f"there is no collection {collection}")
        return found

    def read(self, collection: str, info: Any) -> Collection:
        """A physical collection out of what the server says of it. Raises `StoreFailed`."""
        try:
            settings = bodies.read_settings(info)
            if self._peers:
                shards = info.get("shards", ())
                settings = sharding.observed(settings, shards, len(self._peers))
            return Collection(
                name=collection,
                settings=settings,
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


def capabilities(version: str, *, distributed: bool = True) -> frozenset[Capability]:
    """What a server of this version can do, alone or in distributed mode."""
    can = set(Capability)
    if not distributed:
        can.discard(Capability.SHARD_KEYS)
    if _numbers(version) < ADD_VECTORS_SINCE:
        can.discard(Capability.ADD_VECTORS)
    return frozenset(can)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split(".") if part.isdigit())


def _path(collection: str) -> str:
    return f"/collections/{_quoted(collection)}"


def _quoted(name: str) -> str:
    return quote(name, safe="")
