"""Calls of Qdrant's REST interface, with every failure told as one of ours.

Messages name the store by scheme, host and port alone: a URL may carry a user and a password, and a
key stands in a header that no message repeats.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import orjson

from vectorplane.adapters.connections import broken_by, place_of
from vectorplane.errors import (
    Conflict,
    NotFound,
    StoreFailed,
    StoreOverloaded,
    StoreRejected,
    StoreTimeout,
    StoreUnauthorized,
    StoreUnreachable,
    VectorplaneError,
)
from vectorplane.ports.vectors import SentVector

MAX_SHOWN = 300
REFUSES = " refuses the request"
KEEPALIVE_SECONDS = 3.0
"""Qdrant closes an idle connection after five; a request must not meet that moment."""


def check_url(url: str) -> str:
    """A URL that a store can have. Raises `StoreRejected`."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise StoreRejected("a store's URL has a port between 0 and 65535") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StoreRejected("a store's URL is like http://qdrant:6333")
    return url.rstrip("/")


def status_error(
    status: int, message: str, place: str, retry_after: str | None = None
) -> VectorplaneError:
    """The error that an answer's status means."""
    said = f": {message[:MAX_SHOWN]}" if message else ""
    if status in (401, 403):
        return StoreUnauthorized(f"{place} refuses the API key (HTTP {status})")
    if status in (429, 503):
        return StoreOverloaded(f"{place} is overloaded{said}", retry_after=seconds(retry_after))
    if status == 404:
        return NotFound(message[:MAX_SHOWN] or f"{place} does not have it")
    if status == 409:
        return Conflict(message[:MAX_SHOWN] or "it exists already")
    if status in (408, 504):
        return StoreTimeout(f"{place} gave no answer in time{said}")
    if status in (400, 413, 422):
        return StoreRejected(f"{place}{REFUSES}{said}")
    return StoreFailed(f"{place} answered HTTP {status}{said}")


def transport_error(error: Exception, place: str) -> VectorplaneError:
    """The error that a broken or missing connection means."""
    if isinstance(error, httpx.TimeoutException):
        return StoreTimeout(f"{place} gave no answer in time")
    if isinstance(error, httpx.RemoteProtocolError):
        return StoreUnreachable(f"{place} closed the connection")
    if isinstance(error, httpx.ConnectError | httpx.NetworkError):
        return no_connection(error, place)
    return StoreFailed(f"{place}: {type(error).__name__}")


def no_connection(error: Exception, place: str) -> StoreUnreachable:
    """The error that a connection means that does not come about."""
    return StoreUnreachable(f"{place} cannot be reached{_cause(error)}")


def without_place(message: str) -> str:
    """What a store said of a request, for a caller who need not know where the store is."""
    return message.partition(REFUSES)[2].removeprefix(": ") or "the store refuses the request"


def seconds(header: str | None) -> float | None:
    """A Retry-After in seconds; its form as a date is left out of account."""
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None


def tls(url: str, verify: bool | str | ssl.SSLContext) -> bool | ssl.SSLContext:
    """What httpx takes for `verify`."""
    if not url.startswith("https"):
        return False  # no certificates are loaded for nothing
    return ssl.create_default_context(cafile=verify) if isinstance(verify, str) else verify


def _cause(error: BaseException) -> str:
    match broken_by(error):
        case ssl.SSLCertVerificationError(verify_message=why):
            return f": TLS failed, its certificate is not trusted ({why})"
        case ssl.SSLError():
            return ": TLS failed"
        case ConnectionRefusedError():
            return ": connection refused"
    return ""


class Rest:
    """One pool of connections to one store."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        timeout: float,
        verify: bool | str | ssl.SSLContext,
        *,
        agent: str,
    ) -> None:
        self.place = place_of(check_url(url))
        headers = {
            "user-agent": agent,
            # Compressed, Qdrant answers in two writes, and the second one waits 40 ms for the
            # acknowledgement of the first (Nagle's algorithm against delayed acknowledgement).
            "accept-encoding": "identity",
            "content-type": "application/json",
        } | ({"api-key": api_key} if api_key else {})
        self._client = httpx.AsyncClient(
            base_url=check_url(url),
            headers=headers,
            timeout=timeout,
            verify=tls(url, verify),
            limits=httpx.Limits(keepalive_expiry=KEEPALIVE_SECONDS),
        )

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str | int | bool] | None = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """The `result` of an answer. `path` is quoted already; `timeout` in seconds, where this
        call may take longer than others."""
        said = await self.said(method, path, body, params, timeout=timeout)
        return answered(path, said, self)

    async def said(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str | int | bool] | None = None,
        *,
        timeout: float | None = None,
    ) -> bytes:
        """The same as it came: for an answer that is too large to be read as a whole."""
        try:
            content = None if body is None else encoded(body)
            # Streamed, for a response keeps what it has read until the garbage collector comes.
            async with self._client.stream(
                method,
                path,
                content=content,
                params=params,
                timeout=self._client.timeout if timeout is None else timeout,
            ) as response:
                said = b"".join([piece async for piece in response.aiter_raw()])
        except (httpx.HTTPError, OSError, httpx.InvalidURL) as error:
            raise transport_error(error, self.place) from error
        if response.status_code >= 300:
            raise status_error(
                response.status_code,
                error_said(said),
                self.place,
                response.headers.get("retry-after"),
            )
        return said

    async def close(self) -> None:
        await self._client.aclose()


_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_SUBCLASS


def _as_it_came(value: Any) -> orjson.Fragment:
    if type(value) is SentVector:
        return orjson.Fragment(value.json)
    raise TypeError


class Placed(Protocol):
    """Something with a store's address, for messages."""

    @property
    def place(self) -> str: ...


def answered(path: str, said: bytes, at: Placed) -> Any:
    """The `result` of an answer; all of it for the path `/`."""
    try:
        answer = orjson.loads(said)
    except ValueError as error:
        raise StoreFailed(f"{at.place} answered something that is no JSON") from error
    if path == "/":
        return answer
    if not isinstance(answer, dict) or "result" not in answer:
        raise StoreFailed(f"{at.place} answered something that Qdrant does not say")
    return answer["result"]


def encoded(body: Any) -> bytes:
    """A body as JSON; arrays of numbers go in as they are."""
    if isinstance(body, bytes):
        return body
    try:
        return orjson.dumps(body, default=_as_it_came, option=_OPTIONS)
    except TypeError:  # an integer of more than 64 bits: Qdrant reads it as a float
        return json.dumps(body).encode()


def error_said(said: bytes) -> str:
    """What Qdrant says is wrong, in its own words."""
    try:
        status = orjson.loads(said)["status"]
        return str(status["error"]) if isinstance(status, dict) else ""
    except (ValueError, KeyError, TypeError):
        return ""
