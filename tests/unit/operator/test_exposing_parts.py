"""From settings to parts: an Admin API that asks for a certificate, and what is refused."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from support.certificates import Certificates, make_certificates
from vectorplane.errors import GatewayUnreachable
from vectorplane.settings import SettingsError
from vectorplane_operator.exposing_parts import call_of, gateway_of, policy_of, registry_of
from vectorplane_operator.exposure_settings import ExposureSettings
from vectorplane_operator.fence import Fence
from vectorplane_operator.kube import Api

API = cast(Api, None)
"""Kong's Admin API needs no Kubernetes."""


def settings(**changes: Any) -> ExposureSettings:
    return ExposureSettings(**changes)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def guarded(made: Certificates) -> AsyncIterator[tuple[str, list[str]]]:
    """An Admin API with nothing in it, that takes nobody without a certificate of our CA."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(made.ca))
    context.load_cert_chain(made.certificate, made.key)
    context.verify_mode = ssl.CERT_REQUIRED
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"data": [], "next": None})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


@pytest.mark.anyio
async def test_an_admin_api_behind_mutual_tls(certificates: Certificates) -> None:
    async with guarded(certificates) as (url, asked):
        usual = {
            "operator_gateway_mode": "kong-admin",
            "operator_kong_admin_url": url,
            "operator_service_url": "http://service:10200",
            "operator_kong_admin_ca_file": str(certificates.ca),
        }
        own = {
            "operator_kong_admin_cert_file": str(certificates.certificate),
            "operator_kong_admin_key_file": str(certificates.key),
        }
        known = gateway_of(settings(**usual, **own), "cluster", API, Fence())
        stranger = gateway_of(settings(**usual), "cluster", API, Fence())
        assert known
        assert stranger
        try:
            assert await known.survey() == {}
            assert asked
            with pytest.raises(GatewayUnreachable):
                await stranger.survey()
        finally:
            await known.close()
            await stranger.close()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    usual = {
        "operator_gateway_mode": "kong-admin",
        "operator_kong_admin_url": "https://kong:8444",
        "operator_service_url": "http://service",
    }
    with pytest.raises(SettingsError, match="OPERATOR_KONG_ADMIN_CA_FILE: cannot be read"):
        gateway_of(
            settings(**usual, operator_kong_admin_ca_file=str(tmp_path / "none")),
            "cluster",
            API,
            Fence(),
        )
    (tmp_path / "text").write_text("no certificate")
    with pytest.raises(SettingsError, match="OPERATOR_KONG_ADMIN_CERT_FILE"):
        gateway_of(
            settings(**usual, operator_kong_admin_cert_file=str(tmp_path / "text")),
            "cluster",
            API,
            Fence(),
        )


def test_what_a_mode_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_GATEWAY_MODE", "kong-admin")
    with pytest.raises(SettingsError, match="OPERATOR_KONG_ADMIN_URL and OPERATOR_SERVICE_URL"):
        ExposureSettings.load(env_file=None)


def test_a_consul_that_cannot_be_is_named() -> None:
    with pytest.raises(SettingsError, match="OPERATOR_CONSUL_URL: "):
        registry_of(
            settings(operator_consul_url="http://consul", operator_consul_node="a/b"),
            "cluster",
            Fence(),
        )


def test_what_is_not_set_is_not_there() -> None:
    assert gateway_of(settings(), "cluster", API, Fence()) is None
    assert registry_of(settings(), "cluster", Fence()) is None
    assert call_of(settings()) is None
    assert call_of(settings(operator_gateway_url="http://kong", operator_verify_seconds=0)) is None
    policy = policy_of(settings(operator_gateway_url="http://kong/"))
    assert (policy.gateway, policy.service_path) == ("http://kong", "/api/v1")
    assert policy.rate_limit is not None
    assert policy.rate_limit.requests == 600
