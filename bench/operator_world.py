"""The operator's surroundings for its benchmark: a control plane, a Qdrant, the operator as a
process of its own, and what each of them was asked for and used.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp
import orjson
from kube_load import API_VERSION, Json, Load, connected
from processes import Costs, children, cpu_seconds

sys.path.extend(str(Path(__file__).parents[1] / part) for part in ("tests", "tools"))

from support.cluster import condition, wait
from support.controlplane import ControlPlane, controlplane
from support.operator_process import COMMAND, OperatorProcess
from support.qdrant import QdrantServer, started

STORE = "default"
_READS = ("get", "list", "watch")
_READING = (
    "GET ",
    "POST /collections/{collection_name}/facet",
    "POST /collections/{collection_name}/points/scroll",
)
_numbers = count(1)


def collection(namespace: str, name: str, spec: Json) -> Json:
    return {
        "apiVersion": API_VERSION,
        "kind": "VectorCollection",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


class Audit:
    """What the operator asked of the API server, from the API server's own log."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self) -> int:
        """Now; `writes` counts from there."""
        return self._path.stat().st_size if self._path.exists() else 0

    def writes(self, since: int, but: str = "", only: str = "") -> Counter[str]:
        """Verb and resource of the writes, without those of namespace `but`, or of `only` one. The
        renewal of a Lease is no write about a resource."""
        if self.mark() < since:
            raise SystemExit("the audit log was rotated: its counts are lost")
        found: Counter[str] = Counter()
        with self._path.open("rb") as log:
            log.seek(since)
            for line in log:
                request = orjson.loads(line)
                about = request.get("objectRef") or {}
                namespace, resource = about.get("namespace"), about.get("resource", "")
                if request["verb"] in _READS or resource == "leases":
                    continue
                if (but and namespace == but) or (only and namespace != only):
                    continue
                name = "/".join(filter(None, (resource, about.get("subresource"))))
                found[f"{request['verb']} {name}"] += 1
        return found


@dataclass
class Calls:
    """Requests to Qdrant by method and path, and how long it took to answer them."""

    number: Counter[str] = field(default_factory=Counter)
    micros: Counter[str] = field(default_factory=Counter)

    def __sub__(self, before: Calls) -> Calls:
        return Calls(self.number - before.number, self.micros - before.micros)

    def __str__(self) -> str:
        each = (
            f"{number} {what} ({self.micros[what] / number / 1000:.1f} ms)"
            for what, number in self.number.most_common()
        )
        return ", ".join(each) or "nothing"

    @property
    def changing(self) -> int:
        """How many may have changed something."""
        return sum(n for what, n in self.number.items() if not what.startswith(_READING))


