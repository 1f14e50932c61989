"""The small parts of the client: settings, errors, several calls at once, and its twin."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from vectorplane.client import AsyncClient, BadConfig, Client, errors
from vectorplane.client.asking import hybrid, recommend, search
from vectorplane.client.config import configured, query, trace_headers
from vectorplane.client.models import collection_info
from vectorplane.client.workers import AsyncWorkers, Workers
from vectorplane_service.problems import ANSWERS, code

ROOT = Path(__file__).resolve().parents[3]


def config(url: str | None = None, key: str | None = None, **changes: Any) -> Any:
    given: dict[str, Any] = {"api_version": "v1", "api_prefix": "/api", "headers": None} | changes
    return configured(url, key, timeout=1, retries=None, traces=False, **given)


def test_paths() -> None:
    assert config().path("collections", "shop.a/b?") == "/api/v1/collections/shop.a%2Fb%3F"
    assert config(api_version=None).path("keys") == "/api/keys"
    assert config(api_prefix="", api_version=None).path("keys") == "/keys"


def test_the_key_is_shown_nowhere() -> None:
    found = config("http://me:pass@host:1/base/", "s3cr3t")
    assert found.headers["x-api-key"] == "s3cr3t"
    assert found.shown == "http://host:1/base"
    assert not {"s3cr3t", "pass"} & set(repr(found).replace("'", " ").replace(":", " ").split())
    for wrong in ("line\nbreak", "ümlaut", " space"):
        with pytest.raises(BadConfig) as raised:
            config(None, wrong)
        assert wrong.strip() not in str(raised.value)


@pytest.mark.parametrize("url", ["ftp://host", "host:10200", "http://", "http://host/?a=1"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(BadConfig, match="URL of the service"):
        config(url)


def test_query_parameters() -> None:
    assert query(wait=False, limit=3, cursor=None) == {"wait": "false", "limit": "3"}


def test_a_trace_goes_on() -> None:
    from opentelemetry.sdk.trace import TracerProvider

    assert trace_headers() == {}
    with TracerProvider().get_tracer("test").start_as_current_span("outer") as span:
        trace = f"{span.get_span_context().trace_id:032x}"
        assert trace in trace_headers()["traceparent"]


def answer(status: int, body: Any, **headers: str) -> httpx.Response:
    kind = {"json": body} if isinstance(body, dict) else {"content": body}
    return httpx.Response(status, headers=headers, **kind)


def test_problems_become_exceptions() -> None:
    body = {
        "code": "invalid_input",
        "detail": "a vector of 4 numbers",
        "request_id": "r1",
        "errors": [{"place": "points[3].vector", "message": "a vector of 4 numbers"}],
    }
    found = errors.from_answer(answer(422, body))
    assert isinstance(found, errors.InvalidInput)
    assert found.mistakes == (errors.Mistake("points[3].vector", "a vector of 4 numbers"),)
    assert str(found) == "points[3].vector: a vector of 4 numbers"
    assert found.request_id == "r1"
    limited = errors.from_answer(answer(429, b"slow down", **{"Retry-After": "7"}))
    assert isinstance(limited, errors.RateLimited)
    assert limited.retry_after == 7
    assert str(limited) == "HTTP status 429"
    at = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "X-Request-ID": "r2"}
    gateway = errors.from_answer(answer(504, b"<html>", **at))
    assert isinstance(gateway, errors.Unavailable)
    assert (gateway.retry_after, gateway.request_id) == (None, "r2")
    assert isinstance(errors.from_answer(answer(418, {})), errors.InvalidInput)
    assert isinstance(errors.from_answer(answer(599, {})), errors.ServiceFailed)


def test_every_problem_of_the_service_has_an_exception() -> None:
    """By its code or by its status, the kind of error stays what it was."""
    for kind, said in ANSWERS.items():
        body = {"code": code(kind.reason), "detail": "x"}
        found = errors.from_answer(answer(said.status, body))
        by_status = errors.BY_STATUS.get(said.status, errors.ServiceFailed)
        assert issubclass(type(found), by_status), kind


def test_searches_say_what_is_set_and_no_more() -> None:
    assert search({}, text="tea") == {"text": "tea"}
    assert search({"limit": 3, "filter": None}, id=0) == {"limit": 3, "id": 0}
    assert recommend({}, [1], [], None) == {"recommend": {"positive": [1]}}
    inner: Any = {"prefetch": [{"vector": [1.0]}], "fusion": "rrf", "using": None}
    assert hybrid({"limit": 2}, [inner], "dbsf", None) == {
        "limit": 2,
        "prefetch": [{"prefetch": [{"vector": [1.0]}], "fusion": "rrf"}],
        "fusion": "dbsf",
    }


def test_fields_of_a_newer_service_are_passed_over() -> None:
    assert collection_info({"name": "a", "state": "green", "new": 1}).name == "a"


class Busy:
    """Counts who is in at the same time."""

    def __init__(self) -> None:
        self.now = self.most = self.done = 0
        self.lock = threading.Lock()

    def enter(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def leave(self) -> None:
        with self.lock:
            self.now -= 1
            self.done += 1


def test_never_more_threads_than_said() -> None:
    busy, met = Busy(), threading.Barrier(3)

    def call() -> None:
        busy.enter()
        met.wait(20)
        busy.leave()

    with Workers(3) as workers:
        for _ in range(9):
            workers.do(call)
    assert (busy.most, busy.done) == (3, 9)


@pytest.mark.anyio
async def test_never_more_tasks_than_said() -> None:
    busy = Busy()

    async def call() -> None:
        busy.enter()
        await asyncio.sleep(0)
        busy.leave()

    async with AsyncWorkers(3) as workers:
        for _ in range(9):
            await workers.do(call)
    assert (busy.most, busy.done) == (3, 9)


def fail() -> None:
    raise ValueError("one")


def test_the_first_error_ends_the_work_of_threads() -> None:
    begun: list[int] = []

    def work() -> None:
        with Workers(1) as workers:
            workers.do(fail)
            for n in range(100):
                workers.do(begun.append, n)

    with pytest.raises(ValueError, match="one"):
        work()
    assert begun == []


@pytest.mark.anyio
async def test_the_first_error_ends_the_work_of_tasks() -> None:
    async def failing() -> None:
        fail()

    async def work(more: int) -> None:
        async with AsyncWorkers(2) as workers:
            for _ in range(more):
                await workers.do(failing)

    for more in (1, 50):
        with pytest.raises(ValueError, match="one"):
            await work(more)


@pytest.mark.anyio
async def test_whoever_leaves_takes_the_tasks_along() -> None:
    async def work() -> None:
        async with AsyncWorkers(2) as workers:
            await workers.do(asyncio.sleep, 3600)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await work()


def test_the_twin_is_current() -> None:
    tool = [sys.executable, str(ROOT / "tools/blocking_client.py"), "--check"]
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_two_clients_have_the_same_calls() -> None:
    def calls(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    def renamed(names: set[str]) -> set[str]:
        return {name.replace("aclose", "close") for name in names}

    assert calls(Client) == renamed(calls(AsyncClient))
    for module, name in [("collection", "Collection"), ("keys", "Keys")]:
        sync = importlib.import_module(f"vectorplane.client.blocking.{module}")
        other = importlib.import_module(f"vectorplane.client.aio.{module}")
        assert calls(getattr(sync, name)) == calls(getattr(other, f"Async{name}"))


def test_the_client_imports_nothing_else_of_the_project() -> None:
    program = (
        "import sys, vectorplane.client;"
        "ours = {m for m in sys.modules if m.startswith('vectorplane')};"
        "left = ours - {m for m in ours if m.startswith('vectorplane.client')};"
        "sys.exit(repr(left - {'vectorplane'}) if left != {'vectorplane'} else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
