"""Where the service answers inside the cluster: the ready endpoints of one Kubernetes Service, kept
up to date from its EndpointSlices.

A list says what is there, a watch what changes after it. However a watch ends, a list follows: what
happened in between is in there. While the API server is away the endpoints stay as they were.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from typing import Any, NamedTuple
from urllib.parse import quote

import structlog

from vectorplane.errors import ApiUnavailable
from vectorplane.queue import backoff
from vectorplane_operator.kube import Api, Gone, Json, Stale

_SERVICE = "kubernetes.io/service-name"
_WATCH_SECONDS = 120
"""A watch that goes silent is noticed after so long, and some seconds."""
_PAUSE = 1.0
"""Seconds after a watch: one that is ended at once, again and again, must not keep us busy."""
_MOST_SECONDS = 15.0
"""Between tries while the API server is away."""
_FAMILIES = ("IPv4", "IPv6")
"""Where a pod has both, the first one is told. Names (FQDN) are no endpoints of pods."""

log = structlog.get_logger(__name__)


class Endpoint(NamedTuple):
    """One pod that takes requests; `pod` is empty where nobody says which it is."""

    address: str
    port: int
    pod: str


class EndpointSlices:
    """`changed` is called whenever `ready` is another one, and when it is known at first."""

    def __init__(self, api: Api, namespace: str, service: str, changed: Callable[[], None]) -> None:
        self._api = api
        self._path = f"/apis/discovery.k8s.io/v1/namespaces/{quote(namespace)}/endpointslices"
        self._selector = f"{_SERVICE}={service}"
        self._changed = changed
        self._slices: dict[str, Json] = {}
        self._ready: frozenset[Endpoint] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> frozenset[Endpoint]:
        """As far as they are known. Empty before `known`: that is no reason to remove any."""
        return self._ready or frozenset()

    @property
    def known(self) -> bool:
        """Whether they were listed at least once."""
        return self._ready is not None

    async def start(self) -> None:
        """Begin to follow them. Nothing is waited for."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _follow(self) -> None:
        failures = 0
        while True:
            try:
                version = await self._list()
                failures = 0
                await self._watch(version)
                await asyncio.sleep(_PAUSE)
            except (ApiUnavailable, Gone, Stale, ValueError) as error:
                # ValueError: the watch was cut in the middle of a line.
                failures += 1
                log.warning("endpoints_unknown", error=str(error), failures=failures)
                await asyncio.sleep(backoff(failures, most=_MOST_SECONDS))

    async def _list(self) -> str:
        """All of them as they are now, and the version that a watch goes on from."""
        found: dict[str, Json] = {}
        token = ""
        while True:
            more = {"continue": token} if token else {}
            page = await self._api.get(self._path, labelSelector=self._selector, **more)
            found |= {it["metadata"]["name"]: it for it in page.get("items", [])}
            meta = page.get("metadata", {})
            token = meta.get("continue") or ""
            if not token:
                break
        self._slices = found
        self._tell()
        return str(meta.get("resourceVersion", ""))

    async def _watch(self, version: str) -> None:
        events = self._api.watch(self._path, version, _WATCH_SECONDS, selector=self._selector)
        async with aclosing(events) as following:  # type: ignore[type-var]
            async for event in following:
                changed = event["object"]
                if event["type"] == "DELETED":
                    self._slices.pop(changed["metadata"]["name"], None)
                else:
                    self._slices[changed["metadata"]["name"]] = changed
                self._tell()

    def _tell(self) -> None:
        ready = ready_of(self._slices.values())
        if ready != self._ready:
            self._ready = ready
            self._changed()


def ready_of(slices: Iterable[Any]) -> frozenset[Endpoint]:
    """The endpoints of some EndpointSlices that take requests: one for each pod, at the port that
    is named `http`, or else the first one."""
    found: dict[str, tuple[int, Endpoint]] = {}
    for it in slices:
        family, port = it.get("addressType"), _port(it.get("ports") or ())
        if port is None or family not in _FAMILIES:
            continue
        rank = _FAMILIES.index(family)
        for endpoint in it.get("endpoints") or ():
            addresses = endpoint.get("addresses")
            # Left out, it is to be taken for ready.
            if not addresses or (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            target = endpoint.get("targetRef") or {}
            pod = target.get("name", "") if target.get("kind") == "Pod" else ""
            # All addresses of an endpoint are the same one; clients take the first.
            made = Endpoint(addresses[0], port, pod)
            key = pod or addresses[0]
            # An endpoint may stand in two slices while it moves from one to the other.
            found[key] = min(found.get(key, (rank, made)), (rank, made))
    return frozenset(endpoint for _, endpoint in found.values())


def _port(ports: Iterable[Any]) -> int | None:
    usable = [
        port for port in ports if port.get("port") and port.get("protocol", "TCP") in ("TCP", None)
    ]
    named = next((port for port in usable if port.get("name") == "http"), None)
    chosen = named or (usable[0] if usable else None)
    return None if chosen is None else int(chosen["port"])
