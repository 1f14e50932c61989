"""What is sent and answered about searches.

The rare fields of a search (`recommend`, `fusion`, `prefetch`, `group_by`) are checked only where
they are given: see `search.hybrid`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, WithJsonSchema

from vectorplane_service.filter_language import POINT_ID, FieldPath, one_of
from vectorplane_service.schemas import (
    VECTOR,
    Answer,
    Filter,
    FoundPoint,
    Input,
    OptionalId,
    Params,
    QueryVector,
    Selection,
    ShownAs,
)

KINDS = ("vector", "text", "id", "recommend", "fusion")
"""What a search searches by: one of them."""
_USING = "Name of the vector to compare with; left out: the unnamed or the only one."
_THRESHOLD = "Results on the wrong side of it are left out."
_NULL: dict[str, JsonValue] = {"type": "null"}
_ONE_KIND: dict[str, JsonValue] = {
    **one_of(*KINDS),
    # A fusion has something to fuse, and no vector of its own.
    "anyOf": [
        {"properties": {"fusion": _NULL}},
        {
            "required": ["prefetch"],
            "properties": {"prefetch": {"type": "array", "minItems": 1}, "using": _NULL},
        },
    ],
}
_Limit = Field(10, ge=1, json_schema_extra={"x-limit": "max_results_k"})
_Text = Field(None, min_length=1, json_schema_extra={"x-limit": "max_query_length"})

Example = Annotated[Any, WithJsonSchema({"anyOf": [*POINT_ID["anyOf"], *VECTOR["anyOf"]]})]
"""The id of a point, or a vector."""


class RecommendIn(Input):
    """Like the positive examples and unlike the negative ones."""

    positive: list[Example] = Field(min_length=1, json_schema_extra={"x-limit": "max_batch_size"})
    negative: list[Example] = Field([], json_schema_extra={"x-limit": "max_batch_size"})
    strategy: Literal["average_vector", "best_score", "sum_scores"] = "average_vector"


class RrfIn(Input):
    """Reciprocal rank fusion."""

    method: Literal["rrf"]
    k: int | None = Field(None, ge=1, le=2**32 - 1, description="Its constant.")


class DbsfIn(Input):
    """Distribution-based score fusion."""

    method: Literal["dbsf"]


FusionIn = Literal["rrf", "dbsf"] | RrfIn | DbsfIn


class GroupByIn(Input):
    """The best groups of results, by a payload field."""

    field: FieldPath = Field(description="A payload field with strings or integers.")
    size: int = Field(3, ge=1, description="Most results of a group.")


class PrefetchIn(Input):
    """A search whose results the search above it works on."""

    model_config = ConfigDict(json_schema_extra=_ONE_KIND)

    vector: QueryVector = None
    text: str | None = _Text
    id: OptionalId = None
    recommend: Annotated[Any, ShownAs(RecommendIn | None)] = None
    fusion: Annotated[Any, ShownAs(FusionIn | None)] = None
    prefetch: list[PrefetchIn] | None = Field(None, json_schema_extra={"x-limit": "max_prefetches"})
    using: str | None = Field(None, description=_USING)
    filter: Filter = None
    limit: int = _Limit
    score_threshold: float | None = Field(None, description=_THRESHOLD)
    params: Params = None


class SearchIn(Input):
    """One search: by `vector`, by `text` where there is an embedding, like a point (`id`),
    like examples (`recommend`), or as the `fusion` of prefetched ones. One of the five.

    `prefetch` searches first; then this search works on those results alone.
    """

    model_config = ConfigDict(
        json_schema_extra={
            **_ONE_KIND,
            # Groups have no offset.
            "allOf": [
                {
                    "anyOf": [
                        {"properties": {"group_by": _NULL}},
                        {"properties": {"offset": {"maximum": 0}}},
                    ]
                }
            ],
        }
    )

    vector: QueryVector = None
    text: str | None = _Text
    id: OptionalId = None
    recommend: Annotated[Any, ShownAs(RecommendIn | None)] = None
    fusion: Annotated[Any, ShownAs(FusionIn | None)] = None
    prefetch: Annotated[Any, ShownAs(list[PrefetchIn] | None)] = Field(
        None, json_schema_extra={"x-limit": "max_prefetches"}
    )
    group_by: Annotated[Any, ShownAs(GroupByIn | None)] = Field(
        None, description="Answers groups; `limit` is their number, and there is no `offset`."
    )
    using: str | None = Field(None, description=_USING)
    filter: Filter = None
    limit: int = _Limit
    offset: int = Field(0, ge=0, json_schema_extra={"x-limit": "max_results_k"})
    score_threshold: float | None = Field(None, description=_THRESHOLD)
    params: Params = None
    with_payload: Selection = True
    with_vectors: Selection = False


def _without_groups(shown: dict[str, Any]) -> None:
    shown["x-limit"] = "max_batch_size"
    shown["items"] = {"allOf": [shown["items"], {"properties": {"group_by": {"type": "null"}}}]}


class SearchBatchIn(Input):
    """Several searches of one collection, answered together. None of them groups its results."""

    searches: list[SearchIn] = Field(min_length=1, json_schema_extra=_without_groups)


class Results(Answer):
    """Best first."""

    results: list[FoundPoint]


class GroupOut(Answer):
    """The best results with one value in the field."""

    key: str | int
    results: list[FoundPoint]


class Groups(Answer):
    """The group with the best result first."""

    groups: list[GroupOut]


class ResultsBatch(Answer):
    """One list of results for each search, in their order."""

    searches: list[Results]
