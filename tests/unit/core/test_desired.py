from __future__ import annotations

from typing import Any

import pytest

from vectorplane.desired import InvalidSpec, desired_of
from vectorplane.domain.model import AdoptionPolicy, DeletionPolicy, Index, Key
from vectorplane.ports.resources import Resource

SPEC: dict[str, Any] = {
    "vectors": [
        {"name": "", "size": 256, "distance": "Cosine", "onDisk": False, "hnsw": {"m": 0}},
        {"name": "image", "size": 8, "distance": "Dot", "quantization": {"type": "Binary"}},
    ],
    "sparseVectors": [{"name": "text", "modifier": "Idf"}],
    "hnsw": {"m": 16, "efConstruct": 128},
    "quantization": {"type": "Scalar", "quantile": 0.99, "alwaysRam": True},
    "sharding": {"number": 2, "method": "Custom", "keys": ["eu", "us"]},
    "metadata": {"team": "shop", "a.b": ""},
    "replication": {"factor": 2},
    "optimizers": {"indexingThreshold": 20000},
    "onDiskPayload": True,
    "strictMode": {
        "enabled": True,
        "maxQueryLimit": 1000,
        "sparse": [{"name": "text", "maxLength": 9}],
        "multivector": [{"name": "", "maxVectors": 3}],
    },
    "payloadIndexes": [
        {"field": "category", "type": "Keyword", "isTenant": True},
        {
            "field": "title",
            "type": "Text",
            "stemmer": {"language": "German"},
            "stopwords": {"languages": [], "custom": ["und", "der"]},
        },
    ],
    "aliases": ["products-live", "products"],
    "embedding": {"provider": "local", "model": "wordllama"},
    "deletionPolicy": "Delete",
    "adoptionPolicy": "IfUnowned",
}


def resource(spec: dict[str, Any], **more: Any) -> Resource:
    return Resource(Key("shop", "products"), "uid", 7, "2026-01-01T00:00:00Z", spec, **more)


def test_a_manifest_becomes_flat_settings_and_nothing_is_added() -> None:
    desired = desired_of(resource(SPEC), "here")
    assert desired.settings == {
        ("vectors", "", "size"): 256,
        ("vectors", "", "distance"): "Cosine",
        ("vectors", "", "onDisk"): False,
        ("vectors", "", "hnsw", "m"): 0,
        ("vectors", "image", "size"): 8,
        ("vectors", "image", "distance"): "Dot",
        ("vectors", "image", "quantization", "type"): "Binary",
        ("sparseVectors", "text", "modifier"): "Idf",
        ("hnsw", "m"): 16,
        ("hnsw", "efConstruct"): 128,
        ("quantization", "type"): "Scalar",
        ("quantization", "quantile"): 0.99,
        ("quantization", "alwaysRam"): True,
        ("sharding", "number"): 2,
        ("sharding", "method"): "Custom",
        ("sharding", "keys", "eu"): True,
        ("sharding", "keys", "us"): True,
        ("metadata", "team"): "shop",
        ("metadata", "a.b"): "",
        ("replication", "factor"): 2,
        ("optimizers", "indexingThreshold"): 20000,
        ("onDiskPayload",): True,
        ("strictMode", "enabled"): True,
        ("strictMode", "maxQueryLimit"): 1000,
        ("strictMode", "sparse", "text", "maxLength"): 9,
        ("strictMode", "multivector", "", "maxVectors"): 3,
    }
    words = (("stemmer.language", "German"), ("stopwords.custom", ("der", "und")))
    assert desired.indexes == {
        "category": Index("category", "Keyword", (("isTenant", True),)),
        "title": Index("title", "Text", words),
    }
    assert desired.aliases == {"shop.products-live"}, "its own name is no further alias"
    assert dict(desired.embedding) == {"provider": "local", "model": "wordllama", "vector": ""}
    assert desired.deletion_policy is DeletionPolicy.DELETE
    assert desired.adoption_policy is AdoptionPolicy.IF_UNOWNED
    assert desired.generation == 7


def test_the_annotations_and_the_status_count() -> None:
    one = resource(
        SPEC,
        annotations={"vectorplane.dev/paused": "true"},
        status={"collection": {"physical": "shop.products_4"}},
    )
    desired = desired_of(one, "here")
    assert desired.paused
    assert desired.hint == "shop.products_4"


def test_a_spec_that_is_refused_says_where() -> None:
    wrong = {"vectors": [{"name": "", "size": 0, "distance": "Cosine"}]}
    with pytest.raises(InvalidSpec, match=r"spec\.vectors\.0\.size"):
        desired_of(resource(wrong), "here")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [({}, "Retain"), ({"deletionPolicy": "Delete"}, "Delete"), ({"deletionPolicy": "?"}, "Retain")],
)
def test_what_goes_needs_its_policy_only(policy: dict[str, str], expected: str) -> None:
    broken = {"vectors": "nonsense"} | policy
    desired = desired_of(resource(broken, deleting=True), "here")
    assert desired.deletion_policy == expected
    assert desired.deleting


def test_what_goes_is_not_asked_what_it_was_restored_from() -> None:
    spec = {
        "vectors": [{"name": "", "size": 4, "distance": "Dot"}],
        "restoreFrom": {"collection": "other", "snapshot": "nonsense.snapshot"},
    }
    with pytest.raises(InvalidSpec, match=r"spec\.restoreFrom\.snapshot"):
        desired_of(resource(spec), "here")
    assert desired_of(resource(spec, deleting=True), "here").deleting
