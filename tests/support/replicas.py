"""Several replicas of the operator on one cluster and one store, each of whose ways out counts, and
somebody who gives them work without end.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from support.cluster import wait
from support.operator_process import KOPF, OperatorProcess
from support.proxy import Proxy, Seen
from support.world import World

COMMAND = (*KOPF, "support.operator_via")


class Replica:
    """One operator, with proxies of its own to the store and to the API server."""

    def __init__(self, world: World, folder: Path, name: str, lease: str, **env: str) -> None:
        self.name = name
        self.store = Proxy(world.thread, world.engine.url)
        self.kube = Proxy(world.thread, world.cluster.server, str(world.cluster.ca))
        self.store.start()
        self.kube.start()
        kubeconfig = folder / f"{name}.kubeconfig"
        theirs = world.plane.operator_kubeconfig.read_text()
        kubeconfig.write_text(theirs.replace(world.cluster.server, self.kube.url))
        env |= {"TEST_ENGINE": world.engine.name, "TEST_STORE_URL": self.store.url}
        self.process = OperatorProcess(
            COMMAND, kubeconfig, folder / f"{name}.log", env, lease=lease
        )

    @property
    def leads(self) -> bool:
        return self.process.metrics()["vectorplane_leader"] == 1

    @property
    def readiness(self) -> str:
        url = f"http://127.0.0.1:{self.process.port}/readyz"
        return httpx.get(url, trust_env=False).raise_for_status().text

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        assert self.process.process
        os.kill(self.process.process.pid, number)

    def pause(self) -> None:
        """SIGSTOP, and until it really stands still."""
        assert self.process.process
        self.send(signal.SIGSTOP)
        stat = Path(f"/proc/{self.process.process.pid}/stat")
        wait(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it is stopped")

    def wrote(self, since: float = 0.0) -> list[Seen]:
        """What it changed, in the store and through the API server, but for the Lease."""
        found = [s for s in (*self.store.writes, *self.kube.writes) if s.at >= since]
        return [s for s in found if "/leases" not in s.path]

    def end(self) -> None:
        if self.process.running:
            self.send(signal.SIGCONT)
            self.process.kill()
        self.store.stop()
        self.kube.stop()


def the_leader(replicas: Sequence[Replica], *, seconds: float = 30) -> Replica:
    """The one that leads, once one does; never two."""

    def leads() -> Replica | None:
        found = [r for r in replicas if r.leads]
        assert len(found) < 2
        return found[0] if found else None

    leader: Replica = wait(leads, "one replica leads", seconds=seconds)
    return leader


class Vandal:
    """Drops collections of a namespace, so that there is always something to repair, whether or
    not the API server is there."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failed: Exception | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ending.set()
            self._thread.join()
        if self.failed:
            raise self.failed

    def _run(self) -> None:
        try:
            while not self._ending.wait(0.1):
                found = sorted(self._world.engine.of(self._world.namespace))
                if found:
                    self._world.engine.call("drop", random.choice(found))
        except Exception as error:
            self.failed = error


def works(replica: Replica, *, seconds: float = 30) -> float:
    """Waits until it has changed something in the store from now on; gives the time of that."""
    begun = time.monotonic()

    def wrote() -> list[Seen]:
        return [s for s in replica.store.writes if s.at >= begun]

    found: list[Seen] = wait(wrote, f"{replica.name} changes the store", seconds=seconds)
    return found[0].at
