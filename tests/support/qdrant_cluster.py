"""A Qdrant of several peers on this machine, from the `qdrant` on PATH."""

from __future__ import annotations

import json
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from support.cluster import wait
from support.qdrant import QdrantProcess, free_port


@contextmanager
def qdrant_cluster(peers: int) -> Iterator[list[QdrantProcess]]:
    """So many peers in distributed mode, that know each other; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="qdrant-") as folder, ExitStack() as running:
        ports = [free_port() for _ in range(peers)]
        started: list[QdrantProcess] = []
        for number, port in enumerate(ports):
            place = Path(folder, str(number))
            place.mkdir()
            settings = {
                "QDRANT__CLUSTER__ENABLED": "true",
                "QDRANT__CLUSTER__P2P__PORT": str(port),
                "QDRANT__CLUSTER__CONSENSUS__TICK_PERIOD_MS": "50",
                "QDRANT_URI": f"http://127.0.0.1:{port}",
            }
            if number:
                settings["QDRANT_BOOTSTRAP"] = f"http://127.0.0.1:{ports[0]}"
            process = QdrantProcess(place, **settings)
            running.callback(process.stop)
            process.start()
            started.append(process)
        wait(lambda: all(len(_peers(p)) == peers for p in started), "all peers are known to all")
        yield started


def said(process: QdrantProcess, path: str) -> Any:
    """What a peer answers to a GET."""
    with urllib.request.urlopen(process.url + path, timeout=10) as answer:
        return json.load(answer)["result"]


def _peers(process: QdrantProcess) -> dict[str, Any]:
    found: dict[str, Any] = said(process, "/cluster").get("peers", {})
    return found
