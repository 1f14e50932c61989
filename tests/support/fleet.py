"""Many resources that are made, edited and deleted at random, and a model of what must come of it:
what each one declares now, compared at the end with what the store has.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from support.cluster import Json, condition, wait
from support.world import World
from vectorplane.domain.model import Collection, Owner
from vectorplane.ports.vectors import Point

_INDEXES: tuple[Json, ...] = (
    {"field": "category", "type": "Keyword"},
    {"field": "price", "type": "Float"},
    {"field": "price", "type": "Integer"},
    {"field": "colour", "type": "Keyword"},
)
_ALIASES = ("live", "next")
_STRANGER = Owner("uid-of-another", "elsewhere", "other", "another-cluster")


@dataclass
class Declared:
    """One resource that is there. `points` is how many were written into its collection."""

    uid: str
    spec: Json
    points: int = 0


@dataclass(frozen=True)
class Left:
    """What one that was deleted leaves. Where it is not `certain`, nobody knows whether there was a
    collection to leave, or to drop. `points` is None where nobody knows that either.
    """

    stays: bool
    certain: bool
    points: int | None


class Fleet:
    """`step` does one thing at random, `settle` waits for the operator, `check` compares."""

    def __init__(self, world: World, seed: int, size: int) -> None:
        self._world = world
        self._dice = random.Random(seed)
        self._size = size
        self.live: dict[str, Declared] = {}
        self.left: dict[str, Left] = {}
        self.done: Counter[str] = Counter()
        self._others = self._make_others()
        self._before = self._of_others()

    def step(self) -> None:
        """Make, edit or delete a resource, or write a point into its collection."""
        acts: list[tuple[Callable[[], bool], int]] = []
        if self._free():
            acts.append((self._make, 4))
        if self.live:
            acts += [(self._edit, 4), (self._delete, 2), (self._write, 3)]
        chosen, weights = zip(*acts, strict=True)
        (act,) = self._dice.choices(chosen, weights)
        if act():
            self.done[act.__name__.strip("_")] += 1

    def fill(self) -> None:
        """Make all resources that can be made."""
        for name in self._free():
            wait(partial(self._gone, name), f"{name} is gone", seconds=60)
            self._make_one(name)

    def settle(self, *, seconds: float = 60) -> None:
        """Wait until each resource is Ready, and each deleted one is gone."""
        for name in self.left.keys() - self.live.keys():
            wait(partial(self._gone, name), f"{name} is gone", seconds=seconds)
        for name in self.live:
            self._world.says("Ready", name, seconds=seconds)
        for name in ("theirs", "nobodys"):
            self._world.says("NotOwned", name, seconds=seconds)

    def check(self) -> None:
        """The store has what is declared, and all else is as it was."""
        listing = self._world.engine.listing()
        found = {
            name: described
            for name in self._world.engine.of(self._world.namespace) - set(self._others)
            if (described := self._world.engine.describe(name))
        }
        aliases = {
            alias: target
            for alias, target in listing.aliases.items()
            if alias.startswith(f"{self._world.namespace}.") and target not in self._others
        }
        for name, declared in self.live.items():
            self._as_declared(name, declared, found, aliases)
        for name, left in self.left.items():
            if name not in self.live:
                self._as_left(name, left, found, aliases)
        assert not found, f"orphans: {found}"
        assert not aliases, f"aliases that nobody declares: {aliases}"
        assert self._of_others() == self._before, "something of another owner was touched"

    def drop_others(self) -> None:
        """What lies outside of the test's own namespace."""
        for name in self._others:
            self._world.engine.call("drop", name)

    # What is done

    def _make(self) -> bool:
        name = self._dice.choice(self._free())
        if not self._gone(name):
            return False
        self._make_one(name)
        return True

    def _make_one(self, name: str) -> None:
        spec = self._spec(name)
        # What an earlier one of this name left is taken over.
        spec["adoptionPolicy"] = "IfUnowned"
        uid = self._world.apply(name, **spec)["metadata"]["uid"]
        points = self.left[name].points if name in self.left else 0
        self.live[name] = Declared(uid, spec, points or 0)

    def _edit(self) -> bool:
        name, declared = self._one()
        declared.spec = {**self._spec(name), "adoptionPolicy": "IfUnowned"}
        self._world.apply(name, **declared.spec)
        return True

    def _delete(self) -> bool:
        name, declared = self._one()
        stood = bool(self._collection(name))
        self._world.delete(name)
        del self.live[name]
        stays = declared.spec["deletionPolicy"] == "Retain"
        before = self.left.get(name)
        if stood:
            self.left[name] = Left(stays, True, declared.points if stays else 0)
        elif before and before.certain and before.stays:
            # Whether this one had taken it over already is not known: then it stays, else it went.
            self.left[name] = before if stays else Left(False, False, None)
        else:
            self.left[name] = Left(stays, not stays and before is None, 0)
        return True

    def _write(self) -> bool:
        name, declared = self._one()
        collection = self._collection(name)
        if collection is None:
            return False
        declared.points += 1
        vector = [self._dice.random() for _ in range(_vector(name)["size"])]
        self._world.engine.upsert(collection, [Point(declared.points, vector, {"price": 1})])
        return True

    def _free(self) -> list[str]:
        """Names for a new resource; without those of which nobody knows what it would find."""
        unknown = {name for name, left in self.left.items() if left.points is None}
        names = (f"item-{n}" for n in range(self._size))
        return [n for n in names if n not in self.live and n not in unknown]

    def _one(self) -> tuple[str, Declared]:
        name = self._dice.choice(sorted(self.live))
        return name, self.live[name]

    def _gone(self, name: str) -> bool:
        return self._resource(name) is None

    def _resource(self, name: str) -> Json | None:
        return self._world.cluster.get("VectorCollection", name, self._world.namespace)

    def _collection(self, name: str) -> str | None:
        """The physical collection, once this very resource was Ready with it."""
        status: Json = (self._resource(name) or {}).get("status", {})
        physical: str | None = status.get("collection", {}).get("physical")
        return physical

    def _spec(self, name: str) -> Json:
        dice = self._dice
        chosen = {i["field"]: i for i in dice.sample(_INDEXES, dice.randrange(len(_INDEXES)))}
        spec: Json = {
            "vectors": [_vector(name)],
            "deletionPolicy": dice.choice(["Retain", "Delete"]),
            "payloadIndexes": list(chosen.values()),
            "aliases": [f"{name}-{a}" for a in _ALIASES if dice.random() < 0.4],
        }
        if dice.random() < 0.7:
            spec["hnsw"] = {"m": dice.choice([8, 16, 32])}
        if dice.random() < 0.3:
            spec["optimizers"] = {"indexingThreshold": dice.choice([10_000, 20_000])}
        if dice.random() < 0.3:
            spec["onDiskPayload"] = dice.choice([True, False])
        return spec

    # What must be

    def _as_declared(
        self,
        name: str,
        declared: Declared,
        found: dict[str, Collection],
        aliases: dict[str, str],
    ) -> None:
        world, spec = self._world, declared.spec
        resource = world.get(name)
        assert resource["metadata"]["uid"] == declared.uid
        physical = aliases.get(world.full(name))
        assert physical, f"{name} has no name in the store"
        collection = found.pop(physical, None)
        assert collection, f"{name} points at {physical}, which is not there"
        record = collection.record
        assert record
        assert record.owner
        assert record.owner.uid == declared.uid
        names = {world.full(n) for n in (name, *spec["aliases"])}
        assert {a for a, c in aliases.items() if c == physical} == names
        assert record.aliases == names
        for alias in names:
            del aliases[alias]
        fields = {i["field"]: i["type"] for i in spec["payloadIndexes"]}
        assert {f: i.type for f, i in collection.indexes.items()} == fields, name
        assert record.indexes == set(fields), name
        for path, value in _settings(spec).items():
            assert collection.settings[path] == value, (name, path)
        assert collection.points == declared.points, name
        status = resource["status"]
        assert status["collection"]["physical"] == physical
        assert condition(resource)["status"] == "True"

    def _as_left(
        self, name: str, left: Left, found: dict[str, Collection], aliases: dict[str, str]
    ) -> None:
        prefix = self._world.full(name)
        mine = [c for c in found if c.rpartition("_")[0] == prefix]
        assert len(mine) <= 1, f"{name} left {mine}"
        if left.certain:
            assert bool(mine) == left.stays, f"{name}: {left}, but there is {mine}"
        for physical in mine:
            collection = found.pop(physical)
            assert collection.record is None or collection.record.owner is None, physical
            if left.points is not None:
                assert collection.points == left.points, physical
            if left.certain:
                assert aliases.get(prefix) == physical
            for alias in [a for a, c in aliases.items() if c == physical]:
                assert alias in {prefix, *(f"{prefix}-{a}" for a in _ALIASES)}
                del aliases[alias]

    # What is not ours

    def _make_others(self) -> tuple[str, ...]:
        """Collections and aliases of another cluster and of nobody, which two resources want."""
        world, engine = self._world, self._world.engine
        theirs, nobodys = world.full("theirs_1"), world.full("nobodys_1")
        numbered, apart = world.full("item-1_7"), f"legacy-{world.namespace}"
        engine.make(theirs, _STRANGER)
        engine.make(nobodys)
        engine.make(numbered, _STRANGER)
        engine.make(apart)
        engine.point(world.full("theirs"), theirs)
        engine.point(world.full("nobodys"), nobodys)
        engine.point(f"{apart}-live", apart)
        for name in ("theirs", "nobodys"):
            world.apply(name, deletionPolicy="Delete", hnsw={"m": 8})
        return theirs, nobodys, numbered, apart

    def _of_others(self) -> tuple[object, object]:
        engine = self._world.engine
        aliases = {a: c for a, c in engine.listing().aliases.items() if c in self._others}
        return [engine.describe(name) for name in self._others], aliases


def _vector(name: str) -> Json:
    """Immutable, so the same whenever a name is used again."""
    return {"size": 4 if name[-1] in "02468" else 8, "distance": "Cosine"}


def _settings(spec: Json) -> dict[tuple[str, ...], Any]:
    """The declared settings, as paths."""
    (vector,) = spec["vectors"]
    found: dict[tuple[str, ...], Any] = {("vectors", "", k): v for k, v in vector.items()}
    for part in ("hnsw", "optimizers"):
        found |= {(part, k): v for k, v in spec.get(part, {}).items()}
    if "onDiskPayload" in spec:
        found[("onDiskPayload",)] = spec["onDiskPayload"]
    return found
