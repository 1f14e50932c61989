"""What every request passes through, as one plain ASGI layer: request id, size limit, time limit,
shedding, headers, one log line, metrics, and a last answer for what nobody foresaw.

It is one layer and not five because it stands in the way of every search.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import time
from collections.abc import Callable
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from vectorplane.errors import TooLarge
from vectorplane_service import logs, problems
from vectorplane_service.bodies import NDJSON
from vectorplane_service.edge.headers import Pair, overruled
from vectorplane_service.edge.shedding import Shedding
from vectorplane_service.edge.watch import PATIENT, Times, Watch
from vectorplane_service.metrics import UNMATCHED, Metrics

CLIENT_GONE = 499
"""The status of a request whose client did not wait: nobody reads it, but log and metrics do."""
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_QUIET = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds by machines; their lines are for debugging."""

log = structlog.get_logger("vectorplane_service.request")


class RequestMiddleware:
    """`shedding` counts what is not `exempt` (paths); `headers` are on every answer. Who answers
    may add more, as pairs, to the scope's `vectorplane.headers`; of one name theirs counts. `made`
    is told of the layer, which an application makes late."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        metrics: Metrics,
        times: Times = PATIENT,
        shedding: Shedding | None = None,
        exempt: frozenset[str] = frozenset(),
        headers: tuple[Pair, ...] = (),
        made: Callable[[ASGIApp], None] = lambda layer: None,
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._metrics = metrics
        self._times = times
        self._shedding = shedding or Shedding(sys.maxsize, 5)
        self._exempt = exempt
        self._headers = headers
        self._log: Any = None
        self._lines = logs.request_lines()
        made(self)

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
        always = ((b"x-request-id", request_id.encode()), *self._headers)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                watch.stop()
                more = scope.get("vectorplane.headers", ())
                ours = overruled(always, more) if more else always
                message["headers"] = [*message["headers"], *ours, *more]
            await send(message)

        limited = _Limited(receive, headers, self._max_body_bytes)
        watch = Watch(self._times, limited)
        shedding = self._shedding
        counted = scope["path"] not in self._exempt
        shed = counted and shedding.inflight >= shedding.most
        if counted and not shed:
            shedding.inflight += 1
        self._metrics.inflight.value += 1
        try:
            if shed:
                self._metrics.shed.inc()
                response = problems.from_error(shedding.refusal(), request_id)
                await response(scope, receive, send_with_id)
            elif limited.declared_too_large:
                response = problems.from_error(limited.refusal(), request_id)
                await response(scope, receive, send_with_id)
            else:
                await self._app(scope, limited.receive, send_with_id)
        except ClientDisconnect:
            status = CLIENT_GONE
        except asyncio.CancelledError:
            if watch.cut is None:
                raise
            watch.forgive()
            await problems.from_error(watch.cut, request_id)(scope, receive, send_with_id)
        except Exception:
            log.exception("unforeseen")
            if status:
                # Half an answer is out. Raising makes the server cut the connection.
                raise
            await problems.internal(request_id)(scope, receive, send_with_id)
        finally:
            watch.stop()
            self._metrics.inflight.value -= 1
            seconds = time.perf_counter() - started
            if counted and not shed:
                shedding.done(seconds, status)
            self._done(scope, status or CLIENT_GONE, seconds)

    def _done(self, scope: Scope, status: int, seconds: float) -> None:
        route = _template(scope)
        self._metrics.answered(scope["method"], route, status, seconds)
        line = {
            "method": scope["method"],
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
        }
        key = scope.get("vectorplane.key")
        if key is not None:
            line["key"] = key
        quiet = route in _QUIET and status < 400
        if self._lines is not None and not quiet:
            line["event"] = "request"
            line.update(get_contextvars())
            self._lines.write(line)
            return
        if self._log is None:
            # Bound once: finding the configuration takes longer than writing the line.
            self._log = log.bind()
        (self._log.debug if quiet else self._log.info)("request", **line)


class _Limited:
    """Counts a body while it is read, and refuses to go on past the limit. A stream of lines has no
    limit as a whole: who reads it looks at each line."""

    def __init__(self, receive: Receive, headers: dict[bytes, bytes], limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self.read = 0
        self.wanted = False
        self._complete = False
        self._headers = headers
        declared = headers.get(b"content-length", b"")
        self.declared_too_large = (
            declared.isdigit() and int(declared[:20]) > limit and not self.of_lines()
        )

    async def receive(self) -> Message:
        self.wanted = not self._complete
        message = await self._receive()
        self.wanted = False
        if message["type"] == "http.request":
            self._complete = not message.get("more_body", False)
            self.read += len(message.get("body", b""))
            if self.read > self._limit and not self.of_lines():
                raise self.refusal()
        return message

    def of_lines(self) -> bool:
        kind = self._headers.get(b"content-type", b"").partition(b";")[0]
        return kind.strip().lower() == NDJSON.encode()

    def refusal(self) -> TooLarge:
        return TooLarge(f"a body is at most {self._limit} bytes", place="body")


def _request_id(given: bytes | None) -> str:
    if given is not None and _SANE_ID.fullmatch(given):
        return given.decode("ascii")
    # It tells requests apart, and guards nothing: no call of the system for it.
    return f"{random.getrandbits(64):016x}"


def _template(scope: Scope) -> str:
    """The path of the route as it was written, never as it was asked: paths hold names and ids."""
    route: Any = scope.get("route")
    return getattr(route, "path", UNMATCHED) if route is not None else UNMATCHED
