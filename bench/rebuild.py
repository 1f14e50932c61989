"""How fast a rebuild copies, and how long it holds writes back, on a Qdrant of its own.

    python bench/rebuild.py --points 50000 --size 384 --writers 1

The slices run one after the other, as the operator's looks do; nothing of Kubernetes is in it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.qdrant import started
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.domain.model import ChangePolicy, Desired, Key, Progress, RebuildPolicy, Settings
from vectorplane.errors import StoreOverloaded
from vectorplane.ports.vectors import Point
from vectorplane.reconcile import reconcile


async def main(url: str, count: int, size: int, writers: int) -> None:
    store = QdrantAdmin(url, timeout=60)
    settings: Settings = {("vectors", "", "size"): size, ("vectors", "", "distance"): "Cosine"}
    wish = Desired(
        key=Key("shop", "products"),
        uid="us",
        cluster="here",
        settings=settings,
        change_policy=ChangePolicy.REBUILD,
        # Random vectors have no neighbourhoods that an index could find.
        rebuild=RebuildPolicy(recall=0.0),
        now="2026-01-01T00:00:00Z",
    )
    await reconcile(wish, store)
    dice = random.Random(0)

    def point(number: int) -> Point:
        vector = [dice.gauss(0, 1) for _ in range(size)]
        return Point(number, vector, {"n": number, "text": f"text number {number}"})

    for start in range(0, count, 500):
        some = [point(n) for n in range(start, min(start + 500, count))]
        await store.points.upsert(wish.name, some)
    while (found := await store.describe("shop.products_1")) and found.state == "yellow":
        await asyncio.sleep(0.2)

    held = [0.0]

    async def write(writer: int) -> None:
        while True:
            some = [point(dice.randrange(count))]
            begun = time.perf_counter()
            while True:
                try:
                    await store.points.upsert(wish.name, some)
                    break
                except StoreOverloaded:
                    await asyncio.sleep(0.01)
            held.append(time.perf_counter() - begun)
            await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(write(n)) for n in range(writers)]
    wish = replace(wish, settings=settings | {("vectors", "", "distance"): "Dot"})
    times: dict[str, float] = {}
    progress: Progress | None = None
    while progress is None or progress.phase != "Done":
        phase = progress.phase if progress else "Copying"
        begun = time.perf_counter()
        outcome = await reconcile(replace(wish, progress=progress), store)
        times[phase] = times.get(phase, 0.0) + time.perf_counter() - begun
        if outcome.trouble or outcome.progress is None or outcome.progress.phase == "Failed":
            raise SystemExit(f"{outcome.trouble} {outcome.progress}")
        progress = outcome.progress
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await store.close()
    print(f"{count} points x {size}, {writers} writers, {progress.passes} passes")
    print(f"copied at {count / times['Copying']:,.0f} points/s")
    for phase, seconds in times.items():
        print(f"{phase:>12} {seconds:6.1f} s")
    print(f"a write waited {max(held):.1f} s at most, of {len(held) - 1} writes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--writers", type=int, default=1)
    given = parser.parse_args()
    with started() as server:
        asyncio.run(main(server.url, given.points, given.size, given.writers))
