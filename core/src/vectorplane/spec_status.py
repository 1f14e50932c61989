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


class RebuildStatus(Part):
    """The rebuild under way, or what came of the last one."""

    source: str | None = None
    """The collection that served before it."""
    target: str | None = None
    """The collection that it makes."""
    phase: Literal["Copying", "CatchingUp", "Holding", "Done", "Failed"] | None = None
    """Copying, CatchingUp (what was written meanwhile), Holding (writes wait, the last pass)."""
    cursor: str | None = None
    """The id of the point that it goes on with."""
    copied: Natural64 | None = None
    """Points copied."""
    total: Natural64 | None = None
    """Points to copy."""
    passes: Natural64 | None = None
    """Passes of catching up that ended."""
    changed: Natural64 | None = None
    """Points that the last pass found different."""
    started: datetime | None = None
    """When it began."""
    finished: datetime | None = None
    """When the names moved; the old collection is kept for `spec.rebuild.keepFor` from then."""
    message: str | None = None
    """Why it failed."""


class SnapshotStatus(Part):
    """One snapshot that the store keeps."""

    name: str
    """Its name in the store."""
    collection: str
    """The physical collection that it is of."""
    size: Natural64
    """Bytes."""
    time: datetime
    """When it was taken."""


class SnapshotsStatus(Part):
    """The snapshots that were taken and are kept."""

    last: datetime | None = None
    """When the last one was taken."""
    size: Natural64 | None = None
    """Its bytes."""
    kept: list[SnapshotStatus] = []
    """All of them, oldest first."""


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
    rebuild: RebuildStatus | None = None
    """The rebuild under way, or what came of the last one."""
    snapshots: SnapshotsStatus | None = None
    """The snapshots that were taken and are kept."""
    conditions: Conditions | None = None
    """Ready, StoreReachable, CollectionReady; with a gateway GatewayProgrammed and
    EndpointVerified, with a registry DiscoveryRegistered."""


class KeyStatus(Part):
    """One key that is valid."""

    id: str
    """Its id, as logs and the list of revoked keys have it."""
    collection: str
    """The name that it is for: `<namespace>.<name>`."""
    permissions: Annotated[list[str], Field(json_schema_extra={"x-kubernetes-list-type": "set"})]
    """What it may do there."""
    signed_by: str | None = None
    """The signing key, by its id."""
    pending: bool | None = None
    """True as long as it is not known to stand in the Secret."""
    issued: datetime
    """When it was made."""
    expires: datetime
    """When it ends."""


class VectorAccessStatus(Part):
    """The access as it is."""

    observed_generation: Natural64 | None = None
    """The generation of the resource that this status is about."""
    collection: str | None = None
    """The name that the keys are for: `<namespace>.<name>`."""
    secret_name: str | None = None
    """The Secret that holds the key."""
    endpoint: str | None = None
    """Where the collection is served."""
    expires: datetime | None = None
    """When the newest key ends; there is another one before that."""
    keys: Annotated[
        list[KeyStatus], Field(json_schema_extra={"x-kubernetes-list-map-keys": ["id"]})
    ] = []
    """The keys that are valid, newest last."""
    conditions: Conditions | None = None
    """Ready, SecretWritten, GatewayProgrammed."""


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
    """VectorCollections that have a collection in it."""
    conditions: Conditions | None = None
    """Reachable: the store answers. Ready: it takes the key too."""
