"""`make bench-embedded`: the embedded engine through its port, 50,000 x 384, 16 clients in one
process.

Loads clustered random vectors, waits for the index, and searches with a payload and a limit of 10.
Recall is counted against an exact search, so that speed is not bought with it. The last line is for
machines.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from vectorplane.adapters.vectors.qdrant_embedded import EmbeddedEngine
from vectorplane.domain.model import Record
from vectorplane.ports.vectors import Point, Search

COLLECTION = "bench_1"
CLUSTERS = 200
BATCH = 500
LIMIT = 10


def clustered(count: int, size: int, seed: int) -> Iterator[list[float]]:
    """Points around some centres, which is how embeddings lie, and what an index is made for."""
    rng = random.Random(seed)
    centres = [[rng.gauss(0, 1) for _ in range(size)] for _ in range(CLUSTERS)]
    noise = [rng.gauss(0, 0.4) for _ in range(100_003)]
    for _ in range(count):
        start = rng.randrange(len(noise) - size)
        yield [c + n for c, n in zip(rng.choice(centres), noise[start : start + size], strict=True)]


async def load(engine: EmbeddedEngine, rows: list[list[float]]) -> float:
    start = time.perf_counter()
    for first in range(0, len(rows), BATCH):
        await engine.upsert(
            COLLECTION,
            [
                Point(i, rows[i], {"title": f"document {i}", "group": i % 10, "price": i / 7})
                for i in range(first, min(first + BATCH, len(rows)))
            ],
        )
    return time.perf_counter() - start


async def run(
    engine: EmbeddedEngine, queries: list[list[float]], clients: int, seconds: float
) -> tuple[float, list[float]]:
    """Searches a second, and the latency of each in milliseconds."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        i = number
        while (start := time.perf_counter()) < end:
            [hits] = await engine.search(COLLECTION, [Search(queries[i % len(queries)], LIMIT)])
            assert len(hits) == LIMIT
            took.append((time.perf_counter() - start) * 1000)
            i += clients

    start = time.perf_counter()
    await asyncio.gather(*(client(n) for n in range(clients)))
    return len(took) / (time.perf_counter() - start), took


async def recall(engine: EmbeddedEngine, queries: list[list[float]]) -> float:
    found = 0
    for query in queries:
        [near] = await engine.search(COLLECTION, [Search(query, LIMIT, payload=False)])
        [exact] = await engine.search(
            COLLECTION, [Search(query, LIMIT, payload=False, params={"exact": True})]
        )
        found += len({h.id for h in near} & {h.id for h in exact})
    return found / (LIMIT * len(queries))


async def bench(path: Path, count: int, size: int, seconds: float) -> str:
    rows = list(clustered(count + 1000, size, seed=1))
    rows, queries = rows[:count], rows[count:]
    engine = await EmbeddedEngine.open(path)
    try:
        settings = {("vectors", "", "size"): size, ("vectors", "", "distance"): "Cosine"}
        await engine.create(COLLECTION, settings, Record(owner=None))
        load_s = await load(engine, rows)
        start = time.perf_counter()
        await engine.settle()
        optimize_s = time.perf_counter() - start
        state = await engine.describe(COLLECTION)
        assert state is not None
        print(f"{count:,} x {size}: loaded in {load_s:.1f} s, optimized in {optimize_s:.1f} s")
        found = await recall(engine, queries[:100])
        print(f"{state.indexed_vectors:,} vectors indexed, recall@10 {found:.3f}")
        print(f"{'clients':>8} {'searches/s':>11} {'median ms':>10} {'p99 ms':>8}")
        rates = {}
        for clients in (1, 4, 16, 64):
            await run(engine, queries, clients, 0.3)
            rates[clients], took = await run(engine, queries, clients, seconds)
            p99 = statistics.quantiles(took, n=100)[98]
            median = statistics.median(took)
            print(f"{clients:>8} {rates[clients]:>11,.0f} {median:>10.2f} {p99:>8.2f}")
    finally:
        await engine.close()
    start = time.perf_counter()
    engine = await EmbeddedEngine.open(path)
    try:
        await engine.search(COLLECTION, [Search(queries[0], LIMIT)])
    finally:
        await engine.close()
    print(f"opened again and searched in {time.perf_counter() - start:.2f} s")
    return f"embedded_rps_16={rates[16]:.0f} load_s={load_s:.2f} optimize_s={optimize_s:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-embedded-") as folder:
        print(asyncio.run(bench(Path(folder), options.count, options.size, options.seconds)))


if __name__ == "__main__":
    main()
