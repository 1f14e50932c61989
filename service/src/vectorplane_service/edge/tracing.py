"""Spans of the service: one for a request, which goes on with its client's trace, and one for each
call of the store. Both are there only where the environment asks for traces.

Names and attributes are OpenTelemetry's: what a path or a body holds is in none of them.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from vectorplane import tracing
from vectorplane.ports.vectors import VectorPoints

_CARRIED = {b"traceparent", b"tracestate"}


@asynccontextmanager
async def exporting(traced: bool) -> AsyncIterator[None]:
    """Send spans while the service runs. What sends them is a thread, so it starts in the worker
    and not before the fork; what is left is sent at the end."""
    end = tracing.configure("vectorplane-service") if traced else None
    try:
        yield
    finally:
        if end is not None:
            await asyncio.to_thread(end)


class Tracing:
    """An ASGI layer: the span of a request. Log lines get the id of its trace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        carrier = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _CARRIED
        }
        method: str = scope["method"]
        with tracing.serving(method, carrier) as span:
            trace_id = tracing.trace_id()
            if trace_id is not None:
                bind_contextvars(trace_id=trace_id)
            span.set_attribute("http.request.method", method)
            span.set_attribute("vectorplane.request_id", scope["vectorplane.request_id"])

            async def send_seen(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status: int = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    if status >= 500:
                        tracing.failed(f"HTTP {status}")
                await send(message)

            try:
                await self._app(scope, receive, send_seen)
            finally:
                route = getattr(scope.get("route"), "path", None)
                if route is not None:
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)


class _Traced:
    """Calls of a store, each in a span. Whatever the port has or will have."""

    def __init__(self, points: VectorPoints) -> None:
        self._points = points

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._points, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def traced(*arguments: Any, **named: Any) -> Any:
            said: dict[str, str | int] = {"db.operation.name": name}
            if arguments and isinstance(arguments[0], str):
                said["db.collection.name"] = arguments[0]
            with tracing.span(f"store {name}", **said):
                return await method(*arguments, **named)

        return traced


def traced_points(points: VectorPoints) -> VectorPoints:
    return cast(VectorPoints, _Traced(points))
