"""What a dashboard is, before it is Grafana's JSON: a test evaluates the same expressions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

GREEN, ORANGE, RED = "green", "orange", "red"
Steps = tuple[tuple[float, str], ...]
"""Values from which on another colour holds; below the first it is green."""
RATE = "$__rate_interval"
"""Grafana's own: wide enough for a rate, whatever is shown."""


@dataclass(frozen=True, slots=True)
class Query:
    """An expression in PromQL, and how its lines are named."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """`what` says what is shown and what to do where it is not as it should be."""

    title: str
    what: str
    unit: str
    queries: tuple[Query, ...]
    steps: Steps = ()
    number: bool = False
    """One number instead of lines."""
    width: int = 8


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top: the values of `label` of `metric`."""

    name: str
    title: str
    metric: str
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """Panels with something in common."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One file. `uid` stays for ever: links lead to it."""

    uid: str
    title: str
    what: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]

    @property
    def panels(self) -> Iterator[Panel]:
        for row in self.rows:
            yield from row.panels


OPERATORS = Variable("namespace", "Installation", "vectorplane_leader", "namespace")
SERVICES = Variable("namespace", "Installation", "vectorplane_workers", "namespace")
"""The namespace of what is scraped. Where targets have none, All fits them too."""
