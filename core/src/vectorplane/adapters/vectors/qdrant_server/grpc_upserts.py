"""Upserts over gRPC: there a vector travels as its float32 numbers; nobody writes or reads digits.

All other calls go over REST: their vectors are few, and a search is no slower there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.connection import get_async_channel

from vectorplane.adapters.connections import place_of
from vectorplane.adapters.vectors.qdrant_server.rest import MAX_SHOWN, REFUSES
from vectorplane.adapters.vectors.qdrant_server.wire_points import upsert_message
from vectorplane.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    StoreFailed,
    StoreOverloaded,
    StoreRejected,
    StoreTimeout,
    StoreUnauthorized,
    StoreUnreachable,
    VectorplaneError,
)
from vectorplane.ports.vectors import Columns, Json, Ordering, PointId

MAX_MESSAGE = 256 * 1024 * 1024
_UPSERT = "/qdrant.Points/Upsert"


class GrpcUpserts:
    """Upserts to one server. `verify` is True or a file of certificates to trust."""

    def __init__(
        self, url: str, api_key: str | None, grpc_port: int, timeout: float, verify: bool | str
    ) -> None:
        self._place = place_of(url)
        self._timeout = timeout
        options: dict[str, Any] = {
            "grpc.max_receive_message_length": MAX_MESSAGE,
            "grpc.max_send_message_length": MAX_MESSAGE,
        }
        if isinstance(verify, str):
            options["root_certificates"] = Path(verify).read_bytes()
        parts = urlsplit(url)
        host = parts.hostname or ""
        self._channel = get_async_channel(
            f"[{host}]" if ":" in host else host,
            grpc_port,
            parts.scheme == "https",
            metadata=[("api-key", api_key)] if api_key else [],
            options=options,
        )
        # Bytes in, bytes out: the message is made by us, and of the answer only the status counts.
        self._upsert = self._channel.unary_unary(_UPSERT)

    async def upsert(
        self,
        collection: str,
        points: Mapping[PointId, tuple[Mapping[str, Any], Json]] | Columns,
        wait: bool,
        ordering: Ordering | None = None,
    ) -> None:
        """Write points that were checked before."""
        try:
            message = upsert_message(collection, points, wait=wait, ordering=ordering)
        except (ValueError, OverflowError) as error:
            raise InvalidInput(
                "a payload holds a number or text that does not fit", place="points"
            ) from error
        try:
            await self._upsert(message, timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            raise _error(error, self._place) from error
        except ResourceExhaustedResponse as error:  # what an interceptor makes of a Retry-After
            raise StoreOverloaded(
                f"{self._place} is overloaded: {error.message}", retry_after=error.retry_after_s
            ) from error
        except (RuntimeError, OSError, grpc.RpcError) as error:
            raise StoreFailed(f"{self._place}: {type(error).__name__}") from error

    async def close(self) -> None:
        await self._channel.close()


def _error(error: grpc.aio.AioRpcError, place: str) -> VectorplaneError:
    said = (error.details() or "")[:MAX_SHOWN]
    code = grpc.StatusCode
    match error.code():
        case code.UNAVAILABLE:
            return StoreUnreachable(f"{place} cannot be reached")
        case code.DEADLINE_EXCEEDED:
            return StoreTimeout(f"{place} gave no answer in time")
        case code.UNAUTHENTICATED | code.PERMISSION_DENIED:
            return StoreUnauthorized(f"{place} refuses the API key")
        case code.RESOURCE_EXHAUSTED:
            return StoreOverloaded(f"{place} is overloaded: {said}", retry_after=_retry(error))
        case code.NOT_FOUND:
            return NotFound(said)
        case code.ALREADY_EXISTS:
            return Conflict(said)
        case code.INVALID_ARGUMENT | code.FAILED_PRECONDITION | code.OUT_OF_RANGE:
            return StoreRejected(f"{place}{REFUSES}: {said}")
        case _:
            return StoreFailed(f"{place}: {said}")


def _retry(error: grpc.aio.AioRpcError) -> float | None:
    for name, value in error.trailing_metadata() or ():
        if name == "retry-after" and str(value).isdigit():
            return float(value)
    return None
