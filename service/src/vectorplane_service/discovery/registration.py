"""One registration, from the start of a process to its end.

The agent may be away, and it may forget: one that is started anew knows only what it wrote down. So
it is asked again and again whether it knows us, and told again where it does not. A start never
waits for it; an end waits for a few seconds at the most. Who is killed says nothing: then the
agent's own check fails, and it forgets us after a while by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import structlog

from vectorplane.errors import VectorplaneError
from vectorplane.queue import backoff

if TYPE_CHECKING:
    # It needs the extra consul.
    from vectorplane.adapters.registry.consul import AgentService

END_SECONDS = 3.0
_MOST_SECONDS = 15.0
"""Between tries while the agent is away."""

log = structlog.get_logger(__name__)


class Agent(Protocol):
    """What is told. Its errors are those of `vectorplane.errors`."""

    @property
    def place(self) -> str: ...
    async def register(self, service: AgentService) -> None: ...
    async def knows(self, service: AgentService) -> bool: ...
    async def deregister(self, service: AgentService) -> None: ...
    async def close(self) -> None: ...


class Registration:
    """`made` says what to register; it may look names up, so it is called in a thread. `every` are
    the seconds between two looks."""

    def __init__(
        self,
        agent: Agent,
        made: Callable[[], AgentService],
        *,
        every: float,
    ) -> None:
        self._agent = agent
        self._made = made
        self._every = every
        self._service: AgentService | None = None
        self._trouble = ""

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = 0
        while True:
            try:
                await self._look()
            except (VectorplaneError, OSError) as error:
                failures += 1
                self._failed(str(error))
                await asyncio.sleep(backoff(failures, most=_MOST_SECONDS))
                continue
            failures, self._trouble = 0, ""
            await asyncio.sleep(self._every)

    async def end(self) -> None:
        """Take it back, also where another process registered it, and let go of the agent."""
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._agent.deregister(await self._instance())
        except (VectorplaneError, OSError) as error:
            # A time that is up is an OSError too.
            said = str(error) or "no answer in time"
            log.warning("not deregistered from Consul", agent=self._agent.place, error=said)
        else:
            log.info("deregistered from Consul", agent=self._agent.place)
        await self._agent.close()

    async def _look(self) -> None:
        if self._service is not None and await self._agent.knows(self._service):
            return
        made = await self._instance()
        await self._agent.register(made)
        where = {"id": made.id, "address": made.address or "the agent's", "port": made.port}
        log.info("registered in Consul", agent=self._agent.place, **where)

    async def _instance(self) -> AgentService:
        if self._service is None:
            self._service = await asyncio.to_thread(self._made)
        return self._service

    def _failed(self, error: str) -> None:
        """Said once for each kind of trouble, not at each try."""
        if error != self._trouble:
            log.warning("not registered in Consul", agent=self._agent.place, error=error)
        self._trouble = error
