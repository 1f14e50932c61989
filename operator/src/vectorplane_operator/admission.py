"""Who is let into a VectorStore: its rules, with what they must know of the cluster.

The rules themselves are pure (`vectorplane.store_rules`). Here is what they ask for: the labels of
namespaces, which are read when a newcomer needs them and kept for a while, and who was let in a
moment ago and does not say so in its status yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote

import structlog

from vectorplane.errors import Waiting
from vectorplane.ports.resources import Resource
from vectorplane.store_rules import Counts, StoreRules, admit, counts_before, lives, makes
from vectorplane_operator.kube import Api, Gone

log = structlog.get_logger(__name__)


class LabelsUnread(Waiting):
    """The labels of a namespace are being read; a moment later they are known."""

    reason = "LabelsUnread"


class Namespaces:
    """Labels of namespaces. An entry older than half of `resync` seconds is read again when
    somebody asks, and one older than `resync` and a half is believed no more. `changed` is called
    with the namespace where its labels became other ones.
    """

    def __init__(self, api: Api, *, resync: float, changed: Callable[[str], None]) -> None:
        self._api = api
        self._resync = resync
        self._changed = changed
        self._known: dict[str, tuple[float, Mapping[str, str]]] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}

    def labels(self, namespace: str) -> Mapping[str, str]:
        """As they were a moment ago. Raises `LabelsUnread`."""
        read, labels = self._known.get(namespace, (float("-inf"), None))
        age = asyncio.get_running_loop().time() - read
        if age > self._resync / 2:
            self._read_soon(namespace)
        if labels is None or age > self._resync * 1.5:
            raise LabelsUnread(f"the labels of namespace {namespace} are not read yet")
        return labels

    async def close(self) -> None:
        for task in self._reading.values():
            task.cancel()
        if self._reading:
            await asyncio.wait(list(self._reading.values()))

    def _read_soon(self, namespace: str) -> None:
        if namespace not in self._reading:
            task = asyncio.create_task(self._read(namespace), name=f"labels of {namespace}")
            self._reading[namespace] = task

    async def _read(self, namespace: str) -> None:
        try:
            body = await self._api.get(f"/api/v1/namespaces/{quote(namespace)}")
            labels = body["metadata"].get("labels") or {}
        except Gone:
            labels = {}
        except Waiting as error:
            # Asked again at the next look; what was known stands.
            log.warning("api_waiting", namespace=namespace, message=error.message)
            return
        finally:
            del self._reading[namespace]
        before = self._known.get(namespace)
        self._known[namespace] = (asyncio.get_running_loop().time(), labels)
        if before is None or before[1] != labels:
            self._changed(namespace)


class Admission:
    """The rules of one VectorStore at work. `wants` says whether a resource would live there."""

    def __init__(
        self,
        namespaces: Namespaces,
        collections: Callable[[], Iterable[Resource]],
        wants: Callable[[Resource], bool],
    ) -> None:
        self._namespaces = namespaces
        self._collections = collections
        self._wants = wants
        self._placed: set[str] = set()
        """UIDs that were let in by this process."""

    def admit(self, resource: Resource, rules: StoreRules) -> Resource:
        """See `Stores.admit`. Raises `LabelsUnread` too."""
        if rules.nothing:
            return resource
        if resource.deleting or lives(resource, rules.store):
            return admit(resource, rules, {}, Counts())
        labels: Mapping[str, str] = {}
        if rules.namespaces is not None:
            labels = self._namespaces.labels(resource.key.namespace)
        placed = resource.uid in self._placed and makes(resource)
        counts = self._counts(resource, rules) if rules.counting and not placed else Counts()
        self._placed.discard(resource.uid)
        admitted = admit(resource, rules, labels, counts)
        self._placed.add(resource.uid)
        return admitted

    def forget(self, uids: Iterable[str]) -> None:
        """Let the places of all but these go."""
        self._placed.intersection_update(uids)

    def _counts(self, resource: Resource, rules: StoreRules) -> Counts:
        return counts_before(
            resource,
            rules,
            self._collections(),
            placed=lambda other: other.uid in self._placed,
            wants=self._wants,
        )
