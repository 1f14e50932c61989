"""What can go wrong between a program and the service, as exceptions. An error says who must act.

ClientError
 +-- ConnectionFailed     no answer: refused, reset, no such host. Try again later
 |    +-- TimedOut             no answer in time
 +-- BadAnswer            whoever answers there is not this service: look at the URL
 +-- Problem              the service answered with a problem (RFC 9457)
      +-- InvalidInput        the caller must send something else; `mistakes` say where
      |    +-- TooLarge           send less at once
      |    +-- UnsupportedMediaType
      +-- Unauthenticated     no key, or one that is not good (any more)
      +-- Forbidden           the key may not do this
      +-- NotFound            no such collection, point or path
      +-- Conflict            it exists already
      +-- Unsupported         the engine behind the service lacks it
      +-- RateLimited         too much at once; wait for `retry_after` seconds
      +-- Unavailable         the service or its store cannot answer now; wait
      +-- ServiceFailed       a bug or a fault over there; its operator finds it by `request_id`

No message holds a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson


class ClientError(Exception):
    """Every error of the client."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConnectionFailed(ClientError):
    """No answer came. `sent` is False where the request cannot have arrived."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class TimedOut(ConnectionFailed):
    """No answer came in time."""


class BadAnswer(ClientError):
    """An answer that this service does not give."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with what was sent, and where: `points[3].vector`."""

    place: str
    message: str


class Problem(ClientError):
    """A problem that the service answered with."""

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str = "",
        request_id: str = "",
        mistakes: tuple[Mistake, ...] = (),
        retry_after: float | None = None,
        written: int | None = None,
    ) -> None:
        places = "; ".join(f"{m.place}: {m.message}" for m in mistakes)
        message = detail if not places or detail in places else f"{detail} ({places})"
        super().__init__(places if places and detail in places else message)
        self.detail = detail
        self.status = status
        self.code = code
        self.request_id = request_id
        self.mistakes = mistakes
        self.retry_after = retry_after
        """Seconds, where the service said how long to wait."""
        self.written = written
        """Of a stream that ended early: how many points are certainly written."""


class InvalidInput(Problem):
    """What was sent is not right; `mistakes` say where."""


class TooLarge(InvalidInput):
    """Too much in one request."""


class UnsupportedMediaType(InvalidInput):
    """The service does not read such a body."""


class Unauthenticated(Problem):
    """No key, or one that is not good (any more)."""


class Forbidden(Problem):
    """The key may not do this."""


class NotFound(Problem):
    """No such collection, point or path."""


class Conflict(Problem):
    """It exists already."""


class Unsupported(Problem):
    """The engine behind the service lacks it."""


class RateLimited(Problem):
    """Too many requests; `retry_after` says how long to wait."""


class Unavailable(Problem):
    """The service or its store cannot answer now."""


class ServiceFailed(Problem):
    """A fault over there; `request_id` is for its operator."""


BY_CODE: Mapping[str, type[Problem]] = {
    "invalid_input": InvalidInput,
    "malformed_body": InvalidInput,
    "too_large": TooLarge,
    "unsupported_media_type": UnsupportedMediaType,
    "unauthenticated": Unauthenticated,
    "forbidden": Forbidden,
    "not_found": NotFound,
    "conflict": Conflict,
    "unsupported": Unsupported,
    "rate_limited": RateLimited,
    "store_unreachable": Unavailable,
    "store_timeout": Unavailable,
    "store_unauthorized": Unavailable,
    "store_overloaded": Unavailable,
    "store_failed": Unavailable,
    "overloaded": Unavailable,
    "request_timeout": Unavailable,
    "client_too_slow": Unavailable,
}
BY_STATUS: Mapping[int, type[Problem]] = {
    400: InvalidInput,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    413: TooLarge,
    415: UnsupportedMediaType,
    422: InvalidInput,
    429: RateLimited,
    501: Unsupported,
    503: Unavailable,
    504: Unavailable,
}
"""For codes that this version of the client does not know, and for gateways on the way."""

# Nothing of the request has left: it is safe to say it again, whatever it was.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def from_answer(answer: httpx.Response) -> Problem:
    """The problem of an answer that is none of the good ones."""
    body = _object(answer)
    code = str(body.get("code", ""))
    status = answer.status_code
    kind = BY_CODE.get(code) or BY_STATUS.get(status)
    if kind is None:
        kind = ServiceFailed if status >= 500 else InvalidInput
    said = body.get("errors")
    mistakes = tuple(
        Mistake(str(item.get("place", "")), str(item.get("message", "")))
        for item in (said if isinstance(said, list) else ())
        if isinstance(item, dict)
    )
    return kind(
        str(body.get("detail") or body.get("title") or f"HTTP status {status}"),
        status=status,
        code=code,
        request_id=str(body.get("request_id") or answer.headers.get("x-request-id", "")),
        mistakes=mistakes,
        retry_after=_seconds(answer.headers.get("retry-after")),
        written=written if isinstance(written := body.get("written"), int) else None,
    )


def from_transport(error: httpx.TransportError, where: str) -> ConnectionFailed:
    """An error below HTTP. `where` is the address as it may be shown."""
    sent = not isinstance(error, _NEVER_SENT)
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"no answer from {where} in time", sent=sent)
    return ConnectionFailed(
        f"no answer from {where}: {str(error) or type(error).__name__}", sent=sent
    )


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(header: str | None) -> float | None:
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None
