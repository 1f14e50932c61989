"""The life of one resource, edit after edit, over a store that dies in the middle of anything: for
the properties of rebuilds, rollbacks and promotions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from support.worlds import CLUSTER, KEY, THEM, US, indexes, plan_for
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import (
    DEDICATED,
    PARTITION,
    ChangePolicy,
    DeletionPolicy,
    Desired,
    Progress,
    RebuildPolicy,
    Record,
    Settings,
)
from vectorplane.domain.status import Outcome
from vectorplane.domain.tenancy import TENANT_FIELD, point_id, pool_name
from vectorplane.ports.vectors import Point, PointId
from vectorplane.reconcile import reconcile

NEIGHBOUR = "shop.others"
PLAIN: Settings = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Cosine"}
POINTS = {n: [1.0 + n % 3, n % 5, 2.0, n % 7] for n in range(12)}
_LOOKS = 60


class Killed(BaseException):
    """The process is dead: no handler of it runs on."""


_WRITES = (
    "create",
    "update",
    "write_record",
    "create_index",
    "drop_index",
    "change_aliases",
    "drop",
    "upsert",
    "delete",
    "hold",
    "release",
)


class MortalStore(MemoryStore):
    """Kills whoever writes the n-th time, once that is written. What is dead calls nothing more."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name in ("left", "points") or not callable(found):
            return found
        if self.left is None:
            return found

        async def call(*given: Any, **named: Any) -> Any:
            assert self.left is not None
            if self.left <= 0:
                raise Killed
            answer = await found(*given, **named)
            if name in _WRITES:
                self.left -= 1
                if self.left <= 0:
                    raise Killed
            return answer

        return call


@st.composite
def wishes(draw: st.DrawFn, *, possible: bool = False) -> Desired:
    """What the resource declares at one time; with `possible` nothing that cannot be copied to."""
    chosen: dict[Any, Any] = {
        **PLAIN,
        ("vectors", "", "distance"): draw(st.sampled_from(["Cosine", "Dot"])),
        ("hnsw", "m"): draw(st.sampled_from([8, 16])),
    }
    if draw(st.booleans()):
        chosen["vectors", "", "datatype"] = "Float16"
    if not possible and draw(st.integers(0, 9)) == 0:
        chosen["vectors", "", "size"] = 8
    made = draw(indexes)
    mode = draw(st.sampled_from([DEDICATED, DEDICATED, PARTITION]))
    further = draw(st.booleans()) and mode == DEDICATED
    rebuild = ChangePolicy.REBUILD
    return Desired(
        key=KEY,
        uid=US.uid,
        cluster=CLUSTER,
        generation=draw(st.integers(1, 3)),
        settings=chosen,
        indexes=made,
        aliases=frozenset({"shop.live"} if further else ()),
        tenancy=mode,
        pool=pool_name(chosen, made, ()) if mode == PARTITION else None,
        change_policy=draw(st.sampled_from([rebuild, rebuild, rebuild, ChangePolicy.REFUSE])),
        rebuild=RebuildPolicy(keep=draw(st.sampled_from([0.0, 1800.0, 1e9]))),
        rollback=draw(st.integers(0, 3)) == 0,
        paused=draw(st.integers(0, 9)) == 0,
        deletion_policy=draw(st.sampled_from([DeletionPolicy.DELETE, DeletionPolicy.RETAIN])),
    )


kills = st.lists(st.integers(1, 12), max_size=4)


async def begun(first: Desired) -> Life:
    """A store with the resource's collection and its points in it, and with a neighbour's."""
    store = MortalStore()
    await store.create(f"{NEIGHBOUR}_1", PLAIN, Record(THEM))
    await store.change_aliases({NEIGHBOUR: f"{NEIGHBOUR}_1"}, frozenset())
    await store.upsert(NEIGHBOUR, [Point(1, POINTS[1], {"whose": "theirs"})])
    life = Life(store)
    await life.settle(replace(first, paused=False, rollback=False, now=time(0)))
    tenants = [KEY.collection, "shop.neighbour"] if first.pool else [None]
    for tenant in tenants:
        await store.upsert(KEY.collection, [_stored(tenant, n) for n in POINTS])
    return life


def _stored(tenant: str | None, number: int) -> Point:
    payload: dict[str, Any] = {"n": number}
    if tenant is None:
        return Point(number, POINTS[number], payload)
    payload |= {TENANT_FIELD: tenant, "_id": number}
    return Point(point_id(tenant, number), POINTS[number], payload)


def time(step: int) -> str:
    return f"2026-01-01T{step:02}:00:00Z"


@dataclass
class Life:
    """A store, and the status of the resource that lives in it."""

    store: MortalStore
    progress: Progress | None = None

    async def live(self, desired: Desired, deaths: Iterable[int], looks: int) -> Outcome | None:
        """Look until nothing is left to do; killed and started again after those numbers of
        writes. None where that many looks were not enough."""
        left = list(deaths)
        for _ in range(looks):
            self.store.left = left.pop(0) if left else None
            try:
                outcome = await reconcile(replace(desired, progress=self.progress), self.store)
            except Killed:
                continue
            finally:
                self.store.left = None
            assert not (outcome.trouble and outcome.trouble.retry), outcome.trouble
            self.progress = outcome.progress
            if self.progress and self.progress.phase == "Done":
                self.progress = None
            assert self.progress is None or self.progress.phase != "Failed", self.progress
            if (await plan_for(replace(desired, progress=self.progress), self.store)).nothing:
                return outcome
        return None

    async def settle(self, desired: Desired, deaths: Iterable[int] = ()) -> Outcome:
        outcome = await self.live(desired, deaths, _LOOKS)
        assert outcome, f"not settled: {await plan_for(desired, self.store)}"
        return outcome


async def content(store: MemoryStore, name: str, tenant: str | None) -> Mapping[PointId, int]:
    """The points of a collection, or of a tenant of it, by their own ids."""
    page = await store.scroll(name, limit=1000)
    if tenant is None:
        return {p.id: p.payload["n"] for p in page.points if p.payload}
    mine = [p.payload for p in page.points if p.payload and p.payload.get(TENANT_FIELD) == tenant]
    return {p["_id"]: p["n"] for p in mine}
