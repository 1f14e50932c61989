"""A real API server takes the CRDs, and says of manifests what `validate` says."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings

from integration.crd.rows import BAD, FULL, GOOD, Row, collection, store, with_spec, with_vector
from integration.crd.server import NAMESPACE, Judge
from integration.crd.strategies import manifests
from support.cluster import wait
from support.controlplane import ControlPlane
from support.parts import require_or_skip
from vectorplane.crd import KINDS, crd
from vectorplane.manifest import Document, defaulted, describe_refusal, load, validate

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("kind", KINDS)
def test_the_crd_is_established_and_kept_whole(judge: Judge, kind: str) -> None:
    name = KINDS[kind].crd_name
    found = wait(lambda: established(judge, name), f"{name} is established")
    wanted = crd(kind)["spec"]["versions"][0]
    (version,) = found["spec"]["versions"]
    assert version["schema"] == wanted["schema"], "the API server dropped or added something"
    assert version["additionalPrinterColumns"] == wanted["additionalPrinterColumns"]
    # A schema that is not structural, or a name taken by another CRD, is told as a condition.
    assert {c["type"] for c in found["status"]["conditions"]} == {"NamesAccepted", "Established"}


def established(judge: Judge, name: str) -> dict[str, Any] | None:
    found = judge.get("CustomResourceDefinition", name) or {}
    conditions = found.get("status", {}).get("conditions", ())
    there = ("Established", "True") in {(c["type"], c["status"]) for c in conditions}
    return found if there else None


@pytest.mark.parametrize("row", BAD, ids=str)
def test_both_refuse_a_bad_manifest_in_the_same_words(judge: Judge, row: Row) -> None:
    assert not judge.agree(Document(row.manifest)).taken


@pytest.mark.parametrize("row", GOOD, ids=str)
def test_both_take_a_good_manifest(judge: Judge, row: Row) -> None:
    assert judge.agree(Document(row.manifest)).taken


@pytest.mark.parametrize("path", sorted((ROOT / "manifests/examples").glob("*.yaml")), ids=str)
def test_both_take_the_examples(judge: Judge, path: Path) -> None:
    for document in load(path):
        if document.ours:
            whole = json.loads(json.dumps(document.object))
            whole["metadata"].pop("namespace", None)
            assert judge.agree(Document(whole)).taken


@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(manifest=manifests())
def test_both_say_the_same_of_manifests_around_the_schema(
    judge: Judge, manifest: dict[str, Any]
) -> None:
    event("taken" if judge.agree(Document(manifest)).taken else "refused")


@pytest.mark.parametrize("manifest", [collection(FULL), with_spec(hnsw=None), store()], ids=str)
def test_defaults_are_those_that_the_api_server_stores(
    judge: Judge, manifest: dict[str, Any]
) -> None:
    place = {"name": manifest["metadata"]["name"], "namespace": NAMESPACE}
    # Created, not applied: `kubectl apply` on the server has its own way with null.
    path = judge.path(manifest["kind"], namespace=NAMESPACE)
    stored = judge._call("POST", path, manifest)
    try:
        assert stored["spec"] == defaulted(Document(manifest))["spec"]
    finally:
        judge.delete(manifest["kind"], **place)


REFUSED = [
    with_vector(size=0),
    with_vector(size="3"),
    with_spec(foo=1, bar=2),
    collection(name="My_Products"),
    collection({}),
]


@pytest.mark.parametrize("manifest", REFUSED, ids=lambda m: json.dumps(m["spec"]))
def test_a_refusal_reads_as_kubectl_prints_it(
    plane: ControlPlane, judge: Judge, tmp_path: Path, manifest: dict[str, Any]
) -> None:
    if not judge.speaks_like_us:
        pytest.skip("a Kubernetes of another version has words of its own")
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        require_or_skip("kubectl", "not on PATH")
    path = tmp_path / "products.json"
    path.write_text(json.dumps(manifest))
    command = [kubectl, "--kubeconfig", str(plane.kubeconfig), "create", "-f", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    (document,) = load(path)
    told = describe_refusal(document, validate(document))
    # The order of several causes is the API server's own.
    assert sorted(ran.stderr.strip().splitlines()) == sorted(told.splitlines())


def test_two_vectors_of_one_name_are_refused_on_apply_too(judge: Judge) -> None:
    """Server-side apply merges a list by its keys before it validates, and says so its own way."""
    vectors = [{"size": 3, "distance": "Dot"}] * 2
    with pytest.raises(AssertionError, match=r'duplicate entries for key \[name=""\]'):
        judge.apply(collection({"vectors": vectors}, namespace=NAMESPACE))


def test_the_short_names_work(plane: ControlPlane) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        require_or_skip("kubectl", "not on PATH")
    for short in (kind.short for kind in KINDS.values()):
        command = [kubectl, "--kubeconfig", str(plane.kubeconfig), "get", short, "-A"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
