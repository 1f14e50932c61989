"""Where the wishes come from and where the answers go: a Kubernetes API, or a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from vectorplane.domain.model import Key, Rival
from vectorplane.domain.status import Event, Status
from vectorplane.ports.vectors import VectorAdmin

FINALIZER = "vectorplane.dev/collection"
PAUSED = "vectorplane.dev/paused"
FORCE_DELETE = "vectorplane.dev/force-delete"
ROLLBACK = "vectorplane.dev/rollback"


@dataclass(frozen=True, slots=True)
class Resource:
    """One VectorCollection as its API has it; `spec` and `status` are plain JSON."""

    key: Key
    uid: str
    generation: int
    created: str
    """creationTimestamp, RFC 3339 in UTC."""
    spec: Mapping[str, Any]
    status: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    version: str = ""
    """resourceVersion: opaque."""

    def says(self, annotation: str) -> bool:
        """True where an annotation is "true"."""
        return self.annotations.get(annotation, "").lower() == "true"


class Resources(Protocol):
    """The VectorCollections that a controller works for. Reads come from a cache that the front end
    fills; writes raise `Waiting` where the API is away, and do nothing where the resource is gone.
    """

    def get(self, key: Key) -> Resource | None: ...

    def rivals(self, key: Key) -> tuple[Rival, ...]:
        """The older resources that claim a name of this one."""

    async def add_finalizer(self, resource: Resource) -> Resource | None:
        """The resource as it is after that; None where it is gone, or going, without it."""

    async def remove_finalizer(self, resource: Resource) -> None: ...

    async def write_status(self, resource: Resource, status: Status) -> None: ...

    async def record_event(self, resource: Resource, event: Event) -> None: ...


class Stores(Protocol):
    """The stores by name."""

    async def find(self, name: str | None) -> tuple[str, VectorAdmin]:
        """The store of a name (None: the default one). Raises `StoreMissing`."""

    def admit(self, name: str, resource: Resource) -> Resource:
        """A resource as a store takes it: with the store's defaults under its spec. Raises
        `Stalled` where the store's rules do not let it in; one that lives there already stays, and
        one that is being deleted only gets its policy. Raises `Waiting` where that is not known
        yet: there is nothing to be said, and a moment later it is.
        """
