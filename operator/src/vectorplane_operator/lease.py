"""Which of several replicas leads: one holds a Lease of the Kubernetes API and renews it.

The rules are those of client-go's leader election. A Lease of another counts as run out only once
its duration has passed on our own monotonic clock since we last saw it change; the times that stand
in it are for people. A leader opens its fence for less than that duration, counted from before
the renewal was sent, so it has stopped before anybody can follow. Who deletes the Lease by hand
takes that promise away from a replica that starts at this moment and never saw it.

The election that ships with the `kubernetes` package goes by the wall clock, waits for a renewal
without end, and does not give the Lease back.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import structlog

from vectorplane.errors import ApiUnavailable
from vectorplane_operator.fence import Clock, Fence
from vectorplane_operator.kube import Api, Gone, Json, Stale

_DEADLINE = 0.6
_RETRY = 0.15
"""Parts of the Lease's duration: how long a leader acts on one renewal, and the pause between two
tries. 10 s make 6 s and 1.5 s: three renewals may fail, and 4 s are left for what is on its way."""
_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

log = structlog.get_logger(__name__)


def own_namespace(file: Path = _NAMESPACE) -> str:
    """The namespace of this pod, or where the manifests put the operator."""
    try:
        return file.read_text(encoding="utf-8").strip() or "vectorplane-system"
    except OSError:
        return "vectorplane-system"


class Elector:
    """`start` and `stop` are called once each. `lead` runs as long as this replica leads, once per
    term: it is cancelled when the term ends, and no new term begins before it has ended.

    `api` is a connection of the elector's own: a renewal must not queue behind other calls, nor be
    held up by the fence.
    """

    def __init__(
        self,
        api: Api,
        fence: Fence,
        lead: Callable[[], Awaitable[None]],
        *,
        namespace: str,
        name: str,
        seconds: int,
        clock: Clock = time.monotonic,
    ) -> None:
        self._api = api
        self._fence = fence
        self._lead = lead
        self._clock = clock
        self._all = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"
        self._one = f"{self._all}/{quote(name)}"
        self._name = name
        self._seconds = seconds
        self._deadline, self._retry = seconds * _DEADLINE, seconds * _RETRY
        self.identity = f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        self._leading = False
        self._version = ""
        self._seen: Json = {}
        """The Lease's spec as we last saw it, and when it last changed."""
        self._since = clock()
        self._trouble = ""
        """What was logged last of an API server that does not let us."""
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tries once at once, so a Lease that is free is taken when this returns."""
        await self._try()
        self._task = asyncio.create_task(self._run(), name="leader election")

    async def stop(self) -> None:
        """End the term, and give the Lease back, so that another one need not wait for its end."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._release()

    async def _run(self) -> None:
        while True:
            if self._fence.held:
                await self._term()
            await asyncio.sleep(self._pause())
            await self._try()

    async def _term(self) -> None:
        log.info("leading", lease=self._name, identity=self.identity)
        self._leading = True
        lead = asyncio.ensure_future(self._lead())
        try:
            while self._fence.held and not lead.done():
                await asyncio.wait([lead], timeout=min(self._pause(), self._fence.left))
                if self._fence.held:
                    await self._try()
        finally:
            self._leading = False
            self._fence.shut()
            broken = lead.exception() if lead.done() and not lead.cancelled() else None
            lead.cancel()
            await asyncio.wait([lead])
            log.info("not_leading", lease=self._name, holder=self._seen.get("holderIdentity"))
        if broken:
            log.error("leading_failed", exc_info=broken)
            await self._release()

    def _pause(self) -> float:
        """Jitter keeps replicas apart; the end of another's Lease is never slept past."""
        pause = self._retry * random.uniform(0.8, 1.2)
        return pause if self._free else min(pause, self._left + 0.01)

    async def _try(self) -> None:
        """Acquire or renew; opens or shuts the fence by what came of it."""
        limit = min(self._deadline / 2, self._fence.left if self._leading else self._deadline)
        try:
            async with asyncio.timeout(limit):
                sent = await self._take()
        except (Stale, TimeoutError):
            # Somebody was quicker, or nobody knows: the next try reads it again.
            return
        except (ApiUnavailable, Gone) as error:
            if str(error) != self._trouble:
                log.warning("lease_waiting", lease=self._name, error=str(error))
            self._trouble = str(error)
            return
        self._trouble = ""
        if sent is None:
            self._fence.shut()
        elif self._leading:
            self._fence.extend(sent + self._deadline)
        else:
            self._fence.open(sent + self._deadline)

    async def _take(self) -> float | None:
        """The moment before the request that made the Lease ours for another while was sent; None
        where it is somebody else's."""
        if self._leading:
            with suppress(Stale, Gone):
                return await self._write(self._renewed())
        try:
            self._see(await self._api.get(self._one))
        except Gone:
            # A Lease that somebody deletes frees nobody early: its holder knows nothing of it yet.
            return await self._create() if self._free else None
        return await self._write(self._renewed()) if self._free else None

    @property
    def _left(self) -> float:
        """Seconds until what we saw runs out."""
        duration = self._seen.get("leaseDurationSeconds") or self._seconds
        return float(self._since + duration - self._clock())

    @property
    def _free(self) -> bool:
        """Whether nobody else holds it, as far as we know."""
        return self._seen.get("holderIdentity") in (None, "", self.identity) or self._left <= 0

    def _see(self, lease: Json) -> None:
        self._version = lease["metadata"]["resourceVersion"]
        spec = lease.get("spec") or {}
        if spec != self._seen:
            self._seen, self._since = spec, self._clock()

    def _renewed(self) -> Json:
        mine = self._seen.get("holderIdentity") == self.identity
        now = _micro_time()
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self._seconds,
            "renewTime": now,
            "acquireTime": self._seen.get("acquireTime") if mine else now,
            "leaseTransitions": (self._seen.get("leaseTransitions") or 0) + (not mine),
        }

    async def _create(self) -> float:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": self._renewed() | {"leaseTransitions": 0},
        }
        sent = self._clock()
        self._see(await self._api.create(self._all, body))
        return sent

    async def _write(self, spec: Json) -> float:
        """On exactly the Lease that we know. Raises `Stale` where it is another one by now."""
        body = {"metadata": {"resourceVersion": self._version}, "spec": spec}
        sent = self._clock()
        self._see(await self._api.merge(self._one, body))
        return sent

    async def _release(self) -> None:
        """Make the Lease nobody's, where it is ours."""
        self._fence.shut()
        try:
            async with asyncio.timeout(self._retry):
                if not await self._freed():
                    # Perhaps a renewal of ours whose answer we did not wait for.
                    self._see(await self._api.get(self._one))
                    await self._freed()
        except (ApiUnavailable, Gone, Stale, TimeoutError) as error:
            log.warning("release_failed", lease=self._name, error=str(error))

    async def _freed(self) -> bool:
        if self._seen.get("holderIdentity") == self.identity:
            freed = self._renewed() | {"holderIdentity": "", "leaseDurationSeconds": 1}
            try:
                await self._write(freed)
            except Stale:
                return False
        return True


def _micro_time() -> str:
    """Now, as the API writes a MicroTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
