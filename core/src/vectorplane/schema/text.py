"""YAML and JSON as kubectl reads them, with the line of each document.

PyYAML alone would read `1:30` as 90, `2026-01-01` as a date, and of two equal keys take the last.
Kubernetes' YAML (YAML 1.1 by way of JSON) has numbers, texts, booleans and null only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_INT = re.compile(
    r"[-+]?(0[bB][01_]+|0[xX][0-9a-fA-F_]+|0[oO][0-7_]*[0-7]|0[0-7_]*|[1-9][0-9_]*)\Z"
)
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?\Z|[-+]?\.(inf|Inf|INF)\Z|"
    r"\.(nan|NaN|NAN)\Z"
)
_MOST_NODES = 1_000_000
"""A document may not unfold its aliases into more than this."""


class BadText(Exception):
    """What keeps a text from being read, and the place."""

    def __init__(self, index: int, line: int, problem: str) -> None:
        super().__init__(problem)
        self.place = f"document {index}, line {line}"
        self.problem = problem


def read_documents(text: str) -> Iterator[tuple[int, int, Any]]:
    """Each document that is not empty: its number, its first line and its value."""
    if text.lstrip().startswith("{"):
        try:
            yield from list(_read_json(text))
            return
        except (ValueError, RecursionError):
            pass  # Flow YAML looks like JSON.
    yield from _read_yaml(text)


def _read_json(text: str) -> Iterator[tuple[int, int, Any]]:
    decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer)
    end, index = 0, 0
    while (at := len(text) - len(text[end:].lstrip())) < len(text):
        value, end = decoder.raw_decode(text, at)
        index += 1
        yield index, text.count("\n", 0, at) + 1, value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) < len(pairs):
        raise ValueError("a key stands twice")  # The YAML reader says where.
    return whole


def _read_yaml(text: str) -> Iterator[tuple[int, int, Any]]:
    index = 1
    try:
        loader = _Loader(text)
        while loader.check_node() and (node := loader.get_node()):
            _weigh(node, {}, index)
            value = loader.construct_document(node)
            if value is not None:
                yield index, node.start_mark.line + 1, value
            index += 1
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise BadText(index, line, f"yaml: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadText(index, line, f"yaml: {error.reason}") from error
    except RecursionError as error:
        raise BadText(index, 1, "yaml: nested too deeply") from error


def _weigh(node: Node, known: dict[int, int | None], index: int) -> int:
    """How many nodes a node unfolds to."""
    if id(node) in known:
        weight = known[id(node)]
        if weight is None:
            raise BadText(index, node.start_mark.line + 1, "yaml: an anchor contains itself")
        return weight
    known[id(node)] = None
    weight = 1
    if isinstance(node, SequenceNode):
        weight += sum(_weigh(inner, known, index) for inner in node.value)
    elif isinstance(node, MappingNode):
        weight += sum(_weigh(inner, known, index) for pair in node.value for inner in pair)
    if weight > _MOST_NODES:
        raise BadText(index, node.start_mark.line + 1, "yaml: excessive aliasing")
    known[id(node)] = weight
    return weight


class _Loader(yaml.SafeLoader):
    """A loader of what JSON can say; its words are given below."""


def _mapping(loader: _Loader, node: Node) -> dict[str, Any]:
    if not isinstance(node, MappingNode):
        raise _error(node, "expected a mapping")
    own = [key for key, _ in node.value if key.tag != _MERGE]
    seen: set[str] = set()
    for key in own:
        name = _key(loader, key)
        if name in seen:
            raise _error(key, f'key "{name}" already set in map')
        seen.add(name)
    loader.flatten_mapping(node)
    return {_key(loader, key): loader.construct_object(v, deep=True) for key, v in node.value}


def _key(loader: _Loader, node: Node) -> str:
    value = loader.construct_object(node, deep=True) if isinstance(node, ScalarNode) else None
    if isinstance(value, str):
        return value
    if value is None:
        raise _error(node, "a key must be a text")
    return json.dumps(value)


def _sequence(loader: _Loader, node: Node) -> list[Any]:
    if not isinstance(node, SequenceNode):
        raise _error(node, "expected a list")
    return [loader.construct_object(inner, deep=True) for inner in node.value]


def _scalar(read: Callable[[str], Any]) -> Callable[[_Loader, Node], Any]:
    def construct(loader: _Loader, node: Node) -> Any:
        if not isinstance(node, ScalarNode):
            raise _error(node, "expected a scalar")
        try:
            return read(node.value)
        except ValueError as error:
            raise _error(node, f"cannot decode `{node.value}` as {node.tag}") from error

    return construct


def _error(node: Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _boolean(text: str) -> bool:
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError(text)


def _null(text: str) -> None:
    return None


def _integer(text: str) -> int | float:
    digits = text.replace("_", "")
    if len(digits) > 400:  # Python reads no number of thousands of digits, and JSON has none.
        return float(digits)
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    octal = digits.startswith("0") and digits[1:].isdigit()
    return sign * (int(digits, 8) if octal else int(digits, 0))


def _number(text: str) -> float:
    return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan").lower())


def _unknown_tag(loader: _Loader, node: Node) -> Any:
    raise _error(node, f"unknown tag {node.tag}")


_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {}
for _name, _read in (
    ("str", str),
    ("bool", _boolean),
    ("null", _null),
    ("int", _integer),
    ("float", _number),
):
    _Loader.add_constructor(f"{_TAG}{_name}", _scalar(_read))
_Loader.add_constructor(f"{_TAG}map", _mapping)
_Loader.add_constructor(f"{_TAG}seq", _sequence)
_Loader.add_constructor(None, _unknown_tag)

_WORDS = "|".join(map(re.escape, (*_TRUE, *_FALSE)))
_Loader.add_implicit_resolver(f"{_TAG}bool", re.compile(rf"({_WORDS})\Z"), None)
_Loader.add_implicit_resolver(f"{_TAG}int", _INT, None)
_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, None)
_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"(~|null|Null|NULL|)\Z"), None)
_Loader.add_implicit_resolver(_MERGE, re.compile(r"<<\Z"), None)
