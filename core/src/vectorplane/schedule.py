"""When a snapshot is due, by a cron line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vectorplane.domain.model import SnapshotWish
from vectorplane.spec import Snapshots


def snapshot_wish(
    wanted: Snapshots | None, status: Mapping[str, Any], created: str, now: str
) -> SnapshotWish:
    """What the schedule asks for at `now` (RFC 3339, UTC), with what the status says was taken."""
    del wanted, status, created, now
    return SnapshotWish()
