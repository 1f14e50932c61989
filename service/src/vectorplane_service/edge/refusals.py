"""The errors of the edge: each says that a request is not answered, and when to come again."""

from __future__ import annotations

from vectorplane.errors import CallerError, Waiting


class RateLimited(CallerError):
    """Too many requests of one client. `retry_after` is in seconds."""

    reason = "RateLimited"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CountsAway(Waiting):
    """Nobody knows how many requests there were."""

    reason = "RateLimitsUnavailable"


class Overloaded(Waiting):
    """There are more requests than can be served in time."""

    reason = "Overloaded"


class TookTooLong(Waiting):
    """No answer came about in the time that a request has."""

    reason = "RequestTimeout"


class ClientTooSlow(CallerError):
    """The body did not come in time."""

    reason = "ClientTooSlow"
