"""Many VectorCollections at once, and one watch that says when each of them is Ready.

Straight JSON over one connection pool: what creates and watches shares the CPUs with what is
measured, so it does as little as it can.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from kubernetes import config
from kubernetes.client import Configuration

API_VERSION = "vectorplane.dev/v1alpha1"
GROUP = f"/apis/{API_VERSION}"
AT_ONCE = 32
PAGE = 500

Json = dict[str, Any]
Name = tuple[str, str]
"""Namespace and name."""


class Load:
    """A client of one API server, as the user of a kubeconfig."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self.session = session
        self.server = server

    async def create(self, resources: Iterable[Json], sent: dict[Name, float]) -> float:
        """POST all, 32 under way at once; `sent` gets the moment at which each one went. Gives the
        seconds that it took."""
        todo = iter(resources)
        begun = time.monotonic()

        async def worker() -> None:
            for resource in todo:
                await self.create_one(resource, sent)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(worker())
        return time.monotonic() - begun

    async def create_one(self, resource: Json, sent: dict[Name, float]) -> None:
        meta = resource["metadata"]
        url = f"{self.server}{GROUP}/namespaces/{meta['namespace']}/vectorcollections"
        sent[meta["namespace"], meta["name"]] = time.monotonic()
        headers = {"content-type": "application/json"}
        async with self.session.post(url, data=orjson.dumps(resource), headers=headers) as answer:
            if answer.status != 201:
                raise SystemExit(f"{answer.status} to a new resource: {await answer.text()}")
            await answer.read()

    async def delete_all(self, namespace: str) -> None:
        """Every VectorCollection of a namespace; nobody holds them by a finalizer."""
        url = f"{self.server}{GROUP}/namespaces/{namespace}/vectorcollections"
        async with self.session.delete(url) as answer:
            answer.raise_for_status()

    async def pages(self, path: str) -> AsyncIterator[Json]:
        more: dict[str, str] = {}
        while True:
            query = {"limit": str(PAGE), **more}
            async with self.session.get(f"{self.server}{path}", params=query) as answer:
                answer.raise_for_status()
                page = orjson.loads(await answer.read())
            yield page
            token = page["metadata"].get("continue")
            if not token:
                return
            more = {"continue": token}


class Watch:
    """Which resources are Ready, and since when: one list, then one stream."""

    def __init__(self, load: Load, namespace: str | None = None) -> None:
        self._load = load
        place = f"/namespaces/{namespace}" if namespace else ""
        self._path = f"{GROUP}{place}/vectorcollections"
        self.ready: dict[Name, float] = {}
        self._reasons: dict[Name, str] = {}
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Watch]:
        listed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = task = asyncio.create_task(self._run(listed), name="watch")
        await asyncio.wait({task, listed}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def all_ready(self, count: int, seconds: float, alive: Callable[[], bool]) -> None:
        """Wait until so many are Ready. Says why not where they are not within `seconds`, or
        where `alive` no longer holds."""
        end = time.monotonic() + seconds
        told = time.monotonic()
        while len(self.ready) < count:
            now = time.monotonic()
            if self._task and self._task.done():
                self._task.result()
            if now > end or not alive():
                raise SystemExit(f"{len(self.ready)} of {count} are Ready; the rest: {self.why()}")
            if now - told > 20:
                told = now
                print(f"  {len(self.ready):,} of {count:,} are Ready", flush=True)
            self._moved.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), 1.0)

    def why(self) -> Mapping[str, int]:
        """How many are not Ready, by what they say."""
        return Counter(r for name, r in self._reasons.items() if name not in self.ready)

    async def _run(self, listed: asyncio.Future[None]) -> None:
        while True:
            version = ""
            async for page in self._load.pages(self._path):
                for resource in page["items"]:
                    self._seen(resource)
                version = page["metadata"]["resourceVersion"]
            if not listed.done():
                listed.set_result(None)
            while version:
                version = await self._stream(version)

    async def _stream(self, version: str) -> str:
        """One watch request; gives where to go on, or "" where it must be listed again."""
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "600"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
        url = f"{self._load.server}{self._path}"
        async with self._load.session.get(url, params=query, timeout=timeout) as answer:
            if answer.status == 410:
                return ""
            answer.raise_for_status()
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        return ""
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "DELETED":
                        self._seen(event["object"])
        return version

    def _seen(self, resource: Json) -> None:
        meta = resource["metadata"]
        name = (meta["namespace"], meta["name"])
        if name in self.ready:
            return
        status = resource.get("status") or {}
        for condition in status.get("conditions", ()):
            if condition["type"] == "Ready":
                current = condition.get("observedGeneration") == meta["generation"]
                if condition["status"] == "True" and current:
                    self.ready[name] = time.monotonic()
                    self._moved.set()
                self._reasons[name] = f"{condition['reason']}: {condition.get('message', '')}"
                return
        self._reasons[name] = "nothing yet"


@asynccontextmanager
async def connected(kubeconfig: Path) -> AsyncIterator[Load]:
    """A client with the rights of a kubeconfig."""
    found = Configuration()
    read: Callable[..., None] = config.load_kube_config
    read(str(kubeconfig), client_configuration=found)
    context = ssl.create_default_context(cafile=found.ssl_ca_cert)
    if found.cert_file:
        context.load_cert_chain(found.cert_file, found.key_file)
    token = found.get_api_key_with_prefix("BearerToken", alias="authorization")
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=2 * AT_ONCE),
        headers={"authorization": token} if token else {},
        timeout=aiohttp.ClientTimeout(total=120),
        read_bufsize=2**20,
        trust_env=False,
    )
    try:
        yield Load(session, str(found.host))
    finally:
        await session.close()
