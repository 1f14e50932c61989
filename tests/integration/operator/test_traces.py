"""What a collector of traces is sent by an operator, and what an operator is like without one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from support.cluster import wait
from support.engines import MEMORY_ENGINE
from support.loops import LoopThread
from support.world import World

pytestmark = MEMORY_ENGINE
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")


@dataclass
class Collector:
    """Takes OTLP over HTTP and keeps the spans."""

    url: str = ""
    spans: list[Any] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    async def take(self, request: web.Request) -> web.Response:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages

        asked = messages.ExportTraceServiceRequest.FromString(await request.read())
        for resource in asked.resource_spans:
            self.services |= {
                a.value.string_value
                for a in resource.resource.attributes
                if a.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.spans += scope.spans
        answer = messages.ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    def of(self, namespace: str) -> list[Any]:
        """The spans of one reconcile that made something in a namespace."""
        for span in self.spans:
            said = attributes(span)
            if span.name == "reconcile" and said["namespace"] == namespace:
                found = [s for s in self.spans if s.trace_id == span.trace_id]
                if any(s.name == "CreateCollection" for s in found):
                    return found
        return []


def attributes(span: Any) -> dict[str, str]:
    return {a.key: a.value.string_value for a in span.attributes}


@pytest.fixture
def collector(thread: LoopThread) -> Iterator[Collector]:
    made = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(app, access_log=None)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    thread.run(start())
    yield made
    thread.run(runner.cleanup())


def test_a_collector_is_told_what_was_looked_at_decided_and_done(
    corner: World, collector: Collector
) -> None:
    operator = corner.operators.get(
        corner.engine,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_SERVICE_NAME="our-operator",
        OTEL_BSP_SCHEDULE_DELAY="200",
    )
    corner.make_secret(corner.store, "a-very-secret-key")
    corner.apply(payloadIndexes=[{"field": "price", "type": "Float"}])
    corner.ready()

    spans = wait(lambda: collector.of(corner.namespace), "its spans are sent")
    whole = next(s for s in spans if s.name == "reconcile")
    assert attributes(whole) == {
        "namespace": corner.namespace,
        "name": "products",
        "store": corner.store,
        "result": "done",
    }
    names = [s.name for s in sorted(spans, key=lambda s: s.start_time_unix_nano)]
    assert names == [
        "reconcile",
        "observe",
        "plan",
        "CreateCollection",
        "CreateIndex",
        "ChangeAliases",
        "observe",
    ]
    index = next(s for s in spans if s.name == "CreateIndex")
    wanted = f"create Float index on price of {corner.full('products_1')}"
    assert attributes(index) == {"action": wanted}
    assert collector.services == {"our-operator"}
    assert "a-very-secret-key" not in str(collector.spans)
    corner.operators.stop()
    assert "Traceback" not in operator.text()


def test_a_collector_that_is_away_holds_nothing_up(corner: World) -> None:
    operator = corner.operators.get(
        corner.engine,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        OTEL_BSP_SCHEDULE_DELAY="200",
    )
    corner.apply()
    corner.ready()
    assert operator.stop() == 0
