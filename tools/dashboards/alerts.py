"""What an alert is, and the time that all of them are made of.

A test lets minutes pass as seconds: it makes the same rules with another `Times`, and writes none
of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

RUNBOOK = "docs/runbook.md"
MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Times:
    """`shorter` is how many times shorter than in use everything is."""

    shorter: float = 1.0

    def seconds(self, seconds: float) -> str:
        """As a number in an expression."""
        return f"{seconds / self.shorter:g}"

    def span(self, seconds: float) -> str:
        """As a duration: of a range, or of `for`."""
        left, said = round(seconds / self.shorter * 1000), ""
        for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
            count, left = divmod(left, size)
            said += f"{count}{unit}" if count else ""
        return said or "0s"


@dataclass(frozen=True, slots=True)
class Recording:
    """An expression that is kept under a name."""

    name: str
    expr: str

    def rule(self) -> dict[str, Any]:
        return {"record": self.name, "expr": self.expr}


@dataclass(frozen=True, slots=True)
class Alert:
    """`lasting` is the duration of `for`."""

    name: str
    expr: str
    lasting: str
    severity: str
    summary: str
    description: str

    def rule(self) -> dict[str, Any]:
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasting,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOK}#{self.name.lower()}",
            },
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other."""

    name: str
    rules: Sequence[Recording | Alert]

    def document(self) -> dict[str, Any]:
        return {"name": self.name, "rules": [rule.rule() for rule in self.rules]}
