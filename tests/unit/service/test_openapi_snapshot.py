"""The committed OpenAPI document: written, compared, and guarded."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from vectorplane_service import openapi_snapshot
from vectorplane_service.openapi_snapshot import main, snapshot_file, without_examples

FILE = snapshot_file("v1")
SEARCH = "/api/v1/collections/{collection}/search"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_snapshot.document()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]) -> Path:
    """An empty repository, and a document that need not be made anew each time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(openapi_snapshot, "document", lambda: document)
    return tmp_path


def edited(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(document))
    return found


def committed(document: dict[str, Any]) -> None:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(document))


def test_what_was_written_is_current(folder: Path) -> None:
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert main([]) == 0


def test_a_compatible_change_asks_to_write_anew(
    folder: Path, document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    before = edited(document)
    del before["paths"][SEARCH]
    committed(before)
    assert main(["--check"]) == 1
    assert "nothing breaks, so write it anew" in capsys.readouterr().err
    assert main([]) == 0
    assert main(["--check"]) == 0


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_an_incompatible_change_fails_and_is_not_written(
    arguments: list[str],
    folder: Path,
    document: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = edited(document)
    before["paths"]["/api/v1/gone"] = {"get": {"responses": {}}}
    committed(before)
    text = FILE.read_text()
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "incompatible: GET /api/v1/gone: removed" in said
    assert "another version of the API" in said
    assert FILE.read_text() == text


def test_a_change_does_not_slip_in_together_with_its_snapshot(
    folder: Path, document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    before = edited(document)
    before["paths"]["/api/v1/gone"] = {"get": {"responses": {}}}
    committed(before)
    git("init", "--quiet")
    git("add", ".")
    git("-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "one")
    FILE.unlink()
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert main(["--check", "--since", "HEAD"]) == 1
    assert "GET /api/v1/gone: removed" in capsys.readouterr().err
    assert main(["--check", "--since", "no-such-revision"]) == 0


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)


def test_examples_are_no_promise(document: dict[str, Any]) -> None:
    schema = {"properties": {"example": {"type": "string", "example": "x"}}}
    assert without_examples({"example": 1, "schema": schema}) == {
        "schema": {"properties": {"example": {"type": "string"}}}
    }
    text = json.dumps(document["paths"])
    assert '"example' not in text
    assert document["info"]["version"] == "v1"


def test_the_document_fits_itself(document: dict[str, Any]) -> None:
    assert openapi_snapshot.problems(json.dumps(document), document) == []
    assert len(document["paths"]) > 15


def test_a_field_that_a_search_loses_is_found(document: dict[str, Any]) -> None:
    """The rules see through the schemas as they really are."""
    after = edited(document)
    del after["components"]["schemas"]["SearchIn"]["properties"]["filter"]
    found = openapi_snapshot.problems(json.dumps(document), after)
    assert any(line.startswith(f"POST {SEARCH}:") and "filter: is gone" in line for line in found)
    after = edited(document)
    after["components"]["schemas"]["FoundPoint"]["properties"].pop("payload")
    found = openapi_snapshot.problems(json.dumps(document), after)
    assert any("answer 200 application/json at results[].payload: is gone" in f for f in found)
