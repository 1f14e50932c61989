"""Requests over HTTP with retries: the only module that talks to the network."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterable, Mapping
from typing import Any

import httpx
import orjson

from vectorplane.client import errors
from vectorplane.client.config import Config, trace_headers
from vectorplane.client.wire import JSON, json_bytes
from vectorplane.client.workers import async_sleep


class AsyncTransport:
    """One pool of connections to one service."""

    def __init__(self, config: Config, http: httpx.AsyncClient | None = None) -> None:
        self.config = config
        self._ours = http is None
        self._http = http or httpx.AsyncClient(
            timeout=config.timeout,
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
        )

    async def aclose(self) -> None:
        """Close the connections, where they are our own."""
        if self._ours:
            await self._http.aclose()

    async def json(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        repeatable: bool = True,
        also: tuple[int, ...] = (),
    ) -> Any:
        """Ask with JSON, and give what the answer says. `also` are further good statuses."""
        content = None if body is None else json_bytes(body)
        answer = await self.send(
            method,
            path,
            content,
            media_type=JSON,
            query=query,
            repeatable=repeatable,
            also=also,
        )
        return decoded(answer)

    async def send(
        self,
        method: str,
        path: str,
        content: bytes | AsyncIterable[bytes] | None = None,
        *,
        media_type: str = JSON,
        query: Mapping[str, str] | None = None,
        repeatable: bool = True,
        also: tuple[int, ...] = (),
    ) -> httpx.Response:
        """One call, made again where that is safe (see `retries`). A body that is a stream is read
        once, so it must not be repeatable."""
        headers = dict(self.config.headers)
        if content is not None:
            headers["content-type"] = media_type
        if self.config.traces:
            headers |= trace_headers()
        for attempt in itertools.count(1):
            failure: errors.ClientError
            cause: Exception | None = None
            try:
                answer = await self._http.request(
                    method,
                    self.config.url + path,
                    params=query,
                    content=content,
                    headers=headers,
                )
            except httpx.TransportError as error:
                failure, cause = errors.from_transport(error, self.config.shown), error
            except httpx.HTTPError as error:
                raise errors.BadAnswer(f"an answer that is no HTTP: {error}") from error
            else:
                if answer.is_success or answer.status_code in also:
                    return answer
                if answer.is_redirect:
                    raise errors.BadAnswer(
                        f"{self.config.shown} sends elsewhere (HTTP status {answer.status_code})"
                    )
                failure = errors.from_answer(answer)
            stream = content is not None and not isinstance(content, bytes)
            pause = (
                None
                if stream
                else self.config.retries.pause(attempt, failure, repeatable=repeatable)
            )
            if pause is None:
                raise failure from cause
            await async_sleep(pause)
        raise AssertionError("unreachable")


def decoded(answer: httpx.Response) -> Any:
    """The JSON of a good answer; None where it has no body."""
    if not answer.content:
        return None
    try:
        return orjson.loads(answer.content)
    except orjson.JSONDecodeError as error:
        raise errors.BadAnswer(
            f"an answer that is no JSON (HTTP status {answer.status_code}); is the URL the one of "
            "the service?"
        ) from error
