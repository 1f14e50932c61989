"""Keys and several workers, in real gunicorn processes: what one does the others know, and no file
that breaks takes the service down.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.gunicorn_process import Gunicorn, gunicorn
from support.serving import API, PRODUCTS
from vectorplane.tokens import Claims, generate, jwk_of, sign

ROOT = {"X-API-Key": "root-secret"}
KEYS = f"{API}/keys"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Gunicorn]:
    with gunicorn(
        WEB_CONCURRENCY="2",
        API_KEYS="root:root-secret:admin",
        KEYS_FILE=str(tmp_path / "keys.json"),
    ) as running:
        yield running.ready(workers=2)


def workers(server: Gunicorn) -> list[int]:
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def alone(server: Gunicorn, worker: int) -> Iterator[httpx.Client]:
    """A client of this worker: the others are stopped, so they take no connection."""
    others = [pid for pid in workers(server) if pid != worker]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            yield client
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def issue(client: httpx.Client, id: str) -> dict[str, str]:
    answer = client.post(KEYS, json={"id": id, "permissions": ["read"]}, headers=ROOT)
    assert answer.status_code == 201, answer.text
    return {"X-API-Key": answer.json()["key"]}


def test_what_one_worker_does_the_other_knows(server: Gunicorn) -> None:
    first, second = workers(server)
    with alone(server, first) as client:
        key = issue(client, "a")
        assert client.get(PRODUCTS, headers=key).status_code == 200
    with alone(server, second) as client:
        assert client.get(PRODUCTS, headers=key).status_code == 200, "at once"
        assert [k["id"] for k in client.get(KEYS, headers=ROOT).json()["keys"]] == ["a"]
    with alone(server, first) as client:
        assert client.delete(f"{KEYS}/a", headers=ROOT).status_code == 200
        assert client.get(PRODUCTS, headers=key).status_code == 401
    with alone(server, second) as client:
        # It slept, so its second begins now; what is asked for is that it ends.
        deadline = time.monotonic() + 20
        while client.get(PRODUCTS, headers=key).status_code == 200:
            assert time.monotonic() < deadline, "a revoked key is still let in"
            time.sleep(0.02)


def test_a_key_that_was_answered_outlives_killed_workers(server: Gunicorn) -> None:
    made: dict[str, dict[str, str]] = {}
    stop = threading.Event()

    def ask(name: str) -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            for n in range(10_000):
                if stop.is_set():
                    return
                try:
                    made[f"{name}-{n}"] = issue(client, f"{name}-{n}")
                except httpx.TransportError:
                    # The worker that held this connection was killed.
                    continue

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    try:
        for turn in range(1, 4):
            deadline = time.monotonic() + 60
            while len(made) < 10 * turn:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            os.kill(workers(server)[0], signal.SIGKILL)
            server.ready(workers=2 + turn)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for id, key in made.items():
            assert client.get(PRODUCTS, headers=key).status_code == 200, id
        listed: set[str] = set()
        cursor = None
        while True:
            params = {"limit": 100} | ({"cursor": cursor} if cursor else {})
            page = client.get(KEYS, params=params, headers=ROOT).json()
            listed |= {key["id"] for key in page["keys"]}
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert set(made) <= listed
    said = "\n".join(server.lines)
    assert "Traceback" not in said
    assert not any(key["X-API-Key"] in said for key in made.values())


def test_a_bad_file_of_public_keys_stops_nobody_who_needs_none(tmp_path: Path) -> None:
    """Not even when the workers that read the good one are gone."""
    signer = generate()
    claims = Claims(
        "signed", frozenset({"read"}), ("*",), issued=time.time() - 1, expires=time.time() + 600
    )
    signed = {"X-API-Key": sign(claims, signer)}
    good, file = json.dumps({"keys": [jwk_of(signer)]}), tmp_path / "jwks"
    file.write_text(good)
    with gunicorn(
        API_KEYS="root:root-secret:admin", ACCESS_PUBLIC_KEYS=str(file), WEB_CONCURRENCY="1"
    ) as server:
        url = server.ready().url

        def status(key: dict[str, str]) -> int:
            return httpx.get(f"{url}{PRODUCTS}", headers=key, timeout=30).status_code

        assert (status(ROOT), status(signed)) == (200, 200)
        file.write_text("{")
        server.wait_for(lambda lines: any("cannot be read" in line for line in lines))
        assert status(signed) == 200, "the keys that were read stay"
        os.kill(workers(server)[0], signal.SIGKILL)
        server.ready(workers=2)
        assert (status(ROOT), status(signed)) == (200, 503)
        file.write_text(good)
        deadline = time.monotonic() + 20
        while status(signed) != 200:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        said = "\n".join(server.lines)
        assert signed["X-API-Key"] not in said
        assert f"signed_keys={file}" in said
        assert "Traceback" not in said
