"""What holds for every JSON: `validate` answers, and what it takes, the models take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from integration.crd.strategies import manifests
from vectorplane.manifest import (
    BadManifest,
    Document,
    defaulted,
    describe_refusal,
    load,
    validate,
)
from vectorplane.spec import VectorCollectionSpec
from vectorplane.spec_base import API_VERSION
from vectorplane.spec_store import VectorStoreSpec

MODELS: dict[str, type[BaseModel]] = {
    "VectorCollection": VectorCollectionSpec,
    "VectorStore": VectorStoreSpec,
}

texts = st.text(st.characters(), max_size=10) | st.sampled_from(["name", "vectors", "spec", "kind"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
METADATA = st.dictionaries(
    st.sampled_from(
        "name namespace labels annotations finalizers ownerReferences managedFields generation uid"
        " creationTimestamp generateName other".split()
    ),
    anything,
)


def answers(value: Any) -> None:
    document = Document(value)
    problems = validate(document)
    assert all(p.place and p.message for p in problems)
    assert describe_refusal(document, problems)


@given(anything)
def test_validate_answers_on_any_json(value: Any) -> None:
    answers(value)


@given(st.sampled_from(list(MODELS)), METADATA | anything, anything, anything)
def test_validate_answers_on_anything_in_a_resource(
    kind: str, metadata: Any, spec: Any, vectors: Any
) -> None:
    whole = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
    answers(whole)
    answers({**whole, "spec": {"vectors": vectors, "aliases": spec, "hnsw": metadata}})


@given(manifests())
def test_what_validate_takes_the_models_take(manifest: dict[str, Any]) -> None:
    document = Document(manifest)
    if not validate(document):
        spec = defaulted(document)["spec"]
        parsed = MODELS[document.kind].model_validate(spec)
        # And it is whole already: the models have no default that the API server does not fill in.
        assert parsed.model_dump(by_alias=True, exclude_none=True) == spec


@given(manifests())
def test_a_stored_resource_is_taken_as_it_is(manifest: dict[str, Any]) -> None:
    document = Document(manifest)
    if not validate(document):
        stored = defaulted(document)
        assert validate(Document(stored)) == []
        assert defaulted(Document(stored)) == stored


@given(manifests())
def test_a_manifest_is_read_as_it_was_written(manifest: dict[str, Any]) -> None:
    (document,) = load(json.dumps(manifest))
    assert document.object == manifest


@given(st.text(max_size=60) | st.text("{}[]:,-#&*!|>'\"%@`? \n\tab1", max_size=60))
def test_load_reads_any_text_or_says_why_not(text: str) -> None:
    try:
        documents = load(text)
    except BadManifest:
        return
    for document in documents:
        validate(document)


@pytest.mark.parametrize("kind", MODELS)
def test_there_is_a_model_of_each_kind(kind: str) -> None:
    assert MODELS[kind].model_fields
