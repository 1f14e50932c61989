"""From settings to the parts that make collections reachable: composition, and nothing else."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TypeVar, cast

from vectorplane.adapters.gateway.gateway_api import GatewayApi
from vectorplane.adapters.gateway.kong_admin import KongAdmin
from vectorplane.errors import RegistryRejected
from vectorplane.exposure.wishes import Policy, rate_limit
from vectorplane.ports.exposure import Provider
from vectorplane.settings import SettingsError
from vectorplane_operator.exposure_settings import ExposureSettings
from vectorplane_operator.fence import Fence, fenced_provider
from vectorplane_operator.gateway_call import GatewayCall
from vectorplane_operator.kube import Api
from vectorplane_operator.kube_objects import KubeObjects
from vectorplane_operator.lease import own_namespace

T = TypeVar("T")


def policy_of(settings: ExposureSettings) -> Policy:
    """What holds for all collections."""
    return Policy(
        gateway=settings.operator_gateway_url.rstrip("/"),
        service=settings.operator_service_url.rstrip("/"),
        service_path=settings.operator_service_path.rstrip("/"),
        any_path=settings.operator_gateway_any_path,
        rate_limit=rate_limit(settings.operator_gateway_rate_limit),
        max_body_bytes=settings.operator_gateway_max_body_bytes,
    )


def gateway_of(settings: ExposureSettings, cluster: str, api: Api, fence: Fence) -> Provider | None:
    """The gateway that the settings name. Raises `SettingsError`."""
    match settings.operator_gateway_mode:
        case "gateway-api":
            # Its writes go through `api`, which passes the fence by itself.
            return GatewayApi(
                KubeObjects(api),
                gateway_name=settings.operator_gateway_name,
                gateway_namespace=settings.operator_gateway_namespace,
                listener=settings.operator_gateway_listener,
                service_name=settings.operator_service_name,
                service_namespace=settings.operator_service_namespace or own_namespace(),
                service_port=settings.operator_service_port,
            )
        case "kong-admin":
            token = settings.operator_kong_admin_token.get_secret_value()
            kong = KongAdmin(
                settings.operator_kong_admin_url,
                cluster=cluster,
                service_url=settings.operator_service_url,
                token=token or None,
                token_header=settings.operator_kong_admin_token_header,
                verify=_tls(settings, "operator_kong_admin"),
            )
            return fenced_provider(kong, fence)
        case _:
            return None


def registry_of(settings: ExposureSettings, cluster: str, fence: Fence) -> Provider | None:
    """The registry that the settings name. Raises `SettingsError`."""
    if not settings.operator_consul_url:
        return None
    try:
        from vectorplane.adapters.registry.consul import ConsulCatalog
    except ImportError as error:
        raise SettingsError(
            "OPERATOR_CONSUL_URL: the package py-consul is missing: install vectorplane[consul]"
        ) from error
    try:
        consul = ConsulCatalog(
            settings.operator_consul_url,
            node=settings.operator_consul_node or f"vectorplane-{cluster[:8]}",
            cluster=cluster,
            datacenter=settings.operator_consul_datacenter,
            token=settings.operator_consul_token.get_secret_value(),
            ca_file=settings.operator_consul_ca_file,
            cert_file=settings.operator_consul_cert_file,
            key_file=settings.operator_consul_key_file,
        )
    except RegistryRejected as error:
        raise SettingsError(f"OPERATOR_CONSUL_URL: {error.message}") from None
    return fenced_provider(consul, fence)


def call_of(settings: ExposureSettings) -> GatewayCall | None:
    """What verifies endpoints; None where nobody said where the gateway is, or it is off."""
    url = settings.operator_verify_url or settings.operator_gateway_url
    if not url or not settings.operator_verify_seconds:
        return None
    return GatewayCall(url)


def _tls(settings: ExposureSettings, prefix: str) -> bool | ssl.SSLContext:
    def file(name: str) -> str:
        return cast(str, getattr(settings, f"{prefix}_{name}_file"))

    if not (file("ca") or file("cert")):
        return True
    context = _read(prefix, "ca", lambda: ssl.create_default_context(cafile=file("ca") or None))
    if file("cert"):
        _read(prefix, "cert", lambda: context.load_cert_chain(file("cert"), file("key") or None))
    return context


def _read(prefix: str, name: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except (OSError, ssl.SSLError) as error:
        variable = f"{prefix}_{name}_file".upper()
        why = getattr(error, "strerror", None) or "no PEM file"
        raise SettingsError(f"{variable}: cannot be read: {why}") from None
