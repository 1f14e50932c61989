"""Points over gRPC, through qdrant-client's own stubs: half the work of its REST models for each
search.

This is the one module that imports qdrant-client, and it is imported only where a gRPC port is
given. The stubs are used below the friendly layer, which would build a model for every hit.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from qdrant_client import AsyncQdrantClient
from qdrant_client import grpc as proto
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.conversions.conversion import grpc_to_payload, payload_to_grpc

from vectorplane.adapters.vectors.common.schema import unwrap
from vectorplane.adapters.vectors.common.searches import Checked
from vectorplane.adapters.vectors.qdrant_server.grpc_filters import filter_message, id_message
from vectorplane.adapters.vectors.qdrant_server.rest import MAX_SHOWN, REFUSES, place_of
from vectorplane.adapters.vectors.qdrant_server.transport import Upserts, Wanted
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
from vectorplane.ports.vectors import Found, Json, Page, PointId

MAX_MESSAGE = 256 * 1024 * 1024


class GrpcTransport:
    """`Transport` over gRPC."""

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
        with warnings.catch_warnings():
            # It warns of a key without TLS; who may use plain HTTP is the platform's decision.
            warnings.simplefilter("ignore")
            self._client = AsyncQdrantClient(
                url=url,
                api_key=api_key,
                prefer_grpc=True,
                grpc_port=grpc_port,
                grpc_options=options,
                check_compatibility=False,
                pool_size=1,
            )

    async def upsert(self, collection: str, points: Upserts, wait: bool) -> None:
        try:
            message = proto.UpsertPoints(
                collection_name=collection,
                wait=wait,
                points=[_point(*point) for point in points.items()],
            )
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidInput(
                "a payload holds a number that does not fit", place="points"
            ) from error
        await self._call(self._client.grpc_points.Upsert, message)

    async def retrieve(
        self, collection: str, ids: Sequence[PointId], wanted: Wanted
    ) -> list[Found]:
        message = proto.GetPoints(
            collection_name=collection, ids=[id_message(i) for i in ids], **_wanted(wanted)
        )
        answer = await self._call(self._client.grpc_points.Get, message)
        return [_found(hit, wanted) for hit in answer.result]

    async def scroll(
        self, collection: str, flt: Json | None, limit: int, offset: PointId | None, wanted: Wanted
    ) -> Page:
        message = proto.ScrollPoints(
            collection_name=collection,
            limit=limit,
            filter=None if flt is None else filter_message(flt),
            offset=None if offset is None else id_message(offset),
            **_wanted(wanted),
        )
        answer = await self._call(self._client.grpc_points.Scroll, message)
        more = answer.HasField("next_page_offset")
        return Page(
            [_found(hit, wanted) for hit in answer.result],
            _id(answer.next_page_offset) if more else None,
        )

    async def delete(
        self, collection: str, ids: Sequence[PointId] | None, flt: Json | None, wait: bool
    ) -> None:
        selector: Json = (
            {"filter": filter_message(flt or {})}
            if ids is None
            else {"points": {"ids": [id_message(i) for i in ids]}}
        )
        arguments: Json = {"collection_name": collection, "wait": wait, "points": selector}
        message = proto.DeletePoints(**arguments)
        await self._call(self._client.grpc_points.Delete, message)

    async def count(self, collection: str, flt: Json | None, exact: bool) -> int:
        message = proto.CountPoints(
            collection_name=collection,
            exact=exact,
            filter=None if flt is None else filter_message(flt),
        )
        answer = await self._call(self._client.grpc_points.Count, message)
        return int(answer.result.count)

    async def search(self, collection: str, searches: Sequence[Checked]) -> list[list[Found]]:
        message = proto.QueryBatchPoints(
            collection_name=collection, query_points=[_query(collection, s) for s in searches]
        )
        answer = await self._call(self._client.grpc_points.QueryBatch, message)
        return [
            [_scored(hit, (search.payload, search.vectors)) for hit in batch.result]
            for search, batch in zip(searches, answer.result, strict=True)
        ]

    async def close(self) -> None:
        await self._client.close()

    async def _call(self, method: Callable[..., Awaitable[Any]], message: Any) -> Any:
        try:
            return await method(message, timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            raise _error(error, self._place) from error
        except ResourceExhaustedResponse as error:  # what its interceptor makes of a Retry-After
            raise StoreOverloaded(
                f"{self._place} is overloaded: {error.message}", retry_after=error.retry_after_s
            ) from error
        except (RuntimeError, OSError, grpc.RpcError) as error:
            raise StoreFailed(f"{self._place}: {type(error).__name__}") from error


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
            return StoreOverloaded(f"{place} is overloaded: {said}")
        case code.NOT_FOUND:
            return NotFound(said)
        case code.ALREADY_EXISTS:
            return Conflict(said)
        case code.INVALID_ARGUMENT | code.FAILED_PRECONDITION | code.OUT_OF_RANGE:
            return StoreRejected(f"{place}{REFUSES}: {said}")
        case _:
            return StoreFailed(f"{place}: {said}")


def _vector(vector: Any) -> Json:
    if isinstance(vector, dict):
        return {"sparse": vector}
    if vector and isinstance(vector[0], list | tuple):
        return {"multi_dense": {"vectors": [{"data": row} for row in vector]}}
    return {"dense": {"data": vector}}


def _wanted(wanted: Wanted) -> Json:
    payload, vectors = wanted
    return {
        "with_payload": {"enable": payload}
        if isinstance(payload, bool)
        else {"include": {"fields": payload}},
        "with_vectors": {"enable": vectors}
        if isinstance(vectors, bool)
        else {"include": {"names": vectors}},
    }


def _point(point_id: PointId, point: tuple[Json, Json]) -> Any:
    vectors = {name: _vector(vector) for name, vector in point[0].items()}
    arguments: Json = {
        "id": id_message(point_id),
        "vectors": {"vectors": {"vectors": vectors}},
        "payload": payload_to_grpc(point[1]),
    }
    return proto.PointStruct(**arguments)


def _query(collection: str, search: Checked) -> Any:
    arguments: Json = {
        "collection_name": collection,
        "query": {"nearest": _vector(search.query)},
        "limit": search.limit,
        **_wanted((search.payload, search.vectors)),
    }
    if search.using:
        arguments["using"] = search.using
    if search.offset:
        arguments["offset"] = search.offset
    if search.filter is not None:
        arguments["filter"] = filter_message(search.filter)
    if search.params:
        arguments["params"] = search.params
    if search.score_threshold is not None:
        arguments["score_threshold"] = search.score_threshold
    return proto.QueryPoints(**arguments)


def _id(message: Any) -> PointId:
    uuid: str = message.uuid
    return uuid or int(message.num)


def _scored(hit: Any, wanted: Wanted) -> Found:
    return Found(
        id=_id(hit.id),
        payload=None if wanted[0] is False else grpc_to_payload(hit.payload),
        vector=None if wanted[1] is False else _vectors(hit.vectors),
        score=hit.score,
    )


def _found(hit: Any, wanted: Wanted) -> Found:
    return Found(
        id=_id(hit.id),
        payload=None if wanted[0] is False else grpc_to_payload(hit.payload),
        vector=None if wanted[1] is False else _vectors(hit.vectors),
    )


def _vectors(message: Any) -> Any:
    kind = message.WhichOneof("vectors_options")
    if kind == "vector":
        return _read(message.vector)
    if kind is None:
        return {}
    return unwrap({name: _read(vector) for name, vector in message.vectors.vectors.items()})


def _read(vector: Any) -> Any:
    kind = vector.WhichOneof("vector")
    if kind == "sparse":
        return {"indices": list(vector.sparse.indices), "values": list(vector.sparse.values)}
    if kind == "multi_dense":
        return [list(row.data) for row in vector.multi_dense.vectors]
    return list(vector.dense.data)
