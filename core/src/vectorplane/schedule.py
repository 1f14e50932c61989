"""When a snapshot is due, by a cron line, and which of those taken are too many."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cronsim import CronSim, CronSimError

from vectorplane.domain.model import SnapshotWish
from vectorplane.spec import Snapshots


def snapshot_wish(
    wanted: Snapshots | None, status: Mapping[str, Any], created: str, now: str
) -> SnapshotWish:
    """What the schedule asks for at `now` (RFC 3339, UTC), with what the status says was taken.

    One is due where a scheduled time lies after the last one, or after the resource was `created`;
    of several missed ones a single one is taken. Without a schedule nothing is taken, and nothing
    dropped. Raises `ValueError` for a schedule that is none.
    """
    if wanted is None or not now:
        return SnapshotWish()
    moment = _time(now)
    taken = status.get("snapshots") or {}
    since = _time(taken.get("last") or created)
    due = _after(wanted.schedule, since) <= moment
    kept = [(s["collection"], s["name"]) for s in taken.get("kept", ())]
    too_many = len(kept) + due - wanted.keep
    # Of those there are: the new one, which comes first, is never too many.
    surplus = tuple(kept[: max(0, too_many)])
    following = (_after(wanted.schedule, moment) - moment).total_seconds()
    return SnapshotWish(due, surplus, following)


def due_after(schedule: str, since: str) -> datetime:
    """The first scheduled time after `since` (RFC 3339). Raises `ValueError`."""
    return _after(schedule, _time(since))


def _after(schedule: str, moment: datetime) -> datetime:
    """The first scheduled time after a moment."""
    try:
        return next(CronSim(schedule, moment))
    except CronSimError as error:
        raise ValueError(f"{schedule!r} is no cron line of five fields: {error}") from error
    except StopIteration:  # not in the next fifty years
        raise ValueError(f"{schedule!r} never comes") from None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
