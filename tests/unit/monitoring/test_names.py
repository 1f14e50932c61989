"""Every name of a metric, in both directions: what is asked for exists, what exists is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dashboards import reference, rules
from dashboards.alerts import Times
from dashboards.boards import BOARDS

ROOT = Path(__file__).parents[3]
_NAME = re.compile(r"\b((?:vectorplane|kong)[a-z0-9_:]*)\b")
_STRING = re.compile(r'"[^"]*"')


def known() -> set[str]:
    """All that an expression may ask for."""
    ours = {name for one in (*reference.operator(), *reference.service()) for name in one.series}
    kongs = {
        name + suffix
        for name in reference.KONG
        for suffix in (("_bucket", "_count", "_sum") if name.endswith("_ms") else ("",))
    }
    return ours | kongs | set(reference.recorded())


def expressions() -> Iterator[tuple[str, str]]:
    """Each with where it stands."""
    for board in BOARDS:
        for panel in board.panels:
            for query in panel.queries:
                yield f"{board.title}: {panel.title}", query.expr
        for variable in board.variables:
            yield f"{board.title}: ${variable.name}", variable.metric
    for group in rules.groups(Times()):
        for rule in group.rules:
            yield rule.name, rule.expr


def test_whatever_is_asked_for_exists() -> None:
    found = known()
    for where, expr in expressions():
        names = set(_NAME.findall(_STRING.sub("", expr)))
        assert names <= found, f"{where} asks for {names - found}"
        assert names, where


def test_whatever_exists_is_named() -> None:
    text = (ROOT / "docs/metrics.md").read_text()
    for one in (*reference.operator(), *reference.service()):
        assert f"| `{one.name}` |" in text, one.name
        assert one.meaning.endswith("."), one.name
    asked = {name for _, expr in expressions() for name in _NAME.findall(_STRING.sub("", expr))}
    shown = {
        one.name for one in (*reference.operator(), *reference.service()) if asked & set(one.series)
    }
    # Not only written down: these are all on a dashboard, or in an alert.
    assert {one.name for one in (*reference.operator(), *reference.service())} == shown


def test_labels_that_are_asked_for_exist() -> None:
    labels = {
        name: set(one.labels)
        for one in (*reference.operator(), *reference.service())
        for name in one.series
    }
    labels |= {name: set(text.split(", ")) for name, text in reference.KONG.items()}
    target = {"namespace", "job", "instance", "le"}
    for where, expr in expressions():
        for name, inside in re.findall(r"\b((?:vectorplane|kong)\w+)\{([^}]*)\}", expr):
            plain = name if name in labels else re.sub("_(bucket|count|sum)$", "", name)
            if plain not in labels:
                continue
            used = set(re.findall(r"(\w+)(?:=~|!=|!~|=)", _STRING.sub('""', inside)))
            assert used <= labels[plain] | target, f"{where}: {name} has no {used - labels[plain]}"
