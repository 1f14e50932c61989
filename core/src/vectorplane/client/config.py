"""Where the service is and how it is talked to: arguments first, then the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from vectorplane import __version__
from vectorplane.client.errors import ClientError
from vectorplane.client.retries import Retries

URL = "VECTORPLANE_URL"
API_KEY = "VECTORPLANE_API_KEY"
DEFAULT_URL = "http://localhost:10200"
"""Where `vectorplane dev` listens."""


class BadConfig(ClientError):
    """An argument or a variable of the environment makes no sense."""


@dataclass(frozen=True, slots=True)
class Config:
    """What a client was told. `base` is the path that the API begins with; "" where it has none."""

    url: str = field(repr=False)
    base: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: float
    retries: Retries
    traces: bool

    @property
    def shown(self) -> str:
        """The address as it may be shown: without a user and a password in it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def path(self, *parts: str) -> str:
        """A path of the API, each part of it quoted."""
        return "/".join([self.base, *(quote(part, safe="") for part in parts)])


def configured(
    url: str | None,
    api_key: str | None,
    api_version: str | None,
    api_prefix: str,
    timeout: float,
    retries: Retries | None,
    headers: Mapping[str, str] | None,
    traces: bool,
) -> Config:
    """Raises `BadConfig`, which never repeats a key."""
    url = (url or os.environ.get(URL) or DEFAULT_URL).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadConfig(f"the URL of the service is an address such as {DEFAULT_URL}")
    if parts.query or parts.fragment:
        raise BadConfig("the URL of the service has no ? and no #")
    key = api_key or os.environ.get(API_KEY)
    if key is not None and not (key.isascii() and key.isprintable() and key == key.strip()):
        raise BadConfig("the key has characters that no header can carry")
    prefix = api_prefix.strip("/")
    base = "".join(f"/{part}" for part in (prefix, api_version) if part)
    return Config(
        url,
        base,
        {
            "user-agent": f"vectorplane-client/{__version__}",
            "accept": "application/json",
            **({"x-api-key": key} if key else {}),
            **(headers or {}),
        },
        timeout,
        retries or Retries(),
        traces,
    )


def trace_headers() -> dict[str, str]:
    """The W3C trace context of the span that is open, where OpenTelemetry is installed."""
    try:
        from opentelemetry import propagate
    except ImportError:
        return {}
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def query(**values: Any) -> dict[str, str]:
    """Query parameters, without those that are not set."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if value is not None
    }
