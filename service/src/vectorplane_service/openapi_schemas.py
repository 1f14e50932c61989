"""Is every value of one JSON schema a value of another? The half of `openapi_rules` that knows
schemas.

A schema is opened up into *flat* ones, the alternatives that `anyOf`, `oneOf`, `allOf`, `$ref` and
lists of types stand for. Each flat one inside must fit one outside. Where the two disagree about
something that is not judged here (a pattern, a format, `not`), the answer is no: better a false
alarm than a broken client.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import gt, lt
from typing import Any

Schema = Mapping[str, Any]

_LOW = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_HIGH = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_OF = {
    **dict.fromkeys(("minLength", "maxLength"), "string"),
    **dict.fromkeys(("minItems", "maxItems"), "array"),
    **dict.fromkeys(("minProperties", "maxProperties"), "object"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), "number"),
}
_SAME = ("pattern", "format", "multipleOf", "not", "uniqueItems", "propertyNames", "prefixItems")
_WORDS = ("title", "description", "example", "examples", "deprecated", "default")


@dataclass
class Fit:
    """Compares schemas of two documents. `inner` and `outer` are their `components`.

    `sent` True: values of the old schema are sent to the new one, so a property that the new one
    has no more is missed, and one that it newly requires is missing. False: values of the new
    schema are answered to who knows the old one, so a property that is not there any more, or may
    be left out now, is missed, and new ones do no harm.
    """

    inner: Schema
    outer: Schema
    sent: bool
    _known: dict[str, list[str]] = field(default_factory=dict)

    def misfits(self, inner: Schema, outer: Schema, place: str = "") -> list[str]:
        """Why some value of `inner` is none of `outer`, with places; empty where all are."""
        key = json.dumps([inner, outer], sort_keys=True)
        if key in self._known:
            # A schema that holds itself fits where everything else of it does.
            return [_join(place, why) for why in self._known[key]]
        self._known[key] = []
        found: list[str] = []
        outside = list(flat(outer, self.outer))
        for one in flat(inner, self.inner):
            candidates = [self._flat(one, other) for other in outside]
            best = min(
                candidates, key=lambda why: (_kinds(why), len(why)), default=[": no value fits"]
            )
            found += [why for why in best if why not in found]
        self._known[key] = found
        return [_join(place, why) for why in found]

    def _flat(self, inner: Schema, outer: Schema) -> list[str]:
        found = [self._said(*why) for why in _kind(inner, outer)]
        if found:
            return found
        same = (
            (word, _shown(inner.get(word)), _shown(outer[word]))
            for word in _SAME
            if word in outer and inner.get(word) != outer[word]
        )
        found = [
            self._said(*why) for why in (*_values(inner, outer), *_bounds(inner, outer), *same)
        ]
        if "items" in outer and _may_be(inner, "array"):
            found += self.misfits(inner.get("items", {}), outer["items"], "[]")
        return found + self._object(inner, outer)

    def _said(self, what: str, inside: str, outside: str) -> str:
        old, new = (inside, outside) if self.sent else (outside, inside)
        return f": {what} was {old}, is {new}"

    def _object(self, inner: Schema, outer: Schema) -> list[str]:
        if not _may_be(inner, "object"):
            return []
        found = []
        ours, theirs = inner.get("properties", {}), outer.get("properties", {})
        for name in outer.get("required", ()):
            if name not in inner.get("required", ()):
                found.append(f"{name}: {'is required now' if self.sent else 'may be missing now'}")
        # The side whose properties the other one counts on.
        for name in ours if self.sent else theirs:
            if name in ours and name in theirs:
                found += self.misfits(ours[name], theirs[name], name)
            elif name not in (theirs if self.sent else ours):
                extra = (outer if self.sent else inner).get("additionalProperties")
                if not (isinstance(extra, Mapping) and extra):
                    found.append(f"{name}: is gone")
        rest, others = (s.get("additionalProperties", True) for s in (inner, outer))
        if self.sent and others is False and rest is not False:
            found.append(": takes no further properties now")
        elif isinstance(others, Mapping) and rest is not False:
            found += self.misfits(rest if isinstance(rest, Mapping) else {}, others, "{}")
        return found


def flat(schema: Schema | bool, components: Schema) -> Iterator[dict[str, Any]]:
    """The alternatives that a schema stands for, without `$ref`, `anyOf`, `oneOf`, `allOf`, and
    with one type each."""
    if isinstance(schema, bool):
        if schema:
            yield {}
        return
    base = {key: value for key, value in schema.items() if key not in _WORDS}
    parts: list[list[dict[str, Any]]] = []
    if "$ref" in base:
        name = base.pop("$ref").rsplit("/", 1)[-1]
        parts.append(list(flat(components.get("schemas", {}).get(name, {}), components)))
    for word in ("anyOf", "oneOf"):
        if word in base:
            options = base.pop(word)
            parts.append([one for option in options for one in flat(option, components)])
    parts += [list(flat(option, components)) for option in base.pop("allOf", ())]
    if "const" in base:
        base["enum"] = [base.pop("const")]
    types = base.pop("type", None)
    for kind in types if isinstance(types, list) else [types]:
        typed = base if kind is None else {**base, "type": kind}
        for chosen in itertools.product(*parts):
            made = typed
            for part in chosen:
                merged = _merged(made, part)
                if merged is None:
                    break
                made = merged
            else:
                yield made


def _merged(one: Schema, other: Schema) -> dict[str, Any] | None:
    """What both say; None where no value is both."""
    made = {**one, **other}
    if "type" in one and "type" in other and one["type"] != other["type"]:
        if {one["type"], other["type"]} != {"integer", "number"}:
            return None
        made["type"] = "integer"
    if "required" in one or "required" in other:
        made["required"] = sorted({*one.get("required", ()), *other.get("required", ())})
    if "properties" in one and "properties" in other:
        ours, theirs = one["properties"], other["properties"]
        made["properties"] = {
            name: {"allOf": [ours[name], theirs[name]]}
            if name in ours and name in theirs
            else ours.get(name, theirs.get(name))
            for name in {**ours, **theirs}
        }
    return made


_Why = tuple[str, str, str]
"""What, on the inside, on the outside."""


def _kind(inner: Schema, outer: Schema) -> Iterator[_Why]:
    ours, theirs = inner.get("type"), outer.get("type")
    if theirs is None or ours == theirs or (ours, theirs) == ("integer", "number"):
        return
    if ours is None and "enum" in inner and "enum" in outer:
        return
    yield "type", ours or "any", theirs


def _values(inner: Schema, outer: Schema) -> Iterator[_Why]:
    if "enum" not in outer:
        return
    if "enum" not in inner:
        yield "enum", "any value", _shown(outer["enum"])
        return
    if any(value not in outer["enum"] for value in inner["enum"]):
        yield "enum", _shown(inner["enum"]), _shown(outer["enum"])


def _bounds(inner: Schema, outer: Schema) -> Iterator[_Why]:
    for words, worse in ((_LOW, lt), (_HIGH, gt)):
        for word in words:
            if word not in outer or not _may_be(inner, _OF[word]):
                continue
            if word not in inner or worse(inner[word], outer[word]):
                yield word, _shown(inner.get(word)), _shown(outer[word])


def _may_be(schema: Schema, kind: str) -> bool:
    found = schema.get("type", kind)
    return bool(found == kind or (found, kind) == ("integer", "number"))


def _kinds(why: list[str]) -> int:
    """Other types are further away than other bounds."""
    return sum(": type " in line and not line.partition(":")[0] for line in why)


def _shown(value: Any) -> str:
    return "none" if value is None else json.dumps(value)


def _join(place: str, why: str) -> str:
    if not place or why.startswith((":", "[", "{")):
        return place + why
    return f"{place}.{why}"
