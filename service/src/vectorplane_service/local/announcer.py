"""What `vectorplane dev` says while it runs: one line when something changes, none when not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import click

from vectorplane.domain.model import Key
from vectorplane.domain.status import Event, Outcome


class Announcer:
    """Told by the controller (it is its `Watcher`), the resources and the folder."""

    def __init__(self, endpoint: Callable[[Key], str]) -> None:
        self._endpoint = endpoint
        self._said: dict[Key, str] = {}
        self._problems: dict[str, str] = {}

    def reconciled(self, key: Key, store: str, outcome: Outcome, seconds: float) -> None:
        for change in outcome.changed:
            line(click.style(f"  {key}  {change}", dim=True))
        if outcome.deleted:
            self._said.pop(key, None)
            line(f"{key}  {click.style('deleted', fg='yellow')}  {_left_behind(outcome)}")
        elif outcome.trouble:
            trouble = outcome.trouble
            self._bad(key, trouble.reason, trouble.message)
        elif outcome.collection:
            lacking = ", ".join(outcome.lacking)
            note = f"  (left out, for this engine has none: {lacking})" if lacking else ""
            self._once(
                key,
                f"{click.style('Ready', fg='green')}  {self._endpoint(key)}{note}",
                f"  {outcome.collection.points} points",
            )

    def repaired(self, key: Key, event: Event) -> None:
        """`reconciled` has said what was done."""

    def recorded(self, key: Key, event: Event) -> None:
        """Events say what `reconciled` says, but for what never got as far as a store."""
        if event.type == "Warning":
            self._bad(key, event.reason, event.message)

    def damaged(self, key: Key, message: str) -> None:
        self._bad(key, "DamagedFile", message)

    def problems(self, now: Mapping[str, str]) -> None:
        """What is wrong with the folder's files now, by file: said once, and when it is over."""
        for file, message in now.items():
            if self._problems.get(file) != message:
                line(f"{click.style('problem', fg='red')}  {file}: {message}")
        for file in self._problems.keys() - now.keys():
            line(f"{click.style('mended', fg='green')}  {file}")
        self._problems = dict(now)

    def _bad(self, key: Key, reason: str, message: str) -> None:
        self._once(key, f"{click.style('not Ready', fg='red')}  {reason}: {message}")

    def _once(self, key: Key, text: str, detail: str = "") -> None:
        if self._said.get(key) != text:
            self._said[key] = text
            line(f"{key}  {text}{detail}")


def line(text: str = "") -> None:
    """One line of output, at once. A reader that has gone is no reason to stop serving."""
    try:
        click.echo(text)
        sys.stdout.flush()
    except (OSError, ValueError):
        pass


def _left_behind(outcome: Outcome) -> str:
    if any(change.startswith("drop collection") for change in outcome.changed):
        return "and its data"
    if outcome.changed:
        return "its data stays, owned by nobody"
    return "nothing of it was there"
