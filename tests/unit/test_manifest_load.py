"""`load`: YAML and JSON as kubectl reads them, and messages that say where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vectorplane.errors import InvalidInput
from vectorplane.manifest import BadManifest, load
from vectorplane.schema import text as reader


def value(text: str) -> Any:
    (document,) = load(f"a: {text}\n")
    return document.object["a"]


def test_documents_know_their_place() -> None:
    text = "# head\n---\nkind: A\n---\n---\n# note\nkind: B\nmetadata: {name: b, namespace: shop}\n"
    first, second = load(text, file="shop.yaml")
    assert (first.kind, first.index, first.line) == ("A", 1, 3)
    assert (second.kind, second.name, second.namespace) == ("B", "b", "shop")
    assert second.place == "shop.yaml, document 3, line 7"


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text("kind: A\n")
    (document,) = load(path)
    assert document.place == f"{path}, document 1, line 1"


def test_a_list_becomes_its_items() -> None:
    text = "kind: List\nitems:\n- kind: A\n- kind: B\n"
    assert [d.kind for d in load(text)] == ["A", "B"]


def test_a_list_without_items_is_itself() -> None:
    assert [d.kind for d in load("kind: List\nitems: 5\n")] == ["List"]


@pytest.mark.parametrize("text", ["", "\n", "# only a note\n", "---\n---\n", "null\n"])
def test_nothing_is_no_document(text: str) -> None:
    assert load(text) == []


def test_json_is_read() -> None:
    documents = load('{"kind": "A", "n": 1}\n\n{\t"kind": "B", "n": 1e400}\n')
    assert [(d.kind, d.index, d.line) for d in documents] == [("A", 1, 1), ("B", 2, 3)]


def test_yaml_that_looks_like_json_is_read() -> None:
    (document,) = load("{kind: A, b: [1,\n2]}")
    assert document.object == {"kind": "A", "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("0x10", 16),
        ("0o17", 15),
        ("017", 15),
        ("08", 8.0),
        ("0b11", 3),
        ("-1_000", -1000),
        ("+5", 5),
        ("0", 0),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", float("-inf")),
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("~", None),
        ("Null", None),
        ("nullable", "nullable"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!int '7'", 7),
        ("v1.2", "v1.2"),
        ("=", "="),
        ("9" * 500, float("inf")),
    ],
)
def test_words_mean_what_they_mean_to_kubectl(text: str, meant: Any) -> None:
    read = value(text)
    assert (read, type(read)) == (meant, type(meant))


def test_not_a_number_is_kept_for_validate() -> None:
    assert value(".nan") != value(".nan")


def test_keys_become_texts() -> None:
    (document,) = load("1: a\ntrue: b\n")
    assert document.object == {"1": "a", "true": "b"}


def test_anchors_and_merges_are_read() -> None:
    (document,) = load("a: &a {x: 1, z: 2}\nb: {<<: *a, z: 3}\nc: *a\n")
    assert document.object["b"] == {"x": 1, "z": 3}
    assert document.object["c"] == {"x": 1, "z": 2}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("kind: A\n---\na: b: c\n", "document 2, line 3", "mapping values are not allowed here"),
        ("a: [1\nb: 2\n", "document 1, line 2", "expected ',' or ']'"),
        ("a:\n\t- b\n", "document 1, line 2", "found character '\\t'"),
        ("spec:\n  size: 1\n  size: 2\n", "document 1, line 3", 'key "size" already set in map'),
        ('{"a": 1,\n "a": 2}', "document 1, line 2", 'key "a" already set in map'),
        ("a: !secret b\n", "document 1, line 1", "unknown tag !secret"),
        ("a: !!binary aGk=\n", "document 1, line 1", "unknown tag"),
        ("a: !!int x\n", "document 1, line 1", "cannot decode `x`"),
        ("a: !!bool 1\n", "document 1, line 1", "cannot decode `1`"),
        ("a: !!map x\n", "document 1, line 1", "expected a mapping"),
        ("a: !!seq x\n", "document 1, line 1", "expected a list"),
        ("a: !!int [1]\n", "document 1, line 1", "expected a scalar"),
        ("a:\n  ? [1]\n  : 2\n", "document 1, line 2", "a key must be a text"),
        ("~: 2\n", "document 1, line 1", "a key must be a text"),
        ("a: 1\nb: \x01\n", "document 1, line 2", "special characters are not allowed"),
        ("a: &a [*a]\n", "document 1, line 1", "an anchor contains itself"),
        ("a: *b\n", "document 1, line 1", "found undefined alias"),
        ("[" * 100_000, "document 1, line 1", "nested too deeply"),
    ],
)
def test_a_bad_text_is_told_with_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(BadManifest) as caught:
        load(text, file="shop.yaml")
    assert caught.value.place == f"shop.yaml, {place}"
    assert str(caught.value).startswith(f"shop.yaml, {place}: yaml: ")
    assert words in str(caught.value)
    assert isinstance(caught.value, InvalidInput)


def test_a_text_without_a_file_is_told_by_its_document() -> None:
    with pytest.raises(BadManifest, match=r"^document 1, line 1: yaml"):
        load("a: b: c")


def test_an_alias_bomb_does_not_go_off() -> None:
    lines = ["a0: &a0 [1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(BadManifest, match="excessive aliasing"):
        load("\n".join(lines))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match="No such file or directory"):
        load(tmp_path / "none.yaml")


def test_a_file_of_other_bytes_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadManifest, match="it is no UTF-8"):
        load(path)


def test_an_error_without_a_mark_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any) -> bool:
        raise yaml.MarkedYAMLError(context="odd")

    monkeypatch.setattr(reader._Loader, "check_node", fail)
    with pytest.raises(BadManifest, match="document 1, line 1: yaml: odd"):
        load("a: 1")
