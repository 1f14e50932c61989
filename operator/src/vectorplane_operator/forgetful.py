"""kopf's memories switched off, and its patience without end.

Its handlers here keep no progress and compare nothing with the last time, yet by default it copies
each object twice per event to be able to: a third of the time that an event takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import kopf


class EndlessPauses:
    """Seconds between two tries of a request to an API server that is away."""

    def __iter__(self) -> Iterator[float]:
        return chain((1.0, 1.0, 2.0, 3.0, 5.0, 8.0), repeat(15.0))


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers no former state of an object."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        """Nothing is kept."""


class NoProgress(kopf.ProgressStorage):
    """Remembers no handler that is under way."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        """Nothing is kept."""

    def purge(self, **_: Any) -> None:
        """Nothing was kept."""

    def touch(self, **_: Any) -> None:
        """Nothing is touched."""

    def clear(self, *, essence: Any) -> Any:
        return essence
