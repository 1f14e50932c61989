"""Puts a registration together from the settings: which agent, and what it is told.

What only Consul needs is imported only where a Consul is named.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vectorplane.settings import SettingsError
from vectorplane_service.discovery.registration import Registration
from vectorplane_service.settings import ServiceSettings

if TYPE_CHECKING:
    from vectorplane.adapters.registry.consul import AgentService

_CALL_SECONDS = 5.0
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}
"""Every address of a machine, and one of them that itself reaches."""


def registration(settings: ServiceSettings, port: int) -> Registration:
    """The registration of a service that listens at `port`, with the agent of the settings."""
    from vectorplane.adapters.registry.consul import ConsulAgent
    from vectorplane.adapters.registry.consul.client import Connection

    token = settings.consul_http_token
    agent = ConsulAgent(
        Connection(
            settings.consul_http_addr or "",
            token=token.get_secret_value() if token else "",
            ca_file=settings.consul_cacert or "",
            cert_file=settings.consul_client_cert or "",
            key_file=settings.consul_client_key or "",
            timeout=_CALL_SECONDS,
            needs=f"service:write on {settings.consul_service_name}",
        )
    )
    made: Callable[[], AgentService] = partial(service_of, settings, port)
    return Registration(agent, made, every=settings.consul_check_seconds)


@asynccontextmanager
async def registered(settings: ServiceSettings) -> AsyncIterator[None]:
    """For a process that serves alone: known for as long as the block runs, at the port of the
    settings."""
    if settings.consul_http_addr is None:
        yield
        return
    settings.check_consul()
    if not (settings.port or settings.consul_service_port):
        raise SettingsError("CONSUL_SERVICE_PORT: set it, or PORT: nobody knows the port otherwise")
    made = registration(settings, settings.port)
    task = asyncio.create_task(made.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await made.end()


def service_of(settings: ServiceSettings, port: int) -> AgentService:
    """What the agent is told. May look up a name: raises `OSError` where there is no such host."""
    from vectorplane.adapters.registry.consul import AgentService

    address, checked = _addresses(settings)
    port = settings.consul_service_port or port
    # The same for the same place: who comes back replaces what it left behind.
    name = settings.consul_service_name
    place = re.sub(r"[^A-Za-z0-9.-]", "-", address or socket.gethostname())
    return AgentService(
        id=f"{name}-{place}-{port}",
        name=name,
        address=address,
        port=port,
        check_url=f"http://{checked}:{port}/health/ready",
        interval=settings.consul_check_interval,
        deregister_after=settings.consul_deregister_after,
        tags=settings.consul_service_tags,
    )


def _addresses(settings: ServiceSettings) -> tuple[str, str]:
    """Where others reach us, empty for "where the agent is"; and where the agent itself does."""
    address = settings.consul_service_address or settings.host
    if address in _ANY:
        family = socket.AF_INET6 if address == "::" else socket.AF_INET
        seen = _seen_from(settings.consul_http_addr or "", family)
        if ip_address(seen.partition("%")[0]).is_loopback:
            return "", _ANY[address]
        address = seen
    return address, f"[{address}]" if ":" in address else address


def _seen_from(url: str, family: socket.AddressFamily) -> str:
    """Our own address on the way to the agent. Nothing is sent."""
    parts = urlsplit(url)
    port = parts.port or 8500
    try:
        found = socket.getaddrinfo(parts.hostname, port, family, socket.SOCK_DGRAM)
    except socket.gaierror:
        # The agent may speak another IP than we listen with.
        found = socket.getaddrinfo(parts.hostname, port, 0, socket.SOCK_DGRAM)
    with socket.socket(found[0][0], socket.SOCK_DGRAM) as probe:
        probe.connect(found[0][4])
        return str(probe.getsockname()[0])
