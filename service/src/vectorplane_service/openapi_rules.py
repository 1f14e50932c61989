"""Would a client that was written against one OpenAPI document still work against another? Pure.

| what                      | incompatible                                                         |
| ------------------------- | -------------------------------------------------------------------- |
| path, method              | removed (one that was deprecated may go after its sunset)            |
| parameter                 | removed; a new one required; required now; narrowed; another default |
| request body              | removed; newly required; a media type removed; narrowed              |
| field of a request        | removed; required now; type, enum, bounds, pattern narrowed          |
| answer                    | a status or a media type removed                                     |
| field of an answer        | removed; may be missing now; type, enum, bounds widened              |
| security                  | added; an alternative removed; a scheme changed                      |

Everything else is compatible: new paths, methods, optional parameters and fields, new fields in
answers, new statuses, other words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from vectorplane_service.openapi_schemas import Fit

Document = Mapping[str, Any]
_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
_PARAMETER = re.compile(r"\{\w+\}")


def incompatible(old: Document, new: Document, today: date) -> list[str]:
    """What breaks clients of the old document, each in one line that begins with the place."""
    return [f"{place}: {why}" for place, why in _Comparison(old, new, today).paths()]


class _Comparison:
    def __init__(self, old: Document, new: Document, today: date) -> None:
        self._old, self._new, self._today = old, new, today
        before, after = old.get("components", {}), new.get("components", {})
        self._sent = Fit(before, after, sent=True)
        self._answered = Fit(after, before, sent=False)
        self._schemes = (before.get("securitySchemes", {}), after.get("securitySchemes", {}))

    def paths(self) -> Iterator[tuple[str, str]]:
        # A parameter in a path is known by where it stands.
        after = {_PARAMETER.sub("{}", path): item for path, item in self._new["paths"].items()}
        for path, item in self._old["paths"].items():
            for method in _METHODS:
                if method not in item:
                    continue
                place = f"{method.upper()} {path}"
                now = after.get(_PARAMETER.sub("{}", path), {}).get(method)
                if now is not None:
                    yield from ((place, why) for why in self._operation(item[method], now))
                elif not self._over(item[method]):
                    yield place, "removed"

    def _over(self, operation: Document) -> bool:
        """It was said when it would go, and that day has come."""
        sunset = operation.get("x-sunset")
        return bool(
            operation.get("deprecated") and sunset and date.fromisoformat(sunset) <= self._today
        )

    def _operation(self, old: Document, new: Document) -> Iterator[str]:
        yield from self._parameters(old, new)
        yield from self._body(old.get("requestBody"), new.get("requestBody"))
        yield from self._answers(old.get("responses", {}), new.get("responses", {}))
        yield from self._security(
            old.get("security", self._old.get("security", [])),
            new.get("security", self._new.get("security", [])),
        )

    def _parameters(self, old: Document, new: Document) -> Iterator[str]:
        before, after = _by_name(old), _by_name(new)
        for key, parameter in before.items():
            place = f"{key[0]} parameter {key[1]}"
            now = after.get(key)
            if now is None:
                yield f"{place}: removed"
                continue
            if now.get("required") and not parameter.get("required"):
                yield f"{place}: is required now"
            yield from self._narrowed(parameter.get("schema", {}), now.get("schema", {}), place)
            yield from _default(parameter.get("schema", {}), now.get("schema", {}), place)
        for key, parameter in after.items():
            if key not in before and parameter.get("required"):
                yield f"{key[0]} parameter {key[1]}: new, and required"

    def _body(self, old: Document | None, new: Document | None) -> Iterator[str]:
        if old is None:
            if new is not None and new.get("required"):
                yield "request body: new, and required"
            return
        if new is None:
            yield "request body: removed"
            return
        if new.get("required") and not old.get("required"):
            yield "request body: is required now"
        for kind, content in old.get("content", {}).items():
            now = new.get("content", {}).get(kind)
            if now is None:
                yield f"request body {kind}: removed"
                continue
            place = f"request body {kind}"
            yield from self._narrowed(content.get("schema", {}), now.get("schema", {}), place)

    def _answers(self, old: Document, new: Document) -> Iterator[str]:
        for status, answer in old.items():
            now = new.get(status)
            if now is None:
                yield f"answer {status}: removed"
                continue
            for kind, content in answer.get("content", {}).items():
                place = f"answer {status} {kind}"
                shown = now.get("content", {}).get(kind)
                if shown is None:
                    yield f"{place}: removed"
                    continue
                before, after = content.get("schema", {}), shown.get("schema", {})
                for why in self._answered.misfits(after, before):
                    yield f"{place} {_said(why)}"
            for name, header in answer.get("headers", {}).items():
                if header.get("required") and name not in now.get("headers", {}):
                    yield f"answer {status} header {name}: removed"

    def _narrowed(self, old: Document, new: Document, place: str) -> Iterator[str]:
        for why in self._sent.misfits(old, new):
            yield f"{place} {_said(why)}"

    def _security(self, old: list[Any], new: list[Any]) -> Iterator[str]:
        """Each way in must still be one: an alternative that asks for no more than it did."""
        if not new:
            return
        for way in old or [{}]:
            if not any(_asks_no_more(other, way) for other in new):
                yield f"security: {' and '.join(way) or 'none'} is no longer enough"
        before, after = self._schemes
        for name in {name for way in old for name in way}:
            if name in after and _meaning(before.get(name)) != _meaning(after[name]):
                yield f"security: scheme {name} has changed"


def _by_name(operation: Document) -> dict[tuple[str, str], Document]:
    """Parameters by place and name; those in the path by their order, for their names do not
    matter."""
    found, n = {}, 0
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        if parameter["in"] == "path":
            n += 1
            name = str(n)
        found[parameter["in"], name] = parameter
    return found


def _default(old: Document, new: Document, place: str) -> Iterator[str]:
    if "default" in old and old["default"] != new.get("default"):
        yield f"{place}: the default was {old['default']!r}, and is {new.get('default')!r}"


def _asks_no_more(new: Document, old: Document) -> bool:
    return all(name in old and set(scopes) <= set(old[name]) for name, scopes in new.items())


def _meaning(scheme: Any) -> Any:
    return {k: v for k, v in (scheme or {}).items() if k != "description"}


def _said(why: str) -> str:
    return why[2:] if why.startswith(": ") else f"at {why}"
