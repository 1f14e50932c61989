"""The vector store, in two halves: `VectorAdmin` makes collections (operator, local mode),
`VectorPoints` serves
them (service). Every adapter passes one contract suite: `tests/contract/`.

All calls are async and raise only errors of `vectorplane.errors`. A call that raises `Waiting` may
have happened or
not; everything here can be repeated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

from vectorplane.domain.model import Capability, Collection, Index, Record, Settings, Value
from vectorplane.domain.status import Taken

PointId = int | str
"""An unsigned 64-bit integer or a UUID in canonical form."""
SparseVector = Mapping[str, list[Any]]
"""`{"indices": [int, ...], "values": [float, ...]}`."""
Vector = list[float] | list[list[float]] | SparseVector
Vectors = Vector | Mapping[str, Vector]
"""The unnamed vector, or a mapping of vector name to vector."""
Json = dict[str, Any]


class SentVector(list[float]):
    """A dense vector with the JSON that it came as: who passes it on need not write its numbers
    anew, which takes as long as reading them."""

    __slots__ = ("json",)
    json: bytes


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What a store says of itself."""

    engine: str
    version: str
    capabilities: frozenset[Capability]
    peers: int = 1


@dataclass(frozen=True)
class Listing:
    """Every physical collection, and every alias with its physical collection. A handful of calls,
    not one per name."""

    collections: frozenset[str]
    aliases: Mapping[str, str]

    @cached_property
    def families(self) -> Mapping[str, tuple[str, ...]]:
        """The physical collections by base name, `shop.products` for `shop.products_1`."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for collection in self.collections:
            found[collection.rpartition("_")[0]].append(collection)
        return {base: tuple(sorted(members)) for base, members in found.items()}


@dataclass(frozen=True, slots=True)
class Survey:
    """All of a store at once: what `info`, `listing`, `describe` of each collection and `tally` of
    each pool give, by a number of calls that does not grow with the collections."""

    info: StoreInfo
    listing: Listing
    collections: Mapping[str, Collection]
    tenants: Mapping[str, int] = field(default_factory=dict)
    """Points by tenant, over all pools."""


class VectorAdmin(Protocol):
    """Collections, as the plan sees them. Names are physical unless said otherwise."""

    async def info(self) -> StoreInfo: ...

    async def listing(self) -> Listing: ...

    async def describe(self, collection: str) -> Collection | None:
        """One physical collection with its settings, indexes, record and counts; None where there
        is none."""

    async def create(self, collection: str, settings: Settings, record: Record) -> None:
        """Make a collection with its ownership record in one step. Raises `Conflict` where it
        exists."""

    async def update(self, collection: str, settings: Settings) -> None:
        """Change just these settings."""

    async def add_vector(self, collection: str, name: str, settings: Settings) -> None:
        """Add a named vector; nothing happens where it exists."""

    async def write_record(self, collection: str, record: Record) -> None:
        """Replace our record; metadata of others stays."""

    async def create_index(self, collection: str, index: Index) -> None:
        """Make a payload index and wait for it; nothing happens where the same one exists."""

    async def drop_index(self, collection: str, field: str) -> None:
        """Drop a payload index; nothing happens where there is none."""

    async def change_aliases(self, point: Mapping[str, str], drop: frozenset[str]) -> None:
        """Move and drop aliases, all or none."""

    async def drop(self, collection: str) -> None:
        """Drop a collection, its points and its aliases; nothing happens where there is none."""

    async def survey(self) -> Survey: ...

    async def tally(self, collection: str, field: str) -> Mapping[str, int]:
        """Points by the value of a payload field that has a Keyword index."""

    async def hold(self, collection: str) -> None:
        """From here on every write to a collection is refused with "come back later"
        (`StoreOverloaded`, HTTP 429) for at least 45 s, unless `release` comes first. What was
        accepted before is in the points that are read after this. Reads go on.
        """

    async def release(self, collection: str, before: Settings) -> None:
        """End a `hold`. `before` are the strict mode settings from before it."""

    async def take_snapshot(self, collection: str) -> Taken: ...

    async def drop_snapshot(self, collection: str, snapshot: str) -> None:
        """Drop a snapshot; nothing happens where it, or the collection, is gone."""

    async def restore_snapshot(self, collection: str, snapshot: str) -> None:
        """Fill a collection from a snapshot, given as `<collection it was taken of>/<name>`; the
        settings, indexes and record of `collection` stay. Raises `NotFound`, or `StoreRejected`
        where the vectors differ.
        """

    @property
    def points(self) -> VectorPoints:
        """The points of the same store. Closed together with this."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Point:
    id: PointId
    vector: Vectors
    payload: Json = field(default_factory=dict)


@dataclass(slots=True)
class Found:
    """A stored point as it is read back. `score` only in search results; `vector` and `payload`
    only where asked for. Ten are made for each search, and a frozen one costs four times as much.
    """

    id: PointId
    payload: Json | None = None
    vector: Any = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Many points by column: what `Point`s say, without an object for each number.

    `vectors` holds, by name, one C-contiguous float32 array of shape (points, size) each.
    `payloads` has one object (or None) for each point, or is None where no point has any.
    """

    ids: Sequence[PointId]
    vectors: Mapping[str, Any]
    payloads: Sequence[Json | None] | None = None


class Ordering(StrEnum):
    """How writes of several clients to one point are put in order, in Qdrant's words."""

    WEAK = "weak"
    MEDIUM = "medium"
    STRONG = "strong"


