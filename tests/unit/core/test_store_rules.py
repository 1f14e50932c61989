"""Who is let into a store, and what a manifest has where it says nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorplane.domain.model import Key
from vectorplane.errors import LimitExceeded, NamespaceNotAllowed
from vectorplane.ports.resources import Resource
from vectorplane.spec_store import LabelSelector, VectorStoreSpec
from vectorplane.store_rules import (
    Counts,
    StoreRules,
    admit,
    counts_before,
    merged,
    rules_of,
    selects,
)

STORE = "main"


def rules(**spec: Any) -> StoreRules:
    qdrant = {"url": "http://qdrant:6333"}
    return rules_of(STORE, VectorStoreSpec.model_validate({"qdrant": qdrant, **spec}))


def resource(name: str = "products", created: int = 0, **spec: Any) -> Resource:
    wanted = {"vectors": [{"name": "", "size": 4, "distance": "Dot"}], **spec}
    moment = f"2026-01-01T00:00:{created:02}Z"
    return Resource(Key("shop", name), f"uid-{name}", 1, moment, wanted)


def living(found: Resource, reason: str = "AsDeclared", generation: int = 1) -> Resource:
    condition = {
        "type": "CollectionReady",
        "status": "True",
        "reason": reason,
        "observedGeneration": generation,
    }
    status = {
        "store": STORE,
        "collection": {"physical": f"{found.key.collection}_1"},
        "conditions": [condition],
    }
    return replace(found, status=status)


def stalled(found: Resource, reason: str) -> Resource:
    return replace(found, status={"conditions": [{"type": "Ready", "reason": reason}]})


def let_in(found: Resource, of: StoreRules, counts: Counts | None = None, **labels: str) -> Any:
    return admit(found, of, labels, counts or Counts()).spec


def test_without_rules_a_resource_is_taken_as_it_is() -> None:
    assert rules().nothing
    assert let_in(resource(), rules()) == resource().spec


# Defaults


def test_defaults_stand_under_the_manifest() -> None:
    defaults = {
        "hnsw": {"m": 32, "onDisk": True},
        "onDiskPayload": True,
        "replication": {"factor": 2},
        "payloadIndexes": [
            {"field": "category", "type": "Keyword"},
            {"field": "price", "type": "Float"},
        ],
        "strictMode": {"sparse": [{"name": "text", "maxLength": 5}], "maxQueryLimit": 10},
    }
    spec = let_in(
        resource(
            hnsw={"m": 8},
            onDiskPayload=False,
            replication=None,
            payloadIndexes=[{"field": "price", "type": "Integer", "range": True}],
            strictMode={"sparse": [{"name": "text", "maxLength": 9}]},
        ),
        rules(defaults=defaults),
    )
    assert spec["hnsw"] == {"m": 8, "onDisk": True}
    assert spec["onDiskPayload"] is False
    assert spec["replication"] == {"factor": 2}
    assert spec["payloadIndexes"] == [
        {"field": "price", "type": "Integer", "range": True},
        {"field": "category", "type": "Keyword"},
    ]
    assert spec["strictMode"] == {"sparse": [{"name": "text", "maxLength": 9}], "maxQueryLimit": 10}
    assert spec["vectors"] == resource().spec["vectors"]


def test_what_goes_together_is_taken_from_one_of_the_two() -> None:
    under = rules(defaults={"quantization": {"type": "Scalar", "quantile": 0.99}})
    product = {"type": "Product", "compression": "X16"}
    assert let_in(resource(quantization=product), under)["quantization"] == product
    scalar = {"type": "Scalar", "alwaysRam": True}
    both = {"type": "Scalar", "alwaysRam": True, "quantile": 0.99}
    assert let_in(resource(quantization=scalar), under)["quantization"] == both

    nightly = rules(defaults={"snapshots": {"schedule": "0 3 * * *", "keep": 30}})
    own = {"schedule": "0 * * * *"}
    assert let_in(resource(snapshots=own), nightly)["snapshots"] == own
    assert let_in(resource(), nightly)["snapshots"]["keep"] == 30
    named = rules(defaults={"metadata": {"type": "a", "schedule": "b", "team": "c"}})
    texts = let_in(resource(metadata={"type": "x"}), named)["metadata"]
    assert texts == {"type": "x", "schedule": "b", "team": "c"}


def test_what_only_a_new_collection_can_have_is_no_default_of_a_standing_one() -> None:
    of = rules(defaults={"sharding": {"number": 2}, "wal": {"walCapacityMb": 8}, "hnsw": {"m": 8}})
    assert let_in(resource(), of)["sharding"] == {"number": 2}
    spec = let_in(living(resource()), of)
    assert spec["hnsw"] == {"m": 8}
    assert not {"sharding", "wal"} & spec.keys()


def test_a_tenant_has_no_defaults_for_its_pool_has_one_shape() -> None:
    of = rules(defaults={"hnsw": {"m": 8}}, deletionPolicy="Snapshot")
    spec = let_in(resource(tenancy={"mode": "Partition"}), of)
    assert "hnsw" not in spec
    assert spec["deletionPolicy"] == "Retain"


@pytest.mark.parametrize("deleting", [True, False])
def test_the_stores_deletion_policy_stands_where_there_is_none(deleting: bool) -> None:
    of = rules(deletionPolicy="Delete", allowedNamespaces={"matchLabels": {"a": "b"}})
    found = replace(resource(), deleting=deleting)
    assert let_in(found, of, a="b")["deletionPolicy"] == "Delete"
    kept = replace(resource(deletionPolicy="Retain"), deleting=deleting)
    assert let_in(kept, of, a="b")["deletionPolicy"] == "Retain"


def test_who_is_being_deleted_needs_no_admission() -> None:
    of = rules(allowedNamespaces={"matchLabels": {"a": "b"}}, limits={"maxVectorSize": 1})
    found = replace(resource(), deleting=True)
    assert admit(found, of, {}, Counts()) == found


settings = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
specs = st.dictionaries(st.sampled_from("abcd"), settings, max_size=4)


@given(under=specs, over=specs)
def test_a_manifest_wins_and_loses_nothing(under: Any, over: Any) -> None:
    both = merged(under, over)
    assert merged(both, over) == both
    assert merged({}, over) == over
    assert merged(under, {}) == under
    assert both.keys() == under.keys() | over.keys()
    for key, value in over.items():
        if not isinstance(value, dict) or not isinstance(under.get(key), dict):
            assert both[key] == value


# Namespaces

SELECTORS = [
    ({}, {}, True),
    ({"matchLabels": {"team": "a"}}, {"team": "a", "b": "c"}, True),
    ({"matchLabels": {"team": "a"}}, {"team": "b"}, False),
    ({"matchLabels": {"team": "a"}}, {}, False),
    ([("team", "In", ["a", "b"])], {"team": "b"}, True),
    ([("team", "In", ["a", "b"])], {}, False),
    ([("team", "NotIn", ["a"])], {}, True),
    ([("team", "NotIn", ["a"])], {"team": "a"}, False),
    ([("team", "Exists", [])], {"team": ""}, True),
    ([("team", "Exists", [])], {}, False),
    ([("team", "DoesNotExist", [])], {}, True),
    ([("team", "DoesNotExist", [])], {"team": "a"}, False),
    ([("team", "Exists", []), ("team", "NotIn", ["a"])], {"team": "a"}, False),
]


@pytest.mark.parametrize(("selector", "labels", "fits"), SELECTORS)
def test_a_selector_means_what_kubernetes_means(selector: Any, labels: Any, fits: bool) -> None:
    if isinstance(selector, list):
        expressions = [{"key": k, "operator": o, "values": v} for k, o, v in selector]
        selector = {"matchExpressions": expressions}
    assert selects(LabelSelector.model_validate(selector), labels) is fits


def test_a_namespace_that_is_not_allowed_is_told_whom_to_ask() -> None:
    of = rules(allowedNamespaces={"matchLabels": {"vectors": "yes"}})
    with pytest.raises(NamespaceNotAllowed, match="namespace shop.*ask the platform team"):
        let_in(resource(), of, vectors="no")
    assert let_in(resource(), of, vectors="yes")
    assert let_in(living(resource()), of), "what is there already stays"


# Limits


def test_who_is_beyond_a_limit_is_told_limit_count_and_whom_to_ask() -> None:
    of = rules(limits={"maxCollections": 3, "maxCollectionsPerNamespace": 2})
    assert let_in(resource(), of, Counts(2, 1))
    with pytest.raises(LimitExceeded, match=r"takes 3 .*has 3; ask the platform team"):
        let_in(resource(), of, Counts(3, 1))
    with pytest.raises(LimitExceeded, match=r"takes 2 .*shop has 2; .*ask the platform team"):
        let_in(resource(), of, Counts(2, 2))
    assert let_in(living(resource()), of, Counts(9, 9)), "what is there already stays"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"vectors": [{"name": "big", "size": 9}]}, r'vectors\["big"\]\.size is 9.*takes 8'),
        ({"replication": {"factor": 3}}, r"replication\.factor is 3.*takes 2"),
    ],
)
def test_what_is_too_large_is_refused(spec: Any, words: str) -> None:
    of = rules(limits={"maxVectorSize": 8, "maxReplicationFactor": 2})
    with pytest.raises(LimitExceeded, match=words):
        let_in(resource(**spec), of)
    edited = living(resource(**spec), generation=0)
    with pytest.raises(LimitExceeded, match="goes on serving as it is"):
        let_in(edited, of)
    assert let_in(living(resource(**spec)), of), "it was let in before the limit was"


def before(found: Resource, of: StoreRules, *others: Resource, placed: str = "") -> Counts:
    return counts_before(
        found,
        of,
        (found, *others),
        placed=lambda other: other.key.name in placed.split(),
        wants=lambda other: other.spec.get("store", STORE) == STORE,
    )


def test_the_oldest_have_their_place() -> None:
    of = rules(limits={"maxCollections": 5, "maxCollectionsPerNamespace": 3})
    found = resource(created=30)
    older, younger = resource("older", created=10), resource("younger", created=50)
    assert before(found, of) == Counts(0, 0)
    assert before(found, of, older, younger) == Counts(1, 1)
    assert before(found, of, living(younger)) == Counts(1, 1)
    assert before(found, of, younger, placed="younger") == Counts(1, 1)
    elsewhere = resource("elsewhere", created=10, store="other")
    assert before(found, of, elsewhere) == Counts(0, 0)
    assert before(found, of, replace(older, deleting=True)) == Counts(0, 0)
    other = replace(older, key=Key("lab", "older"))
    assert before(found, of, other) == Counts(1, 0)


@pytest.mark.parametrize("reason", ["NamespaceNotAllowed", "NotOwned", "ResourceConflict"])
def test_who_makes_no_collection_holds_no_place(reason: str) -> None:
    of = rules(limits={"maxCollections": 1})
    older = stalled(resource("older", created=1), reason)
    assert before(resource(created=9), of, older, placed="older") == Counts(0, 0)


def test_who_waits_for_room_goes_before_the_younger_ones_and_who_is_too_large_does_not() -> None:
    of = rules(limits={"maxCollections": 2, "maxVectorSize": 4})
    waits = stalled(resource("waits", created=1), "LimitExceeded")
    large = resource("large", created=2, vectors=[{"name": "", "size": 5}])
    assert before(resource(created=9), of, waits, large) == Counts(1, 1)

    small = rules(limits={"maxCollectionsPerNamespace": 1, "maxCollections": 3})
    first, second = resource("first", created=1), resource("second", created=2)
    newcomer = replace(resource(created=9), key=Key("lab", "products"))
    assert before(newcomer, small, first, second) == Counts(1, 0), "second has no room itself"
