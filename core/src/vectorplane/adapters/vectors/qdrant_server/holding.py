"""Holding back the writes to a collection, by the server's own strict mode.

A write rate limit of 1 is a bucket of one token a minute on each shard, full when it is set. Qdrant
(1.18) sets it under a lock that a write holds from before the limit is asked until it stands in the
shard's queue. So what the old limit let in is in the queues when the limit is set. One write of our
own then takes the token of every shard, and it is carried out after all that stands before it.

Where a client was faster with a token, our write is refused at that shard, and nothing has waited
for the client's. Then a second write that no limit stops goes into every queue: dropping an index
that is not there. Once the queues are empty, it has been taken out, so all before it is done.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote

from vectorplane.adapters.vectors.qdrant_server.rest import Rest
from vectorplane.domain.model import Settings
from vectorplane.errors import NotFound, StoreOverloaded, StoreTimeout

PEERS_SECONDS = 1.0
"""Peers of a cluster take over a setting by themselves, within milliseconds of each other."""
DRAIN_SECONDS = 15.0
_WAIT = {"wait": "true"}


async def hold(rest: Rest, collection: str) -> None:
    """See `VectorAdmin.hold`."""
    path = _path(collection)
    await rest.call("PATCH", path, _strict({"enabled": True, "write_rate_limit": 1}))
    drained = await _drain(rest, path)
    cluster = await rest.call("GET", "/cluster")
    if len(cluster.get("peers") or ()) > 1:
        await asyncio.sleep(PEERS_SECONDS)
        drained = await _drain(rest, path)
    if not drained:
        await _flush(rest, path)


async def release(rest: Rest, collection: str, before: Settings) -> None:
    """See `VectorAdmin.release`. A limit that was not set before becomes the largest there is: the
    server takes no null. Nothing happens where the collection is gone.
    """
    body: dict[str, object] = {}
    if (enabled := before.get(("strictMode", "enabled"))) is not None:
        body["enabled"] = enabled
    if (limit := before.get(("strictMode", "writeRateLimit"))) is not None:
        body["write_rate_limit"] = limit
    with suppress(NotFound):
        await rest.call("PATCH", _path(collection), _strict(body))


async def _drain(rest: Rest, path: str) -> bool:
    """Take the token of every shard, and wait for all that was written before. False where a shard
    had none left."""
    nothing = {"filter": {"must": [{"has_id": [str(uuid.uuid4())]}]}}
    try:
        await rest.call("POST", f"{path}/points/delete", nothing, _WAIT)
    except StoreOverloaded:
        return False
    return True


async def _flush(rest: Rest, path: str) -> None:
    """Wait for all that was written before, by an operation that no limit stops."""
    with suppress(StoreOverloaded, NotFound):  # the limit speaks only after it stands in the queues
        await rest.call("DELETE", f"{path}/index/vectorplane-{uuid.uuid4().hex}", params=_WAIT)
    until = asyncio.get_running_loop().time() + DRAIN_SECONDS
    while _queued(await rest.call("GET", path)):
        if asyncio.get_running_loop().time() > until:
            raise StoreTimeout(f"{rest.place} did not carry out its writes in {DRAIN_SECONDS:g} s")
        await asyncio.sleep(0.02)


def _queued(info: Mapping[str, object]) -> int:
    queue = info.get("update_queue")
    return int(queue.get("length", 0)) if isinstance(queue, Mapping) else 0


def _strict(settings: dict[str, object]) -> dict[str, object]:
    return {"strict_mode_config": settings}


def _path(collection: str) -> str:
    return f"/collections/{quote(collection, safe='')}"
