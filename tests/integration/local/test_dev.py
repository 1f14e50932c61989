"""`vectorplane dev` as a process: start, serve, stop, and what it must not let happen."""

from __future__ import annotations

import os
import signal
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from support.local import Dev, Local, eventually, manifest, point

BODY = b'{"points": [{"id": 1, "vector": [1, 2, 3, 4]}]}'
CPU_SECONDS = 3.0
"""Of its processor time until it answers: on a machine that is not busy, the seconds it takes."""


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_manifest_becomes_a_collection_that_answers_searches(local: Local) -> None:
    local.write("products.yaml", manifest(more="  aliases: [live]\n"))
    dev = local.dev()
    assert cpu_seconds(dev.process.pid) < CPU_SECONDS
    found = local.until_ready("products")
    assert found["status"]["endpoint"] == f"{dev.url}/api/v1/collections/shop.products"
    assert found["status"]["collection"]["physical"] == "shop.products_1"
    dev.put("shop.products", [point(1), point(2)])
    asked = {"vector": [1.0, 1.0, 1.0, 1.0], "limit": 1}
    for name in ("shop.products", "shop.live"):
        answer = dev.client.post(f"{name}/search", json=asked).json()
        assert [result["id"] for result in answer["results"]] == [2]
    assert httpx.get(found["status"]["endpoint"], trust_env=False).status_code == 200
    eventually(lambda: local.object("products")["status"]["collection"]["points"] == 2)
    shown = local.run("get")
    assert shown.stderr == ""
    assert shown.stdout.splitlines()[1].split()[:6] == [
        *("shop", "products", "True", "Ready", "2", "embedded")
    ]
    said = dev.said()
    for part in (dev.url, "/docs", "AUTHENTICATION IS OFF", "shop/products  Ready"):
        assert part in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_stop_keeps_the_data_and_leaves_no_trace(local: Local, number: int) -> None:
    local.write("products.yaml", manifest())
    dev = local.dev()
    uid = local.until_ready("products")["metadata"]["uid"]
    dev.put("shop.products", [point(n) for n in range(10)])
    assert dev.end(number) == 0, dev.said()
    assert "Traceback" not in dev.said()
    assert local.run_file() == {}
    again = local.dev()
    local.until_ready("products")
    assert again.count("shop.products") == 10
    assert local.object("products")["metadata"]["uid"] == uid
    assert local.object("products")["metadata"]["generation"] == 1


def under_way(dev: Dev) -> socket.socket:
    """A request that the server has begun with, and that waits for the rest of its body."""
    address = urlsplit(dev.url)
    head = (
        "PUT /api/v1/collections/shop.products/points HTTP/1.1\r\nHost: x\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    client = socket.create_connection((address.hostname, address.port), timeout=30)
    client.sendall(head.encode() + BODY[:10])
    # It counts the request that asks, too.
    metrics = f"{dev.url}/metrics"
    eventually(lambda: " 2.0" in _inflight(httpx.get(metrics, trust_env=False).text))
    return client


def test_a_stop_lets_requests_under_way_end(local: Local) -> None:
    local.write("products.yaml", manifest())
    dev = local.dev()
    local.until_ready("products")
    with under_way(dev) as client:
        # A terminal sends the one to everybody, and who started it the other.
        dev.process.send_signal(signal.SIGINT)
        dev.process.send_signal(signal.SIGTERM)
        eventually(lambda: not _listens(dev.url))
        client.sendall(BODY[10:])
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert dev.end() == 0
    assert "Traceback" not in dev.said()
    again = local.dev()
    local.until_ready("products")
    assert again.count("shop.products") == 1


def test_a_second_ctrl_c_waits_for_nobody(local: Local) -> None:
    local.write("products.yaml", manifest())
    dev = local.dev()
    local.until_ready("products")
    with under_way(dev):
        dev.process.send_signal(signal.SIGINT)
        eventually(lambda: not _listens(dev.url))
        assert dev.process.poll() is None
        assert dev.end(signal.SIGINT) == 0


def _inflight(text: str) -> str:
    lines = text.splitlines()
    return next((line for line in lines if line.startswith("vectorplane_inflight")), "")


def _listens(url: str) -> bool:
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname, address.port), timeout=1):
            return True
    except OSError:
        return False


def test_a_second_one_is_told_and_does_no_harm(local: Local) -> None:
    local.write("products.yaml", manifest())
    first = local.dev()
    local.until_ready("products")
    first.put("shop.products", [point(1)])
    before = local.object("products")
    second = local.start()
    assert second.process.wait(timeout=30) == 1
    said = second.said()
    assert f"pid {first.process.pid}" in said
    assert first.url in said
    assert said.count("\n") == 1
    assert local.run_file()["pid"] == first.process.pid
    assert local.object("products")["metadata"] == before["metadata"]
    first.put("shop.products", [point(2)])
    assert first.count("shop.products") == 2
    assert first.end() == 0


def test_a_port_that_is_taken(local: Local) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dev = local.start("--port", str(taken.getsockname()[1]))
        assert dev.process.wait(timeout=30) == 1
        assert "is in use" in dev.said()
        assert "Traceback" not in dev.said()


def test_a_key_turns_authentication_on(local: Local) -> None:
    local.write("products.yaml", manifest())
    dev = local.dev(API_KEYS="demo:s3cret:read+write")
    local.until_ready("products")
    assert "AUTHENTICATION IS OFF" not in dev.said()
    assert "s3cret" not in dev.said()
    assert dev.client.get("shop.products").status_code == 401
    answer = dev.client.get("shop.products", headers={"X-API-Key": "s3cret"})
    assert answer.status_code == 200


def test_others_are_not_let_in_without_a_key(local: Local) -> None:
    dev = local.start("--host", "0.0.0.0")
    assert dev.process.wait(timeout=30) == 1
    assert "API_KEYS" in dev.said()
    assert not (local.data / "run.json").exists()


def test_a_wrong_setting_is_one_line(local: Local) -> None:
    dev = local.start(MAX_BATCH_SIZE="many")
    assert dev.process.wait(timeout=30) == 1
    assert dev.said().startswith("error: MAX_BATCH_SIZE")
    assert dev.said().count("\n") == 1
    missing = local.run("dev", local.root / "nowhere")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "there is no folder" in missing.stderr


def test_an_idle_one_writes_nothing(local: Local) -> None:
    local.write("products.yaml", manifest(more="  aliases: [live]\n"))
    dev = local.dev()
    local.until_ready("products")
    resources = local.data / "resources"
    before = {p: p.stat().st_mtime_ns for p in resources.rglob("*")}
    # The controller looks again every five seconds; twice is a habit.
    used = cpu_seconds(dev.process.pid)
    eventually(lambda: _elapsed(dev.process.pid) > 11.0, seconds=30)
    assert {p: p.stat().st_mtime_ns for p in resources.rglob("*")} == before
    assert cpu_seconds(dev.process.pid) - used < 2.0


def _elapsed(pid: int) -> float:
    """Seconds since a process started."""
    with open(f"/proc/{pid}/stat") as file:
        started = int(file.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    with open("/proc/uptime") as file:
        return float(file.read().split()[0]) - started
