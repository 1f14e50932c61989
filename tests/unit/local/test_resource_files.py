"""Resources as files: what rises, what stays, what is never written twice, what a crash leaves."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from vectorplane.domain.model import Key
from vectorplane.errors import Conflict, InvalidInput
from vectorplane.ports.resources import FINALIZER
from vectorplane_service.local.data import DataFolder
from vectorplane_service.local.records import (
    DamagedFile,
    ResourceFiles,
    Source,
    Wish,
)

KEY = Key("shop", "products")
SPEC = {"vectors": [{"name": "", "size": 4, "distance": "Cosine"}]}


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.make()
    return folder


@pytest.fixture
def files(data: DataFolder) -> ResourceFiles:
    return ResourceFiles(data)


def wish(size: int = 4, **rest: dict[str, str]) -> Wish:
    return Wish(KEY, {"vectors": [{"name": "", "size": size, "distance": "Cosine"}]}, **rest)


def path_of(data: DataFolder) -> Path:
    return data.resources / "shop" / "products.json"


def test_a_new_resource_is_what_a_kubernetes_api_would_make(files: ResourceFiles) -> None:
    verb, stored = files.apply(wish())
    assert verb == "created"
    resource = stored.resource
    assert (resource.key, resource.generation, resource.spec) == (KEY, 1, SPEC)
    assert resource.uid
    assert not resource.deleting
    assert stored.document["apiVersion"] == "vectorplane.dev/v1alpha1"
    assert stored.document["kind"] == "VectorCollection"
    assert files.keys() == [KEY]
    assert files.read(KEY) == stored


def test_unchanged_is_not_written(files: ResourceFiles, data: DataFolder) -> None:
    files.apply(wish(annotations={"a": "b"}), Source("/f", "x.yaml"))
    before = path_of(data).stat()
    verb, _ = files.apply(wish(annotations={"a": "b"}), Source("/f", "x.yaml"))
    assert verb == "unchanged"
    after = path_of(data).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_generation_rises_with_the_spec_and_with_nothing_else(files: ResourceFiles) -> None:
    _, first = files.apply(wish())
    verb, annotated = files.apply(wish(annotations={"vectorplane.dev/paused": "true"}))
    assert (verb, annotated.resource.generation) == ("configured", 1)
    assert annotated.resource.annotations == {"vectorplane.dev/paused": "true"}

    def answered(document: dict[str, object]) -> dict[str, object]:
        return document | {"status": {"observedGeneration": 1}}

    changed = files.change(KEY, first.resource.uid, answered)
    assert changed is not None
    assert changed.resource.generation == 1
    verb, edited = files.apply(wish(8))
    assert (verb, edited.resource.generation) == ("configured", 2)
    assert edited.resource.uid == first.resource.uid
    assert edited.resource.created == first.resource.created
    assert edited.resource.status == {"observedGeneration": 1}
    assert edited.resource.annotations == {}


def test_a_command_keeps_the_source_and_a_folder_takes_it_over(files: ResourceFiles) -> None:
    _, stored = files.apply(wish())
    assert stored.source is None
    _, stored = files.apply(wish(), Source("/folder", "a.yaml"))
    assert stored.source == Source("/folder", "a.yaml")
    verb, stored = files.apply(wish())
    assert (verb, stored.source) == ("unchanged", Source("/folder", "a.yaml"))
    _, stored = files.apply(wish(8))
    assert stored.source == Source("/folder", "a.yaml")


def test_a_change_of_a_resource_that_was_made_anew_does_nothing(files: ResourceFiles) -> None:
    files.apply(wish())
    stored = files.change(KEY, "another-uid", lambda document: {**document, "status": {"x": 1}})
    assert stored is not None
    assert stored.resource.status == {}
    assert files.change(Key("shop", "none"), "uid", lambda document: document) is None


def test_without_a_finalizer_a_deletion_is_at_once(files: ResourceFiles) -> None:
    files.apply(wish())
    assert files.delete(KEY) is None
    assert files.read(KEY) is None
    assert files.keys() == []
    assert files.delete(KEY) is None


def test_with_a_finalizer_it_waits_and_no_apply_calls_it_back(files: ResourceFiles) -> None:
    _, stored = files.apply(wish())

    def finalizers(names: list[str]) -> None:
        def edit(document: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
            document["metadata"]["finalizers"] = names
            return document

        files.change(KEY, stored.resource.uid, edit)

    finalizers([FINALIZER])
    leaving = files.delete(KEY)
    assert leaving is not None
    assert leaving.resource.deleting
    assert files.delete(KEY) == leaving
    with pytest.raises(Conflict, match="being deleted"):
        files.apply(wish(8))
    finalizers([])
    assert files.read(KEY) is None


def test_a_damaged_file_is_told_and_not_overwritten(files: ResourceFiles, data: DataFolder) -> None:
    files.apply(wish())
    for text in ("{", "[]", '{"metadata": {}}', '{"metadata": {"namespace": "x", "name": "y"}}'):
        path_of(data).write_text(text)
        for call in (files.read, files.delete):
            with pytest.raises(DamagedFile, match=r"products\.json cannot be read"):
                call(KEY)
        with pytest.raises(DamagedFile):
            files.apply(wish())
        assert path_of(data).read_text() == text


@pytest.mark.parametrize("key", [Key("..", "x"), Key("a", "../x"), Key("a/b", "x"), Key("a", "")])
def test_a_name_never_leads_out_of_the_folder(files: ResourceFiles, key: Key) -> None:
    with pytest.raises(InvalidInput):
        files.read(key)


def test_what_a_killed_writer_left_is_no_resource_and_is_removed(
    files: ResourceFiles, data: DataFolder
) -> None:
    files.apply(wish())
    left = data.resources / "shop" / ".products.json.4711.tmp"
    left.write_text('{"half": ')
    assert files.keys() == [KEY]
    assert files.key_of(left) is None
    files.tidy()
    assert not left.exists()
    assert files.read(KEY) is not None


def test_writers_do_not_lose_each_others_changes(data: DataFolder, files: ResourceFiles) -> None:
    _, stored = files.apply(wish())
    each = 15

    def count(name: str) -> None:
        mine = ResourceFiles(data)
        for _ in range(each):

            def edit(document: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
                status = document.setdefault("status", {})
                status[name] = status.get(name, 0) + 1
                return document

            mine.change(KEY, stored.resource.uid, edit)

    threads = [threading.Thread(target=count, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = files.read(KEY)
    assert after is not None
    assert after.resource.status == dict.fromkeys("abc", each)


def test_the_identity_is_made_once(data: DataFolder) -> None:
    assert data.known_identity() is None
    identity = data.identity()
    assert DataFolder(data.root).identity() == identity == data.known_identity()


def test_git_is_told_to_leave_the_folder_alone(data: DataFolder) -> None:
    assert (data.root / ".gitignore").read_text() == "*\n"


def test_a_run_that_was_killed_is_not_running(data: DataFolder) -> None:
    assert data.running() is None
    (data.root / "run.json").write_text(json.dumps({"pid": 2**22 + 1, "url": "http://[::1]:9"}))
    assert data.last_run() is not None
    assert data.running() is None
    (data.root / "run.json").write_text("{")
    assert data.last_run() is None
    data.withdraw()
    data.withdraw()
