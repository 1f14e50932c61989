"""Hostile specs: whatever the schema lets anybody write is refused by the API server or ends in a
condition. The operator lives on, and no error is in its log.

`VECTORPLANE_HOSTILE_COUNT` and `VECTORPLANE_HOSTILE_SEED` ask for other manifests than the usual.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from integration.crd.strategies import collections, plausible
from support.cluster import Json, Refused, condition, wait
from support.world import World

COUNT = int(os.environ.get("VECTORPLANE_HOSTILE_COUNT", "60"))
SEED = int(os.environ.get("VECTORPLANE_HOSTILE_SEED", "1"))
PATIENCE = 240.0
"""Seconds for all of them, on a slow machine."""

pytestmark = pytest.mark.timeout(600)


def drawn(strategy: st.SearchStrategy[Json], count: int) -> list[Json]:
    """So many different manifests, always the same for one seed."""
    found: dict[str, Json] = {}

    @seed(SEED)
    @settings(
        max_examples=count * 6,
        database=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(manifest: Json) -> None:
        found.setdefault(json.dumps(manifest, sort_keys=True), manifest)

    collect()
    return list(found.values())[:count]


def hostile(count: int) -> list[Json]:
    """A third of them wrong at one place or another, the others right field by field."""
    return drawn(collections(), count // 3) + drawn(plausible(), count - count // 3)


def affordable(spec: Any) -> Any:
    """Without what would only fill the disk of the machine that the tests run on: each shard takes
    the room of its log at once."""
    if not isinstance(spec, dict):
        return spec
    spec = json.loads(json.dumps(spec))
    for group, field, most in (
        ("sharding", "number", 3),
        ("wal", "walCapacityMb", 2),
        ("wal", "walSegmentsAhead", 1),
        ("optimizers", "defaultSegmentNumber", 4),
    ):
        within = spec.get(group)
        if isinstance(within, dict) and isinstance(within.get(field), int):
            within[field] = min(within[field], most)
    return spec


class Attack:
    """What was sent, and what the API server took of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.taken: set[str] = set()
        self.refused = 0
        self._begins = len(world.operator.text())

    def create(self, number: int, manifest: Json) -> None:
        """One manifest, under a name of its own where its name is none of the odd ones."""
        meta: Json = dict(manifest["metadata"])
        if meta["name"] == "products":
            meta["name"] = f"h{number}"
        spec = affordable(manifest["spec"])
        if isinstance(spec, dict) and number % 8:
            spec["store"] = self.world.store
        cluster, namespace = self.world.cluster, self.world.namespace
        path = cluster.path("VectorCollection", None, namespace)
        self._send("POST", path, manifest | {"metadata": meta, "spec": spec}, meta["name"])

    def edit(self, name: str, spec: Any) -> None:
        """Another spec on top of the one that is there."""
        cluster, namespace = self.world.cluster, self.world.namespace
        spec = affordable(spec)
        if isinstance(spec, dict):
            spec["store"] = self.world.store
        path = cluster.path("VectorCollection", name, namespace)
        self._send("PATCH", path, {"spec": spec}, name, "application/merge-patch+json")

    def settled(self) -> None:
        """Every resource says something of its spec as it is now."""
        waiting = set(self.taken)

        def all_say() -> bool:
            self.quiet()
            for resource in self.world.cluster.all("VectorCollection", self.world.namespace):
                if says(resource):
                    waiting.discard(resource["metadata"]["name"])
            return not waiting

        try:
            wait(all_say, "every resource has a condition", seconds=PATIENCE, every=0.5)
        except AssertionError as error:
            silent = [self.world.get(name) for name in sorted(waiting)[:3]]
            told = f"{error}; seed {SEED}, silent: {json.dumps(silent)[:4000]}"
            raise AssertionError(told) from None

    def gone(self) -> None:
        """Every resource that is being deleted goes."""

        def rest() -> list[Json]:
            self.quiet()
            return self.world.cluster.all("VectorCollection", self.world.namespace)

        try:
            wait(lambda: not rest(), "all are gone", seconds=PATIENCE, every=0.5)
        except AssertionError as error:
            told = [{k: r[k] for k in ("spec", "status") if k in r} for r in rest()[:3]]
            raise AssertionError(f"{error}; seed {SEED}, left: {json.dumps(told)}") from None

    def quiet(self) -> None:
        """The operator lives, and has met nothing that it did not expect."""
        operator = self.world.operator
        assert operator.running
        log = operator.text()[self._begins :]
        assert "Traceback" not in log, f"seed {SEED}: {log[log.index('Traceback') - 500 :][:4000]}"
        loud = [line for line in log.splitlines() if is_error(line)]
        assert not loud, (SEED, loud[:3])

    def _send(
        self, method: str, path: str, body: Json, name: str, kind: str = "application/json"
    ) -> None:
        try:
            self.world.cluster._call(method, path, json.dumps(body), kind)
            self.taken.add(name)
        except Refused as refused:
            if not 400 <= refused.status < 500:
                raise
            self.refused += 1


def says(resource: Json) -> bool:
    ready = condition(resource)
    return (
        ready.get("observedGeneration") == resource["metadata"]["generation"]
        and ready.get("status") in ("True", "False", "Unknown")
        and bool(ready.get("reason"))
    )


@pytest.fixture
def attack(world: World) -> Iterator[Attack]:
    made = Attack(world)
    yield made
    made.quiet()
    assert world.operator.get("/healthz") == 200


def is_error(line: str) -> bool:
    try:
        return json.loads(line).get("level") in ("error", "critical")
    except ValueError:
        return "ERROR" in line or "CRITICAL" in line


def test_every_manifest_is_refused_or_ends_in_a_condition(attack: Attack) -> None:
    manifests = hostile(COUNT)
    for number, manifest in enumerate(manifests):
        attack.create(number, manifest)
    # The test is worth something while both happen often.
    assert len(attack.taken) >= COUNT // 6
    assert attack.refused >= COUNT // 6
    attack.settled()

    # And any of them becomes any other one.
    specs = [m["spec"] for m in manifests[COUNT // 3 :]]
    for name, spec in zip(sorted(attack.taken), specs, strict=False):
        attack.edit(name, spec)
    attack.settled()

    for name in attack.taken:
        attack.world.delete(name)
    attack.gone()
