"""The settings of what stands before the endpoints. They are a part of `ServiceSettings`."""

from __future__ import annotations

from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from limits import RateLimitItem
from pydantic import BeforeValidator, Field, InstanceOf, SecretStr, field_validator
from pydantic_settings import NoDecode

from vectorplane.settings import EnvSettings, SettingsError
from vectorplane_service.edge import parsing

_MIB = 1024 * 1024

Limits = Annotated[tuple[InstanceOf[RateLimitItem], ...], NoDecode, BeforeValidator(parsing.limits)]


class EdgeSettings(EnvSettings):
    rate_limit_enabled: bool = Field(
        False, description="true counts requests, per key or per address, and answers 429."
    )
    rate_limit_search: Limits = Field(
        "6000/minute",
        validate_default=True,
        description="Searches of one client: 600/minute, or several as 20/second;600/minute.",
    )
    rate_limit_read: Limits = Field(
        "3000/minute", validate_default=True, description="Other reads of one client."
    )
    rate_limit_write: Limits = Field(
        "1200/minute",
        validate_default=True,
        description="Writes of one client: requests, not points.",
    )
    rate_limit_admin: Limits = Field(
        "120/minute", validate_default=True, description="Work on keys and the like by one client."
    )
    rate_limit_failures: Limits = Field(
        "60/minute",
        validate_default=True,
        description="Wrong keys from one address; above it no key is looked at for a while.",
    )
    rate_limit_storage: Literal["memory", "redis"] = Field(
        "memory", description="Where requests are counted; memory goes with one worker only."
    )
    rate_limit_on_failure: Literal["open", "closed"] = Field(
        "open", description="While Redis is away requests pass (open), or get 503 (closed)."
    )
    trusted_proxies: Annotated[
        tuple[InstanceOf[IPv4Network] | InstanceOf[IPv6Network], ...],
        NoDecode,
        BeforeValidator(parsing.networks),
    ] = Field(
        (),
        description=(
            "Networks of the proxies before this service, as 10.0.0.0/8,fd00::/8. From them alone "
            "X-Forwarded-For is believed; without it all who come through one count as one address."
        ),
    )
    redis_url: SecretStr | None = Field(
        None,
        description="Redis of limits and cache: redis://:password@host:6379/0, or rediss://.",
    )
    redis_prefix: str = Field(
        "vectorplane",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description=(
            "What all names in Redis begin with. All services over one Qdrant have the same, and "
            "services over another Qdrant must have another."
        ),
    )
    redis_timeout_seconds: float = Field(
        0.5,
        gt=0,
        le=60,
        description=(
            "How long a call of Redis may take: one is made before a request is looked at, before "
            "a search, and around a write. Then it counts as away for a second."
        ),
    )

    search_cache: Literal["off", "memory", "redis"] = Field(
        "off", description="Where answers of searches are kept; memory goes with one worker only."
    )
    search_cache_ttl_seconds: float = Field(
        60.0,
        gt=0,
        le=86400,
        description=(
            "How long an answer is kept at most. A write through this API ends it at once; what "
            "others do to Qdrant is seen after this time."
        ),
    )
    search_cache_max_bytes: int = Field(
        64 * _MIB,
        ge=1024,
        description="Answers in memory together; the least used go. In Redis: its own maxmemory.",
    )

    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(parsing.origins)] = Field(
        (),
        description=(
            "Origins of web pages that may call, as https://app.example.com, separated by commas; "
            "* is every page. None: no page may."
        ),
    )
    cors_max_age_seconds: int = Field(
        600, ge=0, le=86400, description="How long a browser remembers what a page may."
    )
    compression_enabled: bool = Field(
        False,
        description="true answers with gzip who asks for it; it costs more than a search does.",
    )
    compression_min_bytes: int = Field(
        1024, ge=0, description="Shorter answers are not compressed."
    )
    hsts_max_age_seconds: int = Field(
        0,
        ge=0,
        description="Strict-Transport-Security for so long; only where all clients come by TLS.",
    )

    request_timeout_seconds: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="How long an answer may take (504); a stream that goes on has no end.",
    )
    read_timeout_seconds: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="How long a client may pause in its head or body, before it is cut off (408).",
    )
    max_inflight_requests: int = Field(
        1000, ge=1, description="Requests that a worker has at a time; more are told 503."
    )
    max_queue_seconds: float = Field(
        5.0,
        gt=0,
        description="Where every request takes longer, a worker takes only what it can serve so.",
    )

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                parts = urlsplit(value.get_secret_value())
                fits = parts.scheme in ("redis", "rediss") and parts.hostname and parts.port != 0
            except ValueError:
                fits = False
            if not fits:
                raise ValueError("an address such as redis://localhost:6379/0")
        return value

    @field_validator("rate_limit_storage", "rate_limit_on_failure", "search_cache", mode="before")
    @classmethod
    def _lower_case(cls, value: object) -> object:
        return str(value).lower()

    @property
    def counts_in_redis(self) -> bool:
        return self.rate_limit_enabled and self.rate_limit_storage == "redis"

    @property
    def needs_redis(self) -> bool:
        """Whether requests fail while Redis is away."""
        shut = self.counts_in_redis and self.rate_limit_on_failure == "closed"
        return shut or self.search_cache == "redis"

    def check_redis(self) -> None:
        """Raises `SettingsError` where Redis is asked for and nobody says where it is."""
        wanted = []
        if self.counts_in_redis:
            wanted.append("RATE_LIMIT_STORAGE=redis")
        if self.search_cache == "redis":
            wanted.append("SEARCH_CACHE=redis")
        if wanted and self.redis_url is None:
            raise SettingsError(f"REDIS_URL: not set, and needed for {' and '.join(wanted)}")
        if wanted and find_spec("redis") is None:
            raise SettingsError(
                f"{wanted[0]} needs the extra redis: pip install 'vectorplane[redis]'"
            )

    def check_workers(self, workers: int) -> None:
        """Raises `SettingsError` where so many workers would each count, or keep, for
        themselves."""
        apart = []
        if self.rate_limit_enabled and self.rate_limit_storage == "memory":
            apart.append("RATE_LIMIT_STORAGE")
        if self.search_cache == "memory":
            apart.append("SEARCH_CACHE")
        if apart and workers > 1:
            raise SettingsError(
                f"{' and '.join(apart)}: memory is of one process, and there are {workers} "
                f"workers. Set REDIS_URL=redis://... and {'=redis, '.join(apart)}=redis; or "
                "WEB_CONCURRENCY=1"
            )
