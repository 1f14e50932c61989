"""`kill -9` at any moment, and a new start: nothing acknowledged is lost, nothing made twice."""

from __future__ import annotations

import signal
import threading

import httpx
import pytest

from support.local import Local, eventually, manifest, point

BATCH = 20


def test_in_mid_load_what_was_acknowledged_is_there(local: Local) -> None:
    local.write("products.yaml", manifest(size=32))
    acknowledged: set[int] = set()
    known = None
    for round in range(3):
        dev = local.dev()
        known = known or local.until_ready("products")
        local.until_ready("products")
        url = f"{dev.url}/api/v1/collections/shop.products/points"
        killed = threading.Event()

        def load(first: int, url: str = url, killed: threading.Event = killed) -> None:
            batch = first
            with httpx.Client(trust_env=False, timeout=10) as client:
                while not killed.is_set():
                    ids = range(batch * BATCH, (batch + 1) * BATCH)
                    try:
                        answer = client.put(url, json={"points": [point(i, 32) for i in ids]})
                    except httpx.HTTPError:
                        return
                    assert answer.status_code == 200, answer.text
                    acknowledged.update(ids)
                    batch += 1

        before = len(acknowledged)
        threads = [
            threading.Thread(target=load, args=(round * 10_000 + n * 5_000,)) for n in range(2)
        ]
        for thread in threads:
            thread.start()
        eventually(lambda before=before: len(acknowledged) > before + 10 * BATCH)  # type: ignore[misc]
        dev.end(signal.SIGKILL)
        killed.set()
        for thread in threads:
            thread.join()
    dev = local.dev()
    found = local.until_ready("products")
    ids = sorted(acknowledged)
    there: set[int] = set()
    for first in range(0, len(ids), 500):
        asked = {"ids": ids[first : first + 500], "with_vectors": True}
        points = dev.client.post("shop.products/points/retrieve", json=asked).json()["points"]
        assert all(p["vector"] == [float(p["id"])] * 32 for p in points)
        assert all(p["payload"] == {"rank": p["id"]} for p in points)
        there.update(p["id"] for p in points)
    assert there == acknowledged
    assert known is not None
    assert found["metadata"] == known["metadata"]
    assert found["status"]["collection"]["physical"] == "shop.products_1"


@pytest.mark.parametrize(
    "moment", ["resource", "finalizer", "engine", "catalogue", "status", "delete"]
)
def test_between_any_two_steps_nothing_is_made_twice(local: Local, moment: str) -> None:
    more = "  aliases: [live]\n  payloadIndexes: [{field: rank, type: Integer}]\n"
    more += "  deletionPolicy: Delete\n"
    path = local.write("products.yaml", manifest(more=more))
    dev = local.start()
    if moment == "resource":
        eventually(lambda: local.object("products"))
    elif moment == "finalizer":
        eventually(lambda: "finalizers" in local.object("products").get("metadata", {}))
    elif moment == "engine":
        eventually(lambda: any(local.data.glob("engine/shards/*")))
    elif moment == "catalogue":
        eventually((local.data / "engine" / "catalogue.json").exists)
    elif moment == "status":
        eventually(lambda: local.object("products").get("status"))
    else:
        local.until_ready("products")
        path.unlink()
        eventually(lambda: local.gone_or_going("products"))
    dev.end(signal.SIGKILL)
    dev = local.dev()
    if moment == "delete":
        eventually(lambda: not local.object("products"))
        assert dev.client.get("shop.products").status_code == 404
        assert dev.client.get("shop.live").status_code == 404
        return
    found = local.until_ready("products")
    assert found["status"]["collection"]["physical"] == "shop.products_1"
    assert found["metadata"]["generation"] == 1
    plan = local.run("plan", "-f", path)
    assert plan.stdout == "shop/products: no changes\n"
    listed = httpx.get(f"{dev.url}/api/v1/collections", trust_env=False).json()["collections"]
    assert sorted(one["name"] for one in listed) == ["shop.live", "shop.products"]
    assert len(list(local.data.glob("engine/shards/*"))) == 1
