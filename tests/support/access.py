"""The operator's part that hands out keys, in this process, on a real API server: with a clock of
its own, and with the service's code beside it, which takes the keys or does not.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from support.cluster import Cluster, Json, condition
from support.loops import LoopThread
from support.proxy import Proxy, Trap
from vectorplane.domain.exposure import Owner
from vectorplane.domain.model import Key
from vectorplane.domain.status import Exposed
from vectorplane.errors import Unauthenticated
from vectorplane.ports.resources import Resource
from vectorplane_operator.access.accesses import Accesses
from vectorplane_operator.access.resources import FINALIZER
from vectorplane_operator.kube import Api
from vectorplane_operator.settings import OperatorSettings
from vectorplane_service.access import opening
from vectorplane_service.access.authority import Authority
from vectorplane_service.access.identity import Identity
from vectorplane_service.access.signed import SignedKeys, key_set
from vectorplane_service.access.watched import Watched

SIGNING = "vectorplane-signing-key"
CONFIG = "vectorplane-access"
CLUSTER = "cluster-uid"
_EVERY = 0.05


class AccessWorld:
    """A namespace that is the application's and the operator's, and one life of the operator after
    the other. Blocking calls of the cluster go through a thread."""

    def __init__(self, cluster: Cluster, kubeconfig: Path, thread: LoopThread) -> None:
        self.cluster = cluster
        self.namespace = f"t{secrets.token_hex(3)}"
        self.collections: dict[str, Resource] = {}
        self.endpoints: dict[str, str] = {}
        self.gateway = Exposed()
        self.changed: list[Owner] = []
        self.ahead = 0.0
        self.settings: dict[str, Any] = {"operator_resync_seconds": 0.2}
        self.proxy = Proxy(thread, cluster.server, str(cluster.ca))
        self._kubeconfig = kubeconfig
        self._thread = thread
        self._operator: Accesses | None = None
        self._api: Api | None = None
        self._watching: asyncio.Task[None] | None = None

    def now(self) -> float:
        return time.time() + self.ahead

    @property
    def operator(self) -> Accesses:
        assert self._operator
        return self._operator

    async def live(self) -> None:
        """A new operator, which knows nothing yet, begins to lead."""
        self._api = await _api(self._kubeconfig, self.proxy.url)
        self._operator = Accesses(
            self._api,
            OperatorSettings(**self.settings),
            namespace=self.namespace,
            cluster=CLUSTER,
            collection=lambda key: self.collections.get(key.name) if self._ours(key) else None,
            endpoint=lambda resource: self.endpoints.get(resource.key.name),
            exposed=lambda owner: self.gateway,
            changed=self.changed.append,
            clock=self.now,
        )
        await self._operator.refresh()
        self._operator.start()
        self._watching = asyncio.create_task(self._watch(self._operator))

    async def die(self) -> None:
        """What it was about to do is not done."""
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if self._operator:
            await self._operator.stop()
        if self._api:
            await self._api.close()
        self._watching = self._operator = self._api = None

    async def begin(self) -> None:
        await asyncio.to_thread(self.proxy.start)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        await self.call(self.cluster.apply, body)

    async def end(self) -> None:
        await self.die()
        self.proxy.trap = None
        for access in await self.call(self.cluster.all, "VectorAccess", self.namespace):
            await self.discard(access["metadata"]["name"])
        await self.call(self.cluster.delete, "Namespace", self.namespace)
        await asyncio.to_thread(self.proxy.stop)

    async def killed(self, write: int, act: Callable[[], Any], done: Callable[[], Any]) -> bool:
        """Do something while it dies at its n-th write from now. False where it did not take so
        many. It does not live again by itself."""
        dead = asyncio.Event()
        loop = asyncio.get_running_loop()
        trap = Trap(write, lambda: cast(None, loop.call_soon_threadsafe(dead.set)))
        self.proxy.trap = trap
        await act()

        async def over() -> bool:
            return dead.is_set() or bool(await done())

        await self.until(over, "it dies, or is done")
        await self.die()
        self.proxy.trap = None
        return trap.disarm()

    # What people do

    def collection(self, name: str = "products", *, endpoint: str = "") -> Key:
        """There is a VectorCollection now."""
        key = Key(self.namespace, name)
        created = "2026-01-01T00:00:00Z"
        self.collections[name] = Resource(key, f"uid-{name}", 1, created, spec={})
        self.endpoints[name] = endpoint or f"http://gateway/{self.namespace}/{name}"
        if self._operator:
            self._operator.collection_changed(key)
        return key

    def no_collection(self, name: str = "products") -> None:
        del self.collections[name]
        self.operator.collection_changed(Key(self.namespace, name))

    async def apply(self, name: str = "web", annotations: Json | None = None, **spec: Any) -> Json:
        """`kubectl apply` of a VectorAccess."""
        spec.setdefault("collection", "products")
        meta = {"name": name, "namespace": self.namespace, "annotations": annotations or {}}
        body = {
            "apiVersion": "vectorplane.dev/v1alpha1",
            "kind": "VectorAccess",
            "metadata": meta,
            "spec": spec,
        }
        return await self.call(self.cluster.apply, body)

    async def delete(self, name: str = "web") -> None:
        await self.call(self.cluster.delete, "VectorAccess", name, self.namespace)

    async def discard(self, name: str = "web") -> None:
        """Delete it without asking anybody who lets it go."""
        await self.call(self.cluster.discard, "VectorAccess", name, self.namespace)

    async def pass_by(self, seconds: float) -> None:
        """It is so much later."""
        self.ahead += seconds
        self.operator.look_at_all()

    # What is there

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.to_thread(function, *args)

    async def access(self, name: str = "web") -> Json | None:
        found: Json | None = await self.call(self.cluster.get, "VectorAccess", name, self.namespace)
        return found

    async def status(self, name: str = "web") -> Json:
        access = await self.access(name)
        assert access
        return dict(access.get("status") or {})

    async def secret(self, name: str = "web") -> Json | None:
        """Metadata and type of a Secret, and its data as text."""
        found = await self.call(self.cluster.get, "Secret", name, self.namespace)
        if found is None:
            return None
        data = {k: base64.b64decode(v).decode() for k, v in (found.get("data") or {}).items()}
        return {**found, "data": data}

    async def keys(self, name: str = "web") -> list[str]:
        """The keys in the Secret, newest first."""
        data = (await self.secret(name) or {"data": {}})["data"]
        return [data[k] for k in sorted(data) if k == "api-key" or k.startswith("previous-api-key")]

    async def ids(self, name: str = "web") -> list[str]:
        """The ids that the status records, newest first."""
        return [key["id"] for key in (await self.status(name)).get("keys", ())][::-1]

    async def config(self) -> Json:
        found = await self.call(self.cluster.get, "ConfigMap", CONFIG, self.namespace)
        return dict(found["data"]) if found else {}

    async def denied(self) -> set[str]:
        return set((await self.config()).get("denied", "").split())

    async def events(self, name: str = "web") -> list[str]:
        found = await self.call(self.cluster.events, self.namespace, name)
        return [reason for _, reason in found]

    async def until(self, check: Callable[[], Any], what: str, seconds: float = 30) -> Any:
        """What an asynchronous check gives once that is true."""
        end = time.monotonic() + seconds
        while not (found := await check()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}")
            await asyncio.sleep(_EVERY)
        return found

    async def says(self, reason: str, name: str = "web") -> Json:
        """The resource, once its Ready condition has this reason for the spec as it is now."""

        async def check() -> Json | None:
            access = await self.access(name)
            if access is None:
                return None
            ready = condition(access)
            now = ready.get("observedGeneration") == access["metadata"]["generation"]
            return access if now and ready.get("reason") == reason else None

        found: Json = await self.until(check, f"{name} says {reason}")
        return found

    async def other_key(self, before: str, name: str = "web") -> str:
        """The newest key, once it is another one, and the status knows it."""

        async def check() -> str | None:
            keys = await self.keys(name)
            return keys[0] if keys and keys[0] != before else None

        found: str = await self.until(check, "there is another key")
        return found

    async def rest(self) -> None:
        """Nothing is under way, and nothing more is written."""
        while True:
            writes = len(self.proxy.writes)
            self.operator.look_at_all()
            await self.operator.join()
            if len(self.proxy.writes) == writes:
                return

    # The service

    async def judge(self, folder: Path) -> Callable[[str], Any]:
        """What the service's own code makes of a key, with the files as they are mounted: whom it
        stands for, or why it is refused."""
        for name, text in (await self.config()).items():
            (folder / name).write_text(text)
        keys = Watched(folder / "keys.json", key_set, what="public keys")
        denied = Watched(folder / "denied", opening.denied_ids, what="denied ids")
        source = SignedKeys(keys, audience="vectorplane", leeway=0.0, clock=self.now)
        authority = Authority((), [source], denied, clock=self.now)

        async def judged(secret: str) -> Identity | str:
            try:
                return await authority.identify(secret)
            except Unauthenticated as error:
                return error.why

        return judged

    def _ours(self, key: Key) -> bool:
        return key.namespace == self.namespace

    async def _watch(self, operator: Accesses) -> None:
        """What kopf says, of this namespace alone: others have operators of their own."""
        known: dict[str, Json] = {}
        while True:
            found = await self.call(self.cluster.all, "VectorAccess", self.namespace)
            bodies = {body["metadata"]["uid"]: body for body in found}
            for body in bodies.values():
                operator.seen(body)
            for uid in known.keys() - bodies.keys():
                operator.gone(known[uid])
            known = bodies
            await asyncio.sleep(_EVERY)


async def _api(kubeconfig: Path, url: str) -> Api:
    configuration = Configuration()
    await config.load_kube_config(
        config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
    )
    configuration.host = url
    return Api(ApiClient(configuration))


@asynccontextmanager
async def access_world(
    cluster: Cluster, kubeconfig: Path, thread: LoopThread
) -> AsyncIterator[AccessWorld]:
    made = AccessWorld(cluster, kubeconfig, thread)
    await made.begin()
    try:
        yield made
    finally:
        await made.end()


__all__ = ["CLUSTER", "CONFIG", "FINALIZER", "SIGNING", "AccessWorld", "access_world"]
