"""All that Prometheus looks at, with a proxy before each part that can fail: a Kong, a Consul, the
service, an operator, and clients that never stop asking."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx

from support.cluster import Json, wait
from support.consul import Consul
from support.exposed import ExposedWorld, Outside, mounted
from support.gunicorn_process import Gunicorn, gunicorn
from support.kong import Kong
from support.operator_process import OperatorProcess
from support.proxy import Proxy, Seen
from support.qdrant import free_port
from support.world import World

KEY = "test-secret"
ROLES = ("service", "operator", "kong")


class Monitored:
    """`store` stands between the service and the store; the operator has a way of its own, which is
    that of the world."""

    def __init__(self, world: World, kong: Kong, consul: Consul, folder: Path) -> None:
        self.world = world
        self._kong, self._consul = kong, consul
        self._folder = folder
        self._port = free_port()
        self._services = ExitStack()
        self._stack = ExitStack()
        self.files = {role: folder / f"{role}.json" for role in ROLES}
        for file in self.files.values():
            file.write_text("[]")

    def begin(self) -> None:
        """All but service and operator."""
        self._mount = self._stack.enter_context(
            mounted(self.world.cluster, self._made(self._folder / "access"))
        )
        self.store = self._proxy(self.world.engine.url)
        self.admin = self._proxy(self._kong.admin)
        self.registry = self._proxy(self._consul.url)

    def end(self) -> None:
        self._services.close()
        self._stack.close()

    def shown(self, role: str, *urls: str) -> None:
        """From now on Prometheus scrapes these."""
        places = [{"targets": [url.partition("://")[2] for url in urls]}] if urls else []
        new = self.files[role].with_suffix(".new")
        new.write_text(json.dumps(places))
        new.replace(self.files[role])

    # The service

    def serve(self) -> Gunicorn:
        """It starts, at the same address each time."""
        variables = {
            "PORT": str(self._port),
            "QDRANT_URL": self.store.url,
            "QDRANT_API_KEY": self.world.engine.api_key or "",
            "ACCESS_PUBLIC_KEYS": str(self._mount / "keys.json"),
            "ACCESS_DENIED_IDS": str(self._mount / "denied"),
            "SEARCH_CACHE": "memory",
            "RATE_LIMIT_ENABLED": "true",
            "RATE_LIMIT_READ": "1/second",
            "RATE_LIMIT_SEARCH": "1000000/minute",
            "RATE_LIMIT_WRITE": "1000000/minute",
            "RATE_LIMIT_FAILURES": "1000000/minute",
        }
        running = gunicorn("vectorplane_service.main:app", **variables)
        self.service = self._services.enter_context(running).ready()
        self.shown("service", self.service.url)
        return self.service

    def quit_service(self) -> None:
        self.service.stop(signal.SIGTERM)

    # The operator

    def operate(self) -> OperatorProcess:
        """One that is not started yet, for all of this."""
        around = Outside(self._kong, self._consul, self.admin, self.registry, self.service)
        quick = {
            "OPERATOR_RESYNC_SECONDS": "2",
            "OPERATOR_VERIFY_SECONDS": "1",
            "OPERATOR_LEASE_SECONDS": "5",
        }
        return self.world.operators.new(self.world.engine.command, **around.env, **quick)

    def exposed(self) -> ExposedWorld:
        around = Outside(self._kong, self._consul, self.admin, self.registry, self.service)
        return ExposedWorld(self.world, around)

    # Clients

    @contextmanager
    def asked(self, collection: str, key: str) -> Iterator[None]:
        """Clients at work, four of them and a few times a second each: of the service, and of the
        gateway with `key`."""
        ended = threading.Event()
        threads = [
            threading.Thread(target=self._ask, args=(collection, key, seed, ended), daemon=True)
            for seed in range(4)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join(60)

    def _ask(self, collection: str, key: str, seed: int, ended: threading.Event) -> None:
        dice, round_ = random.Random(seed), 0
        place = f"{self.service.url}/api/v1/collections/{self.world.full(collection)}"
        gateway = f"{self._kong.proxy}/{self.world.namespace}/{collection}"
        mine = {"x-api-key": KEY}
        with httpx.Client(timeout=30, trust_env=False) as http:
            while not ended.wait(0.1):
                round_ += 1
                vector = [dice.random() + 0.1 for _ in range(4)]
                asked: list[tuple[str, str, Json | None, dict[str, str]]] = [
                    ("POST", f"{place}/search", {"vector": vector}, mine),
                    ("POST", f"{place}/search", {"vector": vector}, mine),
                ]
                if round_ % 5 == 0:
                    point = {"id": seed, "vector": vector, "payload": {}}
                    asked += [
                        ("PUT", f"{place}/points", {"points": [point]}, mine),
                        ("GET", place, None, mine),
                        ("GET", place, None, {"x-api-key": "wrong"}),
                        ("POST", f"{gateway}/search", {"vector": vector}, {"x-api-key": key}),
                        ("POST", f"{gateway}/search", {"vector": vector}, {"x-api-key": "wrong"}),
                        ("GET", f"{gateway}/nothing/here", None, {"x-api-key": key}),
                    ]
                for method, url, body, headers in asked:
                    # Who is away is part of the test.
                    with suppress(httpx.HTTPError):
                        http.request(method, url, json=body, headers=headers)

    def _proxy(self, url: str) -> Proxy:
        proxy = Proxy(self.world.thread, url)
        proxy.start()
        self._stack.callback(proxy.stop)
        return proxy

    def _made(self, folder: Path) -> Path:
        folder.mkdir()
        return folder


# What the store refuses of the operator


def writes_of(collection: str, number: int) -> Callable[[Seen], bool]:
    """Points into one physical collection."""
    return lambda seen: _is(seen, "PUT", f".{collection}_{number}/points")


def snapshots(seen: Seen) -> bool:
    """A snapshot is taken."""
    return _is(seen, "POST", "/snapshots")


def _is(seen: Seen, method: str, part: str) -> bool:
    return seen.method == method and part in seen.path


def phase_of(world: World, name: str) -> str:
    found = world.get(name).get("status", {}).get("rebuild", {})
    return str(found.get("phase", ""))


def until_it_copies(world: World, name: str) -> None:
    wait(lambda: phase_of(world, name) == "Copying", f"{name} is copied", seconds=60)


def now() -> float:
    """Unix time, as Prometheus has it."""
    return time.time()
