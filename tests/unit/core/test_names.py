from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorplane.domain import names

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
NAME = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,10}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("collection", "number"),
    [
        ("shop.products_1", 1),
        ("shop.products_12", 12),
        ("shop.products", None),
        ("shop.products_0", None),
        ("shop.products_01", None),
        ("shop.products_x", None),
        ("shop.products_1_2", None),
        ("shop.other_1", None),
    ],
)
def test_only_a_names_own_numbered_collections_count(collection: str, number: int | None) -> None:
    assert names.number("shop.products", collection) == number


def test_the_newest_comes_first_by_number_and_not_by_text() -> None:
    found = names.numbered("a.b", ["a.b_2", "a.b_10", "a.b_1", "a.c_99"])
    assert found == ["a.b_10", "a.b_2", "a.b_1"]


def test_the_next_one_is_above_all_that_were() -> None:
    assert names.next_physical("a.b", []) == "a.b_1"
    assert names.next_physical("a.b", ["a.b_3", "a.b_1", "other_7"]) == "a.b_4"


@given(LABEL, NAME, LABEL, NAME, st.integers(1, 99), st.integers(1, 99))
def test_no_two_resources_meet_in_one_name(
    namespace: str, name: str, other_namespace: str, other_name: str, n: int, m: int
) -> None:
    first, second = f"{namespace}.{name}", f"{other_namespace}.{other_name}"
    if (namespace, name) != (other_namespace, other_name):
        assert first != second
        assert names.physical(first, n) != names.physical(second, m)
    assert first != names.physical(second, m)
