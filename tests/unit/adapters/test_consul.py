"""What a Consul does not do on demand, and what is refused before one is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from support.answering import KEY, Answer, answering
from support.registry import entry
from vectorplane.adapters.registry.consul import AgentService, ConsulAgent, ConsulCatalog
from vectorplane.adapters.registry.consul.client import Connection
from vectorplane.domain.exposure import Ref
from vectorplane.errors import (
    RegistryFailed,
    RegistryRejected,
    RegistryUnauthorized,
    RegistryUnreachable,
    VectorplaneError,
)

pytestmark = pytest.mark.anyio
TOKEN = "t0ken-t0ken"
INDEX = {"X-Consul-Index": "1"}


@asynccontextmanager
async def catalog_at(answer: Answer | None) -> AsyncIterator[ConsulCatalog]:
    async with answering(answer) as url:
        # A URL with a user is refused: see below.
        url = url.replace(f"user:{KEY}@", "")
        made = ConsulCatalog(url, node="ours", token=TOKEN, timeout=30.0 if answer else 0.2)
        yield made
        await made.close()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b"no", RegistryUnauthorized),
        (403, b"Permission denied", RegistryUnauthorized),
        (429, b"slow down", RegistryFailed),
        (500, b"No cluster leader", RegistryFailed),
        (503, b"", RegistryFailed),
        (400, b"bad", RegistryRejected),
        (405, b"bad", RegistryRejected),
        (302, b"", RegistryRejected),
        (404, b"", RegistryFailed),
        (200, b"<html>", RegistryFailed),
        (200, b"null", RegistryFailed),
        (200, b"[]", RegistryFailed),
        (200, b'{"Services": []}', RegistryFailed),
        (200, b'{"Node": {"Meta": {}}, "Services": {}}', RegistryRejected),
        (200, b'{"Node": 7, "Services": []}', RegistryFailed),
        (200, b"\xff\xfe", RegistryFailed),
        (0, b"", RegistryUnreachable),
    ],
)
async def test_every_answer_is_one_of_our_errors(
    status: int, body: bytes, expected: type[VectorplaneError]
) -> None:
    async with catalog_at(lambda *_: (status, body, INDEX)) as catalog:
        with pytest.raises(expected) as raised:
            await catalog.survey()
    assert TOKEN not in repr(raised.value)


async def test_a_retry_after_is_told() -> None:
    async with catalog_at(lambda *_: (429, b"", {"Retry-After": "7"})) as catalog:
        with pytest.raises(RegistryFailed) as raised:
            await catalog.survey()
    assert raised.value.retry_after == 7.0


async def test_a_token_that_is_repeated_to_us_is_not_repeated_on() -> None:
    async with catalog_at(lambda *_: (500, f"token {TOKEN} is odd".encode(), {})) as catalog:
        with pytest.raises(RegistryFailed, match=r"token \*{8} is odd") as raised:
            await catalog.survey()
    assert TOKEN not in repr(raised.value.__cause__)


async def test_no_answer_in_time_is_waited_for() -> None:
    async with catalog_at(None) as catalog:
        with pytest.raises(RegistryUnreachable, match="gave no answer in time"):
            await catalog.survey()


@pytest.mark.parametrize("listed", [None, {}, ["words"]])
async def test_checks_that_make_no_sense(listed: Any) -> None:
    marks = {"external-node": "true", "external-probe": "false", "managed-by": "vectorplane"}
    node = {"Node": {"Meta": marks}, "Services": [{"ID": "a", "Meta": {"vectorplane-uid": "u"}}]}

    def answer(method: str, path: str) -> tuple[int, Any, dict[str, str]]:
        return 200, (node if "node-services" in path else listed), INDEX

    async with catalog_at(answer) as catalog:
        with pytest.raises(RegistryFailed):
            await catalog.survey()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "consul:8500",
        "ftp://consul",
        "http://",
        "unix:///var/run/consul.sock",
        "http://consul:99999",
        "http://consul:8500/?token=s3cr3t",
        "http://user:s3cr3t@consul:8500",
        "http://[::1",
    ],
)
async def test_a_url_that_will_not_do_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(RegistryRejected) as raised:
        ConsulCatalog(url, node="ours")
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize("node", ["", "a/b", "-a", "a b", "a" * 129, "a?dc=x"])
async def test_a_node_that_will_not_do_is_refused(node: str) -> None:
    with pytest.raises(RegistryRejected, match="a node's name"):
        ConsulCatalog("http://consul:8500", node=node)


@pytest.mark.parametrize("token", ["ünï", "a\nb"])
async def test_a_token_that_no_header_carries_is_refused(token: str) -> None:
    with pytest.raises(RegistryRejected, match="no header can carry") as raised:
        ConsulCatalog("http://consul:8500", node="ours", token=token)
    assert token not in str(raised.value)


async def test_certificates_that_are_not_there_are_named() -> None:
    catalog = ConsulCatalog("https://127.0.0.1:1", node="ours", ca_file="not/there.pem")
    with pytest.raises(RegistryRejected, match=r"not/there\.pem: No such file"):
        await catalog.survey()


async def test_the_parts_of_a_url_stay() -> None:
    for url, place in (
        ("http://[::1]:8500/", "http://[::1]:8500"),
        (
            "https://consul.example.com/behind/a/proxy",
            "https://consul.example.com:443/behind/a/proxy",
        ),
        ("http://consul", "http://consul:80"),
    ):
        assert ConsulAgent(Connection(url)).place == place


async def test_nothing_shows_the_token() -> None:
    connection = Connection("http://consul:8500", token=TOKEN)
    assert TOKEN not in repr(connection) + repr(ConsulAgent(connection))


async def test_what_is_no_entry_is_not_put() -> None:
    async with catalog_at(lambda *_: (200, b"true", {})) as catalog:
        with pytest.raises(RegistryRejected, match="nothing to put as node ours"):
            await catalog.put(Ref("node", "ours"), {})


async def test_rendering_twice_is_the_same() -> None:
    catalog = ConsulCatalog("http://consul:8500", node="ours")
    assert catalog.render(entry()) == catalog.render(entry())
    (ref,) = catalog.render(entry())
    assert ref == Ref("service", "shop.products")


async def test_an_agent_that_does_not_know_us_is_asked_only() -> None:
    asked: list[tuple[str, str]] = []

    def answer(method: str, path: str) -> tuple[int, Any, dict[str, str]]:
        asked.append((method, path.partition("?")[0]))
        return 200, {}, {}

    service = AgentService("id", "name", "", 1, "http://127.0.0.1:1/", "1s", "1m")
    async with answering(answer) as url:
        agent = ConsulAgent(Connection(url.replace(f"user:{KEY}@", "")))
        assert not await agent.knows(service)
        await agent.close()
    assert asked == [("GET", "/v1/agent/services")]
