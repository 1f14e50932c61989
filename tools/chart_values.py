"""Reads a chart's values.yaml with its comments: what each value is for, and what may stand there.

The comment above a key is its meaning. Two kinds of lines in it are for this module: `@schema` is a
piece of JSON schema that is added to what the default tells, and `@free` says that everything below
is Kubernetes' own, so it is one value here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}


class Unexplained(Exception):
    """A value without a comment, or with one that nobody can read."""


@dataclass(frozen=True)
class Value:
    """One key: its meaning, its default, and the values below it."""

    path: str
    meaning: str
    default: Any
    more: Schema
    below: dict[str, Value] = field(default_factory=dict)
    free: bool = False

    def schema(self) -> Schema:
        """What may stand here, as JSON schema."""
        about: Schema = {"description": self.meaning} if self.meaning else {}
        if self.below:
            shape: Schema = {"type": "object", "additionalProperties": False}
            shape["properties"] = {key: value.schema() for key, value in self.below.items()}
        else:
            shape = {"type": _TYPES.get(type(self.default), "object")}
        return about | shape | self.more

    def rows(self) -> Iterator[Value]:
        """Every value that has a default of its own, and every block that has a meaning."""
        if self.meaning or not self.below:
            yield self
        for value in self.below.values():
            yield from value.rows()


def read(file: Path) -> dict[str, Value]:
    """The values of a file, by key. Raises `Unexplained`."""
    text = file.read_text(encoding="utf-8")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    return _values(node, text.splitlines(), "")


def _values(node: yaml.MappingNode, lines: list[str], prefix: str) -> dict[str, Value]:
    found = {}
    for key, content in node.value:
        path = f"{prefix}{key.value}"
        meaning, more, free = _comment(lines, key.start_mark.line, path)
        below: dict[str, Value] = {}
        if isinstance(content, yaml.MappingNode) and content.value and not free:
            below = _values(content, lines, f"{path}.")
        elif not meaning:
            raise Unexplained(f"{path}: say in a comment what it is for")
        loader = yaml.SafeLoader("")
        found[key.value] = Value(
            path, meaning, loader.construct_object(content, deep=True), more, below, free
        )
    return found


def _comment(lines: list[str], number: int, path: str) -> tuple[str, Schema, bool]:
    """The lines of comment right above a line."""
    first = number
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    words: list[str] = []
    more: Schema = {}
    free = False
    for line in lines[first:number]:
        said = line.lstrip().removeprefix("#").strip()
        if said == "@free":
            free = True
        elif said.startswith("@schema "):
            piece = yaml.safe_load(said.removeprefix("@schema "))
            if not isinstance(piece, dict):
                raise Unexplained(f"{path}: {said} is no piece of a schema")
            more |= piece
        elif said.startswith("@"):
            raise Unexplained(f"{path}: nobody knows {said}")
        else:
            words.append(said)
    return " ".join(words), more, free
