"""What is sent and answered about searches."""

from __future__ import annotations

from pydantic import BaseModel, Field

from vectorplane_service.schemas import (
    Filter,
    FoundPoint,
    Input,
    Params,
    PointIdIn,
    QueryVector,
    Selection,
)


class SearchIn(Input):
    """One search: by `vector`, by `text` where the collection has an embedding, or by the `id` of a
    point that others should be like. One of the three."""

    vector: QueryVector = None
    text: str | None = Field(None, min_length=1)
    id: PointIdIn = None
    using: str | None = Field(
        None,
        description="Name of the vector to compare with; left out: the unnamed or the only one.",
    )
    filter: Filter = None
    limit: int = Field(10, ge=1)
    offset: int = Field(0, ge=0)
    score_threshold: float | None = Field(
        None, description="Results on the wrong side of it are left out."
    )
    params: Params = None
    with_payload: Selection = True
    with_vectors: Selection = False


class SearchBatchIn(Input):
    """Several searches of one collection, answered together."""

    searches: list[SearchIn] = Field(min_length=1)


class Results(BaseModel):
    """Best first."""

    results: list[FoundPoint]


class ResultsBatch(BaseModel):
    """One list of results for each search, in their order."""

    searches: list[Results]
