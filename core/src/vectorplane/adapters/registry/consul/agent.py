"""A service that registers itself with an agent, which checks it and reaps it."""

from __future__ import annotations

from dataclasses import dataclass

from consul import Check

from vectorplane.adapters.registry.consul.client import AsyncConsul, Connection


@dataclass(frozen=True, slots=True)
class AgentService:
    """One instance of a service, and how the agent checks it. An empty `address` is the agent's
    own. Durations are as Consul has them: `10s`, `5m`."""

    id: str
    name: str
    address: str
    port: int
    check_url: str
    interval: str
    deregister_after: str
    tags: tuple[str, ...] = ()


class ConsulAgent:
    """One agent. Calls raise `Waiting` where it is away, and `Stalled` where it says no."""

    def __init__(self, connection: Connection) -> None:
        self._consul = AsyncConsul(connection)

    @property
    def place(self) -> str:
        return self._consul.place

    async def register(self, service: AgentService) -> None:
        """Make it known, or as it is now. Until its first check it is critical."""
        check = Check.http(
            service.check_url,
            service.interval,
            timeout="5s",
            deregister=service.deregister_after,
        )
        await self._consul.agent.service.register(
            service.name,
            service_id=service.id,
            address=service.address,
            port=service.port,
            tags=list(service.tags),
            check=check | {"name": "ready"},
            replace_existing_checks=True,
        )

    async def knows(self, service: AgentService) -> bool:
        """Whether the agent has it: one that was started anew may have forgotten."""
        found = await self._consul.agent.services(filter_expr=f'ID == "{service.id}"')
        return bool(found)

    async def deregister(self, service: AgentService) -> None:
        """Nothing happens where it is gone."""
        await self._consul.agent.service.deregister(service.id)

    async def close(self) -> None:
        await self._consul.close()
