"""What a reconcile tells a tracer, and that it costs nothing where nobody listens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from vectorplane import tracing
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Desired, Key, Owner, Record
from vectorplane.reconcile import reconcile

pytestmark = pytest.mark.anyio
pytest.importorskip("opentelemetry.sdk")
DESIRED = Desired(
    Key("shop", "products"),
    "uid",
    "here",
    settings={("vectors", "", "size"): 4, ("vectors", "", "distance"): "Dot"},
)


@pytest.fixture
def spans() -> Iterator[Any]:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider.get_tracer("test"))
    yield exporter
    tracing.use(None)
    provider.shutdown()


async def test_a_reconcile_is_a_span_of_what_it_looked_at_decided_and_did(spans: Any) -> None:
    await reconcile(DESIRED, MemoryStore(), where="main")
    found = spans.get_finished_spans()
    names = [span.name for span in found]
    assert names == [
        "observe",
        "plan",
        "CreateCollection",
        "ChangeAliases",
        "observe",
        "reconcile",
    ]
    whole = found[-1]
    assert dict(whole.attributes) == {
        "namespace": "shop",
        "name": "products",
        "store": "main",
        "result": "done",
    }
    assert {s.parent.span_id for s in found[:-1]} == {whole.context.span_id}
    assert found[3].attributes["action"] == "point alias shop.products at shop.products_1"


async def test_a_reconcile_that_stalls_says_so(spans: Any) -> None:
    store = MemoryStore()
    theirs = Record(Owner("other", "shop", "products", "there"))
    await store.create("shop.products_1", DESIRED.settings, theirs)
    await store.change_aliases({"shop.products": "shop.products_1"}, frozenset())
    await reconcile(DESIRED, store)
    assert spans.get_finished_spans()[-1].attributes["result"] == "stalled"


async def test_an_error_is_the_status_of_its_span(spans: Any) -> None:
    from opentelemetry.trace import StatusCode

    async def fail() -> None:
        raise OSError("no route")

    store = MemoryStore()
    store.create = lambda *_: fail()  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no route"):
        await reconcile(DESIRED, store)
    failed = {
        s.name for s in spans.get_finished_spans() if s.status.status_code is StatusCode.ERROR
    }
    assert failed == {"CreateCollection", "reconcile"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here:4318", "OTEL_SDK_DISABLED": "True"},
    ],
)
def test_without_an_endpoint_nothing_is_traced(environ: dict[str, str]) -> None:
    assert tracing.configure("operator", environ) is None
    assert tracing.span("any") is tracing.span("other", name="a")


def test_without_an_endpoint_nothing_is_imported() -> None:
    program = (
        "import sys; from vectorplane import tracing, reconcile; tracing.configure('operator', {});"
        "sys.exit(any(m.startswith('opentelemetry') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(tracing.MissingTracing, match=r"vectorplane\[otel\]"):
        tracing.configure("operator", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here:4318"})
