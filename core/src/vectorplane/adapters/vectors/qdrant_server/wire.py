"""HTTP/1.1 to one Qdrant server, as thin as it can be: the way of every search.

httpx takes about 0.4 ms of CPU for a call, more than all else that the service does for a search;
this takes a tenth of that. It does what a client of a store needs and no more: kept connections,
one request at a time on each, one write per request, a time limit, TLS. Everything rare about HTTP
is httptools'.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import SplitResult, urlencode, urlsplit

import httptools

from vectorplane import tracing
from vectorplane.adapters.connections import place_of
from vectorplane.adapters.vectors.qdrant_server.rest import (
    KEEPALIVE_SECONDS,
    answered,
    check_url,
    encoded,
    error_said,
    no_connection,
    status_error,
    tls,
)
from vectorplane.errors import StoreFailed, StoreTimeout, StoreUnreachable

MOST_IDLE = 64
"""Connections that are kept while nobody uses them."""
MOST_BYTES = 1 << 30
"""An answer beyond it is no answer."""


@dataclass(slots=True)
class Said:
    """One answer: its status, its body, and its Retry-After."""

    status: int
    body: bytes
    retry_after: str | None = None


class _Lost(Exception):
    """The connection ended. `begun` where something of the answer had come."""

    def __init__(self, begun: bool) -> None:
        super().__init__("connection lost")
        self.begun = begun


class _Connection(asyncio.Protocol):
    """One connection, with at most one request under way."""

    def __init__(self) -> None:
        self.alive = False
        self.idle_since = 0.0
        self.used = False
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._answer: asyncio.Future[Said] | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._retry_after: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.alive = True

    def send(self, request: bytes, answer: asyncio.Future[Said]) -> None:
        assert self._transport is not None
        self._answer = answer
        self._parser = httptools.HttpResponseParser(self)
        self._body, self._size, self._retry_after = [], 0, None
        self._transport.write(request)

    def close(self) -> None:
        self.alive = False
        if self._transport is not None:
            self._transport.abort()

    # What asyncio says

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail(StoreFailed("an answer that is no HTTP"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive = False
        self._fail(_Lost(begun=bool(self._size or self._body)))

    # What httptools says

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._size += len(body)
        if self._size > MOST_BYTES:
            self._fail(StoreFailed("an answer of more than a gigabyte"))
            self.close()

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.alive = False
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            answer.set_result(Said(self._parser.get_status_code(), body, self._retry_after))
        if not self.alive:
            self.close()

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)


@dataclass(slots=True)
class Wire:
    """`Rest` for points: the same calls, errors and words. Made inside or outside of a loop, used
    in one."""

    url: str
    api_key: str | None
    timeout: float
    verify: bool | str | ssl.SSLContext
    agent: str
    place: str = field(init=False)
    _parts: SplitResult = field(init=False)
    _head: str = field(init=False)
    _idle: list[_Connection] = field(default_factory=list)
    _tls: ssl.SSLContext | None = None
    _closed: bool = False

    def __post_init__(self) -> None:
        self._parts = urlsplit(check_url(self.url))
        self.place = place_of(self.url)
        host = self.place.partition("://")[2]
        lines = [f"host: {host}", f"user-agent: {self.agent}", "accept-encoding: identity"]
        if self.api_key:
            if not self.api_key.isascii() or not self.api_key.isprintable():
                raise StoreFailed("the API key holds characters that no header can carry")
            lines.append(f"api-key: {self.api_key}")
        lines.append("content-type: application/json")
        self._head = "\r\n".join(lines)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str | int | bool] | None = None,
    ) -> Any:
        """The `result` of an answer. `path` is quoted already; `body` is an object, or bytes that
        are JSON already."""
        content = b"" if body is None else encoded(body)
        target = self._parts.path + path + (f"?{urlencode(params)}" if params else "")
        trace = tracing.headers()
        more = "".join(f"{n}: {v}\r\n" for n, v in trace.items()) if trace else ""
        head = (
            f"{method} {target} HTTP/1.1\r\n{self._head}\r\n{more}"
            f"content-length: {len(content)}\r\n\r\n"
        )
        said = await self._exchange(head.encode("latin-1") + content)
        if said.status >= 300:
            raise status_error(said.status, error_said(said.body), self.place, said.retry_after)
        return answered(path, said.body, self)

    async def close(self) -> None:
        self._closed = True
        self._drop_idle()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def _exchange(self, request: bytes) -> Said:
        """One request and its answer. A kept connection that the server closes at that moment is
        replaced, once: every call of ours can be repeated."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Said] = loop.create_future()
        connection = self._kept() or await self._connect(loop)
        again = connection.used
        timer = loop.call_later(self.timeout, _expire, answer)
        try:
            connection.used = True
            connection.send(request, answer)
            said = await answer
        except _Lost as error:
            if again and not error.begun:
                self._drop_idle()  # they are as old
                return await self._exchange(request)
            raise StoreUnreachable(f"{self.place} closed the connection") from error
        except StoreFailed as error:
            raise StoreFailed(f"{self.place} sent {error.message}") from error
        except TimeoutError as error:
            connection.close()
            raise StoreTimeout(f"{self.place} gave no answer in time") from error
        except asyncio.CancelledError:
            connection.close()  # its answer would be the next one's
            raise
        finally:
            timer.cancel()
        self._keep(connection)
        return said

    def _kept(self) -> _Connection | None:
        oldest = time.monotonic() - KEEPALIVE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.alive and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    def _keep(self, connection: _Connection) -> None:
        if connection.alive and not self._closed and len(self._idle) < MOST_IDLE:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        if self._closed:
            raise StoreUnreachable(f"{self.place}: this client is closed")
        secure = self._parts.scheme == "https"
        if secure and self._tls is None:
            self._tls = _context(tls(self.url, self.verify))
        try:
            async with asyncio.timeout(self.timeout):
                _, connection = await loop.create_connection(
                    _Connection,
                    self._parts.hostname or "",
                    self._parts.port or (443 if secure else 80),
                    ssl=self._tls,
                )
        except TimeoutError as error:
            raise StoreTimeout(f"{self.place} gave no answer in time") from error
        except OSError as error:
            raise no_connection(error, self.place) from error
        return connection


def _context(verify: bool | ssl.SSLContext) -> ssl.SSLContext:
    """What asyncio takes, of what httpx takes for `verify`."""
    if isinstance(verify, ssl.SSLContext):
        return verify
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _expire(answer: asyncio.Future[Said]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
