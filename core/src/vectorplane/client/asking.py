"""The bodies of requests, made of arguments. What is not given is left out, so that the service's
own defaults hold. Pure: the sync and the async client share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vectorplane.client.models import (
    FusionName,
    Json,
    Options,
    PointId,
    Prefetch,
    Search,
    Strategy,
    Vector,
)
from vectorplane.client.wire import vector_json


def given(**values: Any) -> Json:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def search(
    options: Options | Search | Mapping[str, Any],
    *,
    vector: Vector | None = None,
    text: str | None = None,
    id: PointId | None = None,
) -> Json:
    """A search by one of the three, with its options."""
    body = given(**options)
    if "vector" in body:
        body["vector"] = vector_json(body["vector"])
    return body | given(vector=vector_json(vector), text=text, id=id)


def recommend(
    options: Options,
    positive: Sequence[Vector | PointId],
    negative: Sequence[Vector | PointId],
    strategy: Strategy | None,
) -> Json:
    """A search for what is like some examples and unlike others."""
    examples: Json = {"positive": [vector_json(one) for one in positive]}
    if len(negative):
        examples["negative"] = [vector_json(one) for one in negative]
    return given(**options) | {"recommend": examples | given(strategy=strategy)}


def hybrid(
    options: Options, prefetch: Sequence[Prefetch], fusion: FusionName, k: int | None
) -> Json:
    """Several searches fused into one order."""
    return given(**options) | {
        "prefetch": [_prefetch(one) for one in prefetch],
        "fusion": fusion if k is None else {"method": fusion, "k": k},
    }


def _prefetch(one: Prefetch) -> Json:
    body = given(**one)
    if "vector" in body:
        body["vector"] = vector_json(body["vector"])
    if "prefetch" in body:
        body["prefetch"] = [_prefetch(inner) for inner in body["prefetch"]]
    return body


def by_ids_or_filter(ids: Sequence[PointId] | None, filter: Json | None) -> Json:
    """Which points a change is about. The service says what is wrong where it is both or none."""
    return given(ids=None if ids is None else list(ids), filter=filter)
