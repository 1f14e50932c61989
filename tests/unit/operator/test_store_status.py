"""What is said of a VectorStore."""

from __future__ import annotations

import pytest

from vectorplane.domain.model import Capability
from vectorplane.domain.status import Event
from vectorplane.ports.vectors import StoreInfo
from vectorplane_operator.store_status import Probe, event_of, lost_event, status_of

UP = Probe(StoreInfo("qdrant", "1.18.3", frozenset({Capability.WAL, Capability.SHARDING}), peers=3))
DOWN = Probe(None, "StoreUnreachable", "connection refused")


def test_a_store_that_answers() -> None:
    status = status_of(UP, {}, generation=2, collections=7, now="T1")
    assert status == {
        "observedGeneration": 2,
        "collections": 7,
        "version": "1.18.3",
        "peers": 3,
        "capabilities": ["sharding", "write-ahead log settings"],
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Reachable",
                "message": "the store answers and takes the key",
                "observedGeneration": 2,
                "lastTransitionTime": "T1",
            },
            {
                "type": "Reachable",
                "status": "True",
                "reason": "Reachable",
                "message": "the store answers and takes the key",
                "observedGeneration": 2,
                "lastTransitionTime": "T1",
            },
        ],
    }
    assert status_of(UP, status, generation=2, collections=7, now="T2") == status
    assert event_of({}, status) == Event("Normal", "Reachable", status["conditions"][0]["message"])
    assert event_of(status, status) is None


def test_a_store_that_falls_keeps_what_it_said_of_itself() -> None:
    up = status_of(UP, {}, generation=2, collections=7, now="T1")
    down = status_of(DOWN, up, generation=2, collections=7, now="T2")
    assert down["version"] == "1.18.3"
    assert down["conditions"][0]["status"] == "False"
    assert down["conditions"][0]["lastTransitionTime"] == "T2"
    assert event_of(up, down) == Event("Warning", "StoreUnreachable", "connection refused")


def test_a_store_that_never_answered_says_nothing_of_itself() -> None:
    assert "version" not in status_of(DOWN, {}, generation=1, collections=0, now="T1")


@pytest.mark.parametrize(
    ("reason", "reachable"),
    [
        ("StoreUnreachable", "False"),
        ("StoreTimeout", "False"),
        ("StoreUnauthorized", "True"),
        ("StoreOverloaded", "True"),
        ("SecretUnreadable", "Unknown"),
        ("InvalidStore", "Unknown"),
    ],
)
def test_a_store_is_reachable_where_it_answers_be_it_only_with_no(
    reason: str, reachable: str
) -> None:
    status = status_of(Probe(None, reason, "why"), {}, generation=1, collections=0, now="T1")
    said = {c["type"]: c["status"] for c in status["conditions"]}
    assert said == {"Ready": "False", "Reachable": reachable}


def test_what_is_lost_is_told_as_a_warning() -> None:
    event = lost_event(3)
    assert (event.type, event.reason) == ("Warning", "CameBackEmpty")
    assert "3 collections" in event.message
