"""The lean connection to Qdrant: what it keeps, what it makes again, and that answers never mix."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.certificates import make_certificates
from vectorplane.adapters.vectors.qdrant_server.wire import Wire
from vectorplane.errors import StoreFailed, StoreTimeout, StoreUnreachable

pytestmark = pytest.mark.anyio

Reply = Callable[["Server", int, int, bytes, asyncio.StreamWriter], Awaitable[bool]]
"""Answers a request: server, number of the connection, number of the request on it, body. False
ends the connection."""


def said(content: Any, *headers: str) -> bytes:
    body = json.dumps({"result": content}).encode()
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def echo(
    server: Server, connection: int, request: int, body: bytes, writer: asyncio.StreamWriter
) -> bool:
    writer.write(said([connection, request, json.loads(body or b"null")]))
    return True


@dataclass
class Server:
    reply: Reply
    connections: int = 0
    heads: list[str] = field(default_factory=list)
    ended: list[asyncio.Event] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, request = self.connections, 0
        self.connections += 1
        self.ended.append(asyncio.Event())
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                length = int(head.lower().partition("content-length:")[2].split("\r\n")[0])
                body = await reader.readexactly(length)
                if not await self.reply(self, number, request, body, writer):
                    return
                request += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.ended[number].set()


@asynccontextmanager
async def wire(
    reply: Reply = echo, *, timeout: float = 20.0, path: str = "", tls: Path | None = None
) -> AsyncIterator[tuple[Wire, Server]]:
    server = Server(reply)
    context = None
    if tls is not None:
        made = make_certificates(tls)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(made.certificate, made.key)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context) as listening:
        port = listening.sockets[0].getsockname()[1]
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}{path}"
        client = Wire(url, "a-key", timeout, str(tls / "ca.pem") if tls else True, "test/1")
        yield client, server
        await client.close()


async def test_calls_after_each_other_share_a_connection() -> None:
    async with wire(path="/qdrant") as (client, server):
        found = [await client.call("POST", "/x", {"n": n}, {"wait": "true"}) for n in range(5)]

    assert found == [[0, n, {"n": n}] for n in range(5)]
    head = server.heads[0].lower()
    assert head.startswith("post /qdrant/x?wait=true http/1.1\r\n")
    assert "api-key: a-key\r\n" in head
    assert "accept-encoding: identity\r\n" in head


async def test_calls_at_the_same_time_never_mix() -> None:
    async def slow(server: Server, c: int, r: int, body: bytes, writer: Any) -> bool:
        await asyncio.sleep(json.loads(body) % 7 / 500)
        return await echo(server, c, r, body, writer)

    async with wire(slow) as (client, server):
        for _ in range(3):
            found = await asyncio.gather(*(client.call("POST", "/x", n) for n in range(50)))
            assert [answer[2] for answer in found] == list(range(50))

    assert server.connections <= 50


async def test_a_connection_that_the_server_closed_is_not_used() -> None:
    async def once(server: Server, c: int, r: int, body: bytes, writer: Any) -> bool:
        await echo(server, c, r, body, writer)
        return False

    async with wire(once) as (client, server):
        for n in range(10):
            assert (await client.call("POST", "/x", n))[2] == n

    assert server.connections == 10


async def test_a_kept_connection_that_ends_at_the_request_is_replaced() -> None:
    async def second_ends(server: Server, c: int, r: int, body: bytes, writer: Any) -> bool:
        return r == 0 and await echo(server, c, r, body, writer)

    async with wire(second_ends) as (client, server):
        for n in range(4):
            assert (await client.call("POST", "/x", n))[2] == n

    assert server.connections == 4


async def test_a_new_connection_without_an_answer_is_an_error() -> None:
    async def never(server: Server, c: int, r: int, body: bytes, writer: Any) -> bool:
        return False

    async with wire(never) as (client, server):
        with pytest.raises(StoreUnreachable, match="closed the connection"):
            await client.call("POST", "/x", 1)

    assert server.connections == 1


async def test_half_an_answer_is_an_error_and_not_asked_for_again() -> None:
    async def half(server: Server, c: int, r: int, body: bytes, writer: Any) -> bool:
        if r == 0:
            return await echo(server, c, r, body, writer)
        writer.write(said("long")[:-3])
        await writer.drain()
        return False

    async with wire(half) as (client, server):
        await client.call("POST", "/x", 1)
        with pytest.raises(StoreUnreachable):
            await client.call("POST", "/x", 2)

    assert len(server.heads) == 2


async def test_answers_in_pieces_in_chunks_and_the_last_one() -> None:
    async def odd(server: Server, c: int, r: int, body: bytes, writer: Any) -> bool:
        n = json.loads(body)
        if n == 0:
            for byte in said(n):
                writer.write(bytes((byte,)))
                await writer.drain()
        elif n == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(b'9\r\n{"result"\r\n3\r\n:1}\r\n0\r\n\r\n')
        else:
            writer.write(said(n, "Connection: close"))
        return True

    async with wire(odd) as (client, server):
        assert [await client.call("POST", "/x", n) for n in (0, 1, 2, 0)] == [0, 1, 2, 0]

    assert server.connections == 2


async def test_what_is_no_http_is_an_error() -> None:
    async def odd(server: Server, c: int, r: int, body: bytes, writer: Any) -> bool:
        writer.write(b"220 welcome\r\n")
        return True

    async with wire(odd) as (client, _):
        with pytest.raises(StoreFailed, match="no HTTP"):
            await client.call("POST", "/x", 1)


async def test_an_answer_that_comes_too_late_is_nobodys() -> None:
    late = asyncio.Event()

    async def first_is_late(server: Server, c: int, r: int, body: bytes, writer: Any) -> bool:
        if json.loads(body) == 1:
            await late.wait()
        return await echo(server, c, r, body, writer)

    async with wire(first_is_late, timeout=2.0) as (client, server):
        with pytest.raises(StoreTimeout):
            await client.call("POST", "/x", 1)
        late.set()
        assert (await client.call("POST", "/x", 2))[2] == 2

    assert server.connections == 2


async def test_a_caller_who_goes_takes_the_connection_along() -> None:
    asked, let = asyncio.Event(), asyncio.Event()

    async def held(server: Server, c: int, r: int, body: bytes, writer: Any) -> bool:
        asked.set()
        if json.loads(body) == 1:
            await let.wait()
        return await echo(server, c, r, body, writer)

    async with wire(held) as (client, server):
        going = asyncio.create_task(client.call("POST", "/x", 1))
        await asked.wait()
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        let.set()
        assert (await client.call("POST", "/x", 2))[2] == 2

    assert server.connections == 2


async def test_a_closed_client_lets_its_connections_go() -> None:
    async with wire() as (client, server):
        await client.call("POST", "/x", 1)
        await client.close()
        await asyncio.wait_for(server.ended[0].wait(), 20)
        with pytest.raises(StoreUnreachable):
            await client.call("POST", "/x", 1)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl for certificates")
async def test_tls(tmp_path: Path) -> None:
    async with wire(tls=tmp_path) as (client, server):
        assert [(await client.call("POST", "/x", n))[2] for n in range(3)] == [0, 1, 2]
        stranger = Wire(client.url, None, 20.0, True, "test/1")
        with pytest.raises(StoreUnreachable, match="TLS failed, its certificate is not trusted"):
            await stranger.call("POST", "/x", 1)
        blind = Wire(client.url, None, 20.0, False, "test/1")
        assert (await blind.call("POST", "/x", 7))[2] == 7
        await blind.close()

    assert len(server.heads) == 4
