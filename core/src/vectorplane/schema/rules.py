"""The last step: the CEL rules of a schema, with the texts that stand in the CRD.

Evaluated by cel-expr-python, the CEL team's binding of their C++ engine, so a rule is written once
(`spec.py`) and means the same here as in the API server. A property whose name is a word of CEL
(`namespace`, `in`) is called `__namespace__` in a rule by Kubernetes only: no rule may use one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]

from vectorplane.schema.fields import field_of
from vectorplane.schema.problems import (
    NOT_SUPPORTED,
    REQUIRED,
    TOO_LONG,
    TOO_MANY,
    TYPE_INVALID,
    Problem,
    child,
    invalid,
)

BLOCKING = frozenset({NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID})
"""Problems with which the rules are not looked at."""
NOT_CHECKED = invalid(
    "",
    None,
    "some validation rules were not checked because the object was invalid; correct the existing"
    " errors to complete validation",
)


def check_rules(value: Any, schema: Mapping[str, Any], place: str = "") -> Iterator[Problem]:
    """The rules that a value breaks, and all below it. It has no problem of kind `BLOCKING`."""
    for rule in schema.get("x-kubernetes-validations", ()):
        result = _program(rule["rule"]).eval(data={"self": value})
        if result.type() == cel.Type.BOOL and result.value():
            continue
        detail = rule["message"]
        if result.type() != cel.Type.BOOL:
            detail = f"{result.value()} evaluating rule: {detail}"
            yield invalid(place, schema["type"], detail)
            continue
        path = rule.get("fieldPath", "").removeprefix(".")
        yield invalid(child(place, path) if path else place, schema["type"], detail)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if (node := field_of(schema, key)) is not None:
                yield from check_rules(inner, node, child(place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from check_rules(inner, schema.get("items", {}), f"{place}[{index}]")


def has_rules(schema: Mapping[str, Any]) -> bool:
    """True where a schema has a rule anywhere."""
    below = (schema.get("items", {}), schema.get("additionalProperties", {}))
    inner = [*schema.get("properties", {}).values(), *below]
    return "x-kubernetes-validations" in schema or any(map(has_rules, filter(None, inner)))


@cache
def _environment() -> Any:
    return cel.NewEnv(variables={"self": cel.Type.DYN})


@cache
def _program(rule: str) -> Any:
    return _environment().compile(rule)
