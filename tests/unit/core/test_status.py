from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vectorplane.domain.model import Collection, Desired, Key
from vectorplane.domain.status import (
    Exposed,
    Outcome,
    Status,
    Trouble,
    assess,
    condition_of,
    events_of,
    status_of,
)

WISH = Desired(key=Key("shop", "products"), uid="us", cluster="here", generation=3)
COLLECTION = Collection("shop.products_1", {}, points=12, indexed_vectors=10)
FINE = Outcome(COLLECTION)
AWAY = Outcome(trouble=Trouble("StoreTimeout", "no answer in 10 s", store=True, retry=True))
REFUSED = Outcome(COLLECTION, Trouble("ImmutableChange", "size cannot change from 4 to 8"))
THEN, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def say(outcome: Outcome, previous: Status | None = None, now: str = NOW, **also: Any) -> Status:
    wish = replace(WISH, **also)
    return status_of(
        wish, outcome, previous or {}, now=now, store="main", exposed=Exposed("http://x/y")
    )


def ready(status: Status) -> tuple[str, str]:
    condition = condition_of(status, "Ready")
    return condition["status"], condition["reason"]


def test_ready_says_what_is_there() -> None:
    status = say(FINE)
    assert ready(status) == ("True", "Ready")
    assert status["observedGeneration"] == 3
    assert status["store"] == "main"
    assert status["endpoint"] == "http://x/y"
    assert status["collection"] == {
        "name": "shop.products",
        "physical": "shop.products_1",
        "points": 12,
        "indexedVectors": 10,
        "state": "green",
    }
    assert all(c["observedGeneration"] == 3 for c in status["conditions"])


@pytest.mark.parametrize(
    ("outcome", "also", "expected"),
    [
        (AWAY, {}, ("False", "StoreTimeout")),
        (REFUSED, {}, ("False", "ImmutableChange")),
        (Outcome(), {}, ("False", "Missing")),
        (Outcome(replace(COLLECTION, state="red")), {}, ("False", "CollectionFailed")),
        (Outcome(replace(COLLECTION, state="yellow")), {}, ("True", "Ready")),
        (FINE, {"paused": True}, ("Unknown", "Paused")),
    ],
)
def test_ready_sums_up(outcome: Outcome, also: Any, expected: tuple[str, str]) -> None:
    assert ready(say(outcome, **also)) == expected


def test_a_store_that_does_not_answer_says_nothing_of_the_collection() -> None:
    kinds = {c.type: (c.status, c.reason) for c in assess(WISH, AWAY)}
    assert kinds == {
        "StoreReachable": ("False", "StoreTimeout"),
        "CollectionReady": ("Unknown", "StoreTimeout"),
        "Ready": ("False", "StoreTimeout"),
    }
    before = say(FINE)
    assert say(AWAY, before)["collection"] == before["collection"], "the last known one stays"


def test_what_was_left_out_is_said() -> None:
    (condition,) = [c for c in assess(WISH, Outcome(COLLECTION, lacking=("sharding",)))][1:2]
    assert condition.type == "CollectionReady"
    assert "sharding" in condition.message


def test_a_condition_that_stays_keeps_its_time_and_one_that_turns_does_not() -> None:
    before = say(FINE, now=THEN)
    same = say(FINE, before)
    assert same == before
    after = say(REFUSED, before)
    times = {c["type"]: c["lastTransitionTime"] for c in after["conditions"]}
    assert times == {"StoreReachable": THEN, "CollectionReady": NOW, "Ready": NOW}


def test_events_come_with_transitions_only() -> None:
    fine, refused = say(FINE), say(REFUSED)
    assert [e.reason for e in events_of({}, fine)] == ["Ready"]
    assert events_of(fine, say(FINE, fine)) == []
    (event,) = events_of(fine, refused)
    assert (event.type, event.reason) == ("Warning", "ImmutableChange")
    assert "from 4 to 8" in event.message
    assert [e.type for e in events_of(refused, fine)] == ["Normal"]
