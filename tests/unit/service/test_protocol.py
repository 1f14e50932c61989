"""HTTP on a real socket: one write per answer, and no reset for a request on its way."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from vectorplane_service import protocol
from vectorplane_service.protocol import OneWrite, ServiceProtocol

pytestmark = pytest.mark.anyio

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"


class Held:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.started = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        self.started.set()
        await self.open.wait()
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"done"})


class Server(uvicorn.Server):
    @property
    def port(self) -> int:
        return int(self.servers[0].sockets[0].getsockname()[1])


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[Server]:
    config = uvicorn.Config(
        app, port=0, http=ServiceProtocol, lifespan="off", log_config=None, access_log=False
    )
    server = Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server
    finally:
        app.open.set()
        await asyncio.wait_for(server.shutdown(), 10)


async def connect(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.port)


async def until(condition: Any) -> None:
    """Turns of the loop until something is so; bounded."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_connection_serves_many_requests() -> None:
    app = Held()
    app.open.set()
    async with serving(app) as server:
        reader, writer = await connect(server)
        for _ in range(3):
            writer.write(REQUEST)
            answer = await reader.readuntil(b"done")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()


async def test_what_is_on_its_way_when_a_stop_begins_is_answered() -> None:
    """One in flight, one on a kept connection, one on a connection that is new."""
    app = Held()
    app.open.set()
    async with serving(app) as server:
        kept, fresh, flying = [await connect(server) for _ in range(3)]
        kept[1].write(REQUEST)
        await kept[0].readuntil(b"done")
        app.open.clear()
        app.started.clear()
        flying[1].write(REQUEST)
        await app.started.wait()
        await until(lambda: len(server.server_state.connections) == 3)
        stopping = asyncio.create_task(server.shutdown())
        await until(lambda: all(c.leaving or c.cycle for c in server.server_state.connections))
        kept[1].write(REQUEST)
        fresh[1].write(REQUEST)
        app.open.set()
        for reader, _ in (kept, fresh, flying):
            answer = await asyncio.wait_for(reader.read(), 5)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"done")
        await asyncio.wait_for(stopping, 5)
        for _, writer in (kept, fresh, flying):
            writer.close()


async def test_connections_with_nothing_to_say_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "FIRST_CALL_SECONDS", 0.01)
    monkeypatch.setattr(protocol, "LAST_CALL_SECONDS", 0.01)
    app = Held()
    app.open.set()
    async with serving(app) as server:
        fresh, kept, gone = [await connect(server) for _ in range(3)]
        kept[1].write(REQUEST)
        await kept[0].readuntil(b"done")
        await until(lambda: len(server.server_state.connections) == 3)
        gone[1].close()
        await asyncio.wait_for(server.shutdown(), 5)
        assert await fresh[0].read() == b""
        assert await kept[0].read() == b""
        fresh[1].close()
        kept[1].close()


class Transport:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.pieces: list[list[bytes]] = []
        self.closing = False

    def writelines(self, pieces: list[bytes]) -> None:
        self.pieces.append(pieces)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True


async def test_one_write_for_what_is_written_in_one_turn() -> None:
    inner: Any = Transport()
    transport = OneWrite(inner, asyncio.get_running_loop())
    transport.write(b"head")
    transport.write(b"body")
    assert inner.pieces == []
    await asyncio.sleep(0)
    transport.write(b"next")
    transport.close()
    await asyncio.sleep(0)
    assert inner.pieces == [[b"head", b"body"], [b"next"]]
    transport.write(b"too late")
    await asyncio.sleep(0)
    assert inner.pieces == [[b"head", b"body"], [b"next"]]
    assert transport.is_closing()


async def test_one_packet_per_answer() -> None:
    app = Held()
    app.open.set()
    async with serving(app) as server:
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.setblocking(False)
            for _ in range(5):
                await loop.sock_sendall(client, REQUEST)
                piece = await loop.sock_recv(client, 65536)
                assert piece.endswith(b"\r\n\r\ndone")
