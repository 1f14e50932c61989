"""Snapshots that the server takes, keeps and restores, as files in its own folder.

They outlive their collection, and can be restored then; deleting one goes by its collection only,
so what is left of a dropped one is for the server's keeper to remove.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from vectorplane.adapters.vectors.qdrant_server.rest import Rest
from vectorplane.adapters.vectors.qdrant_server.surveys import telemetry
from vectorplane.domain.model import Collection
from vectorplane.domain.status import Taken
from vectorplane.errors import NotFound, StoreFailed, StoreRejected, StoreUnauthorized

if TYPE_CHECKING:
    from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin

MOST_SECONDS = 3600.0
"""That a snapshot may take; a large collection is copied, packed and hashed."""
_WAIT = {"wait": "true"}
_KINDS = ("vector_data", "sparse_vector_data")
"""Where a segment's configuration names its vectors."""


async def take(rest: Rest, collection: str) -> Taken:
    """See `VectorAdmin.take_snapshot`."""
    said = await rest.call("POST", _path(collection), params=_WAIT, timeout=MOST_SECONDS)
    try:
        # The server's time is UTC and does not say so.
        time = str(said["creation_time"]).removesuffix("Z") + "Z"
        return Taken(collection, str(said["name"]), int(said["size"]), time)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreFailed(f"{rest.place} answered something that Qdrant does not say") from error


async def drop(rest: Rest, collection: str, snapshot: str) -> None:
    """See `VectorAdmin.drop_snapshot`."""
    try:
        await rest.call("DELETE", f"{_path(collection)}/{quote(snapshot, safe='')}", params=_WAIT)
    except NotFound:
        return


async def restore(
    admin: QdrantAdmin, rest: Rest, collection: str, snapshot: str, folder: str
) -> None:
    """See `VectorAdmin.restore_snapshot`. `folder` is the server's folder of snapshots."""
    before = await _described(admin, collection)
    location = f"file://{quote(folder.rstrip('/'))}/{quote(snapshot)}"
    # Qdrant drops what stands in the collection; its own settings, record and name stay.
    body = {"location": location, "priority": "snapshot"}
    path = f"{_path(collection)}/recover"
    try:
        await rest.call("PUT", path, body, _WAIT, timeout=MOST_SECONDS)
    except (StoreRejected, StoreUnauthorized) as error:
        missing = isinstance(error, StoreRejected) and "does not exist" in error.message
        if isinstance(error, StoreUnauthorized) or missing:
            source, _, name = snapshot.partition("/")
            raise NotFound(
                f"there is no snapshot {name} of collection {source} in {folder} (qdrant."
                "snapshotsPath of the VectorStore says where the server keeps them)"
            ) from error
        raise
    if extra := await _vectors(rest, collection) - _declared(before):
        raise StoreRejected(
            f"snapshot {snapshot} has vectors that {collection} has not: {', '.join(sorted(extra))}"
        )
    await _keep_indexes(admin, before)


async def _keep_indexes(admin: QdrantAdmin, before: Collection) -> None:
    """The points bring the payload indexes that they had; ours are those from before."""
    after = await _described(admin, before.name)
    for field, index in sorted(after.indexes.items()):
        if before.indexes.get(field) != index:
            await admin.drop_index(before.name, field)
    for field, index in sorted(before.indexes.items()):
        if after.indexes.get(field) != index:
            await admin.create_index(before.name, index)


async def _vectors(rest: Rest, collection: str) -> set[str]:
    """The names of the vectors that the stored points have. Qdrant itself compares the dense ones
    only."""
    try:
        entries = [e for e in await telemetry(rest) if e["id"] == collection]
        shards = [shard["local"] for entry in entries for shard in entry["shards"]]
        configs = [s["config"] for local in shards if local for s in local["segments"]]
        return {name for c in configs for kind in _KINDS for name in c.get(kind) or {}}
    except (KeyError, TypeError, NotFound, StoreRejected, StoreUnauthorized):
        return set()  # nobody can tell


def _declared(collection: Collection) -> set[str]:
    return {p[1] for p in collection.settings if p[0] in ("vectors", "sparseVectors")}


async def _described(admin: QdrantAdmin, collection: str) -> Collection:
    found = await admin.describe(collection)
    if found is None:
        raise NotFound(f"there is no collection {collection}")
    return found


def _path(collection: str) -> str:
    return f"/collections/{quote(collection, safe='')}/snapshots"
