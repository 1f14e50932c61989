"""Resources as people read them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml

from vectorplane.domain.model import Key
from vectorplane.ports.resources import Resource
from vectorplane_service.local.records import Source, Stored
from vectorplane_service.local.table import age, as_json, as_yaml, table

NOW = datetime(2026, 1, 2, tzinfo=UTC)
STATUS = {
    "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "fine"}],
    "collection": {"points": 7, "physical": "shop.a_1"},
    "store": "default",
    "endpoint": "http://here",
}
RESOURCE = Resource(Key("shop", "a"), "uid", 1, "2026-01-01T23:58:00.000000Z", {}, STATUS)
STORED = Stored(RESOURCE, Source("/f", "a.yaml"), {"kind": "VectorCollection"})
FRESH = Stored(Resource(Key("x", "b"), "uid", 1, "2026-01-01T00:00:00Z", {}), None, {})


def test_the_columns_of_kubectl() -> None:
    lines = table([STORED, FRESH], serving=True, wide=False, now=NOW)
    assert lines[0].split() == [
        *("NAMESPACE", "NAME", "READY", "REASON"),
        *("POINTS", "STORE", "ENDPOINT", "AGE"),
    ]
    assert lines[1].split() == ["shop", "a", "True", "Ready", "7", "default", "http://here", "2m"]
    assert lines[2].split() == ["x", "b", "24h"]


def test_what_nothing_serves_has_no_endpoint() -> None:
    lines = table([STORED], serving=False, wide=True, now=NOW)
    assert "http://here" not in lines[1]
    assert lines[1].split()[-3:] == ["shop.a_1", "a.yaml", "fine"]


@pytest.mark.parametrize(
    ("created", "shown"),
    [
        ("2026-01-02T00:00:00Z", "0s"),
        ("2026-01-02T00:00:09Z", "0s"),
        ("2026-01-01T23:58:01Z", "119s"),
        ("2026-01-01T21:00:00Z", "3h"),
        ("2025-12-25T00:00:00Z", "8d"),
        ("yesterday", "<unknown>"),
    ],
)
def test_age(created: str, shown: str) -> None:
    assert age(created, NOW) == shown


def test_one_or_a_list() -> None:
    one, other = {"a": 1}, {"b": "é"}
    assert json.loads(as_json([one], one=True)) == one
    listed = {"apiVersion": "v1", "kind": "List", "items": [one, other]}
    assert json.loads(as_json([one, other], one=False)) == listed
    assert yaml.safe_load(as_yaml([one, other], one=False)) == listed
    assert "é" in as_yaml([other], one=True)
