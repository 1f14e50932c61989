"""All that makes collections reachable, put together: gateway, registry, verification and keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from vectorplane.domain.exposure import Owner
from vectorplane.domain.model import Key
from vectorplane.domain.status import Exposed
from vectorplane.exposure.publishing import Watcher
from vectorplane.ports.resources import Resource
from vectorplane_operator.access.accesses import Accesses
from vectorplane_operator.endpoints import EndpointSlices
from vectorplane_operator.exposing import Exposing
from vectorplane_operator.exposing_parts import call_of, gateway_of, policy_of, registry_of
from vectorplane_operator.fence import Fence
from vectorplane_operator.kube import Api
from vectorplane_operator.lease import own_namespace
from vectorplane_operator.resources import KubeResources
from vectorplane_operator.settings import OperatorSettings


class Reach:
    """`look` puts a collection into the queue, because what is known of its ways changed."""

    def __init__(
        self,
        settings: OperatorSettings,
        cluster: str,
        api: Api,
        fence: Fence,
        *,
        resources: KubeResources,
        look: Callable[[Key], None],
        watcher: Watcher,
    ) -> None:
        registry = registry_of(settings, cluster, fence)
        self._accesses = (
            Accesses(
                api,
                settings,
                namespace=settings.operator_lease_namespace or own_namespace(),
                cluster=cluster,
                collection=resources.get,
                endpoint=self._endpoint,
                exposed=self._exposed_access,
                changed=lambda owner: self.wake(),
            )
            if settings.operator_access
            else None
        )
        self._slices = (
            EndpointSlices(
                api,
                settings.operator_service_namespace or own_namespace(),
                settings.operator_service_name,
                self.wake,
            )
            if registry
            else None
        )
        self._call = call_of(settings)
        self._exposing = Exposing(
            policy_of(settings),
            cluster,
            resources=resources.all,
            look=look,
            look_at_access=self._look_at_access,
            watcher=watcher,
            gateway=gateway_of(settings, cluster, api, fence),
            registry=registry,
            whole_service=settings.operator_gateway_service,
            keys=self._accesses,
            endpoints=self._slices,
            call=self._call,
            verify_seconds=settings.operator_verify_seconds,
            resync=settings.operator_resync_seconds,
        )

    def exposed(self, resource: Resource) -> Exposed:
        """What is known of the ways to a collection."""
        return self._exposing.exposed(resource)

    def accesses(self) -> Iterable[Resource]:
        """All VectorAccesses that are known; none where no keys are made."""
        return self._accesses.all() if self._accesses else ()

    def access_seen(self, kind: str | None, body: Any) -> None:
        """kopf saw a VectorAccess."""
        if self._accesses and kind == "DELETED":
            self._accesses.gone(body)
        elif self._accesses:
            self._accesses.seen(body)
        self.wake()

    def collection_changed(self, key: Key) -> None:
        """Something is new about a collection, or it is gone."""
        if self._accesses:
            self._accesses.collection_changed(key)

    def wake(self) -> None:
        """Something changed that gateway and registry rest on."""
        self._exposing.wake()

    async def refresh(self) -> None:
        """List what a broken watch may have missed."""
        if self._accesses:
            await self._accesses.refresh()

    async def lead(self) -> None:
        """As long as this replica leads; all resources were listed."""
        if self._slices:
            await self._slices.start()
        if self._accesses:
            self._accesses.start()
        try:
            await self._exposing.run()
            await asyncio.Event().wait()
        finally:
            if self._accesses:
                await self._accesses.stop()
            if self._slices:
                await self._slices.stop()

    async def close(self) -> None:
        """Leave nothing open."""
        await self._exposing.close()
        if self._call:
            await self._call.close()

    def _endpoint(self, resource: Resource) -> str | None:
        return self._exposing.endpoint(resource)

    def _exposed_access(self, owner: Owner) -> Exposed:
        return self._exposing.exposed_access(owner)

    def _look_at_access(self, key: Key) -> None:
        if self._accesses:
            self._accesses.look(key)
