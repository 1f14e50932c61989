"""The tree of errors, in one place. An error says who must act.

VectorplaneError
 +-- Waiting              the world must change by itself: try again later
 |    +-- StoreUnreachable     refused, reset, no such host
 |    +-- StoreTimeout         no answer in time
 |    +-- StoreUnauthorized    the store refuses the key
 |    +-- StoreOverloaded      429 or 503
 |    +-- StoreFailed          another 5xx, or an answer that makes no sense
 |    +-- StoreMissing         no VectorStore of that name, or no default one (yet)
 |    +-- SecretUnreadable     no such Secret or key in it (yet), or we may not read it
 |    +-- ApiUnavailable       the Kubernetes API is away, overloaded, or refuses us
 |    +-- NotLeading           another replica leads, or the Lease could not be renewed in time
 |    +-- GatewayUnreachable   refused, reset, or no answer in time
 |    +-- GatewayUnauthorized  the gateway refuses our token or certificate
 |    +-- GatewayFailed        429, a 5xx, or an answer that makes no sense
 |    +-- RegistryUnreachable  refused, reset, or no answer in time
 |    +-- RegistryUnauthorized the registry refuses our token
 |    +-- RegistryFailed       429, a 5xx, or an answer that makes no sense
 +-- Stalled              a person must change something first
 |    +-- StoreRejected        the store says that the request itself is wrong
 |    +-- EngineLocked         another process has the embedded engine's folder
 |    +-- NamespaceNotAllowed  the store takes nothing of this namespace
 |    +-- LimitExceeded        the store's limits leave no room for it
 |    +-- GatewayRejected      the gateway says that an object is wrong, or its place is taken
 |    +-- GatewayReadOnly      the gateway takes no changes from outside (it has no database)
 |    +-- RegistryRejected     the registry, or our own look at it, says that something is wrong
 +-- CallerError          the caller must send something else
      +-- InvalidInput         `place` says where: "points[3].vector"
      |    +-- TooLarge
      +-- Unauthenticated
      +-- Forbidden
      +-- NotFound             a collection or a point that is not there
      +-- Conflict             it exists already
      +-- Unsupported          this engine lacks it

Foreign errors stop at the adapter that met them: they are mapped to one of these, chained with
`from`. Messages carry no secret: an adapter never puts a key or a URL's user part into one.
"""

from __future__ import annotations

from typing import ClassVar


class VectorplaneError(Exception):
    """Every error of our own. `reason` is CamelCase, fit for a Kubernetes condition."""

    reason: ClassVar[str] = "Error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Waiting(VectorplaneError):
    """The world must change; the same call may succeed later. `retry_after` is in seconds, where
    the other side said."""

    reason = "Waiting"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnreachable(Waiting):
    reason = "StoreUnreachable"


class StoreTimeout(Waiting):
    reason = "StoreTimeout"


class StoreUnauthorized(Waiting):
    reason = "StoreUnauthorized"


class StoreOverloaded(Waiting):
    reason = "StoreOverloaded"


class StoreFailed(Waiting):
    reason = "StoreFailed"


class StoreMissing(Waiting):
    reason = "StoreMissing"


class SecretUnreadable(Waiting):
    reason = "SecretUnreadable"


class ApiUnavailable(Waiting):
    reason = "ApiUnavailable"


class NotLeading(Waiting):
    reason = "NotLeading"


class GatewayUnreachable(Waiting):
    reason = "GatewayUnreachable"


class GatewayUnauthorized(Waiting):
    reason = "GatewayUnauthorized"


class GatewayFailed(Waiting):
    reason = "GatewayFailed"


class RegistryUnreachable(Waiting):
    reason = "RegistryUnreachable"


class RegistryUnauthorized(Waiting):
    reason = "RegistryUnauthorized"


class RegistryFailed(Waiting):
    reason = "RegistryFailed"


class Stalled(VectorplaneError):
    """A person must change something before the same call can succeed."""

    reason = "Stalled"


class StoreRejected(Stalled):
    reason = "StoreRejected"


class EngineLocked(Stalled):
    reason = "EngineLocked"


class NamespaceNotAllowed(Stalled):
    reason = "NamespaceNotAllowed"


class LimitExceeded(Stalled):
    reason = "LimitExceeded"


class GatewayRejected(Stalled):
    reason = "GatewayRejected"


class GatewayReadOnly(Stalled):
    reason = "GatewayReadOnly"


class RegistryRejected(Stalled):
    reason = "RegistryRejected"


class CallerError(VectorplaneError):
    """The caller must send something else. `place` is a path into what was sent, e.g.
    `points[3].vector`."""

    reason = "CallerError"

    def __init__(self, message: str, *, place: str | None = None) -> None:
        super().__init__(message)
        self.place = place


class InvalidInput(CallerError):
    reason = "InvalidInput"


class TooLarge(InvalidInput):
    reason = "TooLarge"


class Unauthenticated(CallerError):
    """`why` is one of a few fixed words, fit for a metric's label."""

    reason = "Unauthenticated"

    def __init__(self, message: str, *, why: str = "unknown", place: str | None = None) -> None:
        super().__init__(message, place=place)
        self.why = why


class Forbidden(CallerError):
    reason = "Forbidden"


class NotFound(CallerError):
    reason = "NotFound"


class Conflict(CallerError):
    reason = "Conflict"


class Unsupported(CallerError):
    reason = "Unsupported"
