"""Request bodies as parameter types: `Annotated[Search, Depends(JsonBody(Search))]`.

The body is read after the caller is known to be allowed, decoded once, and checked by its model.
Numbers of vectors pass as they are: the store looks at each of them anyway, and says the place.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from vectorplane.errors import InvalidInput
from vectorplane_service.problems import (
    InvalidBody,
    MalformedBody,
    UnsupportedMediaType,
    Wrong,
    place_of,
)

T = TypeVar("T")
MOST_ERRORS = 20
"""A body can be wrong in a million places; so many are said."""


class JsonBody(Generic[T]):
    """Reads a request's body as one model."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._adapter: TypeAdapter[T] = TypeAdapter(model)

    async def __call__(self, request: Request) -> T:
        return self.check(await read_json(request))

    def check(self, content: Any, *, at: str = "") -> T:
        """The model of what was sent. `at` is the place of `content` in the body."""
        try:
            return self._adapter.validate_python(content)
        except ValidationError as error:
            raise InvalidBody(wrong(error, at)) from None


def wrong(error: ValidationError, at: str = "") -> list[Wrong]:
    """What a model has against its input, each with its place in the body."""
    found = []
    for item in error.errors(include_url=False, include_input=False)[:MOST_ERRORS]:
        place = place_of((at, *item["loc"]) if at else item["loc"])
        found.append(Wrong(place or "body", item["msg"].removeprefix("Value error, ")))
    return found


JSON = "application/json"
NDJSON = "application/x-ndjson"
NPZ = "application/x-npz"


def media_type(request: Request, *others: str) -> str:
    """What kind of body comes: JSON or one of `others`. Raises `UnsupportedMediaType`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON or kind.endswith("+json"):
        return JSON
    if kind not in others:
        known = " or ".join((JSON, *others))
        raise UnsupportedMediaType(f"a body of {known} is asked for", place="Content-Type")
    return kind


async def read_json(request: Request) -> Any:
    media_type(request)
    return decode(await request.body())


def decode(body: bytes) -> Any:
    """JSON as it was sent. Raises `MalformedBody`, `InvalidInput`."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _explained(body, error) from None


def _explained(body: bytes, error: orjson.JSONDecodeError) -> InvalidInput:
    """NaN and Infinity are no JSON, yet many encoders write them: then the place helps more than a
    column does."""
    if not body.strip():
        return MalformedBody("the body is empty; JSON is asked for", place="body")
    try:
        place = _not_finite(json.loads(body))
    except (ValueError, RecursionError):
        place = None
    if place is None:
        return MalformedBody(
            f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})", place="body"
        )
    return InvalidInput("a finite number, not NaN or Infinity", place=place)


def _not_finite(content: Any) -> str | None:
    """The place of the first number that is none, or is too large for one.

    The body is a stranger's, and may be large and deep: no recursion, and nothing is kept but the
    way down to where we are.
    """
    path: list[int | str] = []
    ways: list[Iterator[tuple[int | str, Any]]] = [iter([("", content)])]
    while ways:
        step = next(ways[-1], None)
        if step is None:
            ways.pop()
            if path:
                path.pop()
            continue
        part, value = step
        if isinstance(value, float | int) and not abs(value) <= sys.float_info.max:
            return place_of([*path[1:], part]) or "body"
        if isinstance(value, dict | list):
            path.append(part)
            ways.append(iter(value.items() if isinstance(value, dict) else enumerate(value)))
    return None
