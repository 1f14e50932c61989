"""The one reading of a filter: what it turns into, and how each engine says it."""

from __future__ import annotations

from typing import Any

import pytest

from vectorplane.adapters.vectors.common.datetimes import read_time
from vectorplane.adapters.vectors.common.filters import check_filter
from vectorplane.adapters.vectors.common.ids import check_id, check_ids, sort_key
from vectorplane.adapters.vectors.common.jsonpath import WILDCARD, parse, select, values_at
from vectorplane.errors import InvalidInput

RED = {"key": "color", "match": {"value": "red"}}


@pytest.mark.parametrize("raw", [None, {}, {"must": []}, {"must": None, "should": []}])
def test_a_filter_of_nothing_is_none(raw: Any) -> None:
    assert check_filter(raw) is None


@pytest.mark.parametrize(
    ("raw", "checked"),
    [
        ({"must": RED}, {"must": [RED]}),
        ({"must": [RED], "should": None, "must_not": []}, {"must": [RED]}),
        (
            {"must": [{"has_id": [1, "67E5504410B1426F9247BB680E5FE0C8", 1]}]},
            {"must": [{"has_id": [1, "67e55044-10b1-426f-9247-bb680e5fe0c8"]}]},
        ),
        (
            {"must": [{"is_null": {"key": "a"}}]},
            {"must": [{"key": "a", "is_null": True}]},
        ),
        (
            {"must": [{"key": "a", "values_count": {"lt": 2}}]},
            {
                "must": [
                    {
                        "should": [
                            {"key": "a", "values_count": {"lt": 2}},
                            {"is_empty": {"key": "a"}},
                        ]
                    }
                ]
            },
        ),
        (
            {"must": [{"key": "a", "values_count": {"gt": 0, "lt": None}}]},
            {"must": [{"key": "a", "values_count": {"gt": 0}}]},
        ),
        (
            {"must": [{"key": "n", "range": {"gte": 1, "lt": None}, "match": None}]},
            {"must": [{"key": "n", "range": {"gte": 1.0}}]},
        ),
        ({"should": [{"must": [RED]}]}, {"should": [{"must": [RED]}]}),
        ({"must": (RED,)}, {"must": [RED]}),
    ],
)
def test_a_filter_has_one_form(raw: Any, checked: Any) -> None:
    assert check_filter(raw) == checked
    assert check_filter(checked) == checked or "values_count" in str(checked)


def test_numbers_too_large_are_refused() -> None:
    with pytest.raises(InvalidInput):
        check_filter({"must": [{"key": "n", "range": {"gte": 10**400}}]})


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T12:30", "2026-01-31T12:30:00+00:00"),
        ("2026-01-31 12:30:05", "2026-01-31T12:30:05+00:00"),
        ("2026-01-31T12:30:05.25Z", "2026-01-31T12:30:05.250000+00:00"),
        ("2026-01-31T12:30:05.123456789Z", "2026-01-31T12:30:05.123456+00:00"),
        ("2026-01-31T12:30:05+02:00", "2026-01-31T10:30:05+00:00"),
        ("2026-01-31T12:30:05-0230", "2026-01-31T15:00:05+00:00"),
        ("2026-01-31t12:30:05z", "2026-01-31T12:30:05+00:00"),
        ("2026-01-31T12:30:05+02", "2026-01-31T10:30:05+00:00"),
    ],
)
def test_times_as_qdrant_reads_them(text: str, iso: str) -> None:
    moment = read_time(text)
    assert moment is not None
    assert moment.isoformat() == iso


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-02-30", "26-01-01", "2026-01-01T25:00", "9999-12-31T23:59:59-23:59"]
)
def test_what_is_no_time(text: str) -> None:
    assert read_time(text) is None


def test_paths() -> None:
    assert parse("a") == ("a",)
    assert parse('a-b.c_d[].e[10]."q.[]x"') == ("a-b", "c_d", WILDCARD, "e", 10, "q.[]x")
    for bad in ("", ".", "a.", ".a", "a..b", "a[", "a[x]", "a b", '"', "[0]", "a[-1]"):
        assert parse(bad) is None
    payload = {"a": [{"b": 1}, {"b": [2, 3]}, 5], "c": {"d": None}}
    assert values_at(payload, ("a", WILDCARD, "b")) == [1, [2, 3]]
    assert values_at(payload, ("a", 1, "b", 0)) == [2]
    assert values_at(payload, ("a", 9)) == []
    assert values_at(payload, ("c", "d")) == [None]
    assert values_at(payload, ("c", 0)) == []
    assert values_at(payload, ("c", "d", "e")) == []
    assert select(payload, [("c",), ("a", WILDCARD, "b")]) == {
        "a": [{"b": 1}, {"b": [2, 3]}, 5],
        "c": {"d": None},
    }
    assert select(payload, []) == {}


def test_ids() -> None:
    uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8"
    assert check_ids([3, uuid, uuid.upper(), 3], "ids") == [3, uuid]
    assert check_id(2**64 - 1, "id") == 2**64 - 1
    for bad in (None, "", [], 1.0, "67e55044-10b1-426f-9247-bb680e5fe0c", "{" + uuid, uuid + "}",
                "67e5-504410b1426f9247bb680e5fe0c8", False):  # fmt: skip
        with pytest.raises(InvalidInput) as refused:
            check_id(bad, "here")
        assert refused.value.place == "here"
    with pytest.raises(InvalidInput, match=r"\.\.\."):
        check_id("x" * 1000, "here")
    assert sorted([uuid, 5, "0" + uuid[1:], 0], key=sort_key) == [0, 5, "0" + uuid[1:], uuid]
