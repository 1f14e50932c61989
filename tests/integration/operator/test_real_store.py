"""What befalls a real Qdrant: a key that is rotated, a certificate of one's own, and the loss of
everything it had.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates import make_certificates
from support.cluster import condition, wait
from support.controlplane import ControlPlane
from support.engines import Engine
from support.loops import LoopThread
from support.parts import require_or_skip
from support.qdrant import MISSING, QdrantProcess, restartable
from support.world import Operators, World

pytestmark = pytest.mark.timeout(240)
KEY = "QDRANT__SERVICE__API_KEY"


@pytest.fixture
def server() -> Iterator[QdrantProcess]:
    """A Qdrant that asks for a key, to be killed and started again."""
    if shutil.which("qdrant") is None:
        require_or_skip("qdrant", MISSING)
    with restartable(**{KEY: "first-secret"}) as process:
        yield process


@pytest.fixture
def world(
    plane: ControlPlane, thread: LoopThread, operators: Operators, server: QdrantProcess
) -> Iterator[World]:
    """A namespace on that server, with the operator at work."""
    made = World(plane, Engine("qdrant", server.url, server.server.api_key), thread, operators)
    made.begin()
    _ = made.operator
    yield made
    server.change(**{KEY: "first-secret"})
    server.stop()
    server.start()
    made.end()


def test_a_key_that_is_rotated_is_taken_up_without_a_restart(
    world: World, server: QdrantProcess
) -> None:
    world.apply()
    world.ready()
    operator = world.operator.process
    server.stop()
    server.change(**{KEY: "second-secret"})
    server.start()

    world.cluster.annotate("products", world.namespace, note="look")
    world.says("StoreUnauthorized")
    world.store_says("StoreUnauthorized")
    reachable = condition(world.cluster.get("VectorStore", world.store) or {}, "Reachable")
    assert reachable["status"] == "True", "it answers, if only to refuse"

    world.make_secret(world.store, "second-secret")
    begun = time.monotonic()
    world.says("Ready")
    assert time.monotonic() - begun < 15
    assert world.operator.process is operator, "it is the same one"
    text = world.operator.text()
    assert "first-secret" not in text
    assert "second-secret" not in text


def test_a_key_that_is_rotated_in_the_secret_first_is_met_by_the_refusal_itself(
    world: World, server: QdrantProcess
) -> None:
    world.apply()
    world.ready()
    world.make_secret(world.store, "second-secret")
    server.stop()
    server.change(**{KEY: "second-secret"})
    server.start()

    world.apply(hnsw={"m": 32})
    world.says("Ready", seconds=15)


def test_a_store_that_lost_everything_is_filled_with_empty_collections_that_say_so(
    world: World, server: QdrantProcess
) -> None:
    names = ("one", "two", "three")
    for name in names:
        world.apply(name, payloadIndexes=[{"field": "price", "type": "Float"}])
    for name in names:
        world.ready(name)

    server.kill()
    server.wipe()
    server.start()
    world.cluster.annotate("one", world.namespace, note="look")

    def told(name: str) -> bool:
        return ("Warning", "Recreated") in world.cluster.events(world.namespace, name)

    for name in names:
        wait(lambda name=name: told(name), f"{name} says so", seconds=90)  # type: ignore[misc]
        assert world.ready(name)["status"]["collection"]["points"] == 0
    assert len(world.engine.of(world.namespace)) == 3
    assert world.engine.aliases(world.namespace).keys() == {world.full(name) for name in names}


def test_a_store_that_was_down_and_lost_everything_says_so_itself(
    world: World, server: QdrantProcess
) -> None:
    for name in ("one", "two"):
        world.apply(name)
        world.ready(name)
    server.kill()
    world.cluster.annotate("one", world.namespace, note="look")
    world.store_says("StoreUnreachable")
    server.wipe()
    server.start()

    def said() -> bool:
        return ("Warning", "CameBackEmpty") in world.cluster.events("default", world.store)

    wait(said, "the store says so", seconds=60)
    for name in ("one", "two"):
        world.ready(name)
        assert ("Warning", "Recreated") in world.cluster.events(world.namespace, name)


def test_a_certificate_of_ones_own_is_trusted_by_its_ca_and_by_nothing_else(
    plane: ControlPlane, thread: LoopThread, operators: Operators, tmp_path: Path
) -> None:
    if shutil.which("qdrant") is None:
        require_or_skip("qdrant", MISSING)
    if shutil.which("openssl") is None:
        require_or_skip("openssl", "no openssl on PATH")
    made = make_certificates(tmp_path)
    settings = {
        "QDRANT__SERVICE__ENABLE_TLS": "true",
        "QDRANT__TLS__CERT": str(made.certificate),
        "QDRANT__TLS__KEY": str(made.key),
        KEY: "over-tls",
    }
    with restartable(**settings) as server:
        # In front of TLS stands no proxy: the operator must see the real certificate.
        world = World(plane, Engine("qdrant", server.url, "over-tls"), thread, operators)
        namespace = {"apiVersion": "v1", "kind": "Namespace"}
        world.cluster.apply({**namespace, "metadata": {"name": world.namespace}})
        _ = world.operator
        key = world.make_secret(world.store, "over-tls")
        ca = world.make_secret(f"{world.store}-ca", made.ca.read_text())
        try:
            world.apply_store(world.store, url=server.url, apiKeySecretRef=key)
            said = world.store_says("StoreUnreachable")
            assert "certificate" in said["message"]

            tls = {"caSecretRef": ca}
            world.apply_store(world.store, url=server.url, apiKeySecretRef=key, tls=tls)
            world.store_says("Reachable")
            world.apply(deletionPolicy="Delete")
            world.ready()

            tls = {"insecureSkipVerify": True}  # type: ignore[dict-item]
            world.apply_store(world.store, url=server.url, apiKeySecretRef=key, tls=tls)
            world.delete()
            world.gone()

            other = make_certificates(_made(tmp_path / "other")).ca
            wrong = world.make_secret(f"{world.store}-ca", other.read_text())
            tls = {"caSecretRef": wrong}
            world.apply_store(world.store, url=server.url, apiKeySecretRef=key, tls=tls)
            world.store_says("StoreUnreachable")

            world.make_secret(f"{world.store}-ca", made.ca.read_text())
            world.store_says("Reachable")
        finally:
            for name in (world.store, f"{world.store}-ca"):
                world.cluster.delete("Secret", name, "vectorplane-system")
            world.cluster.delete("VectorStore", world.store)
            world.cluster.delete("Namespace", world.namespace)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
