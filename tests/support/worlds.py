"""Generated wishes and generated stores, for the properties of the plan."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.actions import Action
from vectorplane.domain.model import (
    AdoptionPolicy,
    Collection,
    DeletionPolicy,
    Desired,
    Index,
    Key,
    Owner,
    Record,
    Settings,
)
from vectorplane.domain.plan import Plan
from vectorplane.observe import observe
from vectorplane.reconcile import perform, preview

KEY = Key("shop", "products")
BASE = KEY.collection
CLUSTER = "here"
US = Owner("uid-us", KEY.namespace, KEY.name, CLUSTER)
THEM = Owner("uid-them", "shop", "others", CLUSTER)
ELSEWHERE = Owner("uid-us", KEY.namespace, KEY.name, "another-cluster")
ALIASES = ("shop.live", "shop.next")
COLLECTIONS = (f"{BASE}_1", f"{BASE}_2", BASE, "shop.others_1", "legacy")

hnsw: st.SearchStrategy[Settings] = st.fixed_dictionaries(
    {}, optional={("hnsw", "m"): st.sampled_from([8, 16]), ("hnsw", "efConstruct"): st.just(64)}
)
rest: st.SearchStrategy[Settings] = st.fixed_dictionaries(
    {},
    optional={
        ("onDiskPayload",): st.booleans(),
        ("optimizers", "indexingThreshold"): st.sampled_from([100, 20000]),
        ("strictMode", "maxQueryLimit"): st.sampled_from([10, 1000]),
        ("vectors", "", "onDisk"): st.booleans(),
    },
)
quantization: st.SearchStrategy[Settings] = st.sampled_from(
    [
        {},
        {("quantization", "type"): "Scalar", ("quantization", "quantile"): 0.99},
        {("quantization", "type"): "Product", ("quantization", "compression"): "X16"},
    ]
)


@st.composite
def settings(draw: st.DrawFn) -> Settings:
    """Declared settings: one unnamed vector, sometimes a named and a sparse one."""
    chosen: dict[Any, Any] = {
        ("vectors", "", "size"): draw(st.sampled_from([4, 8])),
        ("vectors", "", "distance"): draw(st.sampled_from(["Cosine", "Dot"])),
    }
    if draw(st.booleans()):
        chosen |= {
            ("vectors", "image", "size"): draw(st.sampled_from([4, 8])),
            ("vectors", "image", "distance"): "Cosine",
        }
    if draw(st.booleans()):
        chosen |= {("sparseVectors", "text", "modifier"): draw(st.sampled_from(["None", "Idf"]))}
    for part in (hnsw, rest, quantization):
        chosen |= draw(part)
    return chosen


indexes = st.dictionaries(
    st.sampled_from(["category", "price"]),
    st.sampled_from([("Keyword", ()), ("Float", ()), ("Integer", (("range", True),))]),
).map(lambda chosen: {f: Index(f, kind, params) for f, (kind, params) in chosen.items()})


@st.composite
def wishes(draw: st.DrawFn, *, deleting: bool | None = None) -> Desired:
    """One resource of ours in any shape."""
    return Desired(
        key=KEY,
        uid=US.uid,
        cluster=CLUSTER,
        generation=draw(st.integers(1, 3)),
        settings=draw(settings()),
        indexes=draw(indexes),
        aliases=frozenset(draw(st.sets(st.sampled_from(ALIASES)))),
        deletion_policy=draw(st.sampled_from(DeletionPolicy)),
        adoption_policy=draw(st.sampled_from(AdoptionPolicy)),
        deleting=draw(st.booleans()) if deleting is None else deleting,
        hint=draw(st.sampled_from([None, f"{BASE}_1", "legacy"])),
    )


records = st.one_of(
    st.none(),
    st.builds(
        Record,
        owner=st.sampled_from([None, US, US, THEM, ELSEWHERE]),
        generation=st.just(1),
        indexes=st.frozensets(st.sampled_from(["category", "price"])),
        aliases=st.frozensets(st.sampled_from([BASE, *ALIASES])),
    ),
)


@dataclass(frozen=True)
class World:
    """What stands in a store before anything of ours runs."""

    collections: Mapping[str, tuple[Settings, Record | None, Mapping[str, Index]]]
    aliases: Mapping[str, str]

    async def build(self) -> MemoryStore:
        store = MemoryStore()
        for name, (wanted, record, made) in self.collections.items():
            await store.create(name, wanted, record or Record(owner=None))
            for index in made.values():
                await store.create_index(name, index)
        await store.change_aliases(self.aliases, frozenset())
        return store


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Collections of ours, of others and of nobody, and aliases among them."""
    names = draw(st.lists(st.sampled_from(COLLECTIONS), unique=True, max_size=4))
    collections = {n: (draw(settings()), draw(records), draw(indexes)) for n in names}
    free = [a for a in (BASE, *ALIASES) if a not in names]
    aliases = (
        draw(st.dictionaries(st.sampled_from(free), st.sampled_from(names), max_size=3))
        if names and free
        else {}
    )
    return World(collections, aliases)


@st.composite
def situations(draw: st.DrawFn, *, deleting: bool | None = None) -> tuple[Desired, World]:
    """A wish and a store; in half of them the wish has its collection already, and differs from it
    in what may change.
    """
    desired, world = draw(wishes(deleting=deleting)), draw(worlds())
    if draw(st.booleans()):
        name = draw(st.sampled_from([f"{BASE}_1", "legacy"]))
        have = {p: v for p, v in desired.settings.items() if p[0] in ("vectors", "sparseVectors")}
        have |= draw(hnsw) | draw(quantization)
        record = Record(
            US,
            draw(st.integers(1, 3)),
            draw(st.frozensets(st.sampled_from(["category", "price"]))),
            draw(st.frozensets(st.sampled_from([BASE, *ALIASES]))),
        )
        collections = {**world.collections, name: (have, record, draw(indexes))}
        aliases = dict(world.aliases)
        if BASE not in collections:
            aliases |= dict.fromkeys(draw(st.sets(st.sampled_from([BASE, *ALIASES]))), name)
        world = World(collections, aliases)
    return desired, world


@dataclass(frozen=True)
class Snapshot:
    """All that a store has."""

    collections: Mapping[str, Collection]
    aliases: Mapping[str, str]


async def snapshot(store: MemoryStore) -> Snapshot:
    listing = await store.listing()
    found = {name: await store.describe(name) for name in sorted(listing.collections)}
    return Snapshot({n: c for n, c in found.items() if c}, dict(listing.aliases))


async def plan_for(desired: Desired, store: MemoryStore) -> Plan:
    planned, _ = await preview(desired, store)
    return planned


async def carry_out(actions: tuple[Action, ...], store: MemoryStore) -> None:
    for action in actions:
        await perform(action, store)


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


__all__ = [name for name in dir() if not name.startswith("_")] + ["observe", "replace"]
