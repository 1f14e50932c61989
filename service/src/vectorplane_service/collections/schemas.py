"""What answers about collections look like."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class CollectionInfo(BaseModel):
    """A collection: its vectors, what stands in it, and whether it takes text."""

    name: str
    state: str
    points: int
    indexed_vectors: int
    vectors: list[dict[str, Any]]
    sparse_vectors: list[dict[str, Any]]
    embedding: dict[str, str] | None
    payload_indexes: list[dict[str, str]]


class CollectionPage(BaseModel):
    """Some collections, and the cursor of the next page, null at the end."""

    collections: list[CollectionInfo]
    next_cursor: str | None
