"""An API server that is restarted, that cuts watches, forgets versions, says no once, or loses the
kinds: the operator goes on, and nothing that was asked for is missed.

All on the memory engine: what is broken here lies between the operator and Kubernetes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from support.cluster import Cluster, Json, Refused, wait
from support.controlplane import MANIFESTS, ControlPlane, controlplane
from support.engines import MEMORY_ENGINE
from support.operator_process import OperatorProcess
from support.proxy import Proxy
from support.world import Operators, World

_KINDS = ("VectorCollection", "VectorStore")
_PLURALS = ("vectorcollections", "vectorstores")
_PATHS = {f"/apis/vectorplane.dev/v1alpha1/{plural}" for plural in _PLURALS}
_SOON = 30.0
"""Seconds in which an edit must arrive; the relist that would find it anyway comes far later."""

pytestmark = [
    MEMORY_ENGINE,
    pytest.mark.timeout(400),
]


def status(code: int, reason: str, message: str) -> Json:
    """An answer of the API server that says no."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


EXPIRED = status(410, "Expired", "too old resource version: 1 (2)")
CONFLICT = status(409, "Conflict", "the object has been modified; please apply your changes again")


@contextmanager
def kubelet(operator: OperatorProcess) -> Iterator[list[int]]:
    """Starts the operator again where it ends by itself, as its Deployment would; gives the exit
    codes. kopf ends where a watch tells it what it does not know, or for a minute nothing at all.
    """
    codes: list[int] = []
    done = threading.Event()

    def keep() -> None:
        while not done.wait(0.1):
            if operator.process and (code := operator.process.poll()) is not None:
                codes.append(code)
                operator.start(ready=False)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield codes
    finally:
        done.set()
        thread.join()


