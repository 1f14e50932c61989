"""The short way to operations that are marked hot: search.

FastAPI solves the dependencies of an endpoint anew for each request, under five layers; for a
search that takes longer than all that the service does itself. So a hot operation is also reached
directly: the same endpoint with the same parameter types, permission included, in the order of its
parameters. What does not look like such a request goes the long way, which is the one that is
documented, and gives the same answers.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from fastapi.params import Depends
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vectorplane.errors import VectorplaneError
from vectorplane_service import problems
from vectorplane_service.documentation import Operation

MOST_CHARACTERS = 255
"""Of a parameter in the path; a longer one goes the long way, to be refused there."""


@dataclass(frozen=True, slots=True)
class Template:
    """Where a request went, for metrics and log: the path as it was written."""

    path: str


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter of an endpoint: what makes it, and which parts of the path that needs."""

    name: str
    make: Callable[..., Awaitable[Any]]
    parts: tuple[str, ...]


class _Hot:
    def __init__(self, prefix: str, operation: Operation) -> None:
        path = prefix + operation.path
        self.template = Template(path)
        self.method = operation.method
        self.pattern = re.compile(
            "".join(
                f"(?P<{piece[1:-1]}>[^/]{{1,{MOST_CHARACTERS}}})"
                if piece.startswith("{")
                else re.escape(piece)
                for piece in re.split(r"(\{\w+\})", path)
            )
        )
        self._endpoint = operation.endpoint
        self._parameters = tuple(_parameters(operation))

    async def answer(self, request: Request, parts: dict[str, str]) -> Response:
        values = {}
        for parameter in self._parameters:
            wanted = {part: parts[part] for part in parameter.parts}
            values[parameter.name] = await parameter.make(request, **wanted)
        response: Response = await self._endpoint(**values)
        return response


def _parameters(operation: Operation) -> list[_Parameter]:
    """Only what a dependency makes of the request and its path can be passed on the short way."""
    found = []
    for name, parameter in inspect.signature(operation.endpoint, eval_str=True).parameters.items():
        (depends,) = (m for m in get_args(parameter.annotation) if isinstance(m, Depends))
        assert depends.dependency is not None
        _, *parts = inspect.signature(depends.dependency).parameters
        found.append(_Parameter(name, depends.dependency, tuple(parts)))
    return found


class _Whole(Request):
    """A request whose body mostly comes in one piece."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            message = await self.receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                self._body = message.get("body", b"")
            else:
                self._body = await self._rest(message)
        return self._body

    async def _rest(self, message: Message) -> bytes:
        pieces = []
        while message["type"] == "http.request":
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(pieces)
            message = await self.receive()
        raise ClientDisconnect


class HotPath:
    """An ASGI layer that answers hot operations, and passes everything else on."""

    def __init__(self, app: ASGIApp, *, prefix: str, operations: Sequence[Operation]) -> None:
        self._app = app
        self._hot = tuple(_Hot(prefix, o) for o in operations if o.hot)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for hot in self._hot:
                found = hot.pattern.fullmatch(scope["path"])
                if found is not None and hot.method == scope["method"]:
                    scope["route"] = hot.template
                    try:
                        answer = await hot.answer(_Whole(scope, receive, send), found.groupdict())
                    except VectorplaneError as error:
                        answer = problems.from_error(error, scope["vectorplane.request_id"])
                    await answer(scope, receive, send)
                    return
        await self._app(scope, receive, send)


class ShortWay:
    """The way from the protocol to the layers that answer hot operations, past all others: see
    `protocol`."""

    def __init__(
        self, app: ASGIApp, layer: ASGIApp, *, prefix: str, operations: Sequence[Operation]
    ) -> None:
        self._app = app
        self._layer = layer
        self._prefix = f"{prefix}/".encode()
        paths = [operation.path for operation in operations if operation.hot]
        self._ends = tuple(path.rpartition("}")[2].encode() for path in paths)

    def takes(self, method: bytes, url: bytes) -> bool:
        """A guess in a microsecond; the layer looks closely."""
        return (
            method == b"POST"
            and url.startswith(self._prefix)
            and url.endswith(self._ends)
            and b"%" not in url
            and b"?" not in url
        )

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        scope["app"] = self._app
        return self._layer(scope, receive, send)
