"""How collections are made reachable by a running operator: the gateway, the registry, and the
requests that verify it. Each has a loop of its own, so none holds up another, or a collection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from vectorplane.domain.exposure import Credential, Owner, Wish
from vectorplane.domain.model import Key
from vectorplane.domain.status import GATEWAY_PROGRAMMED, Condition, Exposed, Trouble
from vectorplane.exposure.outcome import NO_GATEWAY, NO_REGISTRY, PENDING, exposed
from vectorplane.exposure.publishing import Publisher, State, Watcher, Wishes
from vectorplane.exposure.verifying import Call, Verifying
from vectorplane.exposure.wishes import (
    Policy,
    asked,
    entries_of_service,
    entry_of,
    exposure_of,
    exposure_of_service,
    owner_of,
    path_of,
    refused_paths,
    refused_services,
    upstream_of,
)
from vectorplane.ports.exposure import Provider
from vectorplane.ports.resources import PAUSED, Resource

Endpoint = tuple[str, int, str]
"""Address, port and pod of one that serves."""


class Endpoints(Protocol):
    """Those of the service that are ready."""

    @property
    def ready(self) -> Collection[Endpoint]: ...

    @property
    def known(self) -> bool:
        """False before they were listed: that is no reason to remove any."""


Uids = Collection[str]


class Keys(Protocol):
    """The keys that the gateway must know."""

    def credentials(self) -> Iterable[Credential]: ...

    def verifier(self) -> Credential | None: ...

    def paused(self) -> Collection[str]:
        """The UIDs of the accesses that nothing may be changed for."""


class Exposing:
    """`look` puts a collection into the queue, `look_at_access` an access; `resources` are all
    collections.

    Without a `gateway`, or a `registry`, those who ask for one are told that there is none.
    """

    def __init__(
        self,
        policy: Policy,
        cluster: str,
        *,
        resources: Callable[[], Iterable[Resource]],
        look: Callable[[Key], None],
        look_at_access: Callable[[Key], None],
        watcher: Watcher,
        gateway: Provider | None = None,
        registry: Provider | None = None,
        whole_service: bool = True,
        keys: Keys | None = None,
        endpoints: Endpoints | None = None,
        call: Call | None = None,
        verify_seconds: float = 0.0,
        resync: float = 60.0,
    ) -> None:
        self._policy = policy
        self._cluster = cluster
        self._resources = resources
        self._look = look
        self._look_at_access = look_at_access
        self._whole_service = whole_service
        self._keys = keys
        self._endpoints = endpoints
        self._refused: dict[tuple[str, Key], Trouble] = {}
        self._providers = [p for p in (gateway, registry) if p]

        def publisher(
            name: str, provider: Provider | None, wishes: Callable[[], tuple[Wishes, Uids]]
        ) -> Publisher | None:
            if provider is None:
                return None
            return Publisher(
                name, provider, wishes=wishes, told=self._told, watcher=watcher, resync=resync
            )

        self._gateway = publisher("gateway", gateway, self._wishes_of_gateway)
        self._registry = publisher("registry", registry, self._wishes_of_registry)
        self._verifying = (
            Verifying(call, key=self._verifier_key, told=look, seconds=verify_seconds)
            if call and gateway and verify_seconds
            else None
        )

    # What the operator does with it

    def wake(self) -> None:
        """Something changed that this rests on."""
        for publisher in self._publishers():
            publisher.wake()

    async def run(self) -> None:
        """As long as this replica leads."""
        for publisher in self._publishers():
            publisher.forget()
        try:
            await asyncio.gather(*(publisher.run() for publisher in self._publishers()))
        finally:
            if self._verifying:
                await self._verifying.forget()

    async def close(self) -> None:
        if self._verifying:
            await self._verifying.close()
        for provider in self._providers:
            with suppress(Exception):
                await provider.close()

    def endpoint(self, resource: Resource) -> str | None:
        """Where clients reach a collection."""
        if self._gateway and self._policy.gateway and asked(resource, "gateway"):
            return self._policy.gateway + path_of(resource)
        url = self._policy.service
        return url + upstream_of(resource, self._policy) if url else None

    def exposed(self, resource: Resource) -> Exposed:
        """What is known of the ways to a collection."""
        return exposed(
            resource,
            endpoint=self.endpoint(resource),
            gateway=self._state(self._gateway, "gateway", NO_GATEWAY, resource),
            verifies=self._verifying is not None,
            verified=self._verifying.state(resource.key) if self._verifying else None,
            registry=self._state(self._registry, "discovery", NO_REGISTRY, resource),
        )

    def exposed_access(self, owner: Owner) -> Exposed:
        """What the gateway knows of the keys of an access; nothing where there is no gateway."""
        if self._gateway is None:
            return Exposed()
        state = self._gateway.state(owner) or replace(PENDING, away=True)
        trouble = None if state.works else Trouble(state.reason, state.message)
        status = "True" if state.works else "Unknown" if state.away else "False"
        message = state.message or "the gateway knows its keys"
        condition = Condition(GATEWAY_PROGRAMMED, status, state.reason, message)
        return Exposed(conditions=(condition,), trouble=trouble)

    # What is wanted

    def _wishes_of_gateway(self) -> tuple[Wishes, Uids]:
        resources = list(self._resources())
        paused = {r.uid for r in resources if r.says(PAUSED)}
        refused = refused_paths(resources, self._policy)
        self._refuse("gateway", refused)
        wishes: dict[Owner, Sequence[Wish]] = {}
        if self._whole_service:
            whole = exposure_of_service(self._policy, self._cluster)
            wishes[whole.owner] = [whole]
        paths: dict[Key, str] = {}
        for resource in resources:
            if not asked(resource, "gateway") or resource.key in refused:
                continue
            paths[resource.key] = path_of(resource)
            if resource.uid not in paused:
                wishes[owner_of(resource)] = [exposure_of(resource, self._policy)]
        if self._keys:
            paused |= set(self._keys.paused())
            for credential in self._credentials():
                if credential.owner.uid not in paused:
                    wishes[credential.owner] = [*wishes.get(credential.owner, ()), credential]
        if self._verifying:
            self._verifying.wanted(paths)
        return wishes, paused

    def _wishes_of_registry(self) -> tuple[Wishes, Uids]:
        resources = list(self._resources())
        paused = {r.uid for r in resources if r.says(PAUSED)}
        refused = refused_services(resources)
        self._refuse("discovery", refused)
        if self._endpoints is None or not self._endpoints.known:
            paused.add(self._cluster)
        ready = self._endpoints.ready if self._endpoints else ()
        own = entries_of_service(ready, self._policy, self._cluster)
        wishes: dict[Owner, Sequence[Wish]] = {own[0].owner: own} if own else {}
        for resource in resources:
            if asked(resource, "discovery") and resource.key not in refused:
                entry = entry_of(resource, self._policy)
                if entry and resource.uid not in paused:
                    wishes[entry.owner] = [entry]
        return wishes, paused

    def _credentials(self) -> Iterable[Credential]:
        assert self._keys
        verifier = self._keys.verifier()
        return [*self._keys.credentials(), *([verifier] if verifier else [])]

    def _verifier_key(self) -> str | None:
        verifier = self._keys.verifier() if self._keys else None
        return next(iter(verifier.keys.values()), None) if verifier else None

    # What is known

    def _state(
        self, publisher: Publisher | None, part: str, none: State, resource: Resource
    ) -> State | None:
        if publisher is None:
            return none
        if refused := self._refused.get((part, resource.key)):
            return State(False, refused.reason, refused.message)
        return publisher.state(owner_of(resource))

    def _refuse(self, part: str, refused: dict[Key, Trouble]) -> None:
        before = {key: why for (kind, key), why in self._refused.items() if kind == part}
        for key in before.keys() | refused.keys():
            if before.get(key) == refused.get(key):
                continue
            self._refused.pop((part, key), None)
            if key in refused:
                self._refused[part, key] = refused[key]
            self._look(key)

    def _told(self, owner: Owner) -> None:
        if owner.kind == "VectorCollection":
            if self._verifying:
                self._verifying.again(owner.key)
            self._look(owner.key)
        elif owner.kind == "VectorAccess":
            self._look_at_access(owner.key)

    def _publishers(self) -> list[Publisher]:
        return [publisher for publisher in (self._gateway, self._registry) if publisher]
