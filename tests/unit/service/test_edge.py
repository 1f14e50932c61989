"""What stands before the endpoints: shedding, time limits, headers, CORS, compression."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from support.serving import PRODUCTS, filled_store, serving
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.ports.vectors import Found, Search
from vectorplane_service.edge.shedding import LEAST, SLOT_SECONDS, Shedding
from vectorplane_service.edge.watch import SLOWEST, Times
from vectorplane_service.metrics import Metrics
from vectorplane_service.middleware import CLIENT_GONE, RequestMiddleware

pytestmark = pytest.mark.anyio

SEARCH = {"vector": [1, 2, 3, 4]}
PAGE = "https://app.example.com"


class GatedStore(MemoryStore):
    """Its searches wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.held = 0
        self.go = asyncio.Event()

    async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
        self.held += 1
        await self.go.wait()
        return await super().search(collection, searches)


@asynccontextmanager
async def gated(**changes: Any) -> AsyncIterator[tuple[httpx.AsyncClient, GatedStore]]:
    store = GatedStore()
    store.__dict__.update({**(await filled_store()).__dict__, "held": 0, "go": store.go})
    async with serving(store, **changes) as client:
        yield client, store


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not check():
            await asyncio.sleep(0.001)


# Shedding


async def test_more_than_a_worker_takes_are_told_to_come_again() -> None:
    async with gated(max_inflight_requests=3) as (client, store):
        held = [
            asyncio.create_task(client.post(f"{PRODUCTS}/search", json=SEARCH)) for _ in range(3)
        ]
        await until(lambda: store.held == 3)
        refused = await client.get(PRODUCTS)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        # Who asks whether it lives, or how it does, is told.
        for path in ("/health/live", "/health/ready", "/api/v1/health", "/metrics"):
            assert (await client.get(path)).status_code == 200
        assert "vectorplane_shed_requests_total 1.0" in (await client.get("/metrics")).text
        store.go.set()
        assert [(await task).status_code for task in held] == [200] * 3
        assert (await client.get(PRODUCTS)).status_code == 200


def served(shedding: Shedding, number: int, seconds: float, status: int = 200) -> None:
    for _ in range(number):
        shedding.inflight += 1
        shedding.done(seconds, status)


def test_where_all_wait_too_long_only_as_many_are_taken_as_can_be_served() -> None:
    now = 0.0
    shedding = Shedding(1000, queue_seconds=2, clock=lambda: now)
    assert shedding.most == 1000
    now += SLOT_SECONDS
    served(shedding, 64, 3.0)  # the first one ends the slot, and was alone in it
    assert shedding.most == LEAST
    now += SLOT_SECONDS
    served(shedding, 1, 3.0)
    assert shedding.most == 64 / SLOT_SECONDS * 2
    shedding.inflight = shedding.most
    assert shedding.refusal().retry_after == 2
    shedding.inflight = 0
    served(shedding, 62, 0.001, status=404)  # to refuse is fast in any queue
    now += SLOT_SECONDS
    served(shedding, 1, 3.0)
    assert shedding.most == 64 / SLOT_SECONDS * 2 - 4
    served(shedding, 1, 0.001)  # the queue is gone
    now += SLOT_SECONDS
    served(shedding, 16, 3.0)
    assert shedding.most == 1000
    assert shedding.inflight == 0


def test_one_slow_request_is_no_queue() -> None:
    now = 0.0
    shedding = Shedding(1000, queue_seconds=2, clock=lambda: now)
    for _ in range(5):
        now += SLOT_SECONDS
        served(shedding, 31, 0.01)
        served(shedding, 1, 60.0)
    assert shedding.most == 1000


# Time limits


async def call(
    app: Callable[[Scope, Receive, Send], Awaitable[None]],
    pieces: Sequence[tuple[float, bytes]],
    *,
    times: Times,
    headers: dict[str, str] | None = None,
) -> list[Message]:
    """Everything that was sent, to a client that sends its body so: seconds of waiting, bytes. It
    never says that this was all, unless the last piece is empty."""
    sent: list[Message] = []
    coming = iter(pieces)

    async def receive() -> Message:
        wait, body = next(coming, (1000.0, b""))
        await asyncio.sleep(wait)
        return {"type": "http.request", "body": body, "more_body": bool(body)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "PUT",
        "path": "/",
        "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
    }
    layer = RequestMiddleware(app, max_body_bytes=1 << 30, metrics=Metrics(), times=times)
    async with asyncio.timeout(30):
        await layer(scope, receive, send)
    return sent


