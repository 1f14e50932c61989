"""What is sent and answered about points."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from vectorplane_service.filter_language import FieldPath, one_of
from vectorplane_service.schemas import (
    VECTOR,
    Answer,
    Filter,
    FoundPoint,
    Input,
    PointIdIn,
    PointVectors,
    Selection,
    SomeFilter,
    nullable,
)

_TEXT = (
    "Embedded by the collection's embedding. It is also kept in the payload, as `text`, unless the "
    "payload has a `text` of its own."
)
_COLUMN = {"type": "array", "items": nullable(VECTOR), "minItems": 1}
Column = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": VECTOR, "minItems": 1},
                {"type": "object", "additionalProperties": _COLUMN, "minProperties": 1},
                {"type": "null"},
            ]
        }
    ),
]
_IDS_OR_FILTER = one_of("ids", "filter")
Batch = Field(min_length=1, json_schema_extra={"x-limit": "max_batch_size"})


class PointIn(Input):
    """One point, with a vector or, where the collection has an embedding, with a text."""

    model_config = ConfigDict(json_schema_extra=one_of("vector", "text"))

    id: PointIdIn
    vector: PointVectors = None
    text: str | None = Field(None, description=_TEXT)
    payload: dict[str, Any] | None = None


class PointsIn(Input):
    """Points to write. All are written, or none."""

    points: Annotated[list[PointIn], Batch]


class ColumnsIn(Input):
    """Points to write, by column: the first of each list are the first point. All are written, or
    none."""

    model_config = ConfigDict(json_schema_extra=one_of("vectors", "texts"))

    ids: Annotated[list[PointIdIn], Batch]
    vectors: Column = Field(
        None,
        description="A list of vectors; or for each vector's name such a list, with null for a "
        "point that has none.",
    )
    texts: list[str] | None = Field(None, min_length=1, description=_TEXT)
    payloads: list[dict[str, Any] | None] | None = None


class RetrieveIn(Input):
    """Points to read, by id."""

    ids: Annotated[list[PointIdIn], Batch]
    with_payload: Selection = True
    with_vectors: Selection = False


class ScrollIn(Input):
    """A page of points, in the order of their ids."""

    filter: Filter = None
    limit: int = Field(10, ge=1, json_schema_extra={"x-limit": "max_results_k"})
    cursor: str | None = Field(
        None, description="`next_cursor` of the page before, of the same collection."
    )
    with_payload: Selection = True
    with_vectors: Selection = False


class DeleteIn(Input):
    """Points to delete: by id, or by filter; one of the two. A filter is not empty."""

    model_config = ConfigDict(json_schema_extra=_IDS_OR_FILTER)

    ids: Annotated[list[PointIdIn] | None, Batch] = None
    filter: SomeFilter = None


class _PayloadIn(Input):
    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra=_IDS_OR_FILTER)

    ids: Annotated[list[PointIdIn] | None, Batch] = None
    filter: SomeFilter = None


class PayloadSetIn(_PayloadIn):
    """Merge `payload` into what is there; with `path`, into that object of the payload."""

    action: Literal["set"]
    payload: dict[str, Any]
    path: FieldPath | None = None


class PayloadOverwriteIn(_PayloadIn):
    """Replace the whole payload."""

    action: Literal["overwrite"]
    payload: dict[str, Any]


class PayloadDeleteIn(_PayloadIn):
    """Delete some fields."""

    action: Literal["delete"]
    fields: list[FieldPath] = Field(min_length=1)


class PayloadClearIn(_PayloadIn):
    """Delete the whole payload."""

    action: Literal["clear"]


PayloadIn = PayloadSetIn | PayloadOverwriteIn | PayloadDeleteIn | PayloadClearIn


class CountIn(Input):
    """What to count."""

    filter: Filter = None
    exact: bool = True


class FacetIn(Input):
    """The values of a payload field, and how many points have each."""

    field: FieldPath = Field(description="A payload field that has an index.")
    filter: Filter = None
    limit: int = Field(10, ge=1, json_schema_extra={"x-limit": "max_results_k"})
    exact: bool = False


class Written(Answer):
    """`completed`: done and visible. `accepted`: taken, and done soon (`wait=false`)."""

    status: Literal["completed", "accepted"]
    points: int = Field(ge=0)


class Done(Answer):
    """`completed`: done and visible. `accepted`: taken, and done soon (`wait=false`)."""

    status: Literal["completed", "accepted"]


class PointList(Answer):
    points: list[FoundPoint]


class PointPage(Answer):
    points: list[FoundPoint]
    next_cursor: str | None


class Count(Answer):
    count: int = Field(ge=0)


class FacetHit(Answer):
    value: str | int | bool
    count: int = Field(ge=0)


class Facet(Answer):
    """The most frequent first."""

    hits: list[FacetHit]
