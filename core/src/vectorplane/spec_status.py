"""What is said of the resources: the `status` half of the CRDs.

The operator writes a status as a plain dict (`domain/status.py`), so nothing is parsed with these
models. They are the source of the status schemas: the API server drops a field that stands in none.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from vectorplane.spec_base import Natural64, Part


class Condition(Part):
    """One condition, as Kubernetes has them everywhere."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=316)]
    """What it is about, e.g. Ready."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    """Why, in one CamelCase word."""
    message: str
    """Why, for people."""
    observed_generation: Natural64 | None = None
    """The generation of the resource that was looked at."""
    last_transition_time: datetime
    """When `status` last changed."""


Conditions = Annotated[
    list[Condition], Field(json_schema_extra={"x-kubernetes-list-map-keys": ["type"]})
]


class CollectionStatus(Part):
    """The collection behind a VectorCollection."""

    name: str | None = None
    """The name that clients use: `<namespace>.<name>`, an alias."""
    physical: str | None = None
    """The collection that the alias stands for."""
    points: Natural64 | None = None
    """Points in it, as the store counts them."""
    indexed_vectors: Natural64 | None = None
    """Vectors in an index."""
    state: str | None = None
    """The store's own word: green, yellow, grey or red."""


class VectorCollectionStatus(Part):
    """The collection as it is."""

    observed_generation: Natural64 | None = None
    """The generation of the resource that this status is about."""
    store: str | None = None
    """The VectorStore that it lives in."""
    collection: CollectionStatus | None = None
    """The collection behind it."""
    endpoint: str | None = None
    """Where it is served."""
    conditions: Conditions | None = None
    """Ready, StoreReachable, CollectionReady."""


class VectorStoreStatus(Part):
    """The store as it is."""

    observed_generation: Natural64 | None = None
    """The generation of the resource that this status is about."""
    version: str | None = None
    """The version of the store."""
    peers: Natural64 | None = None
    """Peers of its cluster; 1 where it is no cluster."""
    capabilities: (
        Annotated[list[str], Field(json_schema_extra={"x-kubernetes-list-type": "set"})] | None
    ) = None
    """What this store can do, e.g. Aliases, StrictMode."""
    collections: Natural64 | None = None
    """VectorCollections that live in it."""
    conditions: Conditions | None = None
    """Ready: the store answers and takes the key."""
