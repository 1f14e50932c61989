"""What an upload says while it runs: to a progress bar, to a function, or to nobody."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int], None]
"""Called with the number of points that were acknowledged since the last call."""


class Tally:
    """Counts what was acknowledged, from whatever thread, and passes it on."""

    def __init__(self, report: Report) -> None:
        self.done = 0
        self._report = report
        self._lock = threading.Lock()

    def add(self, points: int) -> None:
        """So many more."""
        with self._lock:
            self.done += points
            self._report(points)


@contextmanager
def reporting(progress: bool | Report, total: int | None, what: str) -> Iterator[Tally]:
    """Inside, the tally to add to. `True` is a bar on standard error; a function is called with
    each number."""
    if callable(progress):
        yield Tally(progress)
    elif progress:
        with bar(total, what) as advance:
            yield Tally(advance)
    else:
        yield Tally(lambda points: None)


@contextmanager
def bar(total: int | None, what: str, done: int = 0) -> Iterator[Report]:
    """A bar with rate and time left, on standard error. Where that is no terminal, one line at
    the end."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("points"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
    )
    with shown:
        task = shown.add_task(what, total=total, completed=done)
        yield lambda points: shown.advance(task, points)