@dataclass
class World:
    """`async with world(folder) as here`."""

    folder: Path
    plane: ControlPlane
    qdrant: QdrantServer
    load: Load
    plain: aiohttp.ClientSession
    audit: Audit
    costs: Costs
    planes: dict[str, int]
    operator: OperatorProcess | None = None

    # The operator

    def begin(self) -> float:
        """Start the operator; gives the moment. `until_ready` waits for it."""
        log = self.folder / f"operator-{next(_numbers)}.log"
        kubeconfig = self.plane.operator_kubeconfig
        self.operator = OperatorProcess(COMMAND, kubeconfig, log, lease="vectorplane-operator")
        self.operator.start(ready=False)
        return time.monotonic()

    async def until_ready(self) -> float:
        """Until /readyz answers; gives the moment."""
        while await self._status("/readyz") != 200:
            if not self.alive():
                raise SystemExit(f"the operator ended:\n{self._operator.text()[-4000:]}")
            await asyncio.sleep(0.05)
        return time.monotonic()

    def end(self) -> None:
        if self.operator and self.operator.running:
            self.operator.stop(60)
            for line in self.operator.text().splitlines():
                if "Traceback" in line or '"look_failed"' in line:
                    print(f"the operator's log has: {line[:1000]}")

    def alive(self) -> bool:
        return self._operator.running

    async def metrics(self) -> dict[str, float]:
        url = f"http://127.0.0.1:{self._operator.port}/metrics"
        async with self.plain.get(url) as answer:
            lines = (await answer.text()).splitlines()
        split = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in split}

    async def settled(self, seconds: float = 60) -> None:
        """Until the operator uses less than 3 % of a core over three seconds, within limits."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before = cpu_seconds(self.pid)
            await asyncio.sleep(3)
            if cpu_seconds(self.pid) - before < 0.09:
                return
        print("the operator did not come to rest")

    async def counted(self, number: int, seconds: float = 120) -> None:
        """Until the VectorStore says how many there are: it does so at its next probe, and a
        restart before that would have that to write."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.plane.cluster.get("VectorStore", STORE) or {}
            if found.get("status", {}).get("collections") == number:
                return
            await asyncio.sleep(1)
        print(f"the VectorStore does not count {number:,} collections")

    @property
    def pid(self) -> int:
        assert self._operator.process
        return self._operator.process.pid

    @property
    def _operator(self) -> OperatorProcess:
        assert self.operator
        return self.operator

    async def _status(self, path: str) -> int | None:
        url = f"http://127.0.0.1:{self._operator.port}{path}"
        try:
            async with self.plain.get(url) as answer:
                return answer.status
        except aiohttp.ClientError:
            return None

    # The others

    def pids(self) -> dict[str, int]:
        found = {"operator": self.pid} if self.operator and self.alive() else {}
        found |= self.planes
        if self.qdrant.pid:
            found["qdrant"] = self.qdrant.pid
        return found | {"bench": os.getpid()}

    async def calls(self) -> Calls:
        """What Qdrant has answered so far."""
        url = f"{self.qdrant.url}/telemetry?details_level=1"
        async with self.plain.get(url) as answer:
            answer.raise_for_status()
            body = orjson.loads(await answer.read())
        calls = Calls()
        for what, by_status in body["result"]["requests"]["rest"]["responses"].items():
            if "/telemetry" not in what:
                calls.number[what] = sum(c["count"] for c in by_status.values())
                took = sum(c.get("total_duration_micros") or 0 for c in by_status.values())
                calls.micros[what] = took
        return calls

    def namespace(self, name: str) -> None:
        self.plane.cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )

    def store(self) -> None:
        """The one VectorStore; returns once the operator has reached it."""
        self.plane.cluster.apply(
            {
                "apiVersion": API_VERSION,
                "kind": "VectorStore",
                "metadata": {"name": STORE},
                "spec": {"default": True, "qdrant": {"url": self.qdrant.url}},
            }
        )

        def ready() -> bool:
            found = self.plane.cluster.get("VectorStore", STORE) or {}
            return condition(found).get("status") == "True"

        wait(ready, "the VectorStore is Ready")


@asynccontextmanager
async def world(folder: Path, costs: Costs) -> AsyncIterator[World]:
    """All of it, fresh, in a folder; gone afterwards."""
    folder.mkdir()
    with controlplane(folder) as plane, started() as qdrant:
        if plane.audit is None:
            raise SystemExit(
                "writes are counted in the audit log of tests/controlplane: unset "
                "VECTORPLANE_TEST_KUBECONFIG and KUBEBUILDER_ASSETS"
            )
        timeout = aiohttp.ClientTimeout(total=60)
        async with (
            connected(plane.kubeconfig) as load,
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as plain,
        ):
            here = World(
                folder, plane, qdrant, load, plain, Audit(plane.audit), costs, _planes(folder)
            )
            try:
                yield here
            finally:
                here.end()


def _planes(folder: Path) -> dict[str, int]:
    """The processes of the control plane: etcd and the API server are one."""
    for pid in children(os.getpid()):
        if str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            managers = children(pid)
            return {"etcd+apiserver": pid} | dict(zip(["controllers"], managers, strict=False))
    return {}
