"""What goes in and what comes back, as small dataclasses. Fields that a newer service adds are
passed over, so an older client keeps working."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

PointId = int | str
"""An unsigned 64-bit integer or a UUID."""
Json = dict[str, Any]
Ordering = Literal["weak", "medium", "strong"]
Permission = Literal["read", "write", "admin"]
Strategy = Literal["average_vector", "best_score", "sum_scores"]
FusionName = Literal["rrf", "dbsf"]
Selection = bool | Sequence[str]
"""All, none, or the named ones."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse vector: the indices that are not zero, and their values."""

    indices: Sequence[int] | NDArray[Any]
    values: Sequence[float] | NDArray[Any]


Dense = Sequence[float] | NDArray[Any]
Vector = Dense | Sequence[Dense] | Sparse | Mapping[str, Any]
"""Dense (a list or a numpy array), multi (a list or a matrix), or sparse."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point to write. It has a vector, or a text where the collection has an embedding. Named
    vectors are a mapping of name to vector."""

    id: PointId
    vector: Vector | Mapping[str, Vector] | None = None
    payload: Mapping[str, Any] | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A point as it is given back. `score` only in results; `payload` and `vector` as asked for."""

    id: PointId
    payload: Json | None = None
    vector: Any = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """`completed`: done and visible. `accepted`: taken, and done soon."""

    status: str
    points: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Some points, and the cursor of the next page, None at the end."""

    points: list[Found]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """The best points with one value in the field that was grouped by."""

    key: str | int
    results: list[Found]


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a payload field, and how many points have it."""

    value: str | int | bool
    count: int


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection: its vectors, what stands in it, and whether it takes text."""

    name: str
    state: str = ""
    points: int = 0
    indexed_vectors: int = 0
    vectors: list[Json] = field(default_factory=list)
    sparse_vectors: list[Json] = field(default_factory=list)
    embedding: dict[str, str] | None = None
    payload_indexes: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CollectionPage:
    """Some collections, and the cursor of the next page, None at the end."""

    collections: list[CollectionInfo]
    next_cursor: str | None


class Prefetch(TypedDict, total=False):
    """A search whose results a hybrid search works on. One of `vector`, `text`, `id`,
    `recommend`, or a `fusion` of its own `prefetch`."""

    vector: Any
    text: str
    id: PointId
    recommend: Json
    prefetch: Sequence[Prefetch]
    fusion: Any
    using: str
    filter: Json
    limit: int
    score_threshold: float
    params: Json


class Options(TypedDict, total=False):
    """What every search may say beside its query. `using` names the vector to compare with;
    `filter` and `params` are in Qdrant's language."""

    using: str | None
    filter: Json | None
    limit: int
    offset: int
    score_threshold: float | None
    params: Json | None
    with_payload: Selection
    with_vectors: Selection


class Search(Options, total=False):
    """One search of a batch: its options, and one of `vector`, `text`, `id`, `recommend`, or
    `prefetch` with `fusion`."""

    vector: Any
    text: str
    id: PointId
    recommend: Json
    prefetch: Sequence[Prefetch]
    fusion: Any


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key, without its secret. Times are seconds since 1970."""

    id: str
    permissions: list[str]
    collections: list[str]
    tenant: str | None = None
    created: float = 0.0
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class IssuedKey(KeyInfo):
    """A new key, with its secret: nobody can be told it again."""

    key: str = field(default="", repr=False)


def key_info(item: Mapping[str, Any]) -> KeyInfo:
    """A key of a list."""
    return KeyInfo(**_known(KeyInfo, item))


def issued_key(item: Mapping[str, Any]) -> IssuedKey:
    """A key that was just issued."""
    return IssuedKey(**_known(IssuedKey, item))


def found(item: Mapping[str, Any]) -> Found:
    """A point of an answer."""
    return Found(item["id"], item.get("payload"), item.get("vector"), item.get("score"))


def all_found(items: Sequence[Mapping[str, Any]]) -> list[Found]:
    """The points of an answer, in their order."""
    return [found(item) for item in items]


def collection_info(item: Mapping[str, Any]) -> CollectionInfo:
    """A collection of an answer."""
    return CollectionInfo(**_known(CollectionInfo, item))


def _known(model: Any, item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name in model.__dataclass_fields__}


def as_numpy(points: Sequence[Found], name: str = "") -> NDArray[np.float32]:
    """The dense vectors of points (read `with_vectors`) as one float32 array of shape (points,
    size). `name` is that of a named vector. Raises `ValueError` where a point has no such vector.
    """
    rows = []
    for point in points:
        vector = point.vector
        if isinstance(vector, Mapping):
            vector = vector.get(name)
        if vector is None or isinstance(vector, Mapping):
            raise ValueError(f"point {point.id} came without the dense vector {name!r}")
        rows.append(vector)
    return np.asarray(rows, dtype=np.float32)
