"""Searches a second: Qdrant itself, a plain FastAPI app, and the service, in one run.

    python bench/search.py             Qdrant at QDRANT_URL, or `qdrant` on PATH
    python bench/search.py --embedded  the embedded engine behind the API, in one process

50,000 vectors of 384 numbers, cosine, HNSW, payload returned, limit 10. The load generator is on
the same machine, so all share its CPUs: compare within one run, not between machines.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common import (
    COLLECTION,
    POINTS,
    SIZE,
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
from qdrant_client import QdrantClient, models

from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.domain.model import Owner, Record
from vectorplane_service import cpus

CLIENTS = (1, 16, 64)
KEY = "bench-secret"
PHYSICAL = f"{COLLECTION}_1"
INDEX_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Qdrant:
    url: str
    grpc_port: int | None
    api_key: str | None = None


@contextmanager
def qdrant(folder: Path) -> Iterator[Qdrant]:
    """The server of the environment, or one of our own in a temporary folder."""
    url = os.environ.get("QDRANT_URL")
    if url:
        port = os.environ.get("QDRANT_GRPC_PORT")
        yield Qdrant(url, int(port) if port else None, os.environ.get("QDRANT_API_KEY"))
        return
    program = shutil.which("qdrant")
    if program is None:
        raise SystemExit("no Qdrant: set QDRANT_URL, or put qdrant on PATH")
    http, grpc = free_port(), free_port()
    variables = {
        "QDRANT__SERVICE__HOST": "127.0.0.1",
        "QDRANT__SERVICE__HTTP_PORT": str(http),
        "QDRANT__SERVICE__GRPC_PORT": str(grpc),
        "QDRANT__STORAGE__STORAGE_PATH": str(folder / "storage"),
        "QDRANT__STORAGE__SNAPSHOTS_PATH": str(folder / "snapshots"),
        "QDRANT__TELEMETRY_DISABLED": "true",
    }
    address = f"http://127.0.0.1:{http}"
    with process([program], f"{address}/readyz", folder, **variables):
        yield Qdrant(address, grpc)


async def make(server: Qdrant) -> None:
    """The collection as the operator makes it: owned, with its alias."""
    admin = QdrantAdmin(server.url, server.api_key, 60.0)
    await admin.drop(PHYSICAL)
    settings = {("vectors", "", "size"): SIZE, ("vectors", "", "distance"): "Cosine"}
    namespace, _, name = COLLECTION.partition(".")
    await admin.create(PHYSICAL, settings, Record(Owner("bench", namespace, name, "bench")))
    await admin.change_aliases({COLLECTION: PHYSICAL}, frozenset())
    await admin.close()


def fill(server: Qdrant, points: object) -> None:
    client = QdrantClient(
        url=server.url,
        api_key=server.api_key,
        grpc_port=server.grpc_port or 6334,
        prefer_grpc=server.grpc_port is not None,
        timeout=120,
        check_compatibility=False,
    )
    started = time.perf_counter()
    client.upload_collection(
        PHYSICAL, points, payload=map(payload, range(POINTS)), batch_size=500, wait=True
    )
    print(f"{POINTS:,} points in {time.perf_counter() - started:.1f} s", flush=True)
    end = time.monotonic() + INDEX_SECONDS
    while time.monotonic() < end:
        info = client.get_collection(PHYSICAL)
        indexed = info.indexed_vectors_count or 0
        if info.status == models.CollectionStatus.GREEN and indexed >= POINTS * 0.9:
            break
        time.sleep(0.5)
    else:
        raise SystemExit(f"not indexed within {INDEX_SECONDS} s")
    print(f"indexed {indexed:,} after {time.perf_counter() - started:.1f} s", flush=True)
    client.close()


@contextmanager
def plain(server: Qdrant, workers: int, folder: Path) -> Iterator[Target]:
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "-k", "uvicorn_worker.UvicornWorker"),
        *("-w", str(workers), "-b", f"127.0.0.1:{port}", "--no-control-socket", "plain_app:app"),
    ]
    variables = {
        "QDRANT_URL": server.url,
        "COLLECTION": COLLECTION,
        "PYTHONPATH": str(Path(__file__).parent),
    }
    with process(command, f"http://127.0.0.1:{port}/", folder, **variables):
        yield Target("FastAPI + AsyncQdrantClient", f"http://127.0.0.1:{port}/search", "vector")


@contextmanager
def service(server: Qdrant, workers: int, folder: Path, name: str, **more: str) -> Iterator[Target]:
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "-c", "python:vectorplane_service.gunicorn_conf"),
        "vectorplane_service.main:app",
    ]
    variables = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WEB_CONCURRENCY": str(workers),
        "API_KEYS": f"bench:{KEY}:read:bench.*",
        "QDRANT_URL": server.url,
        "QDRANT_GRPC_PORT": "",
        **more,
    }
    address = f"http://127.0.0.1:{port}"
    with process(command, f"{address}/health/ready", folder, **variables):
        yield Target(name, f"{address}/api/v1/collections/{COLLECTION}/search", "vector", KEY)


def main() -> None:
    if "--embedded" in sys.argv[1:]:
        from embedded import main as embedded

        embedded()
        return
    workers = int(os.environ.get("WEB_CONCURRENCY") or cpus.available())
    points, queries = vectors()
    rows: list[tuple[str, int, Measured]] = []
    with workspace() as folder, qdrant(folder) as server:
        asyncio.run(make(server))
        fill(server, points)
        load = Load(folder, queries)
        direct = Target(
            "Qdrant, REST, directly",
            f"{server.url}/collections/{COLLECTION}/points/query",
            "query",
            extra={"with_payload": True},
        )

        def measure(target: Target) -> dict[int, Measured]:
            found = {}
            for clients in CLIENTS:
                found[clients] = load.run(target, clients)
                rows.append((target.name, clients, found[clients]))
                print(f"{target.name}, {clients}: {found[clients].rate:,.0f}/s", flush=True)
            return found

        base = measure(direct)
        with plain(server, workers, folder) as target:
            measure(target)
        with service(server, workers, folder, "vectorplane, REST to Qdrant") as target:
            ours = measure(target)
        if server.grpc_port is not None:
            more = {"QDRANT_GRPC_PORT": str(server.grpc_port)}
            with service(server, workers, folder, "vectorplane, gRPC to Qdrant", **more) as target:
                over_grpc = measure(target)
            ours = max(ours, over_grpc, key=lambda found: found[64].rate)
        again = measure(Target("Qdrant again", direct.url, "query", extra=direct.extra))
    table(rows)
    base = {
        clients: max(base[clients], again[clients], key=lambda m: m.rate) for clients in CLIENTS
    }
    print(f"{workers} workers; load from {load.generator}, on the same {cpus.available()} CPUs")
    print(
        f"ratio_64={ours[64].rate / base[64].rate:.2f} "
        f"added_ms_1={ours[1].median_ms - base[1].median_ms:.2f} "
        f"ratio_16={ours[16].rate / base[16].rate:.2f}"
    )


if __name__ == "__main__":
    main()
