"""What is sent and answered about points."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from vectorplane_service.schemas import (
    Filter,
    FoundPoint,
    Input,
    PointIdIn,
    PointVectors,
    Selection,
)


class PointIn(Input):
    """One point, with a vector or, where the collection has an embedding, with a text."""

    id: PointIdIn
    vector: PointVectors = None
    text: str | None = Field(
        None,
        description="Embedded by the collection's embedding. It is also kept in the payload, as "
        "`text`, unless the payload has a `text` of its own.",
    )
    payload: dict[str, Any] | None = None


class PointsIn(Input):
    """Points to write. All are written, or none."""

    points: list[PointIn] = Field(min_length=1)


class RetrieveIn(Input):
    """Points to read, by id."""

    ids: list[PointIdIn] = Field(min_length=1)
    with_payload: Selection = True
    with_vectors: Selection = False


class ScrollIn(Input):
    """A page of points, in the order of their ids."""

    filter: Filter = None
    limit: int = Field(10, ge=1)
    cursor: str | None = Field(None, description="`next_cursor` of the page before.")
    with_payload: Selection = True
    with_vectors: Selection = False


class DeleteIn(Input):
    """Points to delete: by id, or by filter; one of the two."""

    ids: list[PointIdIn] | None = Field(None, min_length=1)
    filter: Filter = None


class CountIn(Input):
    """What to count."""

    filter: Filter = None
    exact: bool = True


class Written(BaseModel):
    """`completed`: done and visible. `accepted`: taken, and done soon (`wait=false`)."""

    status: Literal["completed", "accepted"]
    points: int


class Deleted(BaseModel):
    status: Literal["completed", "accepted"]


class PointList(BaseModel):
    points: list[FoundPoint]


class PointPage(BaseModel):
    points: list[FoundPoint]
    next_cursor: str | None


class Count(BaseModel):
    count: int
