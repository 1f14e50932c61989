"""What a platform team allows and adds in a VectorStore, as an application team meets it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from support.cluster import Refused, condition, wait
from support.world import World

SWEEP = 2
"""Seconds between two sweeps here; 60 where nobody says otherwise."""


@pytest.fixture
def swept(corner: World) -> World:
    """An operator that sweeps often."""
    _ = corner.operators.get(corner.engine, OPERATOR_RESYNC_SECONDS=str(SWEEP))
    return corner


def rule(world: World, **rules: Any) -> None:
    """Change the store's rules, and wait until they are seen; None removes one."""
    changed = world.cluster.merge("VectorStore", world.store, None, {"spec": rules})
    generation = changed["metadata"]["generation"]

    def seen() -> bool:
        found = world.cluster.get("VectorStore", world.store) or {}
        return bool(found.get("status", {}).get("observedGeneration") == generation)

    wait(seen, "the operator has seen the rules")


def label(world: World, **labels: str | None) -> None:
    patch = {"metadata": {"labels": labels}}
    world.cluster.merge("Namespace", world.namespace, None, patch)


def test_a_namespace_is_let_in_by_its_labels_and_within_a_sweep(swept: World) -> None:
    team = {"key": "team", "operator": "In", "values": ["search", "shop"]}
    rule(
        swept,
        allowedNamespaces={"matchLabels": {"vectors": "yes"}, "matchExpressions": [team]},
    )
    label(swept, vectors="yes")
    swept.apply()
    said = swept.says("NamespaceNotAllowed")
    assert "ask the platform team" in said["message"]
    assert condition(swept.get(), "StoreReachable")["status"] == "True"
    assert swept.engine.of(swept.namespace) == set()

    label(swept, team="shop")
    swept.says("Ready", seconds=30 + 2 * SWEEP)

    # What is there already stays, and is looked after.
    label(swept, vectors=None)
    numbers = itertools.count()

    def refused() -> str | None:
        late = f"late-{next(numbers)}"
        swept.apply(late)
        wait(lambda: condition(swept.get(late)), f"{late} has an answer")
        return late if condition(swept.get(late))["reason"] == "NamespaceNotAllowed" else None

    late = wait(refused, "newcomers are refused", seconds=30 + 2 * SWEEP, every=0.5)
    swept.apply(hnsw={"m": 32})
    swept.ready()
    found = swept.engine.describe(swept.full("products_1"))
    assert found
    assert found.settings["hnsw", "m"] == 32

    rule(swept, allowedNamespaces=None)
    swept.ready(late)


def test_who_is_refused_goes_when_deleted(swept: World) -> None:
    rule(swept, allowedNamespaces={"matchLabels": {"vectors": "yes"}}, deletionPolicy="Delete")
    swept.apply()
    swept.says("NamespaceNotAllowed")
    swept.delete()
    swept.gone()


def test_the_oldest_keep_their_place_and_the_next_comes_in_when_one_goes(swept: World) -> None:
    rule(swept, limits={"maxCollections": 3, "maxCollectionsPerNamespace": 2})
    for name in ("one", "two"):
        swept.apply(name, deletionPolicy="Delete")
        swept.ready(name)
    swept.apply("three")
    said = swept.says("LimitExceeded", "three")
    assert "takes 2 collections of a namespace" in said["message"]
    assert "has 2" in said["message"]
    assert "platform team" in said["message"]
    assert swept.engine.of(swept.namespace) == {swept.full("one_1"), swept.full("two_1")}

    # A limit that is lowered takes nothing away.
    rule(swept, limits={"maxCollections": 1, "maxCollectionsPerNamespace": 1})
    swept.apply("one", deletionPolicy="Delete", hnsw={"m": 32})
    swept.ready("one")
    swept.apply("one", deletionPolicy="Retain", hnsw={"m": 32})
    swept.ready("one")

    rule(swept, limits={"maxCollections": 2, "maxCollectionsPerNamespace": 2})
    swept.delete("two")
    swept.gone("two")
    swept.says("Ready", "three", seconds=30 + 2 * SWEEP)


