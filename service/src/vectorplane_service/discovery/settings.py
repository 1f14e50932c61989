"""The settings of how this service makes itself known. They are a part of `ServiceSettings`; those
that Consul's own programs know too have Consul's own names."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, field_validator
from pydantic_settings import NoDecode

from vectorplane.settings import EnvSettings, SettingsError

GoDuration = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,6}(s|m|h)$")]
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def _words(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(word for part in value.split(",") if (word := part.strip()))


class DiscoverySettings(EnvSettings):
    consul_http_addr: str | None = Field(
        None,
        description=(
            "Consul agent that this service registers itself with: 127.0.0.1:8500, or https://... "
            "Not set: it does not. In a cluster the operator does it."
        ),
    )
    consul_http_token: SecretStr | None = Field(
        None, description="Its ACL token; it needs service:write on the service's name."
    )
    consul_cacert: str | None = Field(
        None, description="File with the certificate authority of the agent's certificate."
    )
    consul_client_cert: str | None = Field(
        None, description="File with a certificate, for an agent that asks for one."
    )
    consul_client_key: str | None = Field(None, description="File with its key.")
    consul_service_name: str = Field(
        "vectorplane",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
        description="The name that it is found by.",
    )
    consul_service_address: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9.:-]+$",
        description=(
            "Where others reach it. Not set: HOST, or where that is every address: the agent's own "
            "one where the agent is on this machine, else the one that the agent is reached from."
        ),
    )
    consul_service_port: int | None = Field(
        None, ge=1, le=65535, description="The port there. Not set: the one that it listens at."
    )
    consul_service_tags: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = Field(
        (), description="Its tags, separated by commas."
    )
    consul_check_interval: GoDuration = Field(
        "10s",
        description="How often the agent asks /health/ready, and we ask whether it knows us still.",
    )
    consul_deregister_after: GoDuration = Field(
        "10m", description="The agent forgets it when it was not ready for so long; 1m at least."
    )

    @field_validator("consul_http_addr")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        # Consul's own programs take it without a scheme.
        value = (value if "://" in value else f"http://{value}").rstrip("/")
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            raise ValueError("an address such as 127.0.0.1:8500") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address such as 127.0.0.1:8500 or https://consul.example.com:8501")
        if "@" in parts.netloc:
            raise ValueError("no user or password in the address; a token is CONSUL_HTTP_TOKEN")
        return value

    @field_validator("consul_http_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        secret = value.get_secret_value() if value else ""
        if secret and not (secret.isascii() and secret.isprintable()):
            raise ValueError("it holds characters that no header can carry")
        return value

    @property
    def consul_check_seconds(self) -> float:
        return float(self.consul_check_interval[:-1]) * _UNITS[self.consul_check_interval[-1]]

    def check_consul(self) -> None:
        """Raises `SettingsError` where a Consul is named and what speaks with it is missing."""
        if self.consul_http_addr is None:
            return
        found = find_spec("consul")
        # A folder of that name that happens to be near is no module.
        if found is None or found.origin is None:
            raise SettingsError(
                "CONSUL_HTTP_ADDR needs the extra consul: pip install 'vectorplane[consul]'"
            )
        if self.consul_client_key and not self.consul_client_cert:
            raise SettingsError("CONSUL_CLIENT_KEY: set CONSUL_CLIENT_CERT as well")
