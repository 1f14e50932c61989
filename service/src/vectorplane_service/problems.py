"""Errors as `application/problem+json` (RFC 9457). This is the one place that knows both our errors
and HTTP.

What the store says of itself stays in the log, beside the request id; clients learn who must act.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from vectorplane import errors
from vectorplane.ports.cache import CacheUnreachable
from vectorplane_service.access.refusals import CannotVerify, IssuerUnreachable, KeysUnreadable
from vectorplane_service.edge import refusals
from vectorplane_service.http import json_bytes

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing wrong with the input, and where: `points[3].vector[0]`."""

    place: str
    message: str


class InvalidBody(errors.InvalidInput):
    """Several things wrong at once."""

    def __init__(self, wrong: Sequence[Wrong]) -> None:
        super().__init__(wrong[0].message, place=wrong[0].place)
        self.wrong = tuple(wrong)


class MalformedBody(errors.InvalidInput):
    """The body is no JSON."""

    reason = "MalformedBody"


class UnsupportedMediaType(errors.CallerError):
    reason = "UnsupportedMediaType"


class PartlyWritten(errors.VectorplaneError):
    """A stream of points ended early. It is said as its `cause` is, with the number of points that
    are certainly `written`."""

    def __init__(self, cause: errors.VectorplaneError, written: int) -> None:
        super().__init__(cause.message)
        self.cause = cause
        self.written = written


@dataclass(frozen=True, slots=True)
class Answer:
    """How one kind of error is said. Where `detail` is None, the error's own message is."""

    status: int
    detail: str | None = None


ANSWERS: dict[type[errors.VectorplaneError], Answer] = {
    MalformedBody: Answer(400),
    errors.Unauthenticated: Answer(401),
    errors.Forbidden: Answer(403),
    errors.NotFound: Answer(404),
    errors.Conflict: Answer(409),
    errors.TooLarge: Answer(413),
    UnsupportedMediaType: Answer(415),
    errors.InvalidInput: Answer(422),
    errors.Unsupported: Answer(501),
    refusals.RateLimited: Answer(429),
    refusals.ClientTooSlow: Answer(408),
    refusals.Overloaded: Answer(503),
    refusals.TookTooLong: Answer(504),
    refusals.CountsAway: Answer(503, "Requests cannot be counted now; try again later."),
    CacheUnreachable: Answer(503, "The cache of answers is away, so nothing is written now."),
    errors.CallerError: Answer(400),
    errors.StoreUnreachable: Answer(503, "The vector store cannot be reached; try again later."),
    errors.StoreTimeout: Answer(503, "The vector store did not answer in time; try again later."),
    errors.StoreUnauthorized: Answer(
        503, "The vector store refuses this service's own key; its operator must act."
    ),
    errors.StoreOverloaded: Answer(503, "The vector store is overloaded; try again later."),
    IssuerUnreachable: Answer(
        503,
        "The issuer of this token cannot be reached, so it cannot be verified; try again later.",
    ),
    CannotVerify: Answer(
        503, "What this key is verified with cannot be read now; try again later."
    ),
    KeysUnreadable: Answer(
        500, "The file of keys cannot be used; the service's operator must act."
    ),
    errors.Waiting: Answer(503, "The vector store cannot answer now; try again later."),
    errors.StoreRejected: Answer(502, "The vector store refused what this service asked of it."),
    errors.VectorplaneError: Answer(500, "The service cannot do this until its operator acts."),
}
"""An error is looked up by its class, then by the ones above it."""


def answer_to(error: errors.VectorplaneError) -> Answer:
    return next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)


_PHRASES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Of RFC 9110; Python has the older ones before 3.13, and clients go by what is made of them."""


def phrase(status: int) -> str:
    """The name of a status, the same on every Python."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def code(reason: str) -> str:
    """`StoreUnreachable` is `store_unreachable`."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in reason).lstrip("_")


def problem(
    status: int,
    *,
    request_id: str,
    code: str,
    detail: str,
    wrong: Sequence[Wrong] = (),
    written: int | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body: dict[str, object] = {
        "type": f"urn:vectorplane:problem:{code.replace('_', '-')}",
        "title": phrase(status),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    if wrong:
        body["errors"] = [{"place": w.place, "message": w.message} for w in wrong]
    if written is not None:
        body["written"] = written
    return Response(json_bytes(body), status, headers, MEDIA_TYPE)


def from_error(error: errors.VectorplaneError, request_id: str) -> Response:
    written: int | None = None
    if isinstance(error, PartlyWritten):
        written, error = error.written, error.cause
    answer = answer_to(error)
    headers: dict[str, str] = {}
    wrong: Sequence[Wrong] = ()
    if isinstance(error, errors.Waiting | refusals.RateLimited):
        seconds = RETRY_AFTER_SECONDS if error.retry_after is None else error.retry_after
        headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="vectorplane"'
    too_large = isinstance(error, errors.TooLarge) and written is None
    if too_large or isinstance(error, refusals.ClientTooSlow):
        # What is left of the body is not worth reading.
        headers["Connection"] = "close"
    if isinstance(error, InvalidBody):
        wrong = error.wrong
    elif isinstance(error, errors.CallerError) and error.place:
        wrong = (Wrong(error.place, error.message),)
    if answer.detail is not None:
        log.warning("store trouble", reason=error.reason, error=error.message)
    return problem(
        answer.status,
        request_id=request_id,
        code=code(error.reason),
        detail=answer.detail or error.message,
        wrong=wrong,
        written=written,
        headers=headers,
    )


def internal(request_id: str) -> Response:
    """For what nobody foresaw. The log has the story, under the request id."""
    return problem(
        500,
        request_id=request_id,
        code="internal",
        detail="Something went wrong inside the service. Its log has more under this request id.",
    )


def _request_id(request: Request) -> str:
    return str(request.scope.get("vectorplane.request_id", ""))


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.VectorplaneError)
    return from_error(error, _request_id(request))


async def _on_http(request: Request, error: Exception) -> Response:
    """Routes that are not there, and methods that they do not have."""
    assert isinstance(error, HTTPException)
    words = {404: "There is nothing at this path.", 405: "This path does not have this method."}
    headers = dict(error.headers or {})
    if error.status_code == 405:
        # A route knows its own methods only, and a path may have several routes.
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return problem(
        error.status_code,
        request_id=_request_id(request),
        code=code(phrase(error.status_code).title().replace(" ", "")),
        detail=words.get(error.status_code, str(error.detail)),
        headers=headers,
    )


def _methods(request: Request) -> set[str]:
    """What the path of a request has, over all routes. `/points/retrieve` is the path of that name,
    and not a point whose id is `retrieve`."""
    routes = [r for r in request.app.routes if r.matches(request.scope)[0] is not Match.NONE]
    path = min((route.path for route in routes), key=lambda path: path.count("{"), default="")
    return {method for r in routes if r.path == path for method in r.methods or ()}


async def _on_parameters(request: Request, error: Exception) -> Response:
    """Parameters in path, query and headers, which FastAPI checks."""
    assert isinstance(error, RequestValidationError)
    wrong = [Wrong(place_of(item["loc"][1:]), item["msg"]) for item in error.errors()]
    return from_error(InvalidBody(wrong), _request_id(request))


def place_of(path: Sequence[int | str], tail: str = "") -> str:
    """`("points", 3, "vector")` with tail `[0]` is `points[3].vector[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text + tail


def install(app: FastAPI) -> None:
    app.add_exception_handler(errors.VectorplaneError, _on_error)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_parameters)