def test_who_waits_for_room_comes_in_at_once_when_there_is_some(world: World) -> None:
    rule(world, limits={"maxCollections": 1})
    world.apply("one", deletionPolicy="Delete")
    world.ready("one")
    for name in ("two", "three"):
        world.apply(name)
        world.says("LimitExceeded", name)
    world.delete("one")
    # Sweeps are a minute apart here. Which of the two is older, within one second, nobody knows.
    reasons = lambda: sorted(condition(world.get(n))["reason"] for n in ("two", "three"))  # noqa: E731
    wait(lambda: reasons() == ["LimitExceeded", "Ready"], "one of them came in", seconds=15)


def test_many_at_once_fill_the_store_to_its_limit_and_not_beyond(swept: World) -> None:
    rule(swept, limits={"maxCollections": 5})
    names = [f"c{number}" for number in range(12)]
    for name in names:
        swept.apply(name)

    def reasons() -> list[str | None]:
        return [condition(swept.get(name)).get("reason") for name in names]

    wait(lambda: set(reasons()) == {"Ready", "LimitExceeded"}, "all have an answer", seconds=60)
    assert reasons().count("Ready") == 5
    assert len(swept.engine.of(swept.namespace)) == 5


def test_what_is_too_large_is_refused_and_what_serves_goes_on(swept: World) -> None:
    rule(swept, limits={"maxVectorSize": 8, "maxReplicationFactor": 1})
    swept.apply("large", vectors=[{"size": 9, "distance": "Cosine"}])
    assert "maxVectorSize" in swept.says("LimitExceeded", "large")["message"]

    swept.apply()
    swept.ready()
    swept.apply(replication={"factor": 2})
    said = swept.says("LimitExceeded")
    assert "replication.factor is 2" in said["message"]
    assert "goes on serving" in said["message"]
    assert swept.engine.of(swept.namespace) == {swept.full("products_1")}
    swept.apply()
    swept.ready()


def test_defaults_stand_under_the_manifest_and_follow_the_store(swept: World) -> None:
    defaults = {
        "hnsw": {"m": 24, "efConstruct": 128},
        "onDiskPayload": True,
        "strictMode": {"enabled": True, "maxQueryLimit": 100},
        "payloadIndexes": [{"field": "team", "type": "Keyword"}],
    }
    rule(swept, defaults=defaults)
    swept.apply(hnsw={"m": 8}, payloadIndexes=[{"field": "price", "type": "Float"}])
    swept.ready()

    def settings(*path: str) -> Any:
        found = swept.engine.describe(swept.full("products_1"))
        assert found
        return found.settings.get(path)

    assert settings("hnsw", "m") == 8
    assert settings("hnsw", "efConstruct") == 128
    assert settings("onDiskPayload") is True
    assert settings("strictMode", "maxQueryLimit") == 100
    found = swept.engine.describe(swept.full("products_1"))
    assert found
    assert found.indexes.keys() == {"price", "team"}
    assert "team" not in str(swept.get()["spec"]), "the manifest is the team's own"

    rule(swept, defaults={**defaults, "hnsw": {"m": 24, "efConstruct": 64}})
    wait(lambda: settings("hnsw", "efConstruct") == 64, "a changed default reaches it")
    swept.ready()


@pytest.mark.parametrize(("policy", "left"), [("Delete", 0), ("Retain", 1), (None, 1)])
def test_the_stores_policy_stands_where_a_resource_has_none(
    swept: World, policy: str | None, left: int
) -> None:
    rule(swept, deletionPolicy=policy)
    swept.apply()
    swept.ready()
    swept.delete()
    swept.gone()
    assert len(swept.engine.of(swept.namespace)) == left


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            {"limits": {"maxCollections": 1, "maxCollectionsPerNamespace": 2}},
            "cannot be more than maxCollections",
        ),
        (
            {
                "limits": {"maxReplicationFactor": 1},
                "defaults": {"replication": {"factor": 2}},
            },
            "cannot be more than limits.maxReplicationFactor",
        ),
        (
            {"allowedNamespaces": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
            "values go with the operators In and NotIn",
        ),
        ({"defaults": {"vectors": []}}, "vectors"),
    ],
)
def test_rules_that_make_no_sense_are_refused(corner: World, rules: Any, words: str) -> None:
    qdrant = {"url": "http://qdrant:6333"}
    manifest = {
        "apiVersion": "vectorplane.dev/v1alpha1",
        "kind": "VectorStore",
        "metadata": {"name": f"{corner.namespace}-odd"},
        "spec": {"qdrant": qdrant, **rules},
    }
    with pytest.raises(Refused, match=words):
        corner.cluster.apply(manifest)