class PayloadChange(StrEnum):
    SET = "set"
    """Merge into what is there."""
    OVERWRITE = "overwrite"
    DELETE = "delete"
    """Delete some fields."""
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class ById:
    """The vector of a stored point, named by its id."""

    id: PointId


class Strategy(StrEnum):
    AVERAGE_VECTOR = "average_vector"
    BEST_SCORE = "best_score"
    SUM_SCORES = "sum_scores"


@dataclass(frozen=True, slots=True)
class Recommend:
    """Like the positive examples, unlike the negative ones. An example that is a point is not
    among the results."""

    positive: Sequence[Vector | ById]
    negative: Sequence[Vector | ById] = ()
    strategy: Strategy = Strategy.AVERAGE_VECTOR


class FusionMethod(StrEnum):
    RRF = "rrf"
    DBSF = "dbsf"


@dataclass(frozen=True, slots=True)
class Fusion:
    """One order out of the prefetched ones. `k` is the constant of RRF (None: the store's own)."""

    method: FusionMethod
    k: int | None = None


Query = Vector | ById | Recommend | Fusion


@dataclass(frozen=True, slots=True)
class Prefetch:
    """A search whose results the search above it works on. Its fields mean what those of `Search`
    do."""

    query: Query
    limit: int
    using: str = ""
    filter: Json | None = None
    params: Json | None = None
    score_threshold: float | None = None
    prefetch: Sequence[Prefetch] = ()


@dataclass(frozen=True, slots=True)
class Search:
    """One search. `filter` and `params` are JSON objects in Qdrant's own language (filter, search
    params).

    `query` is a dense, sparse or multi vector, a point (which is then not among the results),
    examples, or the fusion of `prefetch`; `using` names the vector ("" is the unnamed one; a fusion
    has none). `payload`: True, False, or the list of payload fields wanted; `vectors`: True, False,
    or the names wanted.
    """

    query: Query
    limit: int
    using: str = ""
    offset: int = 0
    filter: Json | None = None
    params: Json | None = None
    score_threshold: float | None = None
    payload: bool | Sequence[str] = True
    vectors: bool | Sequence[str] = False
    prefetch: Sequence[Prefetch] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """The best points of those with one value in the field that was grouped by."""

    key: str | int
    hits: list[Found]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a scroll; `next` is the id that the next page begins at, None at the end."""

    points: list[Found]
    next: PointId | None = None


class VectorPoints(Protocol):
    """Points, as the service needs them. `collection` is a name that clients use: an alias or a
    physical name.

    Raises `NotFound` for an unknown collection, `InvalidInput` for a vector of the wrong dimension
    or name, a bad id,
    or a filter that the engine refuses. Nothing is written of a batch that is refused.
    """

    async def info(self) -> StoreInfo: ...

    async def names(self) -> Mapping[str, str]:
        """Every name that clients may use, with the physical collection behind it."""

    async def resolve(self, collection: str) -> Collection:
        """The physical collection behind a name. Raises `NotFound`."""

    async def peek(self, collection: str) -> Collection:
        """What is behind a name, in one call however many names there are. The `name` in it may be
        the one that was asked for. Raises `NotFound`."""

    async def upsert(
        self,
        collection: str,
        points: Sequence[Point] | Columns,
        *,
        wait: bool = True,
        ordering: Ordering | None = None,
    ) -> None: ...

    async def retrieve(
        self,
        collection: str,
        ids: Sequence[PointId],
        *,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> list[Found]:
        """The points that exist among `ids`, in the order of `ids`."""

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
        """Points in the order of their ids, integers before UUIDs."""

    async def delete(
        self,
        collection: str,
        *,
        ids: Sequence[PointId] | None = None,
        filter: Json | None = None,
        wait: bool = True,
    ) -> None:
        """Delete by ids or by filter: exactly one of the two. Ids that are not there are no
        error."""

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
        """Change the payload of points by ids or by filter: exactly one of the two. `payload` is
        for set and overwrite, `fields` (paths) for delete; `path` sets inside that field alone."""

    async def count(
        self, collection: str, *, filter: Json | None = None, exact: bool = True
    ) -> int: ...

    async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
        """One list of results per search, best first, in the order of `searches`."""

    async def groups(self, collection: str, search: Search, by: str, size: int) -> list[Group]:
        """The best `search.limit` groups of at most `size` points each, by a payload field.
        `search.offset` is 0."""

    async def facet(
        self,
        collection: str,
        field: str,
        *,
        filter: Json | None = None,
        limit: int = 10,
        exact: bool = False,
    ) -> list[tuple[Value, int]]:
        """The values of a payload field that has an index, with the number of points of each; the
        most frequent first, then by value."""

    async def close(self) -> None: ...
