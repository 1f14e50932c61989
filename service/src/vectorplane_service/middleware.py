"""What every request passes through, as one plain ASGI layer: request id, size limit, one log line,
metrics, and a last answer for what nobody foresaw.

It is one layer and not five because it stands in the way of every search.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from vectorplane.errors import TooLarge
from vectorplane_service import problems
from vectorplane_service.metrics import UNMATCHED, Metrics

CLIENT_GONE = 499
"""The status of a request whose client did not wait: nobody reads it, but log and metrics do."""
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_QUIET = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds by machines; their lines are for debugging."""

log = structlog.get_logger("vectorplane_service.request")


class RequestMiddleware:
    def __init__(self, app: ASGIApp, *, max_body_bytes: int, metrics: Metrics) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._metrics = metrics
        self._log: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id"))
        scope["vectorplane.request_id"] = request_id
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        id_header = (b"x-request-id", request_id.encode())
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], id_header]
            await send(message)

        self._metrics.inflight.inc()
        try:
            limited = _Limited(receive, headers, self._max_body_bytes)
            if limited.declared_too_large:
                response = problems.from_error(limited.refusal(), request_id)
                await response(scope, receive, send_with_id)
            else:
                await self._app(scope, limited.receive, send_with_id)
        except ClientDisconnect:
            status = CLIENT_GONE
        except Exception:
            log.exception("unforeseen")
            if status:
                # Half an answer is out. Raising makes the server cut the connection.
                raise
            await problems.internal(request_id)(scope, receive, send_with_id)
        finally:
            self._metrics.inflight.dec()
            self._done(scope, status or CLIENT_GONE, time.perf_counter() - started)

    def _done(self, scope: Scope, status: int, seconds: float) -> None:
        route = _template(scope)
        self._metrics.answered(scope["method"], route, status, seconds)
        if self._log is None:
            # Bound once: finding the configuration takes longer than writing the line.
            self._log = log.bind()
        say = self._log.debug if route in _QUIET and status < 400 else self._log.info
        line = {
            "method": scope["method"],
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
        }
        key = scope.get("vectorplane.key")
        if key is not None:
            line["key"] = key
        say("request", **line)


class _Limited:
    """Counts a body while it is read, and refuses to go on past the limit."""

    def __init__(self, receive: Receive, headers: dict[bytes, bytes], limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._read = 0
        declared = headers.get(b"content-length", b"")
        self.declared_too_large = declared.isdigit() and int(declared[:20]) > limit

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self._limit:
                raise self.refusal()
        return message

    def refusal(self) -> TooLarge:
        return TooLarge(f"a body is at most {self._limit} bytes", place="body")


def _request_id(given: bytes | None) -> str:
    if given is not None and _SANE_ID.fullmatch(given):
        return given.decode("ascii")
    return os.urandom(8).hex()


def _template(scope: Scope) -> str:
    """The path of the route as it was written, never as it was asked: paths hold names and ids."""
    route: Any = scope.get("route")
    return getattr(route, "path", UNMATCHED) if route is not None else UNMATCHED
