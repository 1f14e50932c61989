"""Points to write as a stream of lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest
from starlette.types import Message

from support.serving import (
    ALL,
    API,
    TEXTS,
    add_collection,
    filled_store,
    place,
    running,
    serving,
    settings,
)
from support.writing import GOOD, LINES, POINTS, count, mixed_store, read
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.errors import StoreOverloaded
from vectorplane_service.app import create_app

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(await mixed_store()) as client:
        yield client


def lines(points: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(p).encode() + b"\n" for p in points)


async def test_a_stream_is_written_while_the_rest_is_still_coming() -> None:
    async with serving(max_batch_size=10) as client:
        seen = []

        async def body() -> AsyncIterator[bytes]:
            for start in range(0, 100, 10):
                yield lines({"id": start + i, **GOOD} for i in range(10))
                seen.append(await count(client))

        answer = await client.put(POINTS, content=body(), headers=LINES)
        assert answer.json() == {"status": "completed", "points": 100}
        assert await count(client) == 100
    # Each piece is in the store at the latest when the piece after the next one is sent.
    assert all(10 * i <= here for i, here in enumerate(seen)), seen


async def test_a_stream_has_no_limit_as_a_whole_and_may_be_cut_anywhere() -> None:
    async with serving(max_body_bytes=1024, max_batch_size=7) as client:
        whole = lines({"id": i, "payload": {"n": "é" * 20}, **GOOD} for i in range(200))
        whole = whole.replace(b"\n", b"\r\n\n").removesuffix(b"\r\n\n")
        assert len(whole) > 10_000

        async def body() -> AsyncIterator[bytes]:
            for at in range(0, len(whole), 37):
                yield whole[at : at + 37]

        answer = await client.put(
            POINTS, content=body(), headers={"Content-Type": "Application/X-NDJSON; charset=utf-8"}
        )
        assert answer.json() == {"status": "completed", "points": 200}
        declared = await client.put(POINTS, content=whole, headers=LINES)
        assert declared.status_code == 200
        assert await count(client) == 200
        assert (await read(client, 199))[0]["payload"] == {"n": "é" * 20}


@pytest.mark.parametrize(
    ("bad", "status", "where"),
    [
        (b'{"id": 3, "vector": [1, 2, 3]}', 422, "line 26: vector"),
        (b'{"id": 3, "vector": [1, 2, 3, "4"]}', 422, "line 26: vector[3]"),
        (b'{"id": 3, "vector": [1, 2, 3, NaN]}', 422, "line 26: vector[3]"),
        (b'{"id": "x", "vector": [1, 2, 3, 4]}', 422, "line 26: id"),
        (b'{"id": 3, "vector": [1, 2, 3, 4], "color": 1}', 422, "line 26: color"),
        (b'{"id": 3, "vector": [1, 2, 3, 4], "payload": 1}', 422, "line 26: payload"),
        (b'{"id": 3, "text": "no embedding"}', 422, "line 26: text"),
        (b'{"id": 3}', 422, "line 26"),
        (b"[]", 422, "line 26"),
        (b'{"id": 3, "vector"', 400, "line 26"),
        (b"\xff", 400, "line 26"),
        (b'{"id": 3, "vector": [' + b" " * 2048 + b"1,2,3,4]}", 413, "line 26"),
    ],
)
@pytest.mark.parametrize("piece", [4, 25, 1000])
async def test_what_is_before_a_mistake_is_written_and_the_line_is_said(
    bad: bytes, status: int, where: str, piece: int
) -> None:
    before = lines({"id": 100 + i, **GOOD} for i in range(24)) + b"\n"
    after = lines({"id": 900 + i, **GOOD} for i in range(50))
    async with serving(max_batch_size=piece, max_line_bytes=1024) as client:
        for content in (before + bad + b"\n" + after, before + bad):
            answer = await client.put(POINTS, content=content, headers=LINES)
            assert (answer.status_code, place(answer)) == (status, where), answer.text
            assert answer.json()["written"] == 24
            assert await count(client) == 24
            assert await read(client, 900) == []


async def test_texts_in_a_stream(client: httpx.AsyncClient) -> None:
    sent = lines([{"id": 1, "text": "tea"}, {"id": 2, **GOOD}, {"id": 3, "text": "cup"}])
    answer = await client.put(f"{TEXTS}/points", content=sent, headers=LINES)
    assert answer.json()["points"] == 3
    assert (await read(client, 3, url=TEXTS))[0]["payload"] == {"text": "cup"}


@pytest.mark.parametrize("body", [b"", b"\n\n", b" \n"])
async def test_an_empty_stream(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.put(POINTS, content=body, headers=LINES)
    assert (answer.status_code, place(answer)) == (422, "body")


async def test_lines_at_the_flat_path(client: httpx.AsyncClient) -> None:
    url, sent = f"{API}/vectors/store", lines([{"id": 1, **GOOD}])
    answer = await client.post(
        url, content=sent, headers=LINES, params={"collection": "shop.products", "wait": "false"}
    )
    assert answer.json() == {"status": "accepted", "points": 1}
    for params, status in (({}, 422), ({"collection": "shop.none"}, 404)):
        answer = await client.post(url, content=sent, headers=LINES, params=params)
        assert (answer.status_code, place(answer)) == (status, "collection")


class Tired(MemoryStore):
    """A store that takes so many writes, and then no more."""

    writes = 2

    async def upsert(self, *arguments: Any, **words: Any) -> None:
        if not self.writes:
            raise StoreOverloaded("tired", retry_after=3)
        self.writes -= 1
        await super().upsert(*arguments, **words)


async def test_a_store_that_fails_in_the_middle_of_a_stream() -> None:
    store = Tired()
    await add_collection(store, "shop.products")
    async with serving(store, max_batch_size=5) as client:
        sent = lines({"id": i, **GOOD} for i in range(30))
        answer = await client.put(POINTS, content=sent, headers=LINES)
        assert (answer.status_code, answer.json()["written"]) == (503, 10)
        assert answer.headers["retry-after"] == "3"
        assert await count(client) == 10


async def test_a_client_that_goes_away_in_the_middle_of_a_stream() -> None:
    """Whole pieces are written, and half a line is never taken for a line."""
    app = create_app(settings(max_batch_size=2), points=await filled_store())
    async with running(app) as client:
        sent = lines({"id": i, **GOOD} for i in range(5)) + b'{"id": 6, "vector": [1, 0, 0, 0]}'
        messages: list[Message] = [
            {"type": "http.request", "body": sent, "more_body": True},
            {"type": "http.disconnect"},
        ]

        async def receive() -> Message:
            return messages.pop(0)

        async def send(message: Message) -> None:
            raise AssertionError("nobody is there to be answered")

        headers = [(b"x-api-key", ALL["X-API-Key"].encode())]
        headers += [(k.lower().encode(), v.encode()) for k, v in LINES.items()]
        scope = {
            "type": "http",
            "method": "PUT",
            "path": POINTS,
            "raw_path": POINTS.encode(),
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
        }
        await asyncio.wait_for(app(scope, receive, send), 30)
        assert await count(client) == 4