class Far:
    """An operator that reaches the API server through a proxy."""

    def __init__(self, world: World, folder: Path) -> None:
        world.operators.stop()
        self.world = world
        self.kube = Proxy(world.thread, world.cluster.server, str(world.cluster.ca))
        self.kube.start()
        theirs = world.plane.operator_kubeconfig.read_text()
        kubeconfig = folder / "far.kubeconfig"
        kubeconfig.write_text(theirs.replace(world.cluster.server, self.kube.url))
        self.operator: OperatorProcess = world.operators.new(world.engine.command, kubeconfig)

    def start(self) -> None:
        self.operator.start()
        self.wait_watches()

    def wait_watches(self) -> None:
        def both() -> bool:
            assert self.operator.running, f"the operator ended:\n{self.operator.text()[-4000:]}"
            return self.kube.watched >= _PATHS

        wait(both, "it watches both kinds", seconds=60)

    def follows(self, name: str, m: int) -> None:
        """An edit of one resource arrives by itself."""
        self.world.apply(name, hnsw={"m": m})
        self.world.says("Ready", name, seconds=_SOON)
        found = self.world.engine.describe(self.world.full(f"{name}_1"))
        assert found
        assert found.settings[("hnsw", "m")] == m

    def stop(self) -> None:
        """It lived until now, and nothing in it broke."""
        assert self.operator.running, f"the operator ended:\n{self.operator.text()[-4000:]}"
        assert self.operator.stop() == 0
        assert "Traceback" not in self.operator.text()

    def end(self) -> None:
        if self.operator.running:
            self.operator.kill()
        self.kube.stop()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of its own: what is deleted with the kinds is all that any test has made."""
    with controlplane(tmp_path_factory.mktemp("controlplane-of-its-own")) as running:
        yield running


@pytest.fixture(scope="module")
def operators(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operators]:
    running = Operators(plane, tmp_path_factory.mktemp("operators-of-its-own"))
    yield running
    running.end()


@pytest.fixture
def far(corner: World, tmp_path: Path) -> Iterator[Far]:
    made = Far(corner, tmp_path)
    yield made
    made.end()


def test_watches_that_are_cut_lose_nothing(corner: World, far: Far) -> None:
    far.start()
    corner.apply("edited")
    corner.apply("deleted", deletionPolicy="Delete")
    corner.ready("edited")
    corner.ready("deleted")

    for number in range(4):
        far.wait_watches()
        assert far.kube.cut_watches() >= len(_KINDS)
        # It happens while nobody watches.
        corner.apply(f"made-{number}", deletionPolicy="Delete")
        far.follows("edited", 8 + number)
        corner.ready(f"made-{number}")
    assert far.kube.cut_watches() > 0
    corner.delete("deleted")
    corner.gone("deleted")
    far.stop()


def test_a_version_that_is_too_old_in_a_watch(corner: World, far: Far) -> None:
    """As the API server says it most often: as the last event of a watch that it took."""
    far.start()
    corner.apply("edited")
    corner.ready("edited")
    for number in range(3):
        far.wait_watches()
        assert far.kube.end_watches({"type": "ERROR", "object": EXPIRED}) >= len(_KINDS)
        far.follows("edited", 8 + number)
    far.stop()


def test_a_version_that_is_too_old_before_a_watch(corner: World, far: Far) -> None:
    far.start()
    corner.apply("edited")
    corner.ready("edited")
    with kubelet(far.operator) as ends:
        said = far.kube.instead(lambda seen: seen.watch, 410, EXPIRED, times=2)
        far.kube.cut_watches()
        wait(said, "it is told that its versions are too old")
        far.follows("edited", 32)
        assert len(ends) <= 1


def test_an_error_of_the_server_in_a_watch(corner: World, far: Far) -> None:
    """An API server that goes down may say so in the watch."""
    far.start()
    corner.apply("edited")
    corner.ready("edited")
    with kubelet(far.operator) as ends:
        broken = status(500, "InternalError", "etcdserver: leader changed")
        assert far.kube.end_watches({"type": "ERROR", "object": broken}) >= len(_KINDS)
        far.follows("edited", 32)
        assert len(ends) <= 1


def test_a_list_that_expires_between_two_pages(corner: World, far: Far) -> None:
    for number in range(5):
        corner.apply(f"made-{number}")
    far.kube.page_size = 2
    said = far.kube.instead(lambda seen: "continue" in seen.query, 410, EXPIRED, times=2)
    far.operator.start(ready=False)
    with kubelet(far.operator) as ends:
        wait(said, "it is told that its list is too old", seconds=60)
        for number in range(5):
            corner.says("Ready", f"made-{number}", seconds=60)
        far.wait_watches()
        far.follows("made-4", 32)
        assert len(ends) <= 1


def test_a_write_that_is_refused_once_is_made_again(corner: World, far: Far) -> None:
    """Of the finalizer, of the status, and of the finalizer again when it goes."""
    far.start()
    codes = (409, 429, 500, 504)

    def refuse(code: int, path: str) -> Callable[[], bool]:
        body = CONFLICT if code == 409 else status(code, "Trouble", "not now")
        path = f"/vectorcollections/products-{path}"
        return far.kube.instead(
            lambda seen: seen.method == "PATCH" and seen.path.endswith(path), code, body
        )

    asked = [refuse(code, f"{code}{part}") for code in codes for part in ("", "/status")]
    for code in codes:
        corner.apply(f"products-{code}", deletionPolicy="Delete")
    for code in codes:
        corner.ready(f"products-{code}")
    assert all(said() for said in asked)

    asked = [refuse(code, f"{code}") for code in codes]
    for code in codes:
        corner.delete(f"products-{code}")
    for code in codes:
        corner.gone(f"products-{code}")
    assert all(said() for said in asked)
    assert corner.engine.of(corner.namespace) == set()
    far.stop()


def test_an_api_server_that_is_restarted(corner: World, plane: ControlPlane) -> None:
    if plane.server is None:
        pytest.skip("this control plane is not ours to restart")
    operator = corner.operator
    corner.apply("edited")
    corner.apply("deleted", deletionPolicy="Delete")
    corner.ready("edited")
    corner.ready("deleted")
    for number in range(2):
        plane.server.kill()
        # What it is asked for is lost, and what it is told is not.
        assert operator.get("/healthz") == 200
        plane.server.start()
        wait(partial(_serves, corner), "the API serves our kinds", seconds=60)
        corner.apply(f"made-{number}")
        corner.says("Ready", f"made-{number}", seconds=60)
        corner.apply("edited", hnsw={"m": 16 + number})
        corner.says("Ready", "edited", seconds=60)
    corner.delete("deleted")
    corner.gone("deleted")

    found = corner.engine.describe(corner.full("edited_1"))
    assert found
    assert found.settings[("hnsw", "m")] == 17
    expected = {corner.full(f"{name}_1") for name in ("edited", "made-0", "made-1")}
    assert corner.engine.of(corner.namespace) == expected
    assert operator.running
    assert "Traceback" not in operator.text()


@pytest.fixture
def no_kinds(plane: ControlPlane, far: Far) -> Iterator[Callable[[], None]]:
    """Deletes the CRDs; they are there again afterwards."""
    if plane.server is None:
        pytest.skip("this control plane is not ours to empty")

    def delete() -> None:
        # Stores last: who is asked to drop a collection must know where it is.
        for plural in _PLURALS:
            crd = f"{plural}.vectorplane.dev"
            plane.cluster.delete("CustomResourceDefinition", crd)
            try:
                wait(partial(_no_crd, plane.cluster, crd), f"{crd} is gone", seconds=150)
            except AssertionError as error:
                error.add_note(far.operator.text()[-8000:])
                raise

    yield delete
    plane.cluster.apply_folder(MANIFESTS)


def test_kinds_that_are_deleted_and_installed_again(
    corner: World, far: Far, no_kinds: Callable[[], None]
) -> None:
    """With the kinds all resources go, each as its policy says: what is to be kept is kept."""
    far.start()
    corner.apply("kept")
    corner.apply("dropped", deletionPolicy="Delete")
    uid = corner.ready("kept")["metadata"]["uid"]
    corner.ready("dropped")

    with kubelet(far.operator):
        no_kinds()
        assert corner.engine.of(corner.namespace) == {corner.full("kept_1")}
        assert corner.engine.owner(corner.full("kept_1")) is None

        _install(corner)
        corner.apply("new")
        corner.says("Ready", "new", seconds=60)
        corner.apply("kept", adoptionPolicy="IfUnowned")
        corner.says("Ready", "kept", seconds=60)
        far.wait_watches()
        far.follows("new", 32)
    owner = corner.engine.owner(corner.full("kept_1"))
    assert owner
    assert owner.uid == corner.get("kept")["metadata"]["uid"] != uid
    assert corner.engine.of(corner.namespace) == {corner.full("kept_1"), corner.full("new_1")}


def test_resources_that_vanish_with_their_kinds_drop_nothing(
    corner: World, far: Far, no_kinds: Callable[[], None]
) -> None:
    """Somebody takes the finalizers off first: then nobody was asked, and nothing is dropped."""
    far.start()
    for name, policy in (("kept", "Retain"), ("dropped", "Delete")):
        corner.apply(name, deletionPolicy=policy)
        corner.ready(name)
    far.operator.kill()

    for name in ("kept", "dropped"):
        none = {"metadata": {"finalizers": None}}
        corner.cluster.merge("VectorCollection", name, corner.namespace, none)
    no_kinds()
    _install(corner)
    with kubelet(far.operator):
        far.operator.start(ready=False)
        corner.apply("new")
        corner.says("Ready", "new", seconds=60)

    expected = {corner.full(f"{name}_1") for name in ("kept", "dropped", "new")}
    assert corner.engine.of(corner.namespace) == expected
    assert corner.engine.owner(corner.full("dropped_1")) is not None


def _install(world: World) -> None:
    """The stores went with their kind; who installs the kinds anew makes them anew."""
    world.cluster.apply_folder(MANIFESTS)
    world.apply_store(world.store, url=world.proxy.url)


def _no_crd(cluster: Cluster, crd: str) -> bool:
    return cluster.get("CustomResourceDefinition", crd) is None


def _serves(world: World) -> bool:
    try:
        return all(world.cluster.all(kind) is not None for kind in _KINDS)
    except Refused:
        return False
