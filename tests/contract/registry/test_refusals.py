"""A Consul that is away, that refuses a token, that wants TLS: who must act, and what is said."""

from __future__ import annotations

import logging
import socket
import uuid
from pathlib import Path

import pytest

from support.certificates import make_certificates
from support.consul import Consul, ConsulProcess
from support.registry import Registry, entry
from vectorplane.adapters.registry.consul import ConsulCatalog
from vectorplane.errors import (
    RegistryRejected,
    RegistryUnauthorized,
    RegistryUnreachable,
    Waiting,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def name() -> str:
    """Of a node that nobody has."""
    return f"test-{uuid.uuid4().hex[:12]}"


async def test_a_consul_that_is_away_is_waited_for(own_consul: ConsulProcess, name: str) -> None:
    catalog = ConsulCatalog(own_consul.consul.url, node=name, timeout=30)
    registry = Registry(catalog, own_consul.consul, name)
    await registry.converge([entry()])
    own_consul.kill()
    ((ref, body),) = registry.wanted([entry()]).items()

    for attempt in (
        lambda: catalog.survey(),
        lambda: catalog.put(ref, body),
        lambda: catalog.delete(ref),
    ):
        with pytest.raises(RegistryUnreachable, match="connection refused") as raised:
            await attempt()
        assert isinstance(raised.value, Waiting)

    # The next one knows nothing: all is put again.
    own_consul.again()
    assert len(await registry.converge([entry()])) == 1
    assert list(registry.services()) == ["shop.products"]
    await catalog.close()


async def test_a_consul_that_does_not_answer_is_waited_for(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        catalog = ConsulCatalog(url, node=name, timeout=0.2)
        with pytest.raises(RegistryUnreachable, match="gave no answer in time"):
            await catalog.survey()
        await catalog.close()


async def test_without_a_token_it_is_said_what_the_token_needs(
    guarded_consul: Consul, name: str
) -> None:
    catalog = ConsulCatalog(guarded_consul.url, node=name, timeout=30)
    registry = Registry(catalog, guarded_consul, name)
    with pytest.raises(
        RegistryUnauthorized,
        match=f"it needs node:write on {name} and service:write on what is registered",
    ):
        await registry.converge([entry()])
    await catalog.close()


async def test_a_token_of_nobody_is_refused_and_not_repeated(
    guarded_consul: Consul, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = str(uuid.uuid4())
    catalog = ConsulCatalog(guarded_consul.url, node=name, token=secret, timeout=30)
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(RegistryUnauthorized, match="refuses the ACL token") as raised,
    ):
        await catalog.survey()
    said = repr(raised.value) + repr(raised.value.__dict__) + repr(catalog) + caplog.text
    assert secret not in said
    await catalog.close()


async def test_a_token_for_other_services_is_refused(guarded_consul: Consul, name: str) -> None:
    token = guarded_consul.allowed(
        f'node "{name}" {{ policy = "write" }} service "another" {{ policy = "write" }}'
    )
    catalog = ConsulCatalog(guarded_consul.url, node=name, token=token, timeout=30)
    registry = Registry(catalog, guarded_consul, name)
    with pytest.raises(RegistryUnauthorized, match=r"service:write.*shop-products"):
        await registry.converge([entry()])
    assert registry.services() == {}
    await catalog.close()


async def test_what_a_token_may_not_see_is_not_taken_for_nothing(
    guarded_consul: Consul, name: str
) -> None:
    """Otherwise everything would be put again and again."""
    full = ConsulCatalog(guarded_consul.url, node=name, token=guarded_consul.token, timeout=30)
    registry = Registry(full, guarded_consul, name)
    await registry.converge([entry()])

    token = guarded_consul.allowed(f'node "{name}" {{ policy = "read" }}')
    catalog = ConsulCatalog(guarded_consul.url, node=name, token=token, timeout=30)
    with pytest.raises(RegistryUnauthorized, match="hides entries from the ACL token"):
        await catalog.survey()
    await catalog.close()
    await registry.converge([])
    await full.close()


async def test_the_least_that_a_token_needs_is_enough(guarded_consul: Consul, name: str) -> None:
    token = guarded_consul.allowed(
        f'node "{name}" {{ policy = "write" }} service_prefix "shop-" {{ policy = "write" }}'
    )
    catalog = ConsulCatalog(guarded_consul.url, node=name, token=token, timeout=30)
    registry = Registry(catalog, guarded_consul, name)
    await registry.converge([entry("one"), entry("two")])
    assert await registry.pending([entry("one"), entry("two")]) == []
    await registry.converge([entry("one")])
    assert list(registry.services()) == ["shop.one"]
    await registry.converge([])
    assert not registry.has_node()
    await catalog.close()


async def test_the_environment_s_token_is_not_ours(
    guarded_consul: Consul, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """py-consul would prefer it to the one that it is told."""
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", guarded_consul.token)
    catalog = ConsulCatalog(guarded_consul.url, node=name, timeout=30)
    with pytest.raises(RegistryUnauthorized):
        await Registry(catalog, guarded_consul, name).converge([entry()])
    await catalog.close()


async def test_over_tls_with_our_ca_and_certificate(secure_consul: Consul, name: str) -> None:
    made = secure_consul.certificates
    assert made is not None
    catalog = ConsulCatalog(
        secure_consul.url,
        node=name,
        ca_file=str(made.ca),
        cert_file=str(made.certificate),
        key_file=str(made.key),
        timeout=30,
    )
    registry = Registry(catalog, secure_consul, name)
    await registry.converge([entry()])
    assert list(registry.services()) == ["shop.products"]
    await registry.converge([])
    assert not registry.has_node()
    await catalog.close()


async def test_a_certificate_of_an_unknown_ca_is_not_trusted(
    secure_consul: Consul, name: str, tmp_path: Path
) -> None:
    for ca in ("", str(make_certificates(tmp_path).ca)):
        catalog = ConsulCatalog(secure_consul.url, node=name, ca_file=ca, timeout=30)
        with pytest.raises(RegistryUnreachable, match="its certificate is not trusted"):
            await catalog.survey()
        await catalog.close()


async def test_who_brings_no_certificate_is_not_let_in(secure_consul: Consul, name: str) -> None:
    assert secure_consul.certificates is not None
    ca = str(secure_consul.certificates.ca)
    catalog = ConsulCatalog(secure_consul.url, node=name, ca_file=ca, timeout=30)
    with pytest.raises(RegistryUnreachable, match="cannot be reached"):
        await catalog.survey()
    await catalog.close()


async def test_a_certificate_that_was_replaced_is_read_again(
    secure_consul: Consul, name: str, tmp_path: Path
) -> None:
    made = secure_consul.certificates
    assert made is not None
    ca = tmp_path / "now.pem"
    (tmp_path / "other").mkdir()
    ca.write_bytes(make_certificates(tmp_path / "other").ca.read_bytes())
    catalog = ConsulCatalog(
        secure_consul.url,
        node=name,
        ca_file=str(ca),
        cert_file=str(made.certificate),
        key_file=str(made.key),
        timeout=30,
    )
    with pytest.raises(RegistryUnreachable):
        await catalog.survey()
    ca.write_bytes(made.ca.read_bytes())
    assert await catalog.survey() == {}
    await catalog.close()


async def test_plain_http_to_a_tls_port_is_said(secure_consul: Consul, name: str) -> None:
    catalog = ConsulCatalog(
        secure_consul.url.replace("https", "http"), node=name, token="secret", timeout=30
    )
    with pytest.raises(RegistryRejected, match="HTTP request to an HTTPS server"):
        await catalog.survey()
    await catalog.close()
