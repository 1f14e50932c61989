"""What goes wrong around a service under load: it is saturated, its store stops or dies, a worker
is killed, all workers are replaced. Real gunicorn, and a real Qdrant where that is the subject."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from support import qdrant, showcase
from support.gunicorn_process import TESTS, Gunicorn, gunicorn
from support.parts import require_or_skip
from support.serving import PRODUCTS

APP = "support.engine_app:app"
KEY = {"X-API-Key": "test-secret"}
SEARCH = {"vector": [1, 2, 3, 4], "limit": 3}
CLIENTS = 24
STOPPED_SECONDS = 10.0
BACK_SECONDS = 2.0
HEALTHY_SECONDS = 0.1


@dataclass
class Seen:
    """What clients were answered: the moment, and the status (0: no answer at all)."""

    answers: list[tuple[float, int]] = field(default_factory=list)
    bodies: set[str] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)

    def statuses(self, since: float = 0.0) -> set[int]:
        return {status for at, status in self.answers if at >= since}

    def count(self, status: int, since: float = 0.0) -> int:
        return sum(1 for at, one in self.answers if one == status and at >= since)


@contextmanager
def clients(url: str, number: int = CLIENTS, **headers: str) -> Iterator[Seen]:
    """Clients that search again and again, until the block ends."""
    seen = Seen()
    stop = threading.Event()

    def run() -> None:
        with httpx.Client(base_url=url, headers=KEY | headers, timeout=60) as client:
            while not stop.is_set():
                try:
                    answer = client.post(f"{PRODUCTS}/search", json=SEARCH)
                except httpx.HTTPError as error:
                    seen.answers.append((time.monotonic(), 0))
                    seen.troubles.append(repr(error))
                    continue
                seen.answers.append((time.monotonic(), answer.status_code))
                if answer.status_code != 200:
                    seen.bodies.add(answer.json()["code"])
                    # As the answer asks, but not so long: the moment of recovery is what counts.
                    assert int(answer.headers["retry-after"]) >= 1
                    stop.wait(0.05)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def own_qdrant() -> None:
    if not qdrant.available() or os.environ.get("QDRANT_URL"):
        require_or_skip("qdrant", "a server that may be stopped is needed")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_store_that_goes_away_for_ten_seconds(how: str) -> None:
    """24 clients: every error is a 503, and it serves again within 2 s of the store's return."""
    own_qdrant()
    with qdrant.restartable() as store:
        asyncio.run(showcase.filled(store.url))
        variables = {"QDRANT_URL": store.url, "WEB_CONCURRENCY": "2"}
        with (
            gunicorn(APP, QDRANT_TIMEOUT_SECONDS="3", **variables) as running,
            clients(running.ready(workers=2).url) as seen,
        ):
            until(lambda: seen.count(200) > 200)
            assert seen.statuses() == {200}
            pid = store.server.pid
            assert pid is not None
            if how == "stopped":
                os.kill(pid, signal.SIGSTOP)
            else:
                store.kill()
            gone = time.monotonic()
            until(lambda: seen.count(503) > 2 * CLIENTS)
            time.sleep(max(0.0, gone + STOPPED_SECONDS - time.monotonic()))
            if how == "stopped":
                os.kill(pid, signal.SIGCONT)
            else:
                store.start()
            back = time.monotonic()
            until(lambda: seen.count(200, back) > 500)
            # The last one who was refused asked before the store was back.
            until(lambda: time.monotonic() > back + BACK_SECONDS + 1)
        assert seen.troubles == []
        assert seen.statuses() == {200, 503}
        assert seen.statuses(back + BACK_SECONDS) == {200}
        assert seen.bodies <= {"store_timeout", "store_unreachable", "store_overloaded"}
        assert "Traceback" not in "\n".join(running.lines)


