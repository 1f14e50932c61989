"""The rare kinds of searches: by text, like points or examples, and in stages (prefetch, fusion).

A search is a tree of queries. Each becomes the port's; a mistake that the store finds in one is
said in the words of the body, at its own place in the tree (`said`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import (
    ById,
    Fusion,
    FusionMethod,
    Prefetch,
    Query,
    Recommend,
    Search,
    Strategy,
)
from vectorplane_service import answers
from vectorplane_service.access.dependencies import CollectionAccess
from vectorplane_service.bodies import JsonBody
from vectorplane_service.points.limits import check_page, check_size
from vectorplane_service.search.schemas import KINDS, FusionIn, PrefetchIn, RecommendIn, SearchIn

_RECOMMEND: JsonBody[RecommendIn] = JsonBody(RecommendIn)
_PREFETCHES: JsonBody[list[PrefetchIn]] = JsonBody(list[PrefetchIn])
_METHODS = ", ".join(FusionMethod)

Node = SearchIn | PrefetchIn


async def asked(at: CollectionAccess, body: SearchIn, place: str) -> Search:
    """One search in the store's words. `place` is the path to it in the body, "" for the whole."""
    check_page(at, body.limit, offset=body.offset, place=_inside(place, "limit"))
    if body.prefetch is not None and not _checked(body.prefetch):
        body.prefetch = _PREFETCHES.check(body.prefetch, at=_inside(place, "prefetch"))
    tree = _Tree(at, at.services.settings.max_prefetches)
    using, query = await tree.query(body, place)
    return made(body, using, query, await tree.prefetches(body.prefetch, place))


def made(body: SearchIn, using: str, query: Query, prefetch: Sequence[Prefetch] = ()) -> Search:
    """A body's search, once its queries are the port's."""
    return Search(
        query=query,
        limit=body.limit,
        using=using,
        offset=body.offset,
        filter=body.filter,
        params=body.params,
        score_threshold=body.score_threshold,
        payload=body.with_payload,
        vectors=body.with_vectors,
        prefetch=prefetch,
    )


def said(place: str, body: Node) -> str:
    """A place in the store's words (`prefetch[1].query[3]`) in those of the body
    (`prefetch[1].vector[3]`)."""
    head = place.split(".", 1)[0].split("[", 1)[0]
    rest = place[len(head) :]
    if head == "query":
        return f"{kind_of(body)}{rest}"
    if head == "prefetch" and rest and body.prefetch:
        index, _, inner = rest[1:].partition("]")
        if index.isdigit() and int(index) < len(body.prefetch):
            translated = said(inner.removeprefix("."), body.prefetch[int(index)])
            return _inside(f"prefetch[{index}]", translated)
    return answers.SELECTIONS.get(head, head) + rest


def kind_of(body: Node) -> str:
    """What a query searches by."""
    return next((kind for kind in KINDS if getattr(body, kind) is not None), "vector")


class _Tree:
    """The queries of one search. They are counted: each costs the store a search."""

    def __init__(self, at: CollectionAccess, most: int) -> None:
        self._at = at
        self._most = most
        self._number = 0

    async def query(self, body: Node, place: str) -> tuple[str, Query]:
        """The name of the vector, and what is searched by."""
        given = [kind for kind in KINDS if getattr(body, kind) is not None]
        if len(given) != 1:
            raise InvalidInput(
                f"say one of {', '.join(KINDS)}, and one only", place=place or "body"
            )
        where = _inside(place, given[0])
        if body.text is not None:
            return await self._embedded(body, where)
        if body.fusion is not None:
            return self._fusion(body, place, where)
        using = body.using
        if using is None:
            using = self._at.entry.only_vector() or ""
        if body.id is not None:
            return using, ById(body.id)
        if body.recommend is not None:
            return using, self._recommend(body.recommend, where)
        query: Query = body.vector
        return using, query

    async def prefetches(
        self, given: Sequence[PrefetchIn] | None, place: str
    ) -> tuple[Prefetch, ...]:
        made = []
        for i, body in enumerate(given or ()):
            where = _inside(place, f"prefetch[{i}]")
            self._number += 1
            if self._number > self._most:
                raise InvalidInput(
                    f"a search has at most {self._most} prefetches",
                    place=_inside(place, "prefetch"),
                )
            check_page(self._at, body.limit, place=f"{where}.limit")
            using, query = await self.query(body, where)
            made.append(
                Prefetch(
                    query=query,
                    limit=body.limit,
                    using=using,
                    filter=body.filter,
                    params=body.params,
                    score_threshold=body.score_threshold,
                    prefetch=await self.prefetches(body.prefetch, where),
                )
            )
        return tuple(made)

    async def _embedded(self, body: Node, where: str) -> tuple[str, Query]:
        text = body.text
        assert text is not None
        most = self._at.services.settings.max_query_length
        if len(text) > most:
            raise InvalidInput(f"a text is at most {most} characters", place=where)
        using, vectors = await self._at.services.embedding.embed(
            self._at.entry, body.using, [text], place=where
        )
        return using, vectors[0]

    def _fusion(self, body: Node, place: str, where: str) -> tuple[str, Query]:
        if not body.prefetch:
            raise InvalidInput("a fusion needs something to fuse", place=_inside(place, "prefetch"))
        if body.using is not None:
            raise InvalidInput("a fusion has no vector of its own", place=_inside(place, "using"))
        given: FusionIn | Any = body.fusion
        if isinstance(given, str):
            given = {"method": given}
        if not isinstance(given, dict) or given.get("method") not in (*FusionMethod,):
            raise InvalidInput(f"one of {_METHODS}, or an object with such a method", place=where)
        for word in given.keys() - {"method", "k"}:
            raise InvalidInput("unknown; it may be method or k", place=f"{where}.{word}")
        method, k = FusionMethod(given["method"]), given.get("k")
        if method is not FusionMethod.RRF and "k" in given:
            raise InvalidInput("only rrf has a k", place=f"{where}.k")
        if k is not None and (not isinstance(k, int) or isinstance(k, bool) or k < 1):
            raise InvalidInput("an integer of at least 1", place=f"{where}.k")
        return "", Fusion(method, k)

    def _recommend(self, given: Any, where: str) -> Recommend:
        body = _RECOMMEND.check(given, at=where)
        check_size(self._at, len(body.positive), f"{where}.positive")
        if body.negative:
            check_size(self._at, len(body.negative), f"{where}.negative")
        return Recommend(
            [_example(example) for example in body.positive],
            [_example(example) for example in body.negative],
            Strategy(body.strategy),
        )


def _example(given: Any) -> Any:
    """A vector is a list or an object; everything else is an id, for the store to judge."""
    return given if isinstance(given, list | dict) else ById(given)


def _checked(prefetches: Any) -> bool:
    return isinstance(prefetches, list) and all(isinstance(p, PrefetchIn) for p in prefetches)


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place and name else place or name
