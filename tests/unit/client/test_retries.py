"""When a call is made again: the decision table, row by row."""

from __future__ import annotations

import pytest

from vectorplane.client.errors import (
    ClientError,
    ConnectionFailed,
    Forbidden,
    NotFound,
    RateLimited,
    ServiceFailed,
    Unavailable,
)
from vectorplane.client.retries import NONE, Retries

CERTAIN = Retries(attempts=5, first=1.0, most=8.0, chance=lambda: 1.0)
LOST, REFUSED = ConnectionFailed("lost"), ConnectionFailed("refused", sent=False)
LIMITED = RateLimited("slowly", status=429)
AWAY, FAILED = Unavailable("away", status=503), ServiceFailed("broken", status=500)


@pytest.mark.parametrize(
    ("error", "repeatable", "again"),
    [
        (REFUSED, True, True),
        (REFUSED, False, True),
        (LOST, True, True),
        (LOST, False, False),
        (LIMITED, True, True),
        (LIMITED, False, True),
        (AWAY, True, True),
        (AWAY, False, False),
        (ServiceFailed("store", status=502), True, True),
        (FAILED, True, False),
        (NotFound("gone", status=404), True, False),
        (Forbidden("no", status=403), True, False),
        (ClientError("what"), True, False),
    ],
)
def test_what_is_made_again(error: ClientError, repeatable: bool, again: bool) -> None:
    assert (CERTAIN.pause(1, error, repeatable=repeatable) is not None) is again


def test_pauses_double_up_to_the_longest_one() -> None:
    pauses = [CERTAIN.pause(n, AWAY, repeatable=True) for n in range(1, 6)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, None]
    long = Retries(attempts=9, first=1.0, most=3.0, chance=lambda: 1.0)
    assert long.pause(8, AWAY, repeatable=True) == 3.0


def test_pauses_are_spread() -> None:
    seen = {Retries(first=1.0).pause(1, AWAY, repeatable=True) for _ in range(20)}
    assert len(seen) > 15
    assert all(pause is not None and 0 <= pause <= 1 for pause in seen)


def test_a_pause_that_is_asked_for_is_at_least_so_long() -> None:
    asked = RateLimited("slowly", status=429, retry_after=3.0)
    assert CERTAIN.pause(1, asked, repeatable=False) == 4.0
    too_long = RateLimited("slowly", status=429, retry_after=3600.0)
    assert CERTAIN.pause(1, too_long, repeatable=True) is None


def test_one_attempt_is_one_attempt() -> None:
    assert NONE.pause(1, REFUSED, repeatable=True) is None
