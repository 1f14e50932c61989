"""A problem of a manifest, in the words of the API server: its `field.Error`, and Go's formats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

ROOT: Final = "<nil>"
"""How the API server calls the place of a problem of the whole object."""
NOT_SENT: Final = "NotSent"
"""What kubectl itself would not send."""
BAD_REQUEST: Final = "BadRequest"
UNKNOWN: Final = "UnknownField"
INVALID: Final = "FieldValueInvalid"
TYPE_INVALID: Final = "FieldValueTypeInvalid"
REQUIRED: Final = "FieldValueRequired"
NOT_SUPPORTED: Final = "FieldValueNotSupported"
DUPLICATE: Final = "FieldValueDuplicate"
TOO_LONG: Final = "FieldValueTooLong"
TOO_MANY: Final = "FieldValueTooMany"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it is, and what kind of wrong (a cause's `reason`)."""

    place: str
    message: str
    reason: str = INVALID

    def __str__(self) -> str:
        """As kubectl prints it."""
        if self.reason in (NOT_SENT, BAD_REQUEST, UNKNOWN):
            return self.message
        return f"{self.place}: {self.message}"


def child(place: str, key: str) -> str:
    """The place of a field."""
    return f"{place}.{key}" if place else key


def unknown(place: str) -> Problem:
    return Problem(place, f'unknown field "{place}"', UNKNOWN)


def invalid(place: str, value: Any, detail: str) -> Problem:
    return Problem(place or ROOT, f"Invalid value: {go_value(value)}: {detail}")


def type_invalid(place: str, expected: str, found: str) -> Problem:
    # The API server names the type that it found where the value would stand.
    detail = f"{place} in body must be of type {expected}: {go_quote(found)}"
    return Problem(place or ROOT, f"Invalid value: {go_quote(found)}: {detail}", TYPE_INVALID)


def required(place: str, detail: str = "") -> Problem:
    return Problem(place, "Required value" + (f": {detail}" if detail else ""), REQUIRED)


def not_supported(place: str, value: Any, allowed: Sequence[str]) -> Problem:
    names = ", ".join(map(go_quote, allowed))
    message = f"Unsupported value: {go_value(value)}: supported values: {names}"
    return Problem(place, message, NOT_SUPPORTED)


def duplicate(place: str, value: Any) -> Problem:
    return Problem(place, f"Duplicate value: {go_value(value)}", DUPLICATE)


def too_long(place: str, limit: int) -> Problem:
    unit = "byte" if limit == 1 else "bytes"
    return Problem(place, f"Too long: may not be more than {limit} {unit}", TOO_LONG)


def too_many(place: str, found: int, limit: int) -> Problem:
    unit = "item" if limit == 1 else "items"
    return Problem(place, f"Too many: {found}: must have at most {limit} {unit}", TOO_MANY)


def go_value(value: Any) -> str:
    """A value as a `field.Error` shows it."""
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, float):
        return go_number(value)
    return go_json(value)


def go_number(value: float) -> str:
    """Go's `%v` of a number: for a float the shortest digits, with an exponent from 1e+06 on."""
    if isinstance(value, int):
        return str(value)
    number = Decimal(repr(value)).normalize()
    plain = not number or -4 <= number.adjusted() < 6
    return f"{number:f}" if plain else _exponent(number, 2)


def go_json(value: Any) -> str:
    """Go's JSON: compact, keys in order, `<`, `>`, `&` escaped, an exponent from 1e+21 on."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{go_json(k)}:{go_json(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(go_json, value)) + "]"
    if isinstance(value, float):
        number = Decimal(repr(value)).normalize()
        plain = not number or -6 <= number.adjusted() < 21
        return f"{number:f}" if plain else _exponent(number, 1)
    text = json.dumps(value, ensure_ascii=False)
    for char, escaped in _HTML:
        text = text.replace(char, escaped)
    return text


def _exponent(number: Decimal, width: int) -> str:
    power = number.adjusted()
    sign = "-" if power < 0 else "+"
    return f"{number.scaleb(-power):f}e{sign}{abs(power):0{width}d}"


_HTML = [(c, f"\\u{ord(c):04x}") for c in "<>&\u2028\u2029"]
_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def go_quote(text: str) -> str:
    """Go's `%q`: in double quotes, with what cannot be printed escaped."""
    return '"' + "".join(map(_quoted, text)) + '"'


def _quoted(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
