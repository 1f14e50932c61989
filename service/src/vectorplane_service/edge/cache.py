"""Answers of searches, kept until somebody writes.

`CachedPoints` stands around the store and below what binds a caller to a tenant, so that tenants'
filters are a part of what an answer is kept under. What it promises: once a write through this API
is acknowledged, by any worker and under any name of the collection, no search answers as if it had
not been. `vectorplane.ports.cache` says how.

An alias is followed at most a second late, as the name's target is looked up only so often; after a
write it is looked up anew, so that the write ends what is kept of the collection that it went to.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from vectorplane import tracing
from vectorplane.domain.model import Collection
from vectorplane.domain.model import Value as FieldValue
from vectorplane.errors import CallerError, NotFound, Stalled
from vectorplane.ports.cache import AnswerCache, CacheUnreachable
from vectorplane.ports.vectors import (
    Columns,
    Found,
    Group,
    Json,
    Ordering,
    Page,
    PayloadChange,
    Point,
    PointId,
    Prefetch,
    Recommend,
    Search,
    StoreInfo,
    VectorPoints,
)
from vectorplane_service.sharing import Shared

BELIEVED_SECONDS = 1.0
MARK_SECONDS = 60.0
"""At least; a write that nobody ended has landed by then, or never will."""
_HEADER = b"x-cache"
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS

T = TypeVar("T")

asked_name: ContextVar[str | None] = ContextVar("asked_name", default=None)
"""The name that a client gave. A write may go to what is behind it, and ends what is kept of both.
"""
_headers: ContextVar[list[tuple[bytes, bytes]] | None] = ContextVar("x_cache", default=None)


class CacheHeader:
    """An ASGI layer, there only with a cache: the answer says `X-Cache: HIT` or `MISS`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            _headers.set(scope.setdefault("vectorplane.headers", []))
        await self._app(scope, receive, send)


