"""The embedded engine in one process: searched directly, and behind the API as `vectorplane dev`
gives it.

    python bench/embedded.py

50,000 vectors of 384 numbers, 16 clients. Directly means through the port, with tasks as clients.
Behind the API the service and the engine share one process, and the load generator is beside it on
the same machine.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import uvicorn
from common import (
    COLLECTION,
    POINTS,
    SECONDS,
    SIZE,
    WARM_SECONDS,
    Load,
    Measured,
    Target,
    free_port,
    payload,
    process,
    table,
    vectors,
    workspace,
)
from processes import cpu_seconds

from vectorplane.adapters.vectors.qdrant_embedded import EmbeddedEngine
from vectorplane.domain.model import Owner, Record
from vectorplane.ports.vectors import Point, Search
from vectorplane_service import collecting, logs
from vectorplane_service.app import create_app
from vectorplane_service.protocol import ServiceProtocol
from vectorplane_service.settings import ServiceSettings

CLIENTS = (1, 16, 64)
PHYSICAL = f"{COLLECTION}_1"
INDEX_SECONDS = 300


async def fill(folder: Path, points: Any) -> None:
    engine = await EmbeddedEngine.open(folder)
    namespace, _, name = COLLECTION.partition(".")
    settings = {("vectors", "", "size"): SIZE, ("vectors", "", "distance"): "Cosine"}
    await engine.create(PHYSICAL, settings, Record(Owner("bench", namespace, name, "bench")))
    await engine.change_aliases({COLLECTION: PHYSICAL}, frozenset())
    started = time.perf_counter()
    for first in range(0, POINTS, 1000):
        chunk = points[first : first + 1000].tolist()
        await engine.upsert(
            PHYSICAL,
            [Point(first + i, vector, payload(first + i)) for i, vector in enumerate(chunk)],
        )
    print(f"{POINTS:,} points in {time.perf_counter() - started:.1f} s", flush=True)
    end = time.monotonic() + INDEX_SECONDS
    while (found := await engine.resolve(COLLECTION)).indexed_vectors < POINTS * 0.9:
        if time.monotonic() > end:
            raise SystemExit(f"not indexed within {INDEX_SECONDS} s")
        await asyncio.sleep(0.2)
    print(
        f"indexed {found.indexed_vectors:,} after {time.perf_counter() - started:.1f} s", flush=True
    )
    await engine.close()


async def searched_directly(folder: Path, queries: Any, clients: int) -> float:
    """Searches a second through the port."""
    engine = await EmbeddedEngine.open(folder)
    wanted = [Search(query, limit=10) for query in queries.tolist()]
    end = 0.0
    done = 0

    async def client(number: int) -> None:
        nonlocal done
        for turn in range(number, 10_000_000, clients):
            if time.perf_counter() > end:
                return
            await engine.search(COLLECTION, [wanted[turn % len(wanted)]])
            done += 1

    for seconds in (WARM_SECONDS, SECONDS):
        done, started = 0, time.perf_counter()
        end = started + seconds
        await asyncio.gather(*(client(number) for number in range(clients)))
        rate = done / (time.perf_counter() - started)
    await engine.close()
    return rate


def serve(folder: Path, port: int) -> None:
    """The server process, as `vectorplane dev` runs it."""
    settings = ServiceSettings.load(env_file=None)
    logs.configure(settings.log_level, settings.log_format)
    app = create_app(settings, points=lambda: EmbeddedEngine.open(folder))
    collecting.settle()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http=ServiceProtocol,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
    )


def main() -> None:
    points, queries = vectors()
    rows: list[tuple[str, int, Measured]] = []
    with workspace() as folder:
        asyncio.run(fill(folder / "engine", points))
        direct = asyncio.run(searched_directly(folder / "engine", queries, 16))
        print(f"directly, 16 clients: {direct:,.0f} searches a second", flush=True)
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        command = [sys.executable, __file__, str(folder / "engine"), str(port)]
        load = Load(folder, queries)
        with process(command, f"{address}/health/ready", folder, AUTH_ENABLED="false") as server:
            url = f"{address}/api/v1/collections/{COLLECTION}/search"
            target = Target("vectorplane, embedded engine", url, "vector")
            load.run(target, 1)
            spent = {}
            for clients in CLIENTS:
                before = cpu_seconds(server.pid)
                measured = load.run(target, clients)
                taken = cpu_seconds(server.pid) - before
                spent[clients] = taken / (measured.rate * (SECONDS + WARM_SECONDS)) * 1e6
                rows.append((target.name, clients, measured))
    table(rows)
    found = {clients: measured for _, clients, measured in rows}
    print(f"one process; load from {load.generator}; about {spent[16]:.0f} us of CPU a search")
    print(
        f"embedded_rps_16={direct:.0f} embedded_http_rps_16={found[16].rate:.0f} "
        f"embedded_median_ms_1={found[1].median_ms:.2f}"
    )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        serve(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
