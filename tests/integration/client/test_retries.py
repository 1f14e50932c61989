"""The client behind a proxy that breaks what goes through it: what is made again, and what is
not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from support.answering import KEY as SECRET
from support.answering import answering
from support.clients import Clients
from support.cluster import wait
from support.proxy import Proxy
from vectorplane.client import (
    NO_RETRIES,
    AsyncClient,
    BadAnswer,
    ConnectionFailed,
    NotFound,
    Point,
    RateLimited,
    Retries,
    ServiceFailed,
    TimedOut,
    Unavailable,
)

KEY = "all-secret"
SOON = Retries(attempts=20, first=0.01, most=0.5)
FAULTS = ("refused", "lost", "halved", "503", "slow")


def products(clients: Clients, proxy: Proxy, retries: Retries, **more: Any) -> Any:
    return clients(proxy.url, api_key=KEY, retries=retries, **more).collection("shop.products")


def test_an_upload_gets_through_a_line_that_breaks(clients: Clients, proxy: Proxy) -> None:
    target = products(clients, proxy, SOON)
    vectors = np.random.default_rng(3).random((600, 4), dtype=np.float32)
    proxy.flaky(1, 0.4, FAULTS)
    assert target.upload(vectors=vectors, batch=20, parallel=4) == 600
    assert target.upload((Point(n, [1, 2, 3, 4]) for n in range(600, 700)), batch=10) == 100
    assert sorted(p.id for p in target.scroll(page=50)) == list(range(700))
    assert target.search([1, 2, 3, 4], limit=1)[0].score == pytest.approx(1.0, abs=1e-5)
    proxy.mend()
    # It did break: more requests came than calls were made.
    assert len(proxy.seen) > 30 + 10 + 15 + 1


def test_a_service_that_comes_back_is_waited_for(clients: Clients, proxy: Proxy) -> None:
    target = products(clients, proxy, Retries(attempts=50, first=0.05, most=0.2))
    assert target.count() == 0
    proxy.down()
    back = threading.Timer(0.5, proxy.mend)
    back.start()
    assert target.count() == 0
    back.join()


def test_without_retries_the_error_is_said_at_once(clients: Clients, proxy: Proxy) -> None:
    target = products(clients, proxy, NO_RETRIES)
    proxy.down()
    with pytest.raises(ConnectionFailed) as raised:
        target.count()
    assert f"127.0.0.1:{proxy.port}" in raised.value.message
    assert not raised.value.sent


def test_an_answer_that_never_comes(clients: Clients, proxy: Proxy) -> None:
    target = products(clients, proxy, Retries(attempts=2, first=0.01), timeout=0.3)
    proxy.hang()
    with pytest.raises(TimedOut):
        target.search([1, 2, 3, 4])
    wait(lambda: len(proxy.seen) == 2, "both tries came")


@pytest.mark.parametrize(
    ("status", "error", "requests"),
    [(429, RateLimited, 3), (503, Unavailable, 3), (500, ServiceFailed, 1), (404, NotFound, 1)],
)
def test_what_passes_is_waited_for_and_what_does_not_is_said(
    status: int, error: type[Exception], requests: int, clients: Clients, proxy: Proxy
) -> None:
    target = products(clients, proxy, Retries(attempts=3, first=0.01))
    proxy.status(status, Retry_After="0")
    with pytest.raises(error):
        target.upsert(Point(1, [1, 2, 3, 4]))
    assert len(proxy.seen) == requests


def test_a_pause_that_is_asked_for_is_made(clients: Clients, proxy: Proxy) -> None:
    target = products(clients, proxy, Retries(attempts=2, first=0.01))
    proxy.status(429, Retry_After="1")
    with pytest.raises(RateLimited) as raised:
        target.count()
    assert raised.value.retry_after == 1.0
    first, second = (seen.at for seen in proxy.seen)
    assert second - first >= 1.0


def test_one_that_is_too_long_is_left_to_the_caller(clients: Clients, proxy: Proxy) -> None:
    proxy.status(503, Retry_After="3600")
    with pytest.raises(Unavailable) as raised:
        products(clients, proxy, SOON).count()
    assert raised.value.retry_after == 3600
    assert len(proxy.seen) == 1


def test_a_key_is_not_issued_twice(clients: Clients, proxy: Proxy) -> None:
    client = clients(proxy.url, api_key=KEY, retries=SOON)
    for broken in (proxy.halve, lambda: proxy.status(503, Retry_After="0")):
        before = len(proxy.seen)
        broken()
        with pytest.raises((ConnectionFailed, Unavailable)):
            client.keys.issue("shop", ["read"])
        assert len(proxy.seen) == before + 1
        proxy.mend()


def test_what_never_left_may_be_said_again_whatever_it_is(clients: Clients, proxy: Proxy) -> None:
    client = clients(proxy.url, api_key=KEY, retries=Retries(50, 0.05, 0.2))
    proxy.down()
    back = threading.Timer(0.3, proxy.mend)
    back.start()
    # The service gives out no keys here, and that it could say so is the point.
    with pytest.raises(Exception, match="KEYS_FILE"):
        client.keys.issue("shop", ["read"])
    back.join()


def test_a_stream_is_not_repeated(clients: Clients, proxy: Proxy) -> None:
    proxy.status(503, Retry_After="0")
    with pytest.raises(Unavailable):
        products(clients, proxy, SOON).upsert_stream([Point(1, [1, 2, 3, 4])])
    assert len(proxy.seen) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda method, path: (200, b"<html>", {}), "no JSON"),
        (lambda method, path: (302, b"", {"location": "http://elsewhere/"}), "sends elsewhere"),
    ],
)
async def test_somebody_else_answers(
    answer: Callable[[str, str], tuple[int, Any, dict[str, str]]], words: str
) -> None:
    async with answering(answer) as url, AsyncClient(url) as client:
        with pytest.raises(BadAnswer, match=words) as raised:
            await client.collection("shop.products").count()
    assert SECRET not in str(raised.value)


@pytest.mark.anyio
async def test_a_secret_in_an_address_is_in_no_error() -> None:
    async with (
        answering(lambda method, path: (0, b"", {})) as url,
        AsyncClient(url, retries=NO_RETRIES) as client,
    ):
        with pytest.raises(ConnectionFailed) as raised:
            await client.collection("shop.products").count()
        assert SECRET not in str(raised.value)
        assert SECRET not in repr(client)
