"""Searching a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from vectorplane.client import asking
from vectorplane.client.aio.at import AsyncAt
from vectorplane.client.models import (
    Found,
    FusionName,
    Group,
    Json,
    Options,
    PointId,
    Prefetch,
    Search,
    Strategy,
    Vector,
    all_found,
)


class AsyncSearching(AsyncAt):
    """Searches. Each takes the options of `Options`: `using`, `filter`, `limit`, `offset`,
    `score_threshold`, `params`, `with_payload`, `with_vectors`."""

    async def search(
        self,
        vector: Vector | None = None,
        *,
        text: str | None = None,
        id: PointId | None = None,
        **options: Unpack[Options],
    ) -> list[Found]:
        """The nearest points to a vector (dense, sparse or multi), to a text where the collection
        has an embedding, or to the point `id`; best first."""
        return await self._searched(asking.search(options, vector=vector, text=text, id=id))

    async def recommend(
        self,
        positive: Sequence[Vector | PointId],
        negative: Sequence[Vector | PointId] = (),
        *,
        strategy: Strategy | None = None,
        **options: Unpack[Options],
    ) -> list[Found]:
        """Points like the positive examples and unlike the negative ones; an example is a point's
        id or a vector. Examples themselves are not among the results."""
        return await self._searched(asking.recommend(options, positive, negative, strategy))

    async def hybrid(
        self,
        prefetch: Sequence[Prefetch],
        *,
        fusion: FusionName = "rrf",
        k: int | None = None,
        **options: Unpack[Options],
    ) -> list[Found]:
        """Several searches, of different vectors or words, fused into one order. `k` is the
        constant of RRF."""
        return await self._searched(asking.hybrid(options, prefetch, fusion, k))

    async def search_groups(
        self,
        by: str,
        *,
        size: int = 3,
        vector: Vector | None = None,
        text: str | None = None,
        id: PointId | None = None,
        **options: Unpack[Options],
    ) -> list[Group]:
        """The best `limit` groups of at most `size` points each, by a payload field."""
        body = asking.search(options, vector=vector, text=text, id=id)
        body["group_by"] = {"field": by, "size": size}
        answer = await self._post("search", body=body)
        return [Group(one["key"], all_found(one["results"])) for one in answer["groups"]]

    async def search_batch(
        self, searches: Sequence[Search | Mapping[str, Any]]
    ) -> list[list[Found]]:
        """Several searches in one request: one list of results for each, in their order."""
        body = {"searches": [asking.search(one) for one in searches]}
        answer = await self._post("search", "batch", body=body)
        return [all_found(one["results"]) for one in answer["searches"]]

    async def _searched(self, body: Json) -> list[Found]:
        answer = await self._post("search", body=body)
        return all_found(answer["results"])
