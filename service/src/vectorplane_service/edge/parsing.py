"""What is written in variables, as what the edge works with. gunicorn's master reads settings too,
so nothing is imported here that a worker must be the first to import (metrics)."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

from limits import parse_many

_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?")


def limits(value: Any) -> Any:
    """A rate limit in the library's notation: `600/minute`, or several with `;` between them."""
    if not isinstance(value, str):
        return value
    try:
        return tuple(parse_many(value)) if value.strip() else ()
    except ValueError:
        raise ValueError("a limit such as 600/minute, or 20/second;600/minute") from None


def networks(value: Any) -> Any:
    """Networks or addresses, separated by commas."""
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        raise ValueError("networks such as 10.0.0.0/8, separated by commas") from None


def origins(value: Any) -> Any:
    """Origins of web pages, separated by commas, or `*`."""
    if not isinstance(value, str):
        return value
    found = tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
    if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in found):
        raise ValueError("origins such as https://app.example.com, separated by commas, or *")
    return found
