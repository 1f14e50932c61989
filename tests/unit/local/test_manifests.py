"""Manifests that a command is given: all of them, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from vectorplane.domain.model import Key
from vectorplane.errors import InvalidInput
from vectorplane_service.local.manifests import STAND_IN, read_all

GOOD = """\
apiVersion: vectorplane.dev/v1alpha1
kind: VectorCollection
metadata: {name: good, labels: {team: a}, annotations: {note: b}}
spec: {vectors: [{size: 4, distance: Dot}]}
"""


def test_a_wish_has_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (wish,) = read_all([tmp_path]).wishes
    assert wish.key == Key("default", "good")
    assert wish.labels == {"team": "a"}
    assert wish.annotations == {"note": "b"}
    assert wish.spec["changePolicy"] == "Refuse"
    assert wish.spec["vectors"] == [{"name": "", "size": 4, "distance": "Dot"}]


def test_every_refusal_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    bad = GOOD.replace("good", "bad").replace("size: 4", "size: 65537")
    worse = GOOD.replace("good", "worse").replace("Dot", "Near")
    file.write_text("---\n".join([GOOD, bad, worse]))
    with pytest.raises(InvalidInput) as refused:
        read_all([file])
    told = refused.value.message
    assert 'The VectorCollection "bad" is invalid: spec.vectors[0].size' in told
    assert "document 2, line 6" in told
    assert 'Unsupported value: "Near"' in told


def test_one_resource_may_stand_there_once(tmp_path: Path) -> None:
    (tmp_path / "twice.yaml").write_text(GOOD + "---\n" + GOOD)
    with pytest.raises(InvalidInput, match="default/good stands there twice"):
        read_all([tmp_path])


def test_a_folder_without_manifests_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no manifest"):
        read_all([tmp_path])


def test_a_store_is_accepted_and_the_engine_stands_in(tmp_path: Path) -> None:
    (tmp_path / "store.yaml").write_text(
        "apiVersion: vectorplane.dev/v1alpha1\nkind: VectorStore\nmetadata: {name: main}\n"
        "spec: {qdrant: {url: 'http://qdrant:6333'}}\n"
    )
    reading = read_all([tmp_path])
    assert reading.wishes == ()
    assert reading.notes == (STAND_IN,)


def test_the_examples_are_valid() -> None:
    examples = Path(__file__).parents[3] / "manifests" / "examples"
    reading = read_all([examples])
    assert [wish.key for wish in reading.wishes] == [Key("demo", "digits"), Key("demo", "packages")]
