"""What a collector of traces is sent by an operator, and what an operator is like without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.cluster import wait
from support.collector import Collector, attributes, collecting
from support.engines import MEMORY_ENGINE
from support.loops import LoopThread
from support.world import World

pytestmark = MEMORY_ENGINE
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")


def of(collector: Collector, namespace: str) -> list[Any]:
    """The spans of one reconcile that made something in a namespace."""
    for span in collector.spans:
        said = attributes(span)
        if span.name == "reconcile" and said["namespace"] == namespace:
            found = [s for s in collector.spans if s.trace_id == span.trace_id]
            if any(s.name == "CreateCollection" for s in found):
                return found
    return []


@pytest.fixture
def collector(thread: LoopThread) -> Iterator[Collector]:
    with collecting(thread) as found:
        yield found


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

    spans = wait(lambda: of(collector, corner.namespace), "its spans are sent")
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
