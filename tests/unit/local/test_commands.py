"""The commands in this process: what they say in the rarer cases. Real processes are in
`tests/integration/local`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from support.local import manifest
from vectorplane.cli import main
from vectorplane.domain.model import Key
from vectorplane.ports.resources import FINALIZER
from vectorplane_service.local.data import DataFolder
from vectorplane_service.local.records import Document, ResourceFiles, Source, Wish

Run = Callable[..., tuple[int, str, str]]
KEY = Key("shop", "products")
STORE = (
    "apiVersion: vectorplane.dev/v1alpha1\nkind: VectorStore\nmetadata: {name: main}\n"
    "spec: {qdrant: {url: 'http://qdrant:6333'}}\n---\n"
)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "products.yaml"
    path.write_text(manifest())
    return path


@pytest.fixture
def run(data: DataFolder, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(command: str, *words: str | Path) -> tuple[int, str, str]:
        code = main([command, *map(str, words), "--data-dir", str(data.root)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def annotated(text: str) -> str:
    paused = '  annotations: {vectorplane.dev/paused: "true"}\nspec:'
    return text.replace("spec:", paused)


def test_stores_alone_are_nothing_to_do(run: Run, file: Path, data: DataFolder) -> None:
    file.write_text(STORE)
    code, out, _ = run("apply", "-f", file)
    assert (code, "stands in for every store" in out) == (0, True)
    assert run("plan", "-f", file) == (0, "no changes\n", "")
    assert ResourceFiles(data).keys() == []


def test_nothing_there(run: Run, file: Path) -> None:
    assert run("get") == (0, "", "No resources found.\n")
    assert run("get", "-n", "shop") == (0, "", "No resources found in namespace shop.\n")
    code, _, err = run("delete", "-f", file)
    assert code == 1
    assert err == 'error: vectorcollections.vectorplane.dev "products" not found\n'


def test_what_is_being_deleted_is_not_applied(run: Run, file: Path, data: DataFolder) -> None:
    file.write_text(annotated(manifest()))
    code, _, err = run("apply", "-f", file)
    assert code == 1
    assert "Paused" in err
    code, out, err = run("delete", "products")
    assert (code, out) == (1, 'vectorcollection.vectorplane.dev "products" deleted\n')
    assert "shop/products is being deleted (Paused" in err
    assert run("get")[1].splitlines()[1].split()[3] == "Deleting"
    file.write_text(manifest())
    code, out, err = run("apply", "-f", file)
    assert (code, out) == (1, "")
    assert "is being deleted" in err


def test_what_a_folder_declares_is_said(run: Run, file: Path, data: DataFolder) -> None:
    data.make()
    wish = Wish(KEY, {"vectors": [{"name": "", "size": 4, "distance": "Cosine"}]})
    ResourceFiles(data).apply(wish, Source(str(file.parent), "folder.yaml"))
    code, out, _ = run("apply", "-f", file)
    assert code == 0
    assert f"note: {file.parent}/folder.yaml declares it too" in out


def test_a_resource_that_an_older_version_took_has_no_plan_but_a_reason(
    run: Run, file: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vectorplane_service.local.planning as planning
    from vectorplane.desired import InvalidSpec

    def refuse(*args: object) -> None:
        raise InvalidSpec("spec.vectors: no")

    monkeypatch.setattr(planning, "desired_of", refuse)
    code, out, _ = run("plan", "-f", file)
    assert (code, out) == (1, "shop/products: InvalidSpec: spec.vectors: no\n")
    planned = planning.Preview(KEY, None)
    assert list(planned.lines()) == ["shop/products: no plan"]


def test_dev_takes_the_folder_manifests_where_there_is_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vectorplane_service.local.dev as dev

    folders: list[Path] = []
    monkeypatch.setattr(dev, "run", lambda options: folders.append(options.folder))
    monkeypatch.chdir(tmp_path)
    assert run("dev")[0] == 0
    (tmp_path / "manifests").mkdir()
    assert run("dev")[0] == 0
    assert run("dev", "manifests")[0] == 0
    assert folders == [tmp_path, tmp_path / "manifests", tmp_path / "manifests"]


def test_another_finalizer_holds_it_too(run: Run, file: Path, data: DataFolder) -> None:
    assert run("apply", "-f", file)[0] == 0

    def hold(document: Document) -> Document:
        document["metadata"]["finalizers"] = [FINALIZER, "example.org/mine"]
        return document

    files = ResourceFiles(data)
    files.change(KEY, None, hold)
    code, _, _ = run("delete", "products", "--timeout", "0")
    assert code == 1
    stored = files.read(KEY)
    assert stored is not None
    assert stored.resource.finalizers == ("example.org/mine",)
