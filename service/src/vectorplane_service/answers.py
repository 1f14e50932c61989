"""Between the store's words and the clients': points as they are given back, places as they were
sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from vectorplane.errors import CallerError
from vectorplane.ports.vectors import Found

SELECTIONS = {"payload": "with_payload", "vectors": "with_vectors"}


def point(found: Found) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": found.id}
    if found.score is not None:
        shown["score"] = found.score
    if found.payload is not None:
        shown["payload"] = found.payload
    if found.vector is not None:
        shown["vector"] = found.vector
    return shown


def points(found: Sequence[Found]) -> list[dict[str, Any]]:
    return [point(f) for f in found]


@contextmanager
def said_as(words: Mapping[str, str], *, drop: str = "") -> Iterator[None]:
    """Inside, the store's places become the client's: without the leading `drop`, and with `words`
    for the first name in what is left (after a list's index, the next one)."""
    try:
        yield
    except CallerError as error:
        if error.place:
            error.place = translated(error.place, words, drop)
        raise


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Inside, whatever is wrong with the caller's input is at this one place."""
    try:
        yield
    except CallerError as error:
        error.place = place
        raise


def translated(place: str, words: Mapping[str, str], drop: str = "") -> str:
    rest = place.removeprefix(drop).removeprefix(".") if drop else place
    head = ""
    if rest.startswith("searches["):
        head, _, rest = rest.partition(".")
        head += "." if rest else ""
    end = min((at for at in (rest.find("."), rest.find("[")) if at >= 0), default=len(rest))
    return (head + words.get(rest[:end], rest[:end]) + rest[end:]) or "body"
