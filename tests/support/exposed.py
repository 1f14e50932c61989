"""Everything around an operator that makes collections reachable: a Kong, a Consul, the service as
a real gunicorn with the operator's ConfigMap mounted, and a proxy before each of the two that can
fail.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import httpx

from support.cluster import Cluster, Json, wait
from support.consul import Consul
from support.controlplane import NAMESPACE
from support.engines import Engine
from support.gunicorn_process import Gunicorn, gunicorn
from support.kong import Kong
from support.loops import LoopThread
from support.proxy import Proxy
from support.world import API_VERSION, World

CONFIG = "vectorplane-access"


@contextmanager
def mounted(cluster: Cluster, folder: Path) -> Iterator[Path]:
    """What kubelet does: the operator's ConfigMap as files that follow it."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(0.1):
            found = cluster.get("ConfigMap", CONFIG, NAMESPACE) or {}
            for name, text in (found.get("data") or {}).items():
                file = folder / name
                if not file.exists() or file.read_text() != text:
                    new = folder / f".{name}.new"
                    new.write_text(text)
                    os.replace(new, file)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield folder
    finally:
        ended.set()
        thread.join()


@dataclass
class Outside:
    """`admin` and `registry` stand before Kong's Admin API and before Consul."""

    kong: Kong
    consul: Consul
    admin: Proxy
    registry: Proxy
    service: Gunicorn

    @property
    def env(self) -> dict[str, str]:
        """The settings of an operator that works on all this."""
        return {
            "OPERATOR_SERVICE_URL": self.service.url,
            "OPERATOR_GATEWAY_MODE": "kong-admin",
            "OPERATOR_GATEWAY_URL": self.kong.proxy,
            "OPERATOR_KONG_ADMIN_URL": self.admin.url,
            "OPERATOR_CONSUL_URL": self.registry.url,
            "OPERATOR_CONSUL_TOKEN": self.consul.token,
        }

    def call(self, method: str, path: str, key: str | None, body: Any = None) -> httpx.Response:
        """Through the gateway, as a client does."""
        headers = {"x-api-key": key} if key else {}
        return httpx.request(
            method,
            f"{self.kong.proxy}{path}",
            headers=headers,
            json=body,
            timeout=30,
            trust_env=False,
        )

    def status(self, method: str, path: str, key: str | None, body: Any = None) -> int:
        return self.call(method, path, key, body).status_code

    def foreign_service(self, name: str) -> str:
        """Somebody else's, of that name; gives its place in the Admin API."""
        place = f"{self.kong.admin}/services/{uuid5(NAMESPACE_DNS, name)}"
        body = {"name": name, "host": "127.0.0.1", "port": 1, "tags": [name]}
        httpx.put(place, json=body, trust_env=False, timeout=30).raise_for_status()
        return place

    def of_kong(self, kind: str) -> list[Json]:
        """All entities of a kind, whoever made them, past the proxy."""
        found: list[Json] = []
        path = f"/{kind}?size=1000"
        while path:
            page = httpx.get(f"{self.kong.admin}{path}", timeout=30, trust_env=False).json()
            found += page["data"]
            path = page.get("next") or ""
        return found


@contextmanager
def outside(
    engine: Engine, cluster: Cluster, thread: LoopThread, kong: Kong, consul: Consul, folder: Path
) -> Iterator[Outside]:
    with ExitStack() as stack:
        mount = stack.enter_context(mounted(cluster, folder))
        store = (
            {"REMOTE_STORE_URL": engine.url}
            if engine.name == "memory"
            else {"QDRANT_URL": engine.url, "QDRANT_API_KEY": engine.api_key or ""}
        )
        app = (
            "support.remote_app:app" if engine.name == "memory" else "vectorplane_service.main:app"
        )
        service = stack.enter_context(
            gunicorn(
                app,
                ACCESS_PUBLIC_KEYS=str(mount / "keys.json"),
                ACCESS_DENIED_IDS=str(mount / "denied"),
                **store,
            )
        )
        service.ready()
        proxies = []
        for url in (kong.admin, consul.url):
            proxy = Proxy(thread, url)
            proxy.start()
            stack.callback(proxy.stop)
            proxies.append(proxy)
        yield Outside(kong, consul, *proxies, service)


class ExposedWorld:
    """A test's corner, with ways to it."""

    def __init__(self, world: World, around: Outside | None = None) -> None:
        self.world = world
        self._around = around

    @property
    def around(self) -> Outside:
        assert self._around
        return self._around

    def apply(self, name: str = "products", /, **spec: Any) -> Json:
        gateway = {"enabled": True} | spec.pop("gateway", {})
        return self.world.apply(name, gateway=gateway, **spec)

    def allow(self, name: str, collection: str = "products", **spec: Any) -> Json:
        """A VectorAccess."""
        return self.world.cluster.apply(
            {
                "apiVersion": API_VERSION,
                "kind": "VectorAccess",
                "metadata": {"name": name, "namespace": self.world.namespace},
                "spec": {"collection": collection, **spec},
            }
        )

    def key(self, name: str) -> str:
        """The key of an access that is Ready."""
        cluster, namespace = self.world.cluster, self.world.namespace

        def ready() -> bool:
            access = cluster.get("VectorAccess", name, namespace) or {}
            conditions = access.get("status", {}).get("conditions", ())
            return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

        wait(ready, f"VectorAccess {name} is Ready", seconds=60)
        secret = cluster.get("Secret", name, namespace)
        assert secret
        return base64.b64decode(secret["data"]["api-key"]).decode()

    def path(self, name: str = "products") -> str:
        return f"/{self.world.namespace}/{name}"

    def end(self) -> None:
        """Leave no access that another operator would look at."""
        cluster, namespace = self.world.cluster, self.world.namespace
        for access in cluster.all("VectorAccess", namespace):
            cluster.discard("VectorAccess", access["metadata"]["name"], namespace)
