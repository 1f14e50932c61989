"""Clients that take too long to say what they want, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from support.serving import ALL, PRODUCTS, WordEmbedder, filled_store, settings
from vectorplane_service.app import create_app
from vectorplane_service.edge.patience import PatientProtocol

pytestmark = pytest.mark.anyio

HEAD = f"POST {PRODUCTS}/search HTTP/1.1\r\nHost: x\r\nX-API-Key: {ALL['X-API-Key']}\r\n"
BODY = '{"vector": [1, 2, 3, 4]}'
WHOLE = f"{HEAD}Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(read_timeout: float) -> AsyncIterator[Streams]:
    app = create_app(
        settings(read_timeout_seconds=read_timeout),
        points=await filled_store(),
        embedders={("test", "words"): WordEmbedder},
    )
    config = uvicorn.Config(
        app,
        port=0,
        http=PatientProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.lifespan.startup()
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(30):
            yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()
        await asyncio.wait_for(server.shutdown(), 10)


async def status(reader: asyncio.StreamReader) -> int:
    """The status of one answer, read to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    await reader.readexactly(length)
    return int(head.split()[1])


async def test_who_connects_and_says_nothing() -> None:
    async with connected(0.1) as (reader, _):
        assert await reader.read() == b""


@pytest.mark.parametrize("said", ["P", HEAD, WHOLE[:-5]])
async def test_who_stops_in_the_middle(said: str) -> None:
    async with connected(0.1) as (reader, writer):
        writer.write(said.encode())
        assert await status(reader) == 408
        assert await reader.read() == b""


async def test_who_stops_in_a_head_that_drips() -> None:
    async with connected(0.2) as (reader, writer):
        dripping = asyncio.create_task(drip(writer, HEAD))
        assert await status(reader) == 408
        dripping.cancel()


async def drip(writer: asyncio.StreamWriter, text: str) -> None:
    for letter in text:
        writer.write(letter.encode())
        await asyncio.sleep(0.02)


async def test_who_stops_in_a_large_body() -> None:
    async with connected(0.1) as (reader, writer):
        head = f"{HEAD}Content-Type: application/json\r\nContent-Length: 9000000\r\n\r\n"
        writer.write(head.encode() + b"[" * 1000)
        assert await status(reader) == 408


async def test_who_rests_between_two_requests_is_left_alone() -> None:
    async with connected(2.0) as (reader, writer):
        for _ in range(2):
            writer.write(WHOLE.encode())
            assert await status(reader) == 200
            await asyncio.sleep(2.2)
        # In two parts, each in time.
        writer.write(WHOLE[:50].encode())
        await asyncio.sleep(0.02)
        writer.write(WHOLE[50:].encode())
        assert await status(reader) == 200
