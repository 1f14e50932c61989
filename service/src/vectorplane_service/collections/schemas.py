"""What answers about collections look like."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field

from vectorplane_service.schemas import Answer


class VectorInfo(Answer):
    """A vector by name ("" is the unnamed one), with the settings of a manifest: `datatype`,
    `onDisk`, `multivector`, ..."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    name: str
    size: int = Field(ge=1)
    distance: str = Field(description="Cosine, Dot, Euclid or Manhattan.")


class SparseVectorInfo(Answer):
    """A sparse vector by name, with the settings of a manifest."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    name: str


class PayloadIndexInfo(Answer):
    field: str
    type: str


class CollectionInfo(Answer):
    """A collection: its vectors, what stands in it, and whether it takes text."""

    name: str
    state: str
    points: int = Field(ge=0)
    indexed_vectors: int = Field(ge=0)
    vectors: list[VectorInfo]
    sparse_vectors: list[SparseVectorInfo]
    embedding: dict[str, str] | None
    payload_indexes: list[PayloadIndexInfo]


class CollectionPage(Answer):
    """Some collections, and the cursor of the next page, null at the end."""

    collections: list[CollectionInfo]
    next_cursor: str | None
