"""Whose address a request comes from. `X-Forwarded-For` can be written by anybody, so it is
believed only as far as trusted proxies wrote it: from the right, up to the first address that is
none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

Network = IPv4Network | IPv6Network
UNKNOWN = "unknown"
"""Who comes over a socket that has no addresses."""
_IPV6_PREFIX = 64
"""The smallest network that a subscriber gets: its addresses are one client's."""


def client_of(scope: Scope, trusted: Sequence[Network]) -> str:
    """The address that a request counts for; of IPv6 the /64 network."""
    client = scope.get("client")
    if client is None:
        return UNKNOWN
    if not trusted:
        return _bucket(client[0])
    address = _address(client[0])
    if address is None:
        return str(client[0])
    if _among(address, trusted):
        for text in reversed(_forwarded(scope)):
            said = _address(text)
            if said is None:
                break  # whoever wrote that is the last one we can name
            address = said
            if not _among(address, trusted):
                break
    return _bucket(str(address))


@lru_cache(maxsize=4096)
def _bucket(text: str) -> str:
    address = _address(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_PREFIX), strict=False))
    return text if address is None else str(address)


def _forwarded(scope: Scope) -> list[str]:
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return b",".join(values).decode("latin-1").split(",") if values else []


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """`192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1` or `[2001:db8::1]:8080`."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _among(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
