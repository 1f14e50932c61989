"""The demo: a manifest becomes a collection that answers searches, on this machine, with real data.

    python examples/demo.py          # `make demo`
    KEEP=1 python examples/demo.py   # goes on serving afterwards

It starts `vectorplane dev` on `manifests/examples/` as anybody would, waits for its collections,
loads them through the HTTP API, and searches. A second run finds the data again.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import demo_data
import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
MANIFESTS = ROOT / "manifests" / "examples"
DATA = Path(os.environ.get("DEMO_DATA") or ROOT / ".vectorplane" / "demo").resolve()
VECTORPLANE = [sys.executable, "-m", "vectorplane.cli"]
AGREEMENT = 0.97
"""Of the held-out digits, so many must have a neighbour of their own kind."""
SENTENCES = {
    "fast JSON parsing and serialization": "orjson",
    "progress bars and tables in a terminal": "rich",
    "training a machine learning model": "scikit-learn",
}
"""What is asked of the packages, and the one that should be among the best answers."""

console = Console(highlight=False)


class DemoFailed(Exception):
    """What went wrong, in one line."""


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begun = time.perf_counter()
    try:
        with serving() as url:
            console.print(f"[bold]{url}[/] answers after {time.perf_counter() - begun:.1f} s")
            with httpx.Client(
                base_url=f"{url}/api/v1/collections/", timeout=60, trust_env=False
            ) as client:
                wait_until_ready(url)
                digits(client)
                packages(client)
            console.print(f"done in {time.perf_counter() - begun:.1f} s; the data is in {DATA}")
            if os.environ.get("KEEP"):
                keep(url)
    except (DemoFailed, httpx.HTTPError) as error:
        console.print(f"[bold red]demo failed:[/] {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    console.print("demo ok")
    return 0


@contextmanager
def serving() -> Iterator[str]:
    """A `vectorplane dev` of our own; it ends with the block, whatever happens in it."""
    DATA.mkdir(parents=True, exist_ok=True)
    log = DATA / "dev.log"
    # The demo is about what is in the repository, not about what this shell has set.
    ours = ("API_KEYS", "AUTH_ENABLED", "API_PREFIX", "API_VERSION", "API_VERSIONING_ENABLED")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*VECTORPLANE, "dev", str(MANIFESTS), "--data-dir", str(DATA), "--port", free_port()],
            cwd=DATA,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield address(process, log)
    finally:
        # A second Ctrl-C must not end us before the server has ended.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> str:
    """10200 where it is free; else let the system choose."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 10200))
        except OSError:
            return "0"
    return "10200"


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where it serves, once it says so."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if process.poll() is not None:
            said = log.read_text(encoding="utf-8", errors="replace").strip()
            raise DemoFailed(f"`vectorplane dev` ended with {process.returncode}: {said}")
        try:
            run = json.loads((DATA / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            run = {}
        if run.get("pid") == process.pid:
            return str(run["url"])
        time.sleep(0.02)
    raise DemoFailed("`vectorplane dev` did not answer within 30 s")


def wait_until_ready(url: str) -> None:
    """Wait for every VectorCollection, and show them."""
    end = time.monotonic() + 30
    while True:
        asked = [*VECTORPLANE, "get", "-o", "json", "--data-dir", str(DATA)]
        found = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)["items"]
        ready = [
            condition(item).get("status") == "True" and item["status"]["endpoint"].startswith(url)
            for item in found
        ]
        if len(found) >= 2 and all(ready):
            break
        if time.monotonic() > end:
            reasons = [f"{item['metadata']['name']}: {condition(item)}" for item in found]
            raise DemoFailed(f"not every collection became Ready: {reasons}")
    table = Table("namespace", "name", "ready", "vectors", "aliases", "points", box=None)
    for item in found:
        spec, meta = item["spec"], item["metadata"]
        vectors = ", ".join(f"{v['size']} {v['distance']}" for v in spec["vectors"])
        points = str(item["status"]["collection"]["points"])
        aliases = ", ".join(spec["aliases"])
        table.add_row(meta["namespace"], meta["name"], "True", vectors, aliases, points)
    show("VectorCollections", table)


def condition(item: dict[str, Any]) -> dict[str, Any]:
    """An object's `Ready`, as long as it speaks of the object as it is now."""
    status = item.get("status") or {}
    if status.get("observedGeneration") != item["metadata"]["generation"]:
        return {}
    return next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {})


