from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorplane.domain.model import Owner, Record
from vectorplane.domain.record import METADATA_KEY, UNREADABLE, from_metadata, to_metadata

text = st.text(max_size=8)
owners = st.one_of(st.none(), st.builds(Owner, text, text, text, text))
records = st.builds(
    Record,
    owner=owners,
    generation=st.integers(0, 2**53),
    indexes=st.frozensets(text, max_size=3),
    aliases=st.frozensets(text, max_size=3),
    embedding=st.dictionaries(text, text, max_size=2).map(lambda d: tuple(sorted(d.items()))),
    tenancy=text,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@given(records)
def test_a_record_comes_back_as_it_was_written(record: Record) -> None:
    assert from_metadata(to_metadata(record) | {"theirs": 1}) == record


def test_a_collection_without_our_key_has_no_record() -> None:
    assert from_metadata(None) is None
    assert from_metadata({}) is None
    assert from_metadata({"team": "search"}) is None


@given(json_values)
def test_any_json_under_our_key_is_read_without_an_error(value: Any) -> None:
    record = from_metadata({METADATA_KEY: value})
    assert (record is None) == (value is None)


@pytest.mark.parametrize(
    "damage",
    [
        {},
        {"owner": {"uid": "u"}},
        {"owner": "me"},
        {"owner": {"uid": 1, "namespace": "n", "name": "n", "cluster": "c"}},
        [],
        "text",
    ],
)
def test_a_damaged_record_belongs_to_somebody_so_nobody_touches_it(damage: Any) -> None:
    record = from_metadata({METADATA_KEY: damage})
    assert record is not None
    assert record.owner == UNREADABLE
