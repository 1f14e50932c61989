"""Shards of a Qdrant in distributed mode: their keys, and their copies on several peers.

Qdrant makes the copies of a new shard. Where the replication factor changes, or a peer comes or
goes, it makes and drops none by itself. So what is compared is how many copies there are, and not
what the collection says of itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from vectorplane.adapters.vectors.qdrant_server.rest import Rest
from vectorplane.domain.model import Path, Settings, Value
from vectorplane.errors import StoreFailed, StoreRejected

FACTOR: Path = ("replication", "factor")
KEYS: Path = ("sharding", "keys")
EVERY = 0.2
"""Seconds between two looks at copies that are under way."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard; `copies` are the peers that have it, with each copy's state."""

    number: int
    key: str | None
    copies: Mapping[int, str]
    moving: bool = False
    """A copy of it is under way."""


@dataclass
class _Found:
    key: str | None = None
    copies: dict[int, str] = field(default_factory=dict)


async def look(rest: Rest, path: str) -> tuple[Shard, ...]:
    """The shards of the collection at `path` (`/collections/{name}`), in their order."""
    said = await rest.call("GET", f"{path}/cluster")
    try:
        found: dict[int, _Found] = {}
        local = [s | {"peer_id": said["peer_id"]} for s in said["local_shards"]]
        for shard in (*local, *said["remote_shards"]):
            one = found.setdefault(shard["shard_id"], _Found(_text(shard.get("shard_key"))))
            one.copies[shard["peer_id"]] = str(shard["state"])
        moving = {t["shard_id"] for t in said["shard_transfers"]}
        return tuple(Shard(n, one.key, one.copies, n in moving) for n, one in sorted(found.items()))
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreFailed(f"{rest.place} answered something that Qdrant does not say") from error


def brief(shards: Iterable[Shard]) -> list[list[Any]]:
    """What of the shards is compared, as JSON: the key and the number of copies of each."""
    return [[shard.key, len(shard.copies)] for shard in shards]


def observed(settings: Settings, shards: Iterable[list[Any]], peers: int) -> dict[Path, Value]:
    """Settings with the shard keys, and with the replication factor that the shards really have.
    No shard can have more copies than there are peers. `shards` is what `brief` gives.
    """
    seen: dict[Path, Value] = dict(settings)
    counts = []
    for key, copies in shards:
        counts.append(copies)
        if isinstance(key, str):
            seen[*KEYS, key] = True
    factor = settings.get(FACTOR)
    if isinstance(factor, int):
        wanted = min(factor, peers)
        if off := [count for count in counts if count != wanted]:
            seen[FACTOR] = min(off) if min(off) < wanted else max(off)
    return seen


async def create_keys(rest: Rest, path: str, declared: Settings, present: Settings) -> None:
    """Make the shard keys that are declared and not there."""
    for key in (p for p in sorted(declared) if p[:2] == KEYS and p not in present):
        try:
            await rest.call("PUT", f"{path}/shards", {"shard_key": key[2]})
        except StoreRejected as error:
            if "already exists" not in error.message:
                raise


async def spread(
    rest: Rest, path: str, factor: int, peers: AbstractSet[int], seconds: float
) -> None:
    """Bring every shard to `factor` copies, one more or less at a time. Returns when that is so,
    or after `seconds` with copies still under way: the next look goes on.
    """
    until = time.monotonic() + seconds
    while True:
        shards = await look(rest, path)
        steps = list(_steps(shards, min(factor, len(peers)), peers))
        for step in steps:
            await rest.call("POST", f"{path}/cluster", step)
        if not steps and not any(shard.moving for shard in shards):
            return
        if time.monotonic() > until:
            return
        await asyncio.sleep(EVERY)


def _steps(
    shards: Sequence[Shard], wanted: int, peers: AbstractSet[int]
) -> Iterable[dict[str, Any]]:
    """The next step of each shard that has too few copies or too many. The last good copy of a
    shard is never dropped."""
    load = Counter(peer for shard in shards for peer in shard.copies)
    for shard in shards:
        good = sorted(p for p, state in shard.copies.items() if state == "Active")
        if shard.moving or not good:
            continue
        if len(shard.copies) < wanted:
            target = min(peers - shard.copies.keys(), key=lambda p: (load[p], p))
            load[target] += 1
            yield {
                "replicate_shard": {
                    "shard_id": shard.number,
                    "from_peer_id": good[0],
                    "to_peer_id": target,
                }
            }
        elif len(shard.copies) > max(wanted, 1):
            # A bad copy first, then one of the peer that has most.
            going = max(shard.copies, key=lambda p: (p not in good, load[p], p))
            load[going] -= 1
            yield {"drop_replica": {"shard_id": shard.number, "peer_id": going}}


def _text(key: object) -> str | None:
    """A key that a manifest can have; Qdrant has numbers too."""
    return key if isinstance(key, str) else None
