"""What stands in a Secret, and what is said of a VectorAccess. Pure, so without a cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vectorplane.domain.access import KeyRecord
from vectorplane.domain.model import Key
from vectorplane.domain.status import Condition, Exposed, Trouble, condition_of
from vectorplane.ports.resources import Resource
from vectorplane_operator.access.bindings import data_of
from vectorplane_operator.access.saying import (
    Result,
    issued,
    recorded,
    records_of,
    revoked,
    status_of,
)
from vectorplane_operator.access.times import seconds_of, text_of

NOW = "2026-01-01T00:00:00Z"
KEY = KeyRecord(
    "access.u.1", "s1", 1767225600.0, 1767312000.0, "shop.products", frozenset({"read"})
)
ACCESS = Resource(Key("shop", "web"), "u", 3, NOW, spec={})
RESULT = Result("shop.products", [KEY], "web", "https://gateway/shop/products")


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (None, {}),
        ("http://gw/shop/a", {"uri": "http://gw/shop/a", "host": "gw", "port": "80"}),
        ("https://gw/shop/a", {"uri": "https://gw/shop/a", "host": "gw", "port": "443"}),
        ("http://[::1]:8000/a", {"uri": "http://[::1]:8000/a", "host": "::1", "port": "8000"}),
    ],
)
def test_a_secret_says_where(endpoint: str | None, expected: dict[str, str]) -> None:
    said = {"type": "vectorplane", "provider": "vectorplane", "collection": "shop.a"}
    assert data_of("shop.a", endpoint, []) == said | expected


def test_a_secret_has_every_valid_key() -> None:
    data = data_of("shop.a", None, ["oldest", "older", "newest"])
    keys = {name: text for name, text in data.items() if "api-key" in name}
    assert keys == {
        "api-key": "newest",
        "previous-api-key": "older",
        "previous-api-key-2": "oldest",
    }


def test_a_record_stays_the_same_through_a_status() -> None:
    pending = replace(KEY, id="access.u.2", written=False)
    assert records_of({"keys": recorded([KEY, pending])}) == [KEY, pending]
    assert records_of({}) == []
    assert seconds_of(text_of(KEY.issued)) == KEY.issued


def test_a_status_is_the_same_twice_and_keeps_times() -> None:
    first = status_of(ACCESS, RESULT, Exposed(), NOW)
    assert condition_of(first, "Ready")["status"] == "True"
    assert first["expires"] == text_of(KEY.expires)
    again = status_of(replace(ACCESS, status=first), RESULT, Exposed(), "2026-01-02T00:00:00Z")
    assert again == first


def test_a_gateway_in_trouble_is_not_ready() -> None:
    trouble = Trouble("GatewayUnreachable", "no answer")
    condition = Condition("GatewayProgrammed", "Unknown", trouble.reason, trouble.message)
    exposed = Exposed(None, (condition,), trouble)
    status = status_of(ACCESS, RESULT, exposed, NOW)
    assert condition_of(status, "SecretWritten")["status"] == "True"
    assert condition_of(status, "GatewayProgrammed")["status"] == "Unknown"
    assert condition_of(status, "Ready")["reason"] == "GatewayUnreachable"
    missing = Trouble("CollectionMissing", "there is none")
    status = status_of(ACCESS, Result("shop.a", trouble=missing), exposed, NOW)
    assert condition_of(status, "Ready")["reason"] == "CollectionMissing"
    assert condition_of(status, "GatewayProgrammed") == {}
    paused = status_of(ACCESS, replace(RESULT, paused=True), exposed, NOW)
    assert condition_of(paused, "Ready")["status"] == "Unknown"


def test_events_name_keys() -> None:
    newer = replace(KEY, id="access.u.2")
    assert issued(KEY, [], "web").reason == "KeyIssued"
    rotated = issued(newer, [KEY], "web")
    assert rotated.reason == "KeyRotated"
    assert KEY.id in rotated.message
    (event,) = revoked([KEY], "deleted")
    assert (event.type, event.reason) == ("Warning", "KeyRevoked")
