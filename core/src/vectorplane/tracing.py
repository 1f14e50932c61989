"""Spans for OpenTelemetry, where the environment asks for them; else nothing, and nothing imported.

The one state of the process that is kept in a module, as OpenTelemetry itself has it: what a span
is reported to is no business of the code that opens it. A composition root calls `configure` once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from vectorplane import __version__
from vectorplane.errors import Stalled

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Span(Protocol):
    """What may be done with a span that is open."""

    def set_attribute(self, key: str, value: str | int) -> None: ...

    def update_name(self, name: str) -> None: ...


class _Nothing:
    """The span that nobody records, again and again the same."""

    def set_attribute(self, key: str, value: str | int) -> None:
        """Nothing."""

    def update_name(self, name: str) -> None:
        """Nothing."""

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing."""


class MissingTracing(Stalled):
    """Traces are asked for, and the library for them is not installed."""

    reason = "MissingTracing"


_NOTHING = _Nothing()
_tracer: Tracer | None = None


def span(name: str, /, **attributes: str | int) -> AbstractContextManager[Span]:
    """A span around a block. An error in it is the span's status; no attribute holds a secret."""
    if _tracer is None:
        return _NOTHING
    return _tracer.start_as_current_span(name, attributes=attributes, record_exception=False)


def serving(name: str, carrier: Mapping[str, str]) -> AbstractContextManager[Span]:
    """A span around a request that came in. It goes on with the trace that the request's headers
    (`carrier`: traceparent, tracestate) name, if they do."""
    if _tracer is None:
        return _NOTHING
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract(carrier)
    return _tracer.start_as_current_span(
        name, context=context, kind=SpanKind.SERVER, record_exception=False
    )


def headers() -> dict[str, str] | None:
    """The headers that take the trace on to whom is called next; None where there is none."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier or None


def trace_id() -> str | None:
    """The trace that this moment belongs to, as 32 hexadecimal digits."""
    if _tracer is None:
        return None
    from opentelemetry.trace import get_current_span

    found = get_current_span().get_span_context()
    return f"{found.trace_id:032x}" if found.is_valid else None


def failed(why: str) -> None:
    """Say that the span of this moment is about a failure, with no error to show for it."""
    if _tracer is None:
        return
    from opentelemetry.trace import Status, StatusCode, get_current_span

    get_current_span().set_status(Status(StatusCode.ERROR, why))


def use(tracer: Tracer | None) -> None:
    """Open every span from here on with this tracer; None for none."""
    global _tracer
    _tracer = tracer


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment asks for traces."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return any(environ.get(name) for name in ENDPOINTS)


def configure(service: str, environ: Mapping[str, str] = os.environ) -> Callable[[], None] | None:
    """Send spans by OTLP over HTTP, as OpenTelemetry's own variables (`OTEL_...`) say; nothing
    where no endpoint is among them. Gives what ends it: it sends the rest, and may block for
    seconds. `service` is the name where `OTEL_SERVICE_NAME` gives none.
    """
    if not wanted(environ):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise MissingTracing(
            f"{ENDPOINTS[0]} asks for traces, and these need the extra otel: "
            f"pip install 'vectorplane[otel]' (there is no module {error.name})"
        ) from error
    named = environ.get("OTEL_SERVICE_NAME") or service
    provider = TracerProvider(
        resource=Resource.create({SERVICE_NAME: named, "service.version": __version__}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider.get_tracer("vectorplane", __version__))

    def end() -> None:
        use(None)
        provider.shutdown()

    return end
