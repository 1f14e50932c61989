"""What a plan is made against: a Qdrant server, or a cluster that kubectl knows."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.desired import desired_of
from vectorplane.domain.model import Key
from vectorplane.errors import InvalidInput, StoreMissing
from vectorplane.ports.resources import Resource
from vectorplane.reconcile import reconcile
from vectorplane_service.local import targets
from vectorplane_service.local.data import DataFolder
from vectorplane_service.local.planning import Preview, previews
from vectorplane_service.local.records import Wish
from vectorplane_service.local.targets import KubectlFailed, target

KEY = Key("shop", "products")
SPEC = {"vectors": [{"name": "", "size": 4, "distance": "Dot"}]}
SECRET = {"data": {"key": base64.b64encode(b"s3cret").decode()}}
Kubectl = Callable[[dict[str, Any]], None]


def store(name: str, created: str, default: bool = False, **qdrant: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "creationTimestamp": created},
        "spec": {"default": default, "qdrant": {"url": f"http://{name}:6333", **qdrant}},
    }


def live(uid: str = "uid-1") -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "shop",
            "name": "products",
            "uid": uid,
            "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": SPEC,
    }


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """The servers that were asked for; each is the memory store of `memory`."""
    asked: list[tuple[str, str | None]] = []

    def qdrant(url: str, key: str | None) -> MemoryStore:
        asked.append((url, key))
        return memory

    memory = MemoryStore()
    resource = Resource(KEY, "uid-1", 1, "2026-01-01T00:00:00Z", SPEC)
    asyncio.run(reconcile(desired_of(resource, "cluster-1"), memory))
    monkeypatch.setattr(targets, "_qdrant", qdrant)
    monkeypatch.delenv("QDRANT_API_KEY", raising=False)
    return asked


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    """A kubectl that answers from a table: kind to answer; anything else is refused."""

    def answer(table: dict[str, Any]) -> None:
        script = tmp_path / "kubectl"
        lines = [f"{kind}) cat <<'X'\n{json.dumps(value)}\nX\n;;" for kind, value in table.items()]
        refuse = '*) echo "the server said no" >&2; exit 1;;'
        script.write_text("\n".join(["#!/bin/sh", "case $2 in", *lines, refuse, "esac"]))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return answer


def planned(url: str | None = None, *, cluster: bool = True, **changes: Any) -> Preview:
    wishes = [Wish(KEY, {**SPEC, **changes})]

    async def plan() -> list[Preview]:
        async with target(DataFolder(Path("/nowhere")), wishes, url, cluster) as chosen:
            return await previews(
                wishes, chosen.known, chosen.store, chosen.cluster, admit=chosen.admit
            )

    (preview,) = asyncio.run(plan())
    return preview


def test_a_server_by_its_address(
    opened: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "s3cret")
    preview = planned("http://qdrant:6333", cluster=False)
    assert list(preview.lines()) == ["shop/products: no changes"]
    assert opened == [("http://qdrant:6333", "s3cret")]


def test_a_cluster_by_the_default_store(
    opened: list[tuple[str, str | None]], kubectl: Kubectl
) -> None:
    reference = {"namespace": "qdrant", "name": "keys", "key": "key"}
    stores = [
        store("younger", "2026-02-01T00:00:00Z", default=True),
        store("oldest", "2026-01-01T00:00:00Z", default=True, apiKeySecretRef=reference),
        store("other", "2025-01-01T00:00:00Z"),
    ]
    table = {targets.STORES: {"items": stores}, targets.COLLECTIONS: {"items": [live()]}}
    kubectl({**table, "secret": SECRET})
    preview = planned()
    assert opened == [("http://oldest:6333", "s3cret")]
    assert list(preview.lines()) == ["shop/products:", "  ~ record ownership of shop.products_1"]
    planned("http://localhost:6333", store="other")
    assert opened[-1] == ("http://localhost:6333", None)
    kubectl({**table, "secret": {"data": {}}})
    with pytest.raises(StoreMissing, match="no readable key"):
        planned()


def test_a_collection_of_another_resource_is_not_ours(
    opened: list[tuple[str, str | None]], kubectl: Kubectl
) -> None:
    stores = [store("default", "2026-01-01T00:00:00Z", default=True)]
    kubectl({targets.STORES: {"items": stores}, targets.COLLECTIONS: {"items": [live("uid-2")]}})
    preview = planned()
    assert not preview.stands
    assert "NotOwned" in list(preview.lines())[-1]


def test_the_rules_of_the_store_are_part_of_the_plan(
    opened: list[tuple[str, str | None]], kubectl: Kubectl
) -> None:
    found = store("default", "2026-01-01T00:00:00Z", default=True)
    found["spec"]["allowedNamespaces"] = {"matchLabels": {"vectors": "yes"}}
    found["spec"]["limits"] = {"maxCollections": 1}
    found["spec"]["defaults"] = {"hnsw": {"m": 24}}
    other = live("uid-9")
    other["metadata"] |= {"name": "older", "creationTimestamp": "2025-01-01T00:00:00Z"}
    labels = {"labels": {"vectors": "yes"}}
    table = {targets.STORES: {"items": [found]}, targets.COLLECTIONS: {"items": [live()]}}

    kubectl({**table, "namespace": {"metadata": {}}})
    (refused,) = planned().lines()
    assert refused.startswith("shop/products: NamespaceNotAllowed: ")
    kubectl({**table, "namespace": {"metadata": labels}})
    assert any("hnsw.m: 24" in line for line in planned().lines())
    both = {targets.COLLECTIONS: {"items": [live(), other]}}
    kubectl({**table, **both, "namespace": {"metadata": labels}})
    (line,) = planned().lines()
    assert line.startswith("shop/products: LimitExceeded: ")


def test_a_resource_that_lives_somewhere_is_planned_there(
    opened: list[tuple[str, str | None]], kubectl: Kubectl
) -> None:
    stores = [store("default", "2026-01-01T00:00:00Z", default=True), store("home", "2026")]
    here = {**live(), "status": {"store": "home", "collection": {"physical": "shop.products_1"}}}
    kubectl({targets.STORES: {"items": stores}, targets.COLLECTIONS: {"items": [here]}})
    planned()
    assert opened == [("http://home:6333", None)]


def test_what_the_resource_says_of_itself_stands_beside_the_plan(
    opened: list[tuple[str, str | None]], kubectl: Kubectl
) -> None:
    stores = [store("default", "2026-01-01T00:00:00Z", default=True)]
    conditions = [
        {"type": "Ready", "status": "False", "reason": "RebuildFailed", "message": "recall 0.5"},
        {"type": "CollectionReady", "reason": "AsDeclared", "observedGeneration": 3},
    ]
    rebuild = {"phase": "Copying", "source": "shop.products_1", "target": "shop.products_2"}
    rebuild |= {"copied": 3, "total": 9}
    said = {**live(), "status": {"conditions": conditions, "rebuild": rebuild}}
    kubectl({targets.STORES: {"items": stores}, targets.COLLECTIONS: {"items": [said]}})
    lines = list(planned().lines())
    assert lines[-3].startswith("  drift: ")
    assert lines[-2] == "  rebuild: Copying, shop.products_2: 3 of 9 points copied"
    assert lines[-1] == "  now: Ready is False, RebuildFailed: recall 0.5"


def test_no_such_store(opened: list[tuple[str, str | None]], kubectl: Kubectl) -> None:
    kubectl({targets.STORES: {"items": []}, targets.COLLECTIONS: {"items": []}})
    with pytest.raises(StoreMissing, match="no VectorStore is default"):
        planned()
    with pytest.raises(StoreMissing, match="no VectorStore main"):
        planned(store="main")


def test_what_kubectl_says_is_passed_on(kubectl: Kubectl) -> None:
    kubectl({})
    with pytest.raises(KubectlFailed, match="kubectl: the server said no"):
        planned()


def test_one_store_at_a_time() -> None:
    wishes = [Wish(KEY, SPEC), Wish(Key("shop", "b"), {**SPEC, "store": "other"})]

    async def plan() -> None:
        async with target(DataFolder(Path("/nowhere")), wishes, None, True):
            raise AssertionError("a target for two stores")

    with pytest.raises(InvalidInput, match="several stores"):
        asyncio.run(plan())


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vectorplane.adapters.vectors.qdrant_server.admin", None)
    with pytest.raises(targets.NeedsQdrant, match=r"pip install 'vectorplane\[qdrant\]'"):
        planned("http://qdrant:6333", cluster=False)
