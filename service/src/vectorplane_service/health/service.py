"""Probes of what the service depends on. They are public, so however often they are asked, the
store is asked at most once a second."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from vectorplane.errors import NotFound, VectorplaneError
from vectorplane.ports.vectors import StoreInfo

PROBE_SECONDS = 2.0
KEPT_SECONDS = 1.0
PATIENCE_SECONDS = 0.05
"""How long somebody waits for a dependency that was up a moment ago: whoever asks a busy service
for its health must not stand in the queue of its store."""
PROMPT_SECONDS = 2.0
"""So long after that, a dependency that was up is reported as up at once, while it is asked anew:
who asks so often wants to know whether this process answers."""
BELIEVED_SECONDS = 30.0
"""How long that moment may be ago. A probe that goes on is over in two seconds, up or down."""

Probe = Callable[[], Awaitable[StoreInfo]]


@dataclass(frozen=True, slots=True)
class Report:
    """What one dependency answered. `reason` says why it is down, in one word."""

    name: str
    up: bool
    latency_ms: float
    engine: str | None = None
    version: str | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, object]:
        shown: dict[str, object] = {
            "status": "up" if self.up else "down",
            "latency_ms": self.latency_ms,
        }
        for name in ("engine", "version", "reason"):
            value = getattr(self, name)
            if value is not None:
                shown[name] = value
        return shown


class Health:
    """Asks the probes. `spared` are those that requests are served without as well."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        *,
        spared: frozenset[str] = frozenset(),
        timeout_seconds: float = PROBE_SECONDS,
        kept_seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes = dict(probes)
        self._needed = [name for name in self._probes if name not in spared]
        self._timeout_seconds = timeout_seconds
        self._kept_seconds = kept_seconds
        self._clock = clock
        self._kept: dict[str, tuple[Report, float]] = {}
        self._asking: dict[str, asyncio.Task[Report]] = {}

    async def all(self) -> list[Report]:
        return await self._reports(list(self._probes))

    async def needed(self) -> list[Report]:
        """Of those that requests cannot be served without."""
        return await self._reports(self._needed)

    async def one(self, name: str) -> Report:
        """Raises `NotFound` for what is no dependency."""
        if name not in self._probes:
            raise NotFound(
                f"no dependency {name!r}; there is {', '.join(self._probes)}", place="dependency"
            )
        return self._at_once(name) or await self._awaited(name)

    async def _reports(self, names: list[str]) -> list[Report]:
        found = [self._at_once(name) for name in names]
        if None not in found:  # without a task: each one waits for its turn behind all requests
            return [report for report in found if report is not None]
        return list(await asyncio.gather(*map(self.one, names)))

    def _age(self, name: str) -> float:
        """Seconds since the last report was due to be renewed; infinite where it was not good."""
        kept = self._kept.get(name)
        return self._clock() - kept[1] if kept is not None and kept[0].up else math.inf

    def _at_once(self, name: str) -> Report | None:
        """What needs no waiting; where it is a little old, it is asked anew meanwhile."""
        kept = self._kept.get(name)
        if kept is None or (self._clock() >= kept[1] and self._age(name) >= PROMPT_SECONDS):
            return None
        if self._clock() >= kept[1]:
            self._asked(name)
        return kept[0]

    async def _awaited(self, name: str) -> Report:
        asking = self._asked(name)
        kept = self._kept.get(name)
        if kept is not None and self._age(name) < BELIEVED_SECONDS:
            await asyncio.wait([asking], timeout=PATIENCE_SECONDS)
            if not asking.done():
                return kept[0]
        # One who asks and goes away must not take the answer from the others.
        return await asyncio.shield(asking)

    def _asked(self, name: str) -> asyncio.Task[Report]:
        """The question that is under way, or a new one."""
        asking = self._asking.get(name)
        if asking is None:
            asking = self._asking[name] = asyncio.create_task(self._renewed(name))
            asking.add_done_callback(lambda _: self._asking.pop(name, None))
        return asking

    async def _renewed(self, name: str) -> Report:
        report = await self._ask(name)
        self._kept[name] = (report, self._clock() + self._kept_seconds)
        return report

    async def _ask(self, name: str) -> Report:
        started = time.perf_counter()
        info: StoreInfo | None = None
        reason = None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                info = await self._probes[name]()
        except VectorplaneError as error:
            reason = error.reason
        except TimeoutError:
            reason = "Timeout"
        latency_ms = round((time.perf_counter() - started) * 1000, 3)
        if info is None:
            return Report(name, up=False, latency_ms=latency_ms, reason=reason)
        return Report(name, True, latency_ms, engine=info.engine, version=info.version)
