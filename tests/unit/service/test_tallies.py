"""What is kept in plain numbers comes out as if each had been observed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from vectorplane_service.tallies import FLUSH_SECONDS, Tallies

_BOUNDS = (0.5, 1, 2.5, 10)


def _shown(registry: CollectorRegistry) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]


@given(st.lists(st.integers(0, 120).map(lambda n: n / 8), max_size=30), st.integers(0, 5))
def test_a_histogram_and_a_counter(values: list[float], flushes: int) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tallies = Tallies()
    spread = tallies.spread(Histogram("h", "h", buckets=_BOUNDS, registry=ours))
    tally = tallies.tally(Counter("c", "c", registry=ours))
    histogram = Histogram("h", "h", buckets=_BOUNDS, registry=theirs)
    counter = Counter("c", "c", registry=theirs)
    for i, value in enumerate(values):
        spread.observe(value)
        tally.value += 1
        histogram.observe(value)
        counter.inc()
        if i < flushes:
            tallies.flush()
    tallies.flush()
    tallies.flush()

    assert _shown(ours) == _shown(theirs)


def test_a_gauge_goes_up_and_down() -> None:
    registry = CollectorRegistry()
    tallies = Tallies()
    tally = tallies.tally(Gauge("g", "g", registry=registry))
    tally.value += 3
    tallies.flush()
    tally.value -= 2
    tallies.flush()

    assert registry.get_sample_value("g") == 1


@pytest.mark.anyio
async def test_it_is_handed_over_by_itself() -> None:
    registry = CollectorRegistry()
    tallies = Tallies()
    tally = tallies.tally(Counter("c", "c", registry=registry))
    tally.value += 1
    tallies.due()
    tallies.due()
    async with asyncio.timeout(20 * FLUSH_SECONDS):
        while registry.get_sample_value("c_total") != 1:
            await asyncio.sleep(0.01)


def test_without_a_loop_it_is_handed_over_at_once() -> None:
    registry = CollectorRegistry()
    tallies = Tallies()
    tally = tallies.tally(Counter("c", "c", registry=registry))
    tally.value += 1
    tallies.due()

    assert registry.get_sample_value("c_total") == 1