async def reads(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        pass
    await asyncio.sleep(1000)


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    sent = await call(hangs, [(0, b"")], times=Times(read=10, request=0.1))
    assert sent[0]["status"] == 504
    assert b"request_timeout" in sent[1]["body"]


async def test_a_client_that_stops_in_its_body_is_cut_off() -> None:
    sent = await call(reads, [(0, b"half")], times=Times(read=0.1, request=10))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert b"client_too_slow" in sent[1]["body"]


async def test_a_client_that_goes_on_is_not() -> None:
    pieces = [*[(0.1, b"x")] * 24, (0.0, b"")]
    sent = await call(reads, pieces, times=Times(read=2, request=30))
    assert sent[0]["status"] == 200


async def test_a_body_in_drops_ends_somewhen() -> None:
    """Each drop comes in time; all of them would take for ever."""
    sent = await call(reads, [(0.01, b"x")] * 10_000, times=Times(read=5, request=0.2))
    assert sent[0]["status"] == 504


async def test_a_large_body_gets_the_time_that_it_needs() -> None:
    piece = b"x" * SLOWEST
    pieces = [*[(0.4, piece)] * 8, (0.0, b"")]
    sent = await call(reads, pieces, times=Times(read=5, request=2.5))
    assert sent[0]["status"] == 200


async def test_a_stream_of_lines_goes_on_for_as_long_as_it_goes_on() -> None:
    lines = {"content-type": "application/x-ndjson"}
    times = Times(read=5, request=2)
    sent = await call(reads, [*[(0.2, b"{}")] * 12, (0.0, b"")], times=times, headers=lines)
    assert sent[0]["status"] == 200
    times = Times(read=5, request=0.2)
    sent = await call(hangs, [(0.05, b"{}"), (0.0, b"")], times=times, headers=lines)
    assert sent[0]["status"] == 504


async def test_an_answer_that_has_begun_is_left_alone() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.3)
        await send({"type": "http.response.body", "body": b"done"})

    sent = await call(slow, [], times=Times(read=0.1, request=0.1))
    assert [message.get("body") for message in sent] == [None, b"done"]


async def test_a_cancellation_by_others_passes() -> None:
    async def cancelled(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await call(cancelled, [], times=Times(read=5, request=5))


async def test_a_timeout_is_counted_and_frees_its_place() -> None:
    async with gated(request_timeout_seconds=0.1, max_inflight_requests=1) as (client, store):
        for _ in range(2):
            answer = await client.post(f"{PRODUCTS}/search", json=SEARCH)
            assert answer.status_code == 504
            assert answer.headers["retry-after"]
        assert store.held == 2
        route = "/api/v1/collections/{collection}/search"
        line = f'vectorplane_http_requests_total{{method="POST",route="{route}",status="504"}} 2.0'
        assert line in (await client.get("/metrics")).text.splitlines()
    assert CLIENT_GONE == 499


# Headers


async def test_answers_are_not_guessed_at_and_not_kept() -> None:
    async with serving() as client:
        for path in (PRODUCTS, "/nothing", "/health/live"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert "strict-transport-security" not in headers
            assert "access-control-allow-origin" not in headers
            assert "x-cache" not in headers
    async with serving(hsts_max_age_seconds=60) as client:
        headers = (await client.get(PRODUCTS)).headers
        assert headers["strict-transport-security"] == "max-age=60; includeSubDomains"


@pytest.mark.parametrize("path", ["/docs", "/api/v1/docs"])
async def test_the_page_of_the_documentation_may_run_just_what_it_runs(path: str) -> None:
    async with serving() as client:
        page = await client.get(path)
    policy = dict(
        part.split(" ", 1) for part in page.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page.text, re.DOTALL)
    assert len(scripts) == 2
    for attributes, content in scripts:
        if content.strip():
            hashed = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert f"'sha256-{hashed}'" in policy["script-src"]
        else:
            assert 'src="https://cdn.jsdelivr.net/' in attributes
    assert "'unsafe-inline'" not in policy["script-src"]
    hosts = set(re.findall(r'(?:href|src)="(https://[^/]+)', page.text))
    assert hosts <= {"https://cdn.jsdelivr.net", "https://fastapi.tiangolo.com"}


# Pages of others


async def test_a_page_that_may_call() -> None:
    async with serving(cors_origins=PAGE, max_body_bytes=1024) as client:
        asked = {
            "Origin": PAGE,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "x-api-key,content-type,idempotency-key",
        }
        preflight = await client.options(f"{PRODUCTS}/points", headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == PAGE
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-max-age"] == "600"
        # What it was refused for is for the page to read, too.
        for status, answer in (
            (200, await client.get(PRODUCTS, headers={"Origin": PAGE})),
            (413, await client.put(f"{PRODUCTS}/points", content=b"x" * 2000, headers=asked)),
            (404, await client.get("/nothing", headers={"Origin": PAGE})),
        ):
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == PAGE
            shown = answer.headers["access-control-expose-headers"].lower()
            assert {"x-request-id", "retry-after", "ratelimit"} <= set(shown.split(", "))
        assert "access-control-allow-credentials" not in answer.headers


async def test_a_page_that_may_not() -> None:
    async with serving(cors_origins=PAGE) as client:
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
        assert (await client.options(PRODUCTS, headers=headers)).status_code == 400
        answer = await client.get(PRODUCTS, headers=headers)
        assert answer.headers.get("access-control-allow-origin") != headers["Origin"]


async def test_without_origins_there_is_no_preflight() -> None:
    async with serving() as client:
        headers = {"Origin": PAGE, "Access-Control-Request-Method": "PUT"}
        assert (await client.options(PRODUCTS, headers=headers)).status_code == 405


# Compression


@pytest.mark.parametrize(
    ("enabled", "asked", "path", "compressed"),
    [
        (True, "gzip", "/openapi.json", True),
        (True, "br, gzip;q=0.5", "/openapi.json", True),
        (True, "identity", "/openapi.json", False),
        (True, "gzip", "/health/live", False),
        (False, "gzip", "/openapi.json", False),
    ],
)
async def test_compression(enabled: bool, asked: str, path: str, compressed: bool) -> None:
    async with serving(compression_enabled=enabled) as client:
        answer = await client.get(path, headers={"Accept-Encoding": asked})
    assert answer.headers.get("content-encoding") == ("gzip" if compressed else None)
    assert answer.json()
    if compressed:
        assert "accept-encoding" in answer.headers["vary"].lower()
