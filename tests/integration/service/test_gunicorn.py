"""The service as it runs in production: real gunicorn processes."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.cluster import wait
from support.gunicorn_process import Gunicorn, gunicorn
from support.serving import PRODUCTS

UVICORN = "vectorplane_service.worker.ServiceWorker"
GUNICORN = "gunicorn.workers.gasgi.ASGIWorker"
KEY = {"X-API-Key": "test-secret"}
SEARCH = {"vector": [1, 2, 3, 4]}


class Gate:
    """Holds the searches of `support.serving_app` until they are let through."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self._held: list[socket.socket] = []

    @property
    def port(self) -> str:
        return str(self._listener.getsockname()[1])

    def wait_for(self, number: int) -> None:
        """Returns when so many searches are in flight."""
        while len(self._held) < number:
            self._held.append(self._listener.accept()[0])

    def let_through(self) -> None:
        for held in self._held:
            held.sendall(b"x")

    def close(self) -> None:
        for held in (*self._held, self._listener):
            held.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    found = Gate()
    yield found
    found.close()


def search(url: str) -> httpx.Response:
    """One search on a connection of its own."""
    headers = {**KEY, "Connection": "close"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        return client.post(f"{PRODUCTS}/search", json=SEARCH)


def test_a_life(tmp_path: Path) -> None:
    """Start, serve, count, stop; every line is JSON and holds no secret."""
    with gunicorn(QDRANT_API_KEY="hunter22", TMPDIR=str(tmp_path)) as server:
        server.ready()
        with httpx.Client(base_url=server.url, headers=KEY) as client:
            points = [{"id": i, "vector": [1, 2, 3, i]} for i in range(5)]
            assert client.put(f"{PRODUCTS}/points", json=points).status_code == 200
            found = client.post(f"{PRODUCTS}/search", json=SEARCH, headers={"X-Request-ID": "me"})
            assert found.json()["results"][0]["id"] == 4
            assert found.headers["x-request-id"] == "me"
            assert client.get(PRODUCTS, headers={"X-API-Key": "no"}).status_code == 401
            metrics = client.get("/metrics").text
        folders = list(tmp_path.glob("vectorplane-metrics-*"))
        assert len(folders) == 1
        assert server.stop() == 0
        assert not folders[0].exists()
        said = "\n".join(server.lines)
        assert 'vectorplane_batch_size_sum{operation="upsert"} 5.0' in metrics
        assert "qdrant_api_key=********" in said
        assert "keys=test(read+write)" in said
        assert "has finished its requests and stops" in said
        assert "hunter22" not in said
        assert "test-secret" not in said
        lines = server.requests()
    assert [line["status"] for line in lines] == [200, 200, 401]
    assert lines[1]["request_id"] == "me"


@pytest.mark.parametrize("worker", [UVICORN, GUNICORN])
@pytest.mark.parametrize("sign", [signal.SIGTERM])
def test_requests_in_flight_are_finished(gate: Gate, worker: str, sign: signal.Signals) -> None:
    with (
        gunicorn(GATE_PORT=gate.port, WORKER_CLASS=worker) as server,
        ThreadPoolExecutor(20) as pool,
    ):
        url = server.ready().url
        answers = [pool.submit(search, url) for _ in range(20)]
        gate.wait_for(20)
        server.process.send_signal(sign)
        server.wait_for(lambda lines: any("hutting down" in line for line in lines))
        gate.let_through()
        assert [answer.result(30).status_code for answer in answers] == [200] * 20
        assert server.join() == 0


@contextmanager
def load(url: str, clients: int = 8) -> Iterator[list[httpx.Response | httpx.HTTPError]]:
    """Searches as fast as they go until the block ends."""
    outcomes: list[httpx.Response | httpx.HTTPError] = []
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                outcomes.append(search(url))
            except httpx.HTTPError as error:
                outcomes.append(error)
                if isinstance(error, httpx.ConnectError):
                    return

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield outcomes
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def answered(server: Gunicorn) -> int:
    return sum(line["status"] == 200 for line in server.requests())


def test_a_stop_under_load_loses_no_request_that_was_taken() -> None:
    """Every request that the service answered has reached its client."""
    with gunicorn(WEB_CONCURRENCY="2") as server:
        url = server.ready(workers=2).url
        with load(url) as outcomes:
            server.wait_for(lambda lines: len(lines) > 200)
            assert server.stop() == 0
        got = [o for o in outcomes if isinstance(o, httpx.Response)]
        assert {answer.status_code for answer in got} == {200}
        assert len(got) == answered(server) > 100
        assert "Traceback" not in "\n".join(server.lines)


def test_workers_are_replaced_and_nobody_notices() -> None:
    with gunicorn(
        WEB_CONCURRENCY="2", WORKER_MAX_REQUESTS="40", WORKER_MAX_REQUESTS_JITTER="20"
    ) as server:
        url = server.ready(workers=2).url
        with load(url, clients=4) as outcomes:
            server.ready(workers=4)
        assert server.stop() == 0
        assert {getattr(o, "status_code", repr(o)) for o in outcomes} == {200}
        assert len(outcomes) == answered(server)


def test_two_workers_show_one_sum() -> None:
    with gunicorn(WEB_CONCURRENCY="2") as server, ThreadPoolExecutor(8) as pool:
        url = server.ready(workers=2).url
        answers = list(pool.map(search, [url] * 100))
        assert {answer.status_code for answer in answers} == {200}
        line = (
            'vectorplane_http_requests_total{method="POST",'
            'route="/api/v1/collections/{collection}/search",status="200"} 100.0'
        )

        def shown() -> bool:
            return line in httpx.get(f"{url}/metrics").text

        # Each worker hands its counts over twice a second.
        wait(shown, "all are counted")
        assert all(shown() for _ in range(4))


def test_workers_leave_where_their_master_is_gone() -> None:
    with gunicorn(WORKER_TIMEOUT_SECONDS="4") as server:
        url = server.ready().url
        assert httpx.get(f"{url}/health/live").status_code == 200
        server.process.kill()
        server.process.wait(30)
        wait(lambda: not _answers(url), "its worker has left", seconds=60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live").status_code == 200
    except httpx.TransportError:
        return False


def test_an_application_that_cannot_start_ends_it() -> None:
    with gunicorn(app="support.serving_app:none") as server:
        assert server.join() != 0
