"""Settings of what makes collections reachable: gateway, registry, keys."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from vectorplane.settings import EnvSettings

Url = Annotated[str, StringConstraints(pattern=r"^(https?://.+)?$")]
GatewayMode = Literal["none", "gateway-api", "kong-admin"]


class ExposureSettings(EnvSettings):
    """How collections are made reachable."""

    operator_service_url: Url = Field(
        "", description="Where the service answers inside: what the gateway asks."
    )
    operator_service_name: str = Field(
        "vectorplane-service", min_length=1, description="The Kubernetes Service of the service."
    )
    operator_service_namespace: str = Field(
        "", description="Its namespace; that of the operator's pod where it is empty."
    )
    operator_service_port: int = Field(10200, ge=1, le=65535, description="Its port.")
    operator_service_path: str = Field(
        "/api/v1", description="The path that the service's API begins with."
    )

    operator_gateway_mode: GatewayMode = Field(
        "none",
        description="How Kong is programmed: gateway-api (objects that its ingress controller"
        " reads), kong-admin (its Admin API, version 3.9 with a database), or none.",
    )
    operator_gateway_url: Url = Field(
        "", description="Where clients reach the gateway; status.endpoint is made from it."
    )
    operator_gateway_name: str = Field("kong", description="gateway-api: the Gateway.")
    operator_gateway_namespace: str = Field("kong", description="gateway-api: its namespace.")
    operator_gateway_listener: str = Field(
        "", description="gateway-api: its listener; all of them where it is empty."
    )
    operator_gateway_rate_limit: Annotated[
        str, StringConstraints(pattern=r"^([1-9][0-9]{0,8}/(second|minute|hour|day))?$")
    ] = Field(
        "600/minute", description="The most that one key may ask; no limit where it is empty."
    )
    operator_gateway_max_body_bytes: int = Field(
        33_554_432, ge=1024, description="The largest body of a request through the gateway."
    )
    operator_gateway_service: bool = Field(
        True, description="Whether the gateway leads to the service's whole API as well."
    )
    operator_gateway_any_path: bool = Field(
        False, description="Whether gateway.path may begin otherwise than with its namespace."
    )
    operator_verify_url: Url = Field(
        "", description="Where the operator itself reaches the gateway; as clients do if empty."
    )
    operator_verify_seconds: float = Field(
        60.0, ge=0, description="Seconds between requests that verify an endpoint; 0: none is sent."
    )

    operator_kong_admin_url: Url = Field("", description="kong-admin: the Admin API.")
    operator_kong_admin_token: SecretStr = Field(
        SecretStr(""), description="kong-admin: the token that it asks for."
    )
    operator_kong_admin_token_header: str = Field(
        "Kong-Admin-Token", min_length=1, description="kong-admin: the header of that token."
    )
    operator_kong_admin_ca_file: str = Field("", description="kong-admin: CAs to trust, PEM.")
    operator_kong_admin_cert_file: str = Field(
        "", description="kong-admin: a client certificate, PEM."
    )
    operator_kong_admin_key_file: str = Field("", description="kong-admin: its key, PEM.")

    operator_consul_url: Url = Field("", description="A Consul agent; no registry if empty.")
    operator_consul_token: SecretStr = Field(SecretStr(""), description="Its ACL token.")
    operator_consul_ca_file: str = Field("", description="Consul: CAs to trust, PEM.")
    operator_consul_cert_file: str = Field("", description="Consul: a client certificate, PEM.")
    operator_consul_key_file: str = Field("", description="Consul: its key, PEM.")
    operator_consul_datacenter: str = Field("", description="Consul: the agent's own if empty.")
    operator_consul_node: str = Field(
        "",
        description="Consul: the node that all entries stand under; `vectorplane-` and the"
        " beginning of the cluster's id where it is empty.",
    )

    operator_access: bool = Field(True, description="Whether keys are made for VectorAccesses.")
    operator_access_configmap: str = Field(
        "vectorplane-access",
        min_length=1,
        description="The ConfigMap that the service reads public keys and revoked ids from.",
    )
    operator_signing_secret: str = Field(
        "vectorplane-signing-key", min_length=1, description="The Secret with the signing keys."
    )
    operator_signing_key_seconds: float = Field(
        7_776_000.0, gt=0, description="Seconds after which another signing key takes over."
    )
    operator_signing_publish_seconds: float = Field(
        120.0,
        ge=0,
        description="Seconds that the service has to learn a new public key before"
        " anything is signed with it.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """What a mode cannot do without."""
        if self.operator_gateway_mode == "kong-admin":
            missing = [
                name
                for name in ("operator_kong_admin_url", "operator_service_url")
                if not getattr(self, name)
            ]
            if missing:
                names = " and ".join(name.upper() for name in missing)
                raise ValueError(f"OPERATOR_GATEWAY_MODE kong-admin needs {names}")
        return self
