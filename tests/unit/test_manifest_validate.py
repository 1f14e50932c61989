"""`validate`: bad manifests are refused in the words of the API server, good ones are taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integration.crd.rows import BAD, FULL, GOOD, Row, collection, store, with_spec, with_vector
from vectorplane.manifest import Document, Problem, defaulted, describe_refusal, load, validate
from vectorplane.schema.problems import go_value
from vectorplane.spec import VectorCollectionSpec
from vectorplane.spec_store import VectorStoreSpec

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("row", BAD, ids=str)
def test_a_bad_manifest_is_refused_with_place_and_words(row: Row) -> None:
    problems = validate(Document(row.manifest))
    assert any(p.place == row.place and row.words in p.message for p in problems), problems


@pytest.mark.parametrize("row", GOOD, ids=str)
def test_a_good_manifest_is_taken(row: Row) -> None:
    assert validate(Document(row.manifest)) == []


@pytest.mark.parametrize("path", sorted((ROOT / "manifests/examples").glob("*.yaml")), ids=str)
def test_the_examples_are_taken(path: Path) -> None:
    for document in load(path):
        if document.ours:
            assert validate(document) == []


def test_one_problem_is_told_as_kubectl_tells_it() -> None:
    document = Document(with_vector(size=0))
    assert describe_refusal(document, validate(document)) == (
        'The VectorCollection "products" is invalid: spec.vectors[0].size: Invalid value: 0:'
        " spec.vectors[0].size in body should be greater than or equal to 1"
    )


def test_several_problems_are_told_as_a_list() -> None:
    document = Document(with_vector(size="3"))
    assert describe_refusal(document, validate(document)).splitlines() == [
        'The VectorCollection "products" is invalid: ',
        '* spec.vectors[0].size: Invalid value: "string": spec.vectors[0].size in body must be of'
        ' type integer: "string"',
        "* <nil>: Invalid value: null: some validation rules were not checked because the object"
        " was invalid; correct the existing errors to complete validation",
    ]


def test_unknown_fields_are_told_as_kubectl_tells_them() -> None:
    document = Document(with_vector(dim=3, color="red"))
    assert describe_refusal(document, validate(document)) == (
        'Error from server (BadRequest): VectorCollection in version "v1alpha1" cannot be handled'
        ' as a VectorCollection: strict decoding error: unknown field "spec.vectors[0].color",'
        ' unknown field "spec.vectors[0].dim"'
    )


def test_a_problem_told_twice_is_told_once() -> None:
    document = Document(collection())
    problem = Problem("spec.a", "Required value")
    assert describe_refusal(document, [problem, problem]).count("spec.a") == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "must be an object"),
        (None, "must be an object"),
        ("text", "must be an object"),
        ({}, "[apiVersion not set, kind not set]"),
        ({"apiVersion": 5, "kind": "VectorStore"}, "[apiVersion not set]"),
        (
            {"apiVersion": "v1", "kind": "Pod"},
            'no matches for kind "Pod" in version "v1" (vectorplane takes VectorCollection,'
            " VectorStore and VectorAccess in version vectorplane.dev/v1alpha1)",
        ),
        ({**collection(), "kind": "VectorIndex"}, 'no matches for kind "VectorIndex"'),
        ({**collection(), "apiVersion": "vectorplane.dev/v2"}, 'version "vectorplane.dev/v2"'),
        (collection(namespace="No_Name"), "a lowercase RFC 1123 label must consist of"),
        (collection(namespace="a.b"), "must not contain dots"),
        (collection(namespace="a" * 64), "must be no more than 63 characters"),
        ({**collection(), "metadata": {"generateName": "a-"}}, "cannot use generate name with"),
        (collection(creationTimestamp=5), "Go struct field ObjectMeta.creationTimestamp"),
        (collection(creationTimestamp="now"), 'parsing time "now"'),
        (collection(ownerReferences=[5]), "of type v1.OwnerReference"),
        (collection(ownerReferences=[{"controller": 1}]), "of type bool"),
        (collection(managedFields=[{"fieldsV1": 1, "x": 1}]), 'field "metadata.managedFields[0].x'),
        (with_vector(size=float("nan")), "json: unsupported value: nan"),
        (with_vector(size=10**400), "json: unsupported value: inf"),
        (with_vector(size=-(10**400)), "json: unsupported value: -inf"),
        (with_vector(size=1.0000000001), 'must be of type integer: "number"'),
    ],
)
def test_what_else_is_refused(value: Any, words: str) -> None:
    document = Document(value)
    assert words in describe_refusal(document, validate(document))


def test_a_document_without_end_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert [p.message for p in validate(Document(with_spec(store=deep)))] == ["exceeded max depth"]


def test_a_rule_that_cannot_be_evaluated_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = {
        "type": "object",
        "x-kubernetes-validations": [{"rule": "self.a.b > 1", "message": "b is large"}],
    }
    monkeypatch.setattr("vectorplane.manifest.shared_schema", lambda kind: rules)
    (problem,) = validate(Document(without_fields()))
    assert problem.place == "<nil>"
    assert problem.message.endswith("evaluating rule: b is large")


def without_fields() -> dict[str, Any]:
    return {k: v for k, v in collection().items() if k != "spec"}


def test_defaults_are_those_of_the_api_server() -> None:
    whole = defaulted(Document({**collection(), "status": {"store": "a"}}))
    assert "status" not in whole
    assert whole["spec"] == {
        "vectors": [{"size": 3, "distance": "Dot", "name": ""}],
        "sparseVectors": [],
        "payloadIndexes": [],
        "aliases": [],
        "adoptionPolicy": "Never",
        "changePolicy": "Refuse",
    }


def test_defaults_take_the_place_of_nulls() -> None:
    spec = defaulted(Document(with_spec(adoptionPolicy=None, store=None)))["spec"]
    assert spec["adoptionPolicy"] == "Never"
    assert "store" not in spec


def test_defaults_are_nobody_elses() -> None:
    defaulted(Document(collection()))["spec"]["aliases"].append("a")
    assert defaulted(Document(collection()))["spec"]["aliases"] == []


def test_the_document_is_left_as_it_is() -> None:
    manifest = collection()
    validate(Document(manifest))
    defaulted(Document(manifest))
    assert manifest == collection()


def test_numbers_are_as_the_api_server_keeps_them() -> None:
    spec = defaulted(Document(with_vector(size=256.0)))["spec"]
    assert spec["vectors"][0]["size"] == 256
    assert isinstance(spec["vectors"][0]["size"], int)


def test_half_a_surrogate_pair_is_no_character() -> None:
    (problem,) = validate(Document(with_vector(name="a\ud800")))
    assert '"a\ufffd"' in problem.message


def test_what_is_taken_is_parsed() -> None:
    spec = VectorCollectionSpec.model_validate(defaulted(Document(collection(FULL)))["spec"])
    assert spec.embedding
    qdrant = VectorStoreSpec.model_validate(defaulted(Document(store()))["spec"]).qdrant
    assert qdrant.timeout_seconds == 10


def test_a_document_of_no_kind_has_no_name() -> None:
    values: list[Any] = [[], {"metadata": 5}, {"metadata": {"name": 5}}]
    for value in values:
        document = Document(value)
        assert (document.name, document.namespace, document.ours) == ("", "", False)


def test_what_kubectl_would_not_send_is_an_error_of_ours() -> None:
    document = Document({"kind": "Pod"}, file="pod.yaml")
    told = describe_refusal(document, validate(document))
    assert told == 'error: error validating "pod.yaml": [apiVersion not set]'


def test_a_bad_request_names_the_file() -> None:
    document = Document(with_spec(foo=1), file="shop.yaml")
    told = describe_refusal(document, validate(document))
    assert told.startswith(
        'Error from server (BadRequest): error when creating "shop.yaml": VectorCollection in'
    )


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"a": None}, "finalizers": None, "annotations": {"a": None}},
        {"creationTimestamp": "2026-11-21T08:00:00.5+01:00"},
        {"managedFields": [None, {"operation": "Apply", "time": "2026-11-21T08:00:00Z"}]},
        {"uid": "a", "generation": 1, "resourceVersion": "5"},
    ],
)
def test_metadata_as_kubernetes_writes_it_is_taken(metadata: dict[str, Any]) -> None:
    assert validate(Document(collection(**metadata))) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (2**62, "4611686018427387904"),
        (0.0, "0"),
        (0.1, "0.1"),
        (1e-05, "1e-05"),
        (0.00012, "0.00012"),
        (123456.5, "123456.5"),
        (1234567.0, "1.234567e+06"),
        (-1e19, "-1e+19"),
        (1e300, "1e+300"),
        (True, "true"),
        (None, "null"),
        ('a"\n\x7f', '"a\\"\\n\\x7f"'),
        ([1.0, 1e-7, 1e20, 1e22, "<é>"], '[1,1e-7,100000000000000000000,1e+22,"\\u003cé\\u003e"]'),
        ({"b": None, "a": True}, '{"a":true,"b":null}'),
    ],
)
def test_values_are_shown_as_go_shows_them(value: Any, shown: str) -> None:
    assert go_value(value) == shown
