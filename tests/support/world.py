"""One test's own corner of a cluster: a namespace, stores behind proxies, and the one operator that
all tests share while they treat it well.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.cluster import Json, condition, wait
from support.controlplane import NAMESPACE, ControlPlane
from support.engines import Engine
from support.loops import LoopThread
from support.operator_process import OperatorProcess
from support.proxy import Proxy

API_VERSION = "vectorplane.dev/v1alpha1"
_numbers = itertools.count(1)


class Operators:
    """At most one operator works on a cluster; a test that needs another one replaces it."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self._plane = plane
        self._folder = folder
        self._running: OperatorProcess | None = None
        self._made_of: object = None
        self._all: list[OperatorProcess] = []

    def get(self, engine: Engine, kubeconfig: Path | None = None, **env: str) -> OperatorProcess:
        """The one that runs, where it is the right one and lives; else a new one."""
        wanted = (engine.command, kubeconfig, tuple(sorted(env.items())))
        if self._running and self._running.running and self._made_of == wanted:
            return self._running
        self.stop()
        operator = self.new(engine.command, kubeconfig, **env)
        self._running, self._made_of = operator, wanted
        return operator.start()

    def new(self, command: Any, kubeconfig: Path | None = None, **env: str) -> OperatorProcess:
        """One that is not started yet. The shared one must not run beside it."""
        log = self._folder / f"operator-{next(_numbers)}.log"
        path = kubeconfig or self._plane.operator_kubeconfig
        operator = OperatorProcess(command, path, log, env)
        self._all.append(operator)
        return operator

    def alive(self) -> list[OperatorProcess]:
        return [operator for operator in self._all if operator.running]

    def kill_all_but(self, others: Sequence[OperatorProcess]) -> None:
        """And but the shared one: what a test that failed left behind."""
        for operator in self.alive():
            if operator is not self._running and operator not in others:
                operator.kill()

    def end(self) -> None:
        self.kill_all_but(())
        self.stop()

    def stop(self) -> None:
        if self._running and self._running.running:
            assert self._running.stop() == 0
        if self._running:
            assert "Traceback" not in self._running.text()
        self._running = None


class World:
    """`begin` and `end` are the fixture's."""

    def __init__(
        self, plane: ControlPlane, engine: Engine, thread: LoopThread, operators: Operators
    ) -> None:
        self.plane = plane
        self.cluster = plane.cluster
        self.engine = engine
        self.operators = operators
        self.thread = thread
        self.namespace = f"t{secrets.token_hex(3)}"
        self.store = f"{self.namespace}-store"
        self.proxies: dict[str, Proxy] = {}
        self._secrets: list[str] = []
        self._before = operators.alive()

    @property
    def proxy(self) -> Proxy:
        return self.proxies[self.store]

    @property
    def operator(self) -> OperatorProcess:
        return self.operators.get(self.engine)

    def begin(self) -> None:
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        )
        self.make_store(self.store)

    def end(self) -> None:
        """Leave nothing that another test's operator would look at, and no operator of its own,
        which would act beside the next one's."""
        self.operators.kill_all_but(self._before)
        for proxy in self.proxies.values():
            proxy.trap = None
            proxy.mend()
        for resource in self.cluster.all("VectorCollection", self.namespace):
            self.cluster.discard("VectorCollection", resource["metadata"]["name"], self.namespace)
        assert self.cluster.all("VectorCollection", self.namespace) == []
        for name, proxy in self.proxies.items():
            self.cluster.delete("VectorStore", name)
            proxy.stop()
        for name in self._secrets:
            self.cluster.delete("Secret", name, NAMESPACE)
        self.cluster.delete("Namespace", self.namespace)
        for collection in self.engine.of(self.namespace):
            self.engine.call("drop", collection)

    # Stores

    def make_store(self, name: str, **spec: Any) -> Proxy:
        """A VectorStore whose address is a proxy of its own in front of the engine."""
        proxy = self.proxies[name] = Proxy(self.thread, self.engine.url)
        proxy.start()
        if self.engine.api_key:
            spec.setdefault("apiKeySecretRef", self.make_secret(name, self.engine.api_key))
        self.apply_store(name, url=proxy.url, **spec)
        return proxy

    def apply_store(self, name: str, *, default: bool = False, **qdrant: Any) -> Json:
        qdrant = {"timeoutSeconds": 2, "snapshotsPath": self.engine.snapshots, **qdrant}
        spec: Json = {"default": default, "qdrant": qdrant}
        return self.cluster.apply(
            {
                "apiVersion": API_VERSION,
                "kind": "VectorStore",
                "metadata": {"name": name},
                "spec": spec,
            }
        )

    def make_secret(self, name: str, value: str) -> Json:
        """A Secret that the operator may read, as a reference to its one key."""
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "stringData": {"key": value},
            }
        )
        self._secrets.append(name)
        return {"namespace": NAMESPACE, "name": name, "key": "key"}

    def store_says(self, reason: str, name: str | None = None) -> Json:
        """The VectorStore's Ready condition, once it has this reason."""
        chosen = name or self.store

        def check() -> Json | None:
            found = condition(self.cluster.get("VectorStore", chosen) or {})
            return found if found.get("reason") == reason else None

        found: Json = wait(check, f"VectorStore {chosen} says {reason}")
        return found

    # Collections

    def apply(self, name: str = "products", /, **spec: Any) -> Json:
        """`kubectl apply` of a VectorCollection in this store."""
        spec.setdefault("store", self.store)
        spec.setdefault("vectors", [{"size": 4, "distance": "Cosine"}])
        return self.cluster.apply(
            {
                "apiVersion": API_VERSION,
                "kind": "VectorCollection",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {k: v for k, v in spec.items() if v is not None},
            }
        )

    def get(self, name: str = "products") -> Json:
        found = self.cluster.get("VectorCollection", name, self.namespace)
        assert found, f"there is no VectorCollection {name}"
        return found

    def says(self, reason: str, name: str = "products", *, seconds: float = 30) -> Json:
        """The Ready condition, once it has this reason for the spec as it is now."""

        def check() -> Json | None:
            resource = self.get(name)
            found = condition(resource)
            now = found.get("observedGeneration") == resource["metadata"]["generation"]
            return found if now and found.get("reason") == reason else None

        try:
            found: Json = wait(check, f"{name} says {reason}", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}, but {self.get(name).get('status')}") from None
        return found

    def ready(self, name: str = "products") -> Json:
        """The resource, once it is Ready."""
        self.says("Ready", name)
        return self.get(name)

    def delete(self, name: str = "products") -> None:
        self.cluster.delete("VectorCollection", name, self.namespace)

    def gone(self, name: str = "products") -> None:
        def check() -> bool:
            return self.cluster.get("VectorCollection", name, self.namespace) is None

        wait(check, f"{name} is gone")

    def full(self, name: str) -> str:
        """The name that clients use."""
        return f"{self.namespace}.{name}"