def healthy(url: str, path: str, times: int = 100) -> list[float]:
    """Seconds that each answer took, on a connection of its own, as a probe makes it."""
    host = urlsplit(url).netloc
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.request("GET", path)
        assert connection.getresponse().read()
        took.append(time.perf_counter() - begun)
        connection.close()
        time.sleep(0.02)  # so that the load has its moments between any two
    return sorted(took)


@contextmanager
def saturated(tmp_path: Path) -> Iterator[Gunicorn]:
    """Over a real Qdrant where there is one, else over the embedded engine, which one process has.
    Who saturates it is another process. Nothing is traced for coverage: that is several times
    slower, and what is asked here is how quick it is."""
    with ExitStack() as stack:
        variables = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
        if qdrant.available():
            store = stack.enter_context(qdrant.started())
            asyncio.run(showcase.filled(store.url))
            variables["QDRANT_URL"] = store.url
            workers, users, clients = 2, [], 100  # of every kind
        else:
            variables["ENGINE_FOLDER"] = str(tmp_path / "engine")
            workers, users, clients = 1, ["Reader"], 40
        server = gunicorn(APP, WEB_CONCURRENCY=str(workers), **variables)
        running = stack.enter_context(server).ready(workers=workers)
        load = subprocess.Popen(
            [
                *(sys.executable, "-m", "locust", *users),
                f"--locustfile={TESTS / 'load' / 'locustfile.py'}",
                f"--host={running.url}",
                *("--headless", f"--users={clients}", "--spawn-rate=100", "--run-time=120s"),
                *("--skip-log", "--only-summary"),
            ],
            cwd=tmp_path,
            env={k: v for k, v in os.environ.items() if not k.startswith("COV")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            running.wait_for(lambda lines: len(lines) > 1000)
            yield running
        finally:
            load.terminate()
            load.wait(30)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_answers_while_it_is_saturated(tmp_path: Path, path: str) -> None:
    """99 of 100 under 100 ms."""
    with saturated(tmp_path) as running:
        rounds: list[float] = []
        # Another process may have the CPUs for a moment: the best of some rounds.
        while len(rounds) < 4 and min(rounds, default=HEALTHY_SECONDS) >= HEALTHY_SECONDS:
            before = len(running.lines)
            rounds.append(healthy(running.url, path)[98])
            assert len(running.lines) - before > 300, "it was not under load"
        assert min(rounds) < HEALTHY_SECONDS, rounds


def workers(running: Gunicorn) -> set[int]:
    pid = running.process.pid
    return {int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it is /proc that knows children")
def test_a_worker_that_is_killed_is_replaced() -> None:
    """The other one serves meanwhile: who is not connected to the dead one notices nothing."""
    with gunicorn(WEB_CONCURRENCY="2") as running:
        url = running.ready(workers=2).url
        before = workers(running)
        assert len(before) == 2
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(workers(running) - {victim}) == 2)
        running.ready(workers=3)
        with clients(url, 4, Connection="close") as seen:
            until(lambda: seen.count(200) > 100)
        assert seen.statuses() == {200}
        answers = [line["status"] for line in running.requests()]
        assert set(answers) == {200}
        assert running.stop() == 0


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it is /proc that knows children")
def test_a_rolling_restart_loses_no_request() -> None:
    """HUP: new workers come, the old ones finish what they have and go."""
    with gunicorn(WEB_CONCURRENCY="2") as running:
        url = running.ready(workers=2).url
        with clients(url, 8, Connection="close") as seen:
            for n in (2, 3):
                old = workers(running)
                until(lambda: seen.count(200) > 100)
                running.process.send_signal(signal.SIGHUP)
                running.ready(workers=2 * n)
                until(lambda old=old: not old & workers(running))
            since = time.monotonic()
            until(lambda: seen.count(200, since) > 100)
        assert seen.troubles == []
        assert seen.statuses() == {200}
        assert running.stop() == 0
        assert len(seen.answers) == sum(line["status"] == 200 for line in running.requests())
