"""Snapshots that the server takes, keeps and restores."""

from __future__ import annotations

from vectorplane.adapters.vectors.qdrant_server.rest import Rest
from vectorplane.domain.status import Taken


async def take(rest: Rest, collection: str) -> Taken:
    """See `VectorAdmin.take_snapshot`."""
    raise NotImplementedError


async def drop(rest: Rest, collection: str, snapshot: str) -> None:
    """See `VectorAdmin.drop_snapshot`."""
    raise NotImplementedError


async def restore(rest: Rest, collection: str, snapshot: str, folder: str) -> None:
    """See `VectorAdmin.restore_snapshot`."""
    raise NotImplementedError