class CachedPoints:
    """`VectorPoints` that keeps the answers of `search` and `groups`. Closes both."""

    def __init__(
        self,
        points: VectorPoints,
        cache: AnswerCache,
        *,
        count: Callable[[str], None] = lambda result: None,
        believed_seconds: float = BELIEVED_SECONDS,
        mark_seconds: float = MARK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._points = points
        self._cache = cache
        self._count = count
        self._believed_seconds = believed_seconds
        self._mark_seconds = mark_seconds
        self._clock = clock
        self._believed: dict[str, tuple[str, float]] = {}
        self._looks = Shared(self._fresh)

    # What is kept

    async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
        return await self._kept(
            collection,
            lambda: _key("search", collection, searches),
            lambda: self._points.search(collection, searches),
            _results,
        )

    async def groups(self, collection: str, search: Search, by: str, size: int) -> list[Group]:
        return await self._kept(
            collection,
            lambda: _key("groups", collection, [search], by, size),
            lambda: self._points.groups(collection, search, by, size),
            _groups,
        )

    async def _kept(
        self,
        collection: str,
        key_of: Callable[[], str | None],
        ask: Callable[[], Awaitable[T]],
        decode: Callable[[Any], T],
    ) -> T:
        key = key_of()
        if key is None:
            return self._said("bypass", await ask())
        names = (f"name:{collection}", f"family:{await self._family(collection)}")
        try:
            with tracing.span("cache look"):
                look = await self._cache.look(names, key)
        except CacheUnreachable:
            return self._said("error", await ask())
        if look.value is not None:
            return self._said("hit", decode(orjson.loads(look.value)))
        if look.token is None:
            return self._said("bypass", await ask())
        found = await ask()
        try:
            await self._cache.keep(key, look.token, orjson.dumps(found, option=_OPTIONS))
        except (CacheUnreachable, TypeError):
            pass  # it is not kept, and the answer is as good (TypeError: an integer past 64 bits)
        return self._said("miss", found)

    def _said(self, result: str, answer: T) -> T:
        self._count(result)
        headers = _headers.get()
        if headers is not None:
            # Of several searches for one answer, one that missed is a miss.
            if result != "hit" or not any(name == _HEADER for name, _ in headers):
                headers[:] = [header for header in headers if header[0] != _HEADER]
                headers.append((_HEADER, b"HIT" if result == "hit" else b"MISS"))
        return answer

    # What writes

    async def upsert(
        self,
        collection: str,
        points: Sequence[Point] | Columns,
        *,
        wait: bool = True,
        ordering: Ordering | None = None,
    ) -> None:
        """With `wait` false it waits too: what becomes visible later could not end anything."""
        await self._written(
            collection,
            lambda: self._points.upsert(collection, points, wait=True, ordering=ordering),
        )

    async def delete(
        self,
        collection: str,
        *,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> None:
        await self._written(
            collection, lambda: self._points.delete(collection, ids=ids, filter=filter, wait=True)
        )

    async def change_payload(
        self,
        collection: str,
        change: PayloadChange,
        *,
        payload: Json | None = None,
        fields: Sequence[str] = (),
        path: str | None = None,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> None:
        await self._written(
            collection,
            lambda: self._points.change_payload(
                collection,
                change,
                payload=payload,
                fields=fields,
                path=path,
                ids=ids,
                filter=filter,
                wait=True,
            ),
        )

    async def _written(self, collection: str, write: Callable[[], Awaitable[None]]) -> None:
        names = [f"family:{await self._family(collection)}", f"name:{collection}"]
        asked = asked_name.get()
        if asked is not None and asked != collection:
            names.append(f"name:{asked}")
        writer = secrets.token_hex(8)
        await self._cache.begin(names, writer, self._mark_seconds)
        # Where it ends in any other way (no answer in time, a client who went), the write may still
        # land: then the mark stays until that is over.
        try:
            await write()
        except (CallerError, Stalled):
            await self._cache.end(names, writer)
            raise
        try:
            family = f"family:{await self._fresh(collection)}"
        except NotFound:
            family = names[0]  # dropped since
        await self._cache.end([*names, family] if family not in names else names, writer)

    # Which collection is behind a name

    async def _family(self, collection: str) -> str:
        believed = self._believed.get(collection)
        if believed is not None and self._clock() < believed[1]:
            return believed[0]
        return await self._looks.any(collection)

    async def _fresh(self, collection: str) -> str:
        asked = self._clock()
        seen = await self._points.peek(collection)
        owner = None if seen.record is None else seen.record.owner
        if owner is not None:
            # Of all generations and names of a collection, and of a pool, the same; in one call.
            found = f"{owner.cluster}/{owner.namespace}/{owner.name}"
        else:
            found = family((await self._points.resolve(collection)).name)
        self._believed[collection] = (found, asked + self._believed_seconds)
        return found

    # What passes

    async def info(self) -> StoreInfo:
        return await self._points.info()

    async def names(self) -> Mapping[str, str]:
        return await self._points.names()

    async def resolve(self, collection: str) -> Collection:
        return await self._points.resolve(collection)

    async def peek(self, collection: str) -> Collection:
        return await self._points.peek(collection)

    async def retrieve(
        self,
        collection: str,
        ids: Sequence[PointId],
        *,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> list[Found]:
        return await self._points.retrieve(collection, ids, payload=payload, vectors=vectors)

    async def scroll(
        self,
        collection: str,
        *,
        filter: Json | None = None,
        limit: int = 10,
        offset: PointId | None = None,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> Page:
        return await self._points.scroll(
            collection, filter=filter, limit=limit, offset=offset, payload=payload, vectors=vectors
        )

    async def count(
        self, collection: str, *, filter: Json | None = None, exact: bool = True
    ) -> int:
        return await self._points.count(collection, filter=filter, exact=exact)

    async def facet(
        self,
        collection: str,
        field: str,
        *,
        filter: Json | None = None,
        limit: int = 10,
        exact: bool = False,
    ) -> list[tuple[FieldValue, int]]:
        return await self._points.facet(collection, field, filter=filter, limit=limit, exact=exact)

    async def close(self) -> None:
        try:
            await self._cache.close()
        finally:
            await self._points.close()


def family(physical: str) -> str:
    """What a collection and its rebuilt successor have in common: `shop.products` of
    `shop.products_2`."""
    base, _, number = physical.rpartition("_")
    return base if base and number.isdigit() else physical


def _key(asked: str, collection: str, searches: Sequence[Search], *more: Any) -> str | None:
    """What an answer is kept under; None for what has no such thing."""
    kinds = [_kinds(search) for search in searches]
    try:
        said = orjson.dumps([asked, collection, kinds, more, searches], option=_OPTIONS)
    except TypeError:
        return None
    return hashlib.blake2b(said, digest_size=20).hexdigest()


def _kinds(search: Search | Prefetch) -> list[Any]:
    """The types in a query: as JSON, a point's id and a vector could look the same."""
    query = search.query
    found: list[Any] = [type(query).__name__]
    if isinstance(query, Recommend):
        found += [type(example).__name__ for example in (*query.positive, *query.negative)]
    return [*found, *(_kinds(prefetch) for prefetch in search.prefetch)]


def _results(content: Any) -> list[list[Found]]:
    return [[_found(hit) for hit in results] for results in content]


def _groups(content: Any) -> list[Group]:
    return [Group(group["key"], [_found(hit) for hit in group["hits"]]) for group in content]


def _found(hit: Any) -> Found:
    return Found(hit["id"], hit["payload"], hit["vector"], hit["score"])
