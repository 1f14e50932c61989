"""Whether the service's memory stays flat: 200,000 requests of every kind through one worker, its
resident memory after each tenth.

    python bench/memory.py             Qdrant at QDRANT_URL, or `qdrant` on PATH
    BENCH_REQUESTS=20000 python bench/memory.py

Also requests that nothing may be remembered of for ever: unknown keys and collections, each another
one, bodies that are refused, paths that are not there. The first fifth warms up: caches, buffers
and the allocator's arenas fill. `grown_mb` is what was added after it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from common import COLLECTION, SIZE, Target, payload, workspace
from search import KEY, make, qdrant, rss_of, service, workers_of

REQUESTS = int(os.environ.get("BENCH_REQUESTS", "200000"))
CLIENTS = 16
SAMPLES = 10
WARM = 2
"""Samples that count as warming up."""
KEPT = 2_000
"""Points that the writes go round in."""
FLAT_MB = 10.0


def vector() -> list[float]:
    return [round(random.uniform(-1, 1), 4) for _ in range(SIZE)]


def requests() -> Iterator[bytes]:
    """Requests without end, in a mix; none of them waits for another."""
    base = f"/api/v1/collections/{COLLECTION}"
    cheap = {"must": [{"key": "price", "range": {"lte": 10}}]}
    vectors = [vector() for _ in range(200)]
    bodies = [json.dumps({"vector": v, "limit": 10}) for v in vectors]
    filtered = [json.dumps({"vector": v, "filter": cheap, "limit": 10}) for v in vectors]
    for n in itertools.count():
        kind = n % 20
        id = n % KEPT
        if kind < 11:
            yield request("POST", f"{base}/search", bodies[n % 200])
        elif kind < 13:
            yield request("POST", f"{base}/search", filtered[n % 200])
        elif kind == 13:
            points = [
                {"id": (id + k) % KEPT, "vector": vectors[(n + k) % 200], "payload": payload(n + k)}
                for k in range(5)
            ]
            yield request("PUT", f"{base}/points", json.dumps({"points": points}))
        elif kind == 14:
            yield request("POST", f"{base}/points/retrieve", json.dumps({"ids": [id, id + 1]}))
        elif kind == 15:
            yield request("POST", f"{base}/points/scroll", json.dumps({"limit": 20}))
        elif kind == 16:
            yield request("POST", f"{base}/points/count", json.dumps({"filter": cheap}))
        elif kind == 17:
            yield request("POST", f"/api/v1/collections/bench.c{n}/search", bodies[0])
        elif kind == 18:
            yield request("GET", f"{base}/points/1", key=f"unknown-{n}")
        elif n % 40 == 19:
            yield request("GET", f"/nothing/{n}")
        else:
            yield request("POST", f"{base}/search", '{"vector": [1, 2], "unknown": 1}')


def request(method: str, path: str, body: str = "", *, key: str = KEY) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {key}\r\n"
        f"X-Request-ID: {random.getrandbits(64):x}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def run(url: str, sent: Iterator[bytes], number: int) -> Counter[int]:
    """So many requests over some connections; how often each status was answered."""
    parts = urlsplit(url)
    statuses: Counter[int] = Counter()
    left = itertools.islice(sent, number)

    async def client() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for one in left:
            writer.write(one)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            statuses[int(head[9:12])] += 1
            if b"connection: close" in head:
                writer.close()
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return statuses


def resident(target: Target) -> float:
    """Of the largest process of the service, in MB: its one worker."""
    return max(map(rss_of, workers_of(urlsplit(target.url).port or 0)))


def main() -> None:
    variables = {
        "API_KEYS": f"bench:{KEY}:read+write:bench.*",
        "RATE_LIMIT_READ": "1000000/second",
        # Else the unknown keys would soon shut this address out.
        "RATE_LIMIT_FAILURES": "1000000/second",
        "LOG_LEVEL": "error",
    }
    with workspace() as folder, qdrant(folder) as server:
        asyncio.run(make(server))
        with service(server, 1, folder, "memory", **variables) as target:
            sent = requests()
            seen = [resident(target)]
            statuses: Counter[int] = Counter()
            started = time.perf_counter()
            print(f"{'requests':>10}{'resident MB':>14}")
            print(f"{0:>10,}{seen[0]:>14.1f}", flush=True)
            for sample in range(1, SAMPLES + 1):
                statuses += asyncio.run(run(target.url, sent, REQUESTS // SAMPLES))
                seen.append(resident(target))
                print(f"{REQUESTS // SAMPLES * sample:>10,}{seen[-1]:>14.1f}", flush=True)
            rate = REQUESTS / (time.perf_counter() - started)
    answers = ", ".join(f"{status}: {number:,}" for status, number in sorted(statuses.items()))
    print(f"{rate:,.0f} requests a second; answers {answers}")
    grown = seen[-1] - seen[WARM]
    print(f"warm_mb={seen[WARM]:.0f} last_mb={seen[-1]:.0f} grown_mb={grown:.1f}")
    if not statuses.keys() <= {200, 401, 404, 422}:
        raise SystemExit("answers that were not expected")
    if grown > FLAT_MB:
        raise SystemExit(f"its memory is not flat: {grown:.1f} MB more than {FLAT_MB:g}")


if __name__ == "__main__":
    main()
