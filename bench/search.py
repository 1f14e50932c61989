"""Searches a second, and the time that an upload takes: Qdrant itself, a plain FastAPI app, and the
service, in one run.

    python bench/search.py             Qdrant at QDRANT_URL, or `qdrant` on PATH
    python bench/search.py --embedded  the embedded engine behind the API, in one process
    BENCH_LIMITS=false WEB_CONCURRENCY=2 python bench/search.py  without rate limits, two workers

50,000 vectors of 384 numbers, cosine, HNSW, payload returned, limit 10. The load generator is on
the same machine, so all share its CPUs: compare within one run, not between machines. The service
has authentication, rate limits and metrics on.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
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
from vectorplane.client import Client
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


async def make(server: Qdrant, *, indexing: bool = True) -> None:
    """The collection as the operator makes it: owned, with its alias."""
    admin = QdrantAdmin(server.url, server.api_key, 60.0)
    await admin.drop(PHYSICAL)
    settings: dict[tuple[str, ...], Any] = {
        ("vectors", "", "size"): SIZE,
        ("vectors", "", "distance"): "Cosine",
    }
    if not indexing:
        settings["optimizers", "indexingThreshold"] = 0
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
        "RATE_LIMIT_ENABLED": os.environ.get("BENCH_LIMITS", "true"),
        "RATE_LIMIT_SEARCH": "1000000/second",
        "RATE_LIMIT_WRITE": "1000000/second",
        "QDRANT_URL": server.url,
        "QDRANT_GRPC_PORT": "",
        **more,
    }
    address = f"http://127.0.0.1:{port}"
    with process(command, f"{address}/health/ready", folder, **variables):
        yield Target(name, f"{address}/api/v1/collections/{COLLECTION}/search", "vector", KEY)


def same_answers(server: Qdrant, target: Target, queries: Any) -> int:
    """How many of 200 queries the service answers otherwise than the store: ids, order, scores."""
    url = f"{server.url}/collections/{COLLECTION}/points/query"
    different = 0
    with httpx.Client(trust_env=False, headers={"x-api-key": KEY}) as http:
        for query in queries[:200].tolist():
            body = {"limit": 10, "query": query, "with_payload": True}
            theirs = http.post(url, json=body).json()["result"]["points"]
            ours = http.post(target.url, json={"vector": query, "limit": 10}).json()["results"]
            different += [{k: hit[k] for k in ("id", "score", "payload")} for hit in theirs] != ours
    return different


def upload_ratio(server: Qdrant, workers: int, folder: Path, points: Any) -> float:
    """The time of an upload through the service, by that of Qdrant's own client over gRPC. Each
    three times in turn, the best of each; nothing is indexed meanwhile."""
    if server.grpc_port is None:
        raise SystemExit("the upload is compared with Qdrant's gRPC: set QDRANT_GRPC_PORT")
    payloads = [payload(number) for number in range(POINTS)]
    theirs: list[float] = []
    ours: list[float] = []
    more = {"QDRANT_GRPC_PORT": str(server.grpc_port), "API_KEYS": f"bench:{KEY}:read+write:*"}
    with service(server, workers, folder, "upload", **more) as target:
        for _ in range(3):
            asyncio.run(make(server, indexing=False))
            client = QdrantClient(
                url=server.url,
                api_key=server.api_key,
                grpc_port=server.grpc_port,
                prefer_grpc=True,
                timeout=120,
                check_compatibility=False,
            )
            started = time.perf_counter()
            client.upload_collection(
                COLLECTION, points, payload=payloads, ids=range(POINTS), batch_size=1000, wait=True
            )
            theirs.append(time.perf_counter() - started)
            assert client.count(COLLECTION).count == POINTS
            client.close()
            asyncio.run(make(server, indexing=False))
            with Client(target.url.partition("/api/")[0], api_key=KEY) as through:
                collection = through.collection(COLLECTION)
                started = time.perf_counter()
                collection.upload(vectors=points, payloads=payloads, batch=1000, parallel=1)
                ours.append(time.perf_counter() - started)
                assert collection.count() == POINTS
    print(
        f"upload of {POINTS:,} points: Qdrant's client over gRPC {min(theirs):.2f} s, "
        f"through the service {min(ours):.2f} s"
    )
    return min(ours) / min(theirs)


def main() -> None:
    if "--embedded" in sys.argv[1:]:
        from embedded import main as embedded

        embedded()
        return
    workers = int(os.environ.get("WEB_CONCURRENCY") or "1")
    points, queries = vectors()
    rows: list[tuple[str, int, Measured]] = []
    with workspace() as folder, qdrant(folder) as server:
        ratio = upload_ratio(server, workers, folder, points)
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
        with plain(server, cpus.available(), folder) as target:
            measure(target)
        with service(server, workers, folder, "vectorplane") as target:
            different = same_answers(server, target, queries)
            ours = measure(target)
            rss_mb = largest(target.url)
        again = measure(Target("Qdrant again", direct.url, "query", extra=direct.extra))
        with service(server, workers, folder, "vectorplane again") as target:
            ours_again = measure(target)
    table(rows)
    base, ours = better(base, again), better(ours, ours_again)
    print(f"{workers} workers; load from {load.generator}, on the same {cpus.available()} CPUs")
    print(f"of 200 queries {different} were answered otherwise than by the store")
    print(
        f"ratio_64={ours[64].rate / base[64].rate:.2f} "
        f"added_ms_1={ours[1].median_ms - base[1].median_ms:.2f} "
        f"ratio_16={ours[16].rate / base[16].rate:.2f} "
        f"upsert_ratio={ratio:.2f} rss_mb={rss_mb:.0f}"
    )


def better(one: dict[int, Measured], other: dict[int, Measured]) -> dict[int, Measured]:
    """The better of two passes, for each number of clients."""
    return {c: max(one[c], other[c], key=lambda measured: measured.rate) for c in CLIENTS}


def largest(url: str) -> float:
    """The resident memory of the largest process that the service at a URL consists of, in MB."""
    text = httpx.get(f"{url.partition('/api/')[0]}/metrics", trust_env=False).text
    assert "vectorplane_http_requests_total" in text
    return max(map(rss_of, workers_of(urlsplit(url).port or 0)))


def workers_of(port: int) -> list[int]:
    """The processes of a gunicorn that was told to listen at a port."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and f"PORT={port}".encode() in (
                entry / "environ"
            ).read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def rss_of(pid: int) -> float:
    """Resident memory in MB."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
