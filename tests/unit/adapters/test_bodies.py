"""The table of settings, read both ways: what is declared goes into a body, and what the server
says covers it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectorplane.adapters.vectors.common.settings import check_known, check_new, with_defaults
from vectorplane.adapters.vectors.common.table import (
    ANY,
    INDEX_PARAMS,
    QUANTIZATION,
    ROWS,
    camel,
    fill,
    snake,
    words_of,
)
from vectorplane.adapters.vectors.qdrant_server import bodies
from vectorplane.domain.model import Index, Param, Path, Settings, Value
from vectorplane.domain.policy import implied
from vectorplane.errors import StoreRejected

names = st.sampled_from(["", "image", "text-dense", "ä.b"])
flags = ("onDisk", "alwaysRam", "enabled", "onDiskPayload", "preventUnoptimized", "inlineStorage")


def value_of(path: Path) -> st.SearchStrategy[Value]:
    """A value that a field may have."""
    last = path[-1]
    if path[0] == "metadata":
        return st.sampled_from(["", "Cosine", "a text"])
    if path[:2] == ("sharding", "keys"):
        return st.just(True)
    if (words := words_of(path)) is not None:
        return st.sampled_from(sorted(words))
    if last in flags or last.startswith(("unindexed", "searchAllow")):
        return st.booleans()
    if last in ("quantile", "deletedThreshold", "searchMaxOversampling"):
        return st.sampled_from([0.5, 0.99, 0.123, 1.0])
    return st.integers(1, 65536)


@st.composite
def quantizations(draw: st.DrawFn, prefix: Path) -> dict[Path, Value]:
    kind = draw(st.sampled_from(sorted(QUANTIZATION)))
    chosen: dict[Path, Value] = {(*prefix, "type"): kind}
    for field in QUANTIZATION[kind]:
        if draw(st.booleans()):
            chosen[*prefix, field] = draw(value_of((field,)))
    return chosen


@st.composite
def declared(draw: st.DrawFn) -> Settings:
    chosen: dict[Path, Value] = {}
    vectors = draw(st.lists(names, unique=True, max_size=3))
    sparse = draw(st.lists(st.sampled_from(["words", "tags"]), unique=True, max_size=2))
    free = draw(st.lists(st.sampled_from(["eu", "distance", "{}", ""]), unique=True, max_size=2))
    named = {"vectors": vectors, "sparseVectors": sparse}
    for row in ROWS.values():
        for name in named.get(row.path[0], free if ANY in row.path else [""]):
            path = fill(row.path, name)
            must = row.path[-1] in ("size", "distance", "modifier")
            if must or draw(st.booleans()):
                chosen[path] = draw(value_of(path))
    for prefix in [("quantization",), *(("vectors", name, "quantization") for name in vectors)]:
        if draw(st.booleans()):
            chosen |= draw(quantizations(prefix))
    return chosen


def said(body: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
    """What a server would say of a collection made with a body."""
    parts = ("hnsw_config", "wal_config", "strict_mode_config", "quantization_config")
    params = {
        name: body[name]
        for name in (
            "vectors",
            "sparse_vectors",
            "shard_number",
            "sharding_method",
            "replication_factor",
            "write_consistency_factor",
            "on_disk_payload",
        )
        if name in body
    }
    config = {part: body.get(part) for part in parts}
    config["params"] = params | updates.get("params", {})
    config["optimizer_config"] = body.get("optimizers_config", {})
    config["metadata"] = body["metadata"]
    return {"status": "green", "config": config, "payload_schema": {}}


@settings(max_examples=200, derandomize=True, database=None)
@given(declared())
def test_what_is_declared_is_read_back(wanted: Settings) -> None:
    check_known(wanted)
    check_new(wanted)
    body = bodies.create_body(wanted, {"vectorplane": {"owner": None}})
    own = {p[1]: v for p, v in wanted.items() if p[0] == "metadata"}
    assert body["metadata"] == {"vectorplane": {"owner": None}} | own
    updates = bodies.update_body(bodies.later(wanted))
    found = bodies.read_settings(said(body, updates))
    # Shard keys are made and shown by calls of their own; no quantization is none at all.
    shown = {p: v for p, v in wanted.items() if p[:2] != ("sharding", "keys") and v != "None"}
    off = {p for p, v in wanted.items() if v == "None" and "quantization" in p}
    assert shown.items() <= found.items()
    assert not off & set(found)
    assert all(implied(path) == "None" for path in off)
    # Nothing is sent that was not declared.
    assert set(found) - set(wanted) <= set(with_defaults(wanted)) | {("sharding", "method")}


@settings(max_examples=100, derandomize=True, database=None)
@given(declared())
def test_an_update_says_just_what_may_change(wanted: Settings) -> None:
    body = bodies.update_body(wanted)
    assert set(body) <= {
        "vectors",
        "sparse_vectors",
        "hnsw_config",
        "optimizers_config",
        "params",
        "quantization_config",
        "strict_mode_config",
        "metadata",
    }
    for vector in body.get("vectors", {}).values():
        assert set(vector) <= {"hnsw_config", "quantization_config", "on_disk"}


def test_one_unnamed_vector_stands_alone() -> None:
    wanted = {
        ("vectors", "", "size"): 3,
        ("vectors", "", "distance"): "Cosine",
        ("quantization", "type"): "Scalar",
        ("quantization", "quantile"): 0.99,
        ("vectors", "", "quantization", "type"): "Binary",
        ("vectors", "", "quantization", "queryEncoding"): "Scalar4Bits",
        ("sparseVectors", "text", "modifier"): "Idf",
        ("sparseVectors", "text", "onDisk"): False,
        ("replication", "readFanOutFactor"): 2,
    }
    assert bodies.create_body(wanted, {}) == {
        "vectors": {
            "size": 3,
            "distance": "Cosine",
            "quantization_config": {"binary": {"query_encoding": "scalar4bits"}},
        },
        "sparse_vectors": {"text": {"modifier": "idf", "index": {"on_disk": False}}},
        "quantization_config": {"scalar": {"type": "int8", "quantile": 0.99}},
        "metadata": {},
    }
    assert bodies.later(wanted) == {("replication", "readFanOutFactor"): 2}
    assert bodies.update_body({("vectors", "", "hnsw", "efConstruct"): 5}) == {
        "vectors": {"": {"hnsw_config": {"ef_construct": 5}}}
    }


def test_a_new_vector_takes_only_what_is_fixed() -> None:
    dense = {
        ("vectors", "a", "size"): 3,
        ("vectors", "a", "distance"): "Dot",
        ("vectors", "a", "datatype"): "Uint8",
        ("vectors", "a", "multivector"): "MaxSim",
        ("vectors", "a", "onDisk"): True,
    }
    assert bodies.vector_body("a", dense) == {
        "dense": {
            "size": 3,
            "distance": "Dot",
            "datatype": "uint8",
            "multivector_config": {"comparator": "max_sim"},
        }
    }
    sparse = {
        ("sparseVectors", "s", "modifier"): "Idf",
        ("sparseVectors", "s", "datatype"): "Float16",
        ("sparseVectors", "s", "onDisk"): True,
    }
    assert bodies.vector_body("s", sparse) == {"sparse": {"modifier": "idf", "datatype": "float16"}}


@pytest.mark.parametrize("kind", INDEX_PARAMS)
def test_an_index_is_read_back(kind: str) -> None:
    odd: dict[str, Param] = {
        "tokenizer": "Word",
        "minTokenLen": 5,
        "maxTokenLen": 7,
        "stopwords.languages": ("English", "German"),
        "stopwords.custom": ("a", "b"),
        "stemmer.language": "German",
    }
    params = tuple(sorted((n, odd.get(n, True)) for n in INDEX_PARAMS[kind]))
    for index in (Index("a.b", kind), Index("a.b", kind, params)):
        body = bodies.index_body(index)
        schema = body["field_schema"]
        info = {
            "payload_schema": {
                body["field_name"]: {"data_type": schema["type"], "params": schema, "points": 0}
            }
        }
        assert bodies.read_indexes(info) == {"a.b": index}


def test_what_we_do_not_know_is_left_out() -> None:
    info = {
        "config": {
            "params": {
                "vectors": {"a": {"size": 2, "distance": "Chebyshev", "new_thing": {"x": 1}}},
                "sparse_vectors": None,
            },
            "quantization_config": {"nano": {"bits": 2}},
            "metadata": {"vectorplane": {"owner": None}, "of": {"somebody": "else"}},
        },
        "payload_schema": {
            "f": {
                "data_type": "text",
                "params": {"type": "text", "wordlists": {"custom": ["a"]}, "lowercase": True},
                "points": 1,
            }
        },
    }
    found = bodies.read_settings(info)
    assert found["vectors", "a", "distance"] == "Chebyshev"
    assert not [p for p in found if "quantization" in p or "metadata" in p]
    indexes = bodies.read_indexes(info)
    assert Index("f", "Text", (("lowercase", True),)).matches(indexes["f"])
    assert bodies.read_indexes({"payload_schema": None}) == {}


def test_a_text_index_goes_as_qdrant_takes_it() -> None:
    index = Index(
        "title",
        "Text",
        (
            ("stemmer.language", "German"),
            ("stopwords.custom", ("der",)),
            ("stopwords.languages", ("English", "German")),
        ),
    )
    assert bodies.index_body(index)["field_schema"] == {
        "type": "text",
        "stemmer": {"type": "snowball", "language": "german"},
        "stopwords": {"languages": ["english", "german"], "custom": ["der"]},
    }


@pytest.mark.parametrize("said", ["english", {"languages": ["english"], "custom": None}])
def test_one_language_of_stopwords_may_stand_alone(said: object) -> None:
    info = {"payload_schema": {"t": {"data_type": "text", "params": {"stopwords": said}}}}
    params = (("stopwords.languages", ("English",)),)
    assert bodies.read_indexes(info) == {"t": Index("t", "Text", params)}


def test_a_quantization_is_switched_off() -> None:
    off = {("quantization", "type"): "None", ("vectors", "a", "quantization", "type"): "None"}
    assert bodies.update_body(off) == {
        "quantization_config": "Disabled",
        "vectors": {"a": {"quantization_config": "Disabled"}},
    }
    assert bodies.create_body({("quantization", "type"): "None"}, {}) == {
        "vectors": {},
        "metadata": {},
    }


def test_threads_that_qdrant_chooses() -> None:
    path = ("optimizers", "maxOptimizationThreads")
    assert bodies.update_body({path: -1}) == {
        "optimizers_config": {"max_optimization_threads": "auto"}
    }
    assert bodies.update_body({path: 0}) == {"optimizers_config": {"max_optimization_threads": 0}}
    shown = {"config": {"params": {}, "optimizer_config": {"max_optimization_threads": None}}}
    assert path not in bodies.read_settings(shown)
    assert implied(path) == -1


def test_a_key_of_the_metadata_that_is_ours_is_refused() -> None:
    check_known({("metadata", "size"): "large"})
    with pytest.raises(StoreRejected, match=r"metadata\.vectorplane"):
        check_known({("metadata", "vectorplane"): "mine"})


def test_names_turn_both_ways() -> None:
    for row in ROWS:
        assert camel(snake(row[-1])) == row[-1] or ANY in row
