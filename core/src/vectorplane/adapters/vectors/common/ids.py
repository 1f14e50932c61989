"""Point ids: an unsigned 64-bit integer or a UUID. One reading of them, so that every engine
means the same point."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import PointId

MAX_ID = 2**64 - 1
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UUID = re.compile(
    r"(?:urn:uuid:)?(?P<open>\{)?"
    r"([0-9a-f]{8})(?P<dash>-?)([0-9a-f]{4})(?P=dash)([0-9a-f]{4})(?P=dash)([0-9a-f]{4})(?P=dash)([0-9a-f]{12})"
    r"(?(open)\})",
    re.IGNORECASE,
)


def check_id(raw: object, place: str) -> PointId:
    """The id as stored: an integer as it is, a UUID of any spelling in canonical form. Raises
    `InvalidInput`."""
    if isinstance(raw, str):
        if _CANONICAL.fullmatch(raw):
            return raw
        if match := _UUID.fullmatch(raw):
            return "-".join(match.group(2, 4, 5, 6, 7)).lower()
    elif isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw <= MAX_ID:
        return raw
    raise InvalidInput(
        "a point id is an unsigned 64-bit integer or a UUID, not " + shown(raw), place=place
    )


def check_ids(raw: Sequence[object], place: str) -> list[PointId]:
    """Every id, canonical and each once, in the order of their first appearance."""
    return list(dict.fromkeys(check_id(r, f"{place}[{i}]") for i, r in enumerate(raw)))


def check_one_of(ids: object, flt: object) -> None:
    """Points are named by their ids or by a filter. Raises `InvalidInput` for both, and for
    neither."""
    if (ids is None) == (flt is None):
        raise InvalidInput("either ids or a filter, and one only")


def sort_key(point_id: PointId) -> tuple[bool, int, str]:
    """The order of a scroll: integers before UUIDs. Canonical UUIDs sort as text like their 128
    bits."""
    if isinstance(point_id, int):
        return False, point_id, ""
    return True, 0, point_id


def shown(raw: object) -> str:
    """A piece of input, short enough for a message."""
    text = repr(raw)
    return text if len(text) <= 60 else text[:57] + "..."
