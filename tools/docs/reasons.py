"""Every reason that a condition or an event can carry, read from the code itself, so that the page
on troubleshooting can be held to have them all.

A reason is a string that stands where a class has a field `reason`: as its value in the class, or
as the argument of a call. Strings are followed through constants, `a if b else c` and `a or b`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What becomes a condition or an event. Commands, clients and the service answer with errors.
PLACES = ("core/src/vectorplane", "operator/src/vectorplane_operator")
ELSEWHERE = (
    "client/",
    "commands/",
    "schema/",
    "ports/cache.py",
    "tracing.py",
    "manifest.py",
    "cli.py",
)


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """The modules that make conditions and events, parsed."""
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*.py")):
            if not path.relative_to(ROOT / place).as_posix().startswith(ELSEWHERE):
                yield path, ast.parse(path.read_text(encoding="utf-8"))


def reasons() -> dict[str, set[str]]:
    """Each reason, with the files that can give it."""
    parsed = list(modules())
    places: dict[str, int] = {}
    for _, tree in parsed:
        places |= {
            node.name: place
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and (place := _place_of_reason(node)) is not None
        }
    found: dict[str, set[str]] = {}
    for path, tree in parsed:
        constants = _constants(tree)
        for value in _values(tree, places):
            for reason in _strings(value, constants):
                if reason[:1].isupper() and reason.isidentifier():
                    found.setdefault(reason, set()).add(str(path.relative_to(ROOT)))
    return found


def _place_of_reason(node: ast.ClassDef) -> int | None:
    """Where `reason` stands among the fields of a dataclass."""
    fields = [
        statement.target.id
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
    return fields.index("reason") if "reason" in fields else None


def _values(tree: ast.Module, places: Mapping[str, int]) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.Assign) and _names(statement) == ["reason"]:
                    yield statement.value
                elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                    if isinstance(statement.target, ast.Name) and statement.target.id == "reason":
                        yield statement.value
        elif isinstance(node, ast.Call):
            yield from (k.value for k in node.keywords if k.arg == "reason")
            name = node.func.id if isinstance(node.func, ast.Name) else None
            if name in places and len(node.args) > places[name]:
                yield node.args[places[name]]


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """What names of the module stand for. Of two that are alike the last one wins."""
    return {
        name: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for name in _names(node)
    }


def _strings(node: ast.expr, constants: Mapping[str, ast.expr], depth: int = 4) -> Iterator[str]:
    if depth == 0:
        return
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name) if name in constants:
            yield from _strings(constants[name], constants, depth - 1)
        case ast.IfExp(body=one, orelse=other):
            yield from _strings(one, constants, depth - 1)
            yield from _strings(other, constants, depth - 1)
        case ast.BoolOp(values=values):
            for value in values:
                yield from _strings(value, constants, depth - 1)
