"""The service's settings, one variable each. `.env.example` is generated from the descriptions
here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from pydantic import (
    Field,
    SecretStr,
    field_validator,
)

from vectorplane.settings import Variable
from vectorplane_service.access.settings import AccessSettings
from vectorplane_service.discovery.settings import DiscoverySettings
from vectorplane_service.edge.settings import EdgeSettings

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_MIB = 1024 * 1024


class ServiceSettings(AccessSettings, EdgeSettings, DiscoverySettings):
    api_prefix: str = Field("/api", description="Path that every API path begins with.")
    api_version: str = Field(
        "v1", pattern=r"^[A-Za-z0-9._-]+$", description="Version, the next part of the path."
    )
    api_versioning_enabled: bool = Field(
        True, description="false leaves the version out of the paths: /api/collections."
    )
    host: str = Field("0.0.0.0", description="Address to listen at.")
    port: int = Field(10200, ge=0, le=65535, description="Port to listen at.")

    qdrant_url: str = Field("http://localhost:6333", description="The Qdrant server (REST).")
    qdrant_api_key: SecretStr | None = Field(None, description="Qdrant's API key, if it asks one.")
    qdrant_grpc_port: int | None = Field(
        None, ge=1, le=65535, description="Qdrant's gRPC port; set: upserts travel over gRPC."
    )
    qdrant_tls_ca: str | None = Field(
        None, description="File with the certificate authority of Qdrant's certificate."
    )
    qdrant_tls_verify: bool = Field(True, description="false trusts any certificate: tests only.")
    qdrant_timeout_seconds: float = Field(
        10.0, gt=0, le=600, description="How long one call to Qdrant may take."
    )

    console_enabled: bool = Field(
        True, description="The page at /. It holds no data itself; false leaves it out."
    )
    default_collection: str | None = Field(
        None, description="Collection of the flat paths (/vectors/...) where a body names none."
    )

    max_query_length: int = Field(
        8192, ge=1, description="Most characters in the text of a search."
    )
    max_results_k: int = Field(
        1000, ge=1, description="Most results of a search (limit and offset together) or a page."
    )
    max_batch_size: int = Field(
        1000, ge=1, description="Most points, ids or searches in one request."
    )
    max_body_bytes: int = Field(
        32 * _MIB, ge=1024, description="Largest request body; refused before it is read whole."
    )

    max_line_bytes: int = Field(
        4 * _MIB,
        ge=1024,
        description="Longest line of a stream of points (NDJSON); the stream has no limit.",
    )
    max_binary_batch_size: int = Field(
        50_000, ge=1, description="Most points in one binary body (.npz)."
    )
    max_prefetches: int = Field(
        16, ge=1, le=16, description="Most prefetches in one search, nested ones included."
    )

    log_format: Literal["json", "console"] = Field("json", description="json or console.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error; info has one line per request."
    )

    web_concurrency: int | None = Field(
        None, ge=1, description="Worker processes. Not set: the CPUs that the container has."
    )
    worker_class: str = Field(
        "vectorplane_service.worker.ServiceWorker",
        description="gunicorn worker: this one (uvicorn), or gunicorn.workers.gasgi.ASGIWorker.",
    )
    graceful_timeout_seconds: int = Field(
        30, ge=1, description="How long requests in flight may take to finish at a stop."
    )
    worker_timeout_seconds: int = Field(
        60, ge=2, description="A worker that does not say for so long that it lives is replaced."
    )
    keepalive: int = Field(75, ge=1, description="Seconds that an idle connection is kept.")
    worker_max_requests: int = Field(
        0, ge=0, description="A worker is replaced after so many requests; 0 is never."
    )
    worker_max_requests_jitter: int = Field(
        0, ge=0, description="Up to so many requests more, so that workers do not leave together."
    )

    @field_validator("api_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        value = value.rstrip("/")
        if not _PREFIX.fullmatch(value):
            raise ValueError("a path such as /api, or / for none")
        return value

    @field_validator("qdrant_url")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address such as http://localhost:6333")
        if parts.username or parts.password:
            raise ValueError("no user or password in the address; the key goes to QDRANT_API_KEY")
        return value.rstrip("/")

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return str(value).lower()

    @classmethod
    def variables(cls) -> Iterator[Variable]:
        """The service's own first, then what it takes over."""
        parts = (AccessSettings, EdgeSettings, DiscoverySettings)
        taken_over = {name for part in parts for name in part.model_fields}
        yield from sorted(super().variables(), key=lambda v: v.name.lower() in taken_over)

    @property
    def base_path(self) -> str:
        """What every API path begins with: `/api/v1`."""
        return (
            f"{self.api_prefix}/{self.api_version}"
            if self.api_versioning_enabled
            else (self.api_prefix)
        )

    def summary(self) -> dict[str, str]:
        """What a start says: everything that matters, and no secret."""
        keys = [f"{key.id}({'+'.join(sorted(key.permissions))})" for key in self.api_keys]
        return {
            "api": self.base_path,
            "qdrant_url": self.qdrant_url,
            "qdrant_api_key": "not set" if self.qdrant_api_key is None else "********",
            "auth": "on" if self.auth_enabled else "OFF",
            "keys": " ".join(keys) or "none",
            "own_keys": self.keys_file or "off",
            "signed_keys": self.access_public_keys or "off",
            "oidc": self.oidc_issuer or "off",
            "consul": self.consul_http_addr or "off",
            "max_body_bytes": str(self.max_body_bytes),
            "max_batch_size": str(self.max_batch_size),
            "max_results_k": str(self.max_results_k),
        }
