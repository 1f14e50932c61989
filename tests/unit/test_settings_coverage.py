"""Everything that Qdrant can be told has a field, or a reason why not.

qdrant-client's own models say what Qdrant can be told. The client is newer (1.20) than the server
that we speak with (1.18), so what is newer stands on the list of what is left out.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import pytest
import qdrant_client.http.models as qdrant
from pydantic import BaseModel

from vectorplane.adapters.vectors.common.table import ENUMS, INDEX_PARAMS, QUANTIZATION, snake
from vectorplane.crd import schema
from vectorplane.crd_sources import sources

NEWER = "newer than Qdrant 1.18"
DEPRECATED = "deprecated since Qdrant 1.15 in favour of the on-disk flags"
ONE_VALUE = "has one value, which is always sent"
LIKE_THE_COLLECTION = "a key has what the collection has; Qdrant does not show it for a key"
LEFT_OUT = {
    r".*\.memory": NEWER,
    r"optimizers_config\.memmap_threshold": DEPRECATED,
    r"(.*\.)?scalar\.type": ONE_VALUE,
}
"""Settings without a field, as regular expressions, and why."""
GONE = {"strict_mode_config.max_disk_usage_percent"}
"""What Qdrant 1.18 has and the newer client no longer."""
LEFT_OUT_OF_INDEXES = {
    "memory": NEWER,
    "nested": NEWER,
    "prefix": NEWER,
    "scoring.type": NEWER,
    "stemmer.type": ONE_VALUE,
    "type": "is the type of the index itself",
}
LEFT_OUT_OF_SHARD_KEYS = {
    "shards_number": LIKE_THE_COLLECTION,
    "replication_factor": LIKE_THE_COLLECTION,
    "placement": "names peers, which differ from cluster to cluster",
    "initial_state": "is for people who move shards by hand",
}
LEFT_OUT_WORDS = {
    ("Datatype", "turbo4"): "Qdrant 1.18 takes it and panics: its storage is not wired up",
    ("Datatype", "turbo8"): NEWER,
    ("Datatype", "turbo16"): NEWER,
    ("TurboQuantBitSize", "bits8"): NEWER,
    ("TokenizerType", "code"): NEWER,
}


def leaves(annotation: Any, place: str = "") -> Iterator[str]:
    """Every scalar below a type, dotted. A name that people choose is `{name}`."""
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from leaves(field.annotation, f"{place}.{name}" if place else name)
    elif origin is dict and is_model(arguments[1]):
        yield from leaves(arguments[1], f"{place}.{{name}}")
    elif origin is typing.Union and any(map(holds_model, arguments)):
        for argument in arguments:
            if holds_model(argument):
                yield from leaves(argument, place)
    else:
        yield place


def holds_model(annotation: Any) -> bool:
    if is_model(annotation):
        return True
    arguments = typing.get_args(annotation)
    return typing.get_origin(annotation) is dict and is_model(arguments[1])


def is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def spec_fields() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every field of a VectorCollection's spec, and its schema."""

    def below(node: Mapping[str, Any], place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for key, inner in node.get("properties", {}).items():
            path = f"{place}.{key}" if place else key
            yield path, inner
            if inner["type"] == "array":
                yield from below(inner["items"], f"{path}[]")
            else:
                yield from below(inner, path)

    yield from below(schema("VectorCollection")["properties"]["spec"], "")


def covered() -> set[str]:
    """Every place of Qdrant's bodies that a field stands for."""
    return {place for field, _ in spec_fields() for place in sources(field)}


def told(model: type[BaseModel]) -> set[str]:
    """What a body can say. One unnamed vector is a vector named ""."""
    places = {re.sub(r"^vectors\.(?!\{)", "vectors.{name}.", place) for place in leaves(model)}
    # What is changed stands below `params` where it is not made with.
    return {place.removeprefix("params.") for place in places}


@pytest.mark.parametrize("body", [qdrant.CreateCollection, qdrant.UpdateCollection])
def test_every_setting_of_a_collection_has_a_field(body: type[BaseModel]) -> None:
    ours = {place.removeprefix("params.") for place in covered()}
    missing = {p for p in told(body) - ours if not any(re.fullmatch(r, p) for r in LEFT_OUT)}
    assert not missing


def test_every_setting_that_is_left_out_is_one() -> None:
    places = told(qdrant.CreateCollection) | told(qdrant.UpdateCollection)
    ours = {place.removeprefix("params.") for place in covered()}
    for expression, reason in LEFT_OUT.items():
        met = {place for place in places if re.fullmatch(expression, place)}
        assert met, expression
        assert not met & ours, "it has a field"
        assert reason


def test_no_field_stands_for_what_qdrant_does_not_know() -> None:
    known = told(qdrant.CreateCollection) | told(qdrant.UpdateCollection)
    odd = {place.removeprefix("params.") for place in covered()}
    odd = {p for p in odd if not p.startswith(("field_", "create_alias.", "shard_key"))}
    whole = {".".join(p.split(".")[:n]) for p in known for n in range(1, p.count(".") + 2)}
    assert odd - (known | whole) == GONE


@pytest.mark.parametrize("kind", INDEX_PARAMS)
def test_every_parameter_of_a_payload_index_has_a_field(kind: str) -> None:
    model = getattr(qdrant, f"{kind}IndexParams")
    said = {place for place in leaves(model) if place not in LEFT_OUT_OF_INDEXES}
    assert said == {".".join(map(snake, name.split("."))) for name in INDEX_PARAMS[kind]}
    fields = {place for field, _ in spec_fields() for place in sources(field)}
    assert {f"field_schema.{place}" for place in said} <= fields


def test_every_type_of_payload_index_is_there() -> None:
    assert {k.lower() for k in INDEX_PARAMS} == {str(k.value) for k in qdrant.PayloadSchemaType}
    said = {
        place for kind in INDEX_PARAMS for place in leaves(getattr(qdrant, f"{kind}IndexParams"))
    }
    assert set(LEFT_OUT_OF_INDEXES) <= said


def test_every_type_of_quantization_is_there() -> None:
    options = typing.get_args(
        qdrant.CreateCollection.model_fields["quantization_config"].annotation
    )
    named = {name for o in options if is_model(o) for name in o.model_fields}
    assert {kind.lower() for kind in QUANTIZATION} - {"none"} == named


def test_a_shard_key_is_its_name() -> None:
    assert set(leaves(qdrant.CreateShardingKey)) == {"shard_key"} | set(LEFT_OUT_OF_SHARD_KEYS)


def test_a_vector_that_is_added_has_what_one_has_that_is_made() -> None:
    dense = set(leaves(qdrant.DenseVectorConfig))
    sparse = set(leaves(qdrant.SparseVectorConfig))
    places = {p.rpartition("{name}.")[2].removeprefix("index.") for p in covered()}
    assert dense | sparse <= places


WORDS = [
    (qdrant.Distance, "distance"),
    (qdrant.Datatype, "datatype"),
    (qdrant.MultiVectorComparator, "multivector"),
    (qdrant.Modifier, "modifier"),
    (qdrant.ShardingMethod, "method"),
    (qdrant.CompressionRatio, "compression"),
    (qdrant.TurboQuantBitSize, "bits"),
    (qdrant.BinaryQuantizationEncoding, "encoding"),
    (qdrant.BinaryQuantizationQueryEncoding, "queryEncoding"),
    (qdrant.TokenizerType, "tokenizer"),
    (qdrant.Language, "stopwords.languages"),
    (qdrant.SnowballLanguage, "stemmer.language"),
]


@pytest.mark.parametrize(("words", "name"), WORDS, ids=lambda w: w if isinstance(w, str) else "")
def test_every_word_of_an_enumeration_is_there(words: type[Enum], name: str) -> None:
    left = {word for kind, word in LEFT_OUT_WORDS if kind == words.__name__}
    assert {str(w.value) for w in words} == set(ENUMS[name].values()) | left


def test_every_enumeration_is_compared() -> None:
    assert {name for _, name in WORDS} == set(ENUMS)


def test_the_fields_take_the_words_that_the_adapters_know() -> None:
    found = {}
    for field, node in spec_fields():
        words = (node.get("items") or node).get("enum")
        name = field.removeprefix("payloadIndexes[].")
        name = name if name in ENUMS else field.rpartition(".")[2]
        if words and name in ENUMS:
            found[field] = name
            assert set(words) == set(ENUMS[name]), field
    assert set(found.values()) == set(ENUMS)