def digits(client: httpx.Client) -> None:
    """Pictures: is the nearest neighbour of a held-out digit the same digit?"""
    data = demo_data.digits()
    load(client, "demo.digits", data.points, 250)
    begun = time.perf_counter()
    searches = [{"vector": vector, "limit": 1} for vector in data.held_out]
    answer = post(client, "demo.digits/search/batch", {"searches": searches})
    seconds = time.perf_counter() - begun
    told = [one["results"][0]["payload"]["label"] for one in answer["searches"]]
    right = sum(a == b for a, b in zip(told, data.labels, strict=True))
    table = Table("digit", *map(str, range(10)), "all", box=None)
    asked = [data.labels.count(digit) for digit in range(10)]
    agreed = [
        sum(a == b == digit for a, b in zip(told, data.labels, strict=True)) for digit in range(10)
    ]
    table.add_row("asked", *map(str, asked), str(len(told)))
    table.add_row("agreed", *map(str, agreed), f"{right} ({right / len(told):.1%})")
    show(f"demo.digits: {len(told)} searches in one request, {seconds * 1000:.0f} ms", table)
    if right < AGREEMENT * len(told):
        raise DemoFailed(f"{right} of {len(told)} neighbours agree, fewer than {AGREEMENT:.0%}")


def packages(client: httpx.Client) -> None:
    """Text: the service embeds what is stored and what is asked."""
    load(client, "demo.packages", demo_data.packages(), 100)
    show_title("demo.packages: searched by a sentence")
    for sentence, expected in SENTENCES.items():
        begun = time.perf_counter()
        found = post(client, "demo.packages/search", {"text": sentence, "limit": 20})["results"]
        seconds = time.perf_counter() - begun
        best = one_each(found)[:3]
        table = Table("score", "package", "text", box=None)
        for point in best:
            payload = point["payload"]
            text = payload["text"][: max(20, console.width - 32)]
            table.add_row(f"{point['score']:.3f}", payload["package"], text)
        console.print(f' "{sentence}" ({seconds * 1000:.0f} ms)', table, "", sep="\n")
        if expected not in [point["payload"]["package"] for point in best]:
            raise DemoFailed(f"{expected} is not among the answers to: {sentence}")


def one_each(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best result of each package."""
    best: dict[str, dict[str, Any]] = {}
    for point in found:
        best.setdefault(point["payload"]["package"], point)
    return list(best.values())


def load(client: httpx.Client, name: str, points: Sequence[dict[str, Any]], size: int) -> None:
    """Bring a collection to exactly these points; what is there already is not sent again."""
    there = post(client, f"{name}/points/count", {})["count"]
    if there == len(points) and not stale(client, name, points):
        console.print(f"{name}: {there:,} points are there already")
        return
    begun = time.perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(f"{name}: loading", total=len(points))
        for first in range(0, len(points), size):
            batch = list(points[first : first + size])
            check(client.put(f"{name}/points", json={"points": batch}))
            progress.advance(task, len(batch))
    seconds = time.perf_counter() - begun
    if gone := stale(client, name, points):
        post(client, f"{name}/points/delete", {"ids": gone})
    there = post(client, f"{name}/points/count", {})["count"]
    if there != len(points):
        raise DemoFailed(f"{name} has {there} points, and {len(points)} were loaded")
    console.print(f"{name}: {there:,} points in {seconds:.1f} s")


def stale(client: httpx.Client, name: str, points: Sequence[dict[str, Any]]) -> list[int | str]:
    """Points of an earlier run that are no more: a package was removed, or has another text."""
    wanted = {point["id"] for point in points}
    cursor, found = None, []
    while True:
        page = {"limit": 1000, "with_payload": False} | ({"cursor": cursor} if cursor else {})
        answer = post(client, f"{name}/points/scroll", page)
        found += [point["id"] for point in answer["points"] if point["id"] not in wanted]
        cursor = answer["next_cursor"]
        if cursor is None:
            return found[:1000]


def post(client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    return check(client.post(path, json=body))


def check(response: httpx.Response) -> Any:
    if response.is_error:
        request = response.request
        raise DemoFailed(f"{request.method} {request.url}: {response.status_code} {response.text}")
    return response.json()


def show(title: str, table: Table) -> None:
    show_title(title)
    console.print(table)
    console.print()


def show_title(title: str) -> None:
    console.print()
    console.print(f"[bold]{title}[/]")


def keep(url: str) -> None:
    """Go on serving until somebody has seen enough."""
    console.print(f"serving until Ctrl-C:  {url}/docs  {url}/api/v1/collections")
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print()


if __name__ == "__main__":
    sys.exit(main())
