"""A hundred exposed collections: how soon the gateway leads to all and the registry lists them, and
what it costs at rest.

    python bench/exposure.py            (make bench-exposure)
    python bench/exposure.py --number 20

A real control plane, Consul, Qdrant and Kong where they are at hand (else the store in memory and
the double of Kong; the first line says which). Everything shares the CPUs of one machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

sys.path.extend(str(Path(__file__).resolve().parents[1] / part) for part in ("tests", "tools"))

from support import kong as real_kong
from support import qdrant as real_qdrant
from support.cluster import condition, wait
from support.consul import any_consul
from support.controlplane import controlplane
from support.engines import Engine
from support.exposed import ExposedWorld, outside
from support.kong_double import kong_double
from support.loops import loop_thread
from support.remote_store import StoreServer
from support.world import Operators, World

REST_SECONDS = 30.0
SWEEP_SECONDS = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=100)
    number = parser.parse_args().number
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="exposure-")))
        plane = stack.enter_context(controlplane(folder))
        thread = stack.enter_context(loop_thread())
        if real_qdrant.available():
            server = stack.enter_context(real_qdrant.qdrant_server())
            engine = Engine("qdrant", server.url, server.api_key, server.snapshots)
        else:
            store = StoreServer(thread)
            store.start()
            stack.callback(store.stop)
            engine = Engine("memory", store.url)
        double = not real_kong.available()
        gateway = (
            stack.enter_context(kong_double()).kong
            if double
            else stack.enter_context(real_kong.kong())
        )
        consul = stack.enter_context(any_consul())
        print(f"store: {engine.name}, Kong: {'its double' if double else 'real'}", flush=True)
        mount = folder / "mount"
        mount.mkdir()
        around = stack.enter_context(outside(engine, plane.cluster, thread, gateway, consul, mount))
        operators = Operators(plane, folder)
        stack.callback(operators.end)
        corner = World(plane, engine, thread, operators)
        corner.begin()
        stack.callback(corner.end)
        world = ExposedWorld(corner, around)
        operator = operators.get(engine, OPERATOR_RESYNC_SECONDS=str(SWEEP_SECONDS), **around.env)
        # The way to the whole API, and the operator's own key, are there before.
        world.apply("first", discovery={"enabled": True})
        corner.ready("first")

        begun = time.monotonic()
        names = [f"c{i:03d}" for i in range(number)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: world.apply(n, discovery={"enabled": True}), names))
        applied = time.monotonic() - begun

        def callable_() -> bool:
            found = plane.cluster.all("VectorCollection", corner.namespace)
            return all(condition(r).get("status") == "True" for r in found)

        wait(callable_, "all are Ready", seconds=300, every=0.25)
        ready = time.monotonic() - begun

        def listed() -> bool:
            mine = [n for n in consul.get("/v1/catalog/services") if corner.namespace in n]
            return len(mine) == number + 1

        wait(listed, "all are in the registry", seconds=300, every=0.25)
        converged = time.monotonic() - begun
        entities = sum(len(around.of_kong(k)) for k in ("services", "routes", "plugins"))
        print(
            f"{number} exposed collections: applied {applied:.1f} s, all Ready (a request came"
            f" through) {ready:.1f} s, registry too {converged:.1f} s; {entities} entities in Kong",
            flush=True,
        )

        # Statuses settle, and the entries follow them.
        time.sleep(3 * SWEEP_SECONDS)
        proxies = {"kong": around.admin, "consul": around.registry}
        at = {name: len(proxy.seen) for name, proxy in proxies.items()}
        time.sleep(REST_SECONDS)
        sweeps = REST_SECONDS / SWEEP_SECONDS
        for name, proxy in proxies.items():
            methods = Counter(s.method for s in proxy.seen[at[name] :])
            reads = methods.pop("GET", 0)
            print(
                f"{name} at rest: {reads / sweeps:.1f} reads a sweep,"
                f" {sum(methods.values())} writes in {REST_SECONDS:.0f} s",
                flush=True,
            )
        print(f"operator: {operator.rss():.0f} MB", flush=True)
        print(f"exposed={number} converged_s={converged:.1f}", flush=True)


if __name__ == "__main__":
    main()
