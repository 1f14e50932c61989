"""When a snapshot is due, and which of those taken are too many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorplane.desired import InvalidSpec, desired_of
from vectorplane.domain.model import Key, SnapshotWish
from vectorplane.ports.resources import Resource
from vectorplane.schedule import snapshot_wish
from vectorplane.spec import Snapshots

CREATED = "2026-03-01T00:00:00Z"


def wish(schedule: str, now: str, *, keep: int = 7, **status: Any) -> SnapshotWish:
    wanted = Snapshots(schedule=schedule, keep=keep)
    return snapshot_wish(wanted, {"snapshots": status} if status else {}, CREATED, now)


def kept(*names: str) -> list[dict[str, Any]]:
    return [{"name": n, "collection": "shop.p_1", "size": 1, "time": CREATED} for n in names]


@pytest.mark.parametrize(
    ("now", "last", "due", "following"),
    [
        ("2026-03-01T00:00:00Z", None, False, 2 * 3600.0),
        ("2026-03-01T01:59:59Z", None, False, 1.0),
        ("2026-03-01T02:00:00Z", None, True, 24 * 3600.0),
        ("2026-03-01T02:00:01Z", "2026-03-01T02:00:00Z", False, 24 * 3600.0 - 1),
        ("2026-03-01T02:00:05Z", "2026-03-01T02:00:05Z", False, 24 * 3600.0 - 5),
        ("2026-03-02T01:00:00Z", "2026-03-01T02:00:05Z", False, 3600.0),
        ("2026-03-02T02:00:00Z", "2026-03-01T02:00:05Z", True, 24 * 3600.0),
        # Days were missed: one is due, not one for each.
        ("2026-03-09T02:30:00Z", "2026-03-01T02:00:05Z", True, 23.5 * 3600.0),
        # A clock that was set back.
        ("2026-03-01T00:30:00Z", "2026-03-01T02:00:05Z", False, 1.5 * 3600.0),
    ],
)
def test_due_at_its_time(now: str, last: str | None, due: bool, following: float) -> None:
    status = {"last": last, "kept": kept("a")} if last else {}
    found = wish("0 2 * * *", now, **status)
    assert (found.due, found.next, found.surplus) == (due, following, ())


def test_times_are_utc_whatever_zone_they_are_written_in() -> None:
    found = wish("0 2 * * *", "2026-03-01T03:30:00+02:00")
    assert (found.due, found.next) == (False, 1800.0)


def test_no_schedule_asks_for_nothing() -> None:
    status = {"snapshots": {"last": CREATED, "kept": kept("a", "b")}}
    assert snapshot_wish(None, status, CREATED, "2026-03-05T00:00:00Z") == SnapshotWish()


@pytest.mark.parametrize(
    ("names", "keep", "due", "dropped"),
    [
        ("abc", 3, False, ""),
        ("abc", 3, True, "a"),
        ("abc", 1, False, "ab"),
        ("abc", 1, True, "abc"),
        ("abcde", 2, True, "abcd"),
        ("", 1, True, ""),
    ],
)
def test_the_oldest_go_first(names: str, keep: int, due: bool, dropped: str) -> None:
    now = "2026-03-03T02:00:00Z" if due else "2026-03-03T01:00:00Z"
    found = wish("0 2 * * *", now, keep=keep, last="2026-03-02T02:00:00Z", kept=kept(*names))
    assert found.due is due
    assert found.surplus == tuple(("shop.p_1", n) for n in dropped)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [("61 * * * *", "no cron line"), ("a b c d e", "no cron line"), ("0 0 30 2 *", "no cron line")],
)
def test_a_schedule_that_is_none_says_where(schedule: str, message: str) -> None:
    spec = {
        "vectors": [{"name": "", "size": 4, "distance": "Cosine"}],
        "snapshots": {"schedule": schedule},
    }
    resource = Resource(Key("shop", "p"), "uid-1", 1, CREATED, spec)
    with pytest.raises(InvalidSpec, match=rf"^spec\.snapshots\.schedule: .*{message}"):
        desired_of(resource, "kube", now="2026-03-03T02:00:00Z")
    going = Resource(Key("shop", "p"), "uid-1", 1, CREATED, spec, deleting=True)
    assert desired_of(going, "kube", now="2026-03-03T02:00:00Z").snapshot == SnapshotWish()


@given(
    st.sampled_from(["* * * * *", "*/15 * * * *", "0 2 * * *", "30 4 1 * *", "0 0 * * SUN#2"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)),
    st.timedeltas(timedelta(0), timedelta(days=400)),
)
def test_looking_when_it_says_takes_each_once(
    schedule: str, since: datetime, later: timedelta
) -> None:
    """Right after a snapshot none is due; at the time that it says one is; before that, none."""
    moment = (since + later).replace(microsecond=0, tzinfo=UTC)
    last = since.replace(microsecond=0, tzinfo=UTC).isoformat()
    first = wish(schedule, moment.isoformat(), last=last, kept=kept("a"))
    assert first.next is not None
    assert first.next > 0
    taken = moment.isoformat()
    assert not wish(schedule, moment.isoformat(), last=taken, kept=kept("a")).due
    then = moment + timedelta(seconds=first.next)
    assert wish(schedule, then.isoformat(), last=taken, kept=kept("a")).due
    early = then - timedelta(seconds=1)
    assert not wish(schedule, early.isoformat(), last=taken, kept=kept("a")).due
