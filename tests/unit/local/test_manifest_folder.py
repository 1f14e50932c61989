"""The watched folder: what is applied, what is deleted, and what a bad file must not do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from vectorplane.domain.model import Key
from vectorplane.ports.resources import FINALIZER
from vectorplane_service.local.data import DataFolder
from vectorplane_service.local.folder import SETTLE, ManifestFolder
from vectorplane_service.local.records import ResourceFiles, Stored, Wish

A, B = Key("shop", "a"), Key("default", "b")


def manifest(name: str, size: int = 4, namespace: str | None = None) -> str:
    place = f"\n  namespace: {namespace}" if namespace else ""
    return f"""\
apiVersion: vectorplane.dev/v1alpha1
kind: VectorCollection
metadata:
  name: {name}{place}
spec:
  vectors:
    - size: {size}
      distance: Dot
---
"""


class World:
    """A folder, what was said of it, and a clock that the test moves."""

    def __init__(self, root: Path) -> None:
        self.path = root / "manifests"
        self.path.mkdir()
        data = DataFolder(root / "data")
        data.make()
        self.files = ResourceFiles(data)
        self.said: list[str] = []
        self.problems: Mapping[str, str] = {}
        self.now = 0.0
        self.folder = self.again()

    def again(self) -> ManifestFolder:
        """A look with no memory: the next process."""
        return ManifestFolder(self.path, self.files, say=self.said.append, problems=self._problems)

    def _problems(self, now: Mapping[str, str]) -> None:
        self.problems = now

    def write(self, name: str, text: str) -> None:
        # Another inode, so that a change within one tick of the clock is seen.
        (self.path / f"{name}.new").write_text(text)
        (self.path / f"{name}.new").rename(self.path / name)

    def sync(self, later: float = 0.0) -> float | None:
        self.now += later
        return self.folder.sync(self.now)

    def read(self, key: Key) -> Stored:
        stored = self.files.read(key)
        assert stored is not None
        return stored


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_files_become_resources(world: World) -> None:
    world.write("a.yaml", manifest("a", namespace="shop"))
    world.write("b.yml", manifest("b"))
    world.write("notes.txt", "not looked at")
    world.write(".hidden.yaml", manifest("hidden"))
    assert world.sync() is None
    assert world.files.keys() == [B, A]
    source = world.read(A).source
    assert source is not None
    assert (source.folder, source.file) == (str(world.path), "a.yaml")
    assert world.said == ["shop/a  created  a.yaml", "default/b  created  b.yml"]


def test_an_edit_arrives_and_a_look_without_one_does_nothing(world: World) -> None:
    world.write("a.yaml", manifest("a", 4, "shop"))
    world.sync()
    world.write("a.yaml", manifest("a", 8, "shop"))
    world.sync()
    assert world.read(A).resource.generation == 2
    world.said.clear()
    world.sync()
    world.folder = world.again()
    world.sync()
    assert world.said == []
    assert world.read(A).resource.generation == 2


def test_what_goes_from_the_folder_is_deleted_at_the_second_look(world: World) -> None:
    world.write("ab.yaml", manifest("a", namespace="shop") + manifest("b"))
    world.sync()
    world.write("ab.yaml", manifest("b"))
    assert world.sync() == pytest.approx(SETTLE)
    assert world.files.read(A) is not None
    assert world.sync(SETTLE) is None
    assert world.files.keys() == [B]
    (world.path / "ab.yaml").unlink()
    world.sync()
    world.sync(SETTLE)
    assert world.files.keys() == []


def test_a_file_that_is_replaced_by_way_of_nothing_deletes_nothing(world: World) -> None:
    world.write("a.yaml", manifest("a", namespace="shop"))
    world.sync()
    uid = world.read(A).resource.uid
    (world.path / "a.yaml").unlink()
    assert world.sync() is not None
    world.write("a.yaml", manifest("a", 8, "shop"))
    assert world.sync(SETTLE / 2) is None
    assert world.sync(SETTLE) is None
    assert world.read(A).resource.uid == uid


def test_a_removal_while_nobody_looked_is_seen_by_the_next_process(world: World) -> None:
    world.write("a.yaml", manifest("a", namespace="shop"))
    world.sync()
    (world.path / "a.yaml").unlink()
    world.folder = world.again()
    world.sync()
    world.sync(SETTLE)
    assert world.files.keys() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            manifest("a", 0, "shop"),
            'The VectorCollection "a" is invalid: spec.vectors[0].size: Invalid value: 0: '
            "spec.vectors[0].size in body should be greater than or equal to 1",
        ),
        (manifest("a", 4, "shop").replace("size", "sise"), 'unknown field "spec.vectors[0].sise"'),
        ("a: [", "document 1, line 1: yaml: "),
        (manifest("a", 8, "shop") + manifest("c", 0), '"c" is invalid'),
    ],
)
def test_an_invalid_file_keeps_the_last_good_version(world: World, text: str, words: str) -> None:
    world.write("a.yaml", manifest("a", 4, "shop"))
    world.write("b.yaml", manifest("b"))
    world.sync()
    before = world.read(A)
    world.write("a.yaml", text)
    world.write("b.yaml", manifest("b", 8))
    for later in (0.0, SETTLE, SETTLE):
        world.sync(later)
    assert words in world.problems["a.yaml"]
    assert world.read(A) == before
    assert world.read(B).resource.generation == 2
    world.write("a.yaml", manifest("a", 8, "shop"))
    world.sync()
    assert world.problems == {}
    assert world.read(A).resource.generation == 2


def test_what_a_command_made_is_nobodys_here(world: World) -> None:
    world.files.apply(Wish(A, {"vectors": [{"name": "", "size": 4, "distance": "Dot"}]}))
    world.sync()
    world.sync(SETTLE)
    assert world.files.keys() == [A]


def test_another_folders_resources_are_left_alone(world: World, tmp_path: Path) -> None:
    world.write("a.yaml", manifest("a", namespace="shop"))
    world.sync()
    other = tmp_path / "other"
    other.mkdir()
    elsewhere = ManifestFolder(
        other, world.files, say=world.said.append, problems=lambda problems: None
    )
    elsewhere.sync(0.0)
    elsewhere.sync(SETTLE)
    assert world.files.keys() == [A]


def test_a_folder_that_is_gone_deletes_nothing(world: World) -> None:
    world.write("a.yaml", manifest("a", namespace="shop"))
    world.sync()
    world.path.rename(world.path.with_name("moved"))
    for later in (0.0, SETTLE, SETTLE):
        world.sync(later)
    assert "no such folder" in world.problems[str(world.path)]
    assert world.files.keys() == [A]
    world.path.with_name("moved").rename(world.path)
    world.sync(SETTLE)
    assert world.problems == {}
    assert world.files.keys() == [A]


def test_the_first_file_counts_where_two_declare_one_resource(world: World) -> None:
    world.write("1.yaml", manifest("a", 4, "shop"))
    world.write("2.yaml", manifest("a", 8, "shop"))
    world.sync()
    assert "stands in 1.yaml already" in world.problems["2.yaml"]
    assert world.read(A).resource.generation == 1
    (world.path / "1.yaml").unlink()
    world.sync()
    assert world.problems == {}
    assert world.read(A).resource.generation == 2


def test_other_kinds_are_left_out_and_said_once(world: World) -> None:
    store = "apiVersion: vectorplane.dev/v1alpha1\nkind: VectorStore\nmetadata: {name: default}\n"
    store += "spec: {qdrant: {url: 'http://qdrant:6333'}}\n---\n"
    world.write("store.yaml", store + "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
    world.write("other.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")
    world.write("compose.yaml", "services: {}\n")
    world.sync()
    world.write("a.yaml", manifest("a"))
    world.sync()
    stand_in = [text for text in world.said if "stands in for every store" in text]
    left_out = [text for text in world.said if "left out" in text]
    assert len(stand_in) == 1
    assert len(left_out) == 2
    assert world.problems == {}


def test_what_is_still_being_deleted_is_applied_once_it_is_gone(world: World) -> None:
    world.write("a.yaml", manifest("a", namespace="shop"))
    world.sync()

    def finalizers(names: list[str]) -> None:
        def edit(document: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
            document["metadata"]["finalizers"] = names
            return document

        world.files.change(A, None, edit)

    finalizers([FINALIZER])
    world.files.delete(A)
    world.write("a.yaml", manifest("a", 8, "shop"))
    assert world.sync() is not None
    assert "being deleted" in world.problems["a.yaml"]
    finalizers([])
    world.sync(1.0)
    assert world.problems == {}
    assert world.read(A).resource.generation == 1


def test_a_disk_that_takes_nothing_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("a.yaml", manifest("a", namespace="shop"))
    written = monkeypatch.context

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    async def follow() -> None:
        following = asyncio.create_task(world.folder.follow())
        world.folder.changed()
        with written() as patch:
            patch.setattr("vectorplane_service.local.records.write_json", full)
            while not world.problems:
                await asyncio.sleep(0.01)
        assert "No space left" in world.problems[str(world.path)]
        while world.problems:
            await asyncio.sleep(0.01)
        following.cancel()

    asyncio.run(asyncio.wait_for(follow(), 20))
    assert world.files.keys() == [A]


def test_a_damaged_resource_is_a_problem_of_its_file(world: World, tmp_path: Path) -> None:
    world.write("a.yaml", manifest("a", namespace="shop"))
    world.sync()
    path = tmp_path / "data" / "resources" / "shop" / "a.json"
    text = path.read_text()
    path.write_text("{")
    world.write("a.yaml", manifest("a", 8, "shop"))
    assert world.sync() is not None
    assert "cannot be read" in world.problems["a.yaml"]
    path.write_text(text)
    world.sync(1.0)
    assert world.problems == {}
    assert world.read(A).resource.generation == 2
