"""What the benchmarks share: data, queries, load generators, processes, and the table.

Everything is bounded in count and time, and stays on the loopback.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy

POINTS = 50_000
SIZE = 384
QUERIES = 1_000
LIMIT = 10
COLLECTION = "bench.vectors"
SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))
WARM_SECONDS = 2.0

_WRK_SCRIPT = """
local requests = {}
function init(args)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  if args[2] ~= nil then wrk.headers["X-API-Key"] = args[2] end
  for line in io.lines(args[1]) do requests[#requests + 1] = wrk.format(nil, nil, nil, line) end
end
local at = 0
function request()
  at = at % #requests + 1
  return requests[at]
end
"""


def vectors() -> tuple[numpy.ndarray[Any, Any], numpy.ndarray[Any, Any]]:
    """Points and queries around the same 500 centres, always the same ones."""
    random = numpy.random.default_rng(7)
    centres = random.normal(size=(500, SIZE))

    def around(number: int) -> numpy.ndarray[Any, Any]:
        chosen = centres[random.integers(0, len(centres), number)]
        found = chosen + 0.6 * random.normal(size=(number, SIZE))
        found /= numpy.linalg.norm(found, axis=1, keepdims=True)
        return found.astype(numpy.float32)

    return around(POINTS), around(QUERIES)


def payload(number: int) -> dict[str, Any]:
    return {"name": f"item {number}", "category": f"c{number % 20}", "price": number % 1000 / 10}


@dataclass(frozen=True, slots=True)
class Measured:
    """One load: answers a second, and how long the middle and the slowest hundredth took."""

    rate: float
    median_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is searched: a URL, and the body that asks it for one query."""

    name: str
    url: str
    field: str
    key: str | None = None
    extra: Mapping[str, Any] | None = None

    def bodies(self, queries: numpy.ndarray[Any, Any]) -> list[str]:
        return [
            json.dumps(
                {self.field: [round(float(x), 6) for x in query], "limit": LIMIT}
                | dict(self.extra or {})
            )
            for query in queries
        ]


class Load:
    """wrk where it is at hand; else a generator in Python, slower than what it measures."""

    def __init__(self, folder: Path, queries: numpy.ndarray[Any, Any]) -> None:
        self._folder = folder
        self._queries = queries
        self._script = folder / "load.lua"
        self._script.write_text(_WRK_SCRIPT)
        self.generator = "wrk" if shutil.which("wrk") else "python"
        if self.generator == "python":
            print("wrk is not at hand: the load comes from Python, and the rates are ITS limit.")

    def run(self, target: Target, clients: int) -> Measured:
        bodies = self._folder / f"{re.sub('[^a-z]+', '-', target.name.lower())}.txt"
        if not bodies.exists():
            bodies.write_text("\n".join(target.bodies(self._queries)) + "\n")
        self._once(target, clients, bodies, WARM_SECONDS)
        return self._once(target, clients, bodies, SECONDS)

    def _once(self, target: Target, clients: int, bodies: Path, seconds: float) -> Measured:
        if self.generator == "python":
            return asyncio.run(
                _python_load(target, clients, bodies.read_text().split("\n"), seconds)
            )
        command = [
            *("wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--latency", "--timeout", "30s"),
            *("-s", str(self._script), target.url, "--", str(bodies)),
            *([target.key] if target.key else []),
        ]
        ran = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds + 60
        )
        return _read_wrk(ran.stdout)


def _read_wrk(text: str) -> Measured:
    def number(pattern: str, default: str = "0") -> str:
        found = re.search(pattern, text)
        return found[1] if found else default

    def milliseconds(value: str) -> float:
        for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)):
            if value.endswith(unit):
                return float(value.removesuffix(unit)) * factor
        return 0.0

    failed = int(number(r"Non-2xx or 3xx responses: (\d+)"))
    failed += sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    return Measured(
        rate=float(number(r"Requests/sec:\s+([\d.]+)")),
        median_ms=milliseconds(number(r"(?m)^\s+50%\s+(\S+)")),
        p99_ms=milliseconds(number(r"(?m)^\s+99%\s+(\S+)")),
        failed=failed,
    )


async def _python_load(
    target: Target, clients: int, bodies: Sequence[str], seconds: float
) -> Measured:
    parts = urlsplit(target.url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    head += f"X-API-Key: {target.key}\r\n" if target.key else ""
    sent = [f"{head}Content-Length: {len(b)}\r\n\r\n{b}".encode() for b in bodies if b]
    took: list[float] = []
    failed = 0
    end = time.perf_counter() + seconds

    async def client(first: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        at = first
        while (started := time.perf_counter()) < end:
            writer.write(sent[at % len(sent)])
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer.lower())
            await reader.readexactly(int(length[1]) if length else 0)
            took.append(time.perf_counter() - started)
            failed += b" 200 " not in answer[:20]
            at += 1
        writer.close()

    await asyncio.gather(*(client(i * 31) for i in range(clients)))
    took.sort()
    middle, slow = took[len(took) // 2], took[int(len(took) * 0.99)]
    return Measured(len(took) / seconds, middle * 1000, slow * 1000, failed)


def table(rows: Sequence[tuple[str, int, Measured]]) -> None:
    print(
        f"\n{'searching':<34}{'clients':>8}{'per second':>12}{'median ms':>11}{'p99 ms':>9}"
        f"{'failed':>8}"
    )
    for name, clients, m in rows:
        print(
            f"{name:<34}{clients:>8}{m.rate:>12,.0f}{m.median_ms:>11.2f}{m.p99_ms:>9.2f}"
            f"{m.failed:>8}"
        )
    print()


@contextmanager
def process(
    command: Sequence[str], url: str, folder: Path, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers at `url` when the block begins, and is gone when it ends."""
    name = Path(command[-1]).name.replace(":", "-")
    with (folder / f"{name}.log").open("wb") as log:
        running = subprocess.Popen(
            list(command), cwd=folder, env={**os.environ, **variables}, stdout=log, stderr=log
        )
        try:
            wait_for(url, running)
            yield running
        finally:
            running.terminate()
            with suppress(subprocess.TimeoutExpired):
                running.wait(15)
            running.kill()
            running.wait()


def wait_for(url: str, running: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(urllib.error.URLError, OSError):
            with urllib.request.urlopen(url, timeout=2):
                return
        if running.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"nothing answers at {url}")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def workspace() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vectorplane-bench-") as folder:
        yield Path(folder)
