"""How many requests a client may send, who counts as one client, and what it is told."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from limits import parse
from limits.strategies import SlidingWindowCounterRateLimiter

from support.redis import PATIENCE, RedisProcess, redis_process, redis_url, silence
from support.serving import API, PRODUCTS, READER, WRITER, serving, settings
from vectorplane.settings import SettingsError
from vectorplane_service.edge.addresses import UNKNOWN, client_of
from vectorplane_service.edge.counting import PRUNED_AT, Counts, OwnCounts, WindowCounts
from vectorplane_service.edge.refusals import CountsAway

pytestmark = pytest.mark.anyio

SEARCH = {"vector": [1, 2, 3, 4]}
TEN = parse("10/hour")
MANY = parse("1000/hour")


@pytest.mark.parametrize(
    ("client", "forwarded", "trusted", "found"),
    [
        (("192.0.2.1", 1), ["198.51.100.1"], "", "192.0.2.1"),
        (("10.0.0.1", 1), ["198.51.100.1"], "10.0.0.0/8", "198.51.100.1"),
        (("10.0.0.1", 1), ["6.6.6.6, 198.51.100.1, 10.2.3.4"], "10.0.0.0/8", "198.51.100.1"),
        (("10.0.0.1", 1), ["6.6.6.6", "198.51.100.1:5080"], "10.0.0.0/8", "198.51.100.1"),
        (("192.0.2.1", 1), ["198.51.100.1"], "10.0.0.0/8", "192.0.2.1"),
        (("10.0.0.1", 1), ["10.9.9.9, 10.8.8.8"], "10.0.0.0/8", "10.9.9.9"),
        (("10.0.0.1", 1), ["6.6.6.6, nonsense, 10.8.8.8"], "10.0.0.0/8", "10.8.8.8"),
        (("10.0.0.1", 1), [], "10.0.0.0/8", "10.0.0.1"),
        (("::ffff:10.0.0.1", 1), ["198.51.100.1"], "10.0.0.0/8", "198.51.100.1"),
        (("2001:db8:1:2:3:4:5:6", 1), [], "", "2001:db8:1:2::/64"),
        (("fd00::1", 1), ["[2001:db8::7]:443"], "fd00::/8", "2001:db8::/64"),
        (("socket", 1), ["198.51.100.1"], "10.0.0.0/8", "socket"),
        (None, ["198.51.100.1"], "10.0.0.0/8", UNKNOWN),
    ],
)
def test_whose_address(
    client: tuple[str, int] | None, forwarded: list[str], trusted: str, found: str
) -> None:
    scope = {
        "client": client,
        "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded],
    }
    assert client_of(scope, [ip_network(trusted)] if trusted else []) == found


def test_the_window_slides() -> None:
    now = 36_000.0
    window = SlidingWindowCounterRateLimiter(WindowCounts(lambda: now))
    assert [window.hit(TEN, "a") for _ in range(11)] == [True] * 10 + [False]
    assert window.hit(TEN, "b")
    assert window.get_window_stats(TEN, "a").remaining == 0
    assert not window.test(TEN, "a")
    now += 3600  # the next window: all of the last one still counts
    assert not window.hit(TEN, "a")
    now += 1800  # half of it
    assert [window.hit(TEN, "a") for _ in range(6)] == [True] * 5 + [False]
    now += 3 * 3600
    assert window.get_window_stats(TEN, "a").remaining == 10
    window.clear(TEN, "b")
    assert window.get_window_stats(TEN, "b").remaining == 10


def test_clients_who_are_long_gone_are_forgotten() -> None:
    now = 36_000.0
    counts = WindowCounts(lambda: now)
    window = SlidingWindowCounterRateLimiter(counts)
    for i in range(PRUNED_AT):
        window.hit(TEN, str(i))
    now += 3600
    window.hit(TEN, "still here")
    assert len(counts) == PRUNED_AT + 1
    now += 3601
    for i in range(2 * PRUNED_AT):
        window.hit(TEN, f"new {i}")
    assert len(counts) < 2 * PRUNED_AT + 2
    assert counts.check()
    counts.reset()
    assert len(counts) == 0


@pytest.fixture(params=["memory", "redis"])
async def counts(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Counts]:
    if request.param == "memory":
        yield OwnCounts()
        return
    from vectorplane_service.edge.shared_counts import SharedCounts

    with redis_url() as url:
        made = SharedCounts(url, f"test-{secrets.token_hex(4)}", timeout=PATIENCE)
        yield made
        await made.close()


async def test_as_many_as_the_limit_and_no_more(counts: Counts) -> None:
    taken = [await counts.take(TEN, "search", "a") for _ in range(12)]
    assert [t.allowed for t in taken] == [True] * 10 + [False] * 2
    assert [t.remaining for t in taken] == [*range(9, -1, -1), 0, 0]
    assert all(0 <= t.reset <= 7200 for t in taken)
    assert (await counts.take(TEN, "search", "b")).allowed
    assert (await counts.take(TEN, "read", "a")).allowed


async def test_a_high_limit_is_kept_as_well(counts: Counts) -> None:
    allowed = [(await counts.take(MANY, "search", "a")).allowed for _ in range(1005)]
    assert allowed == [True] * 1000 + [False] * 5


async def test_workers_count_together_and_take_several_at_once() -> None:
    from vectorplane_service.edge.shared_counts import SharedCounts

    with redis_url() as url:
        prefix = f"test-{secrets.token_hex(4)}"
        one, other = (SharedCounts(url, prefix, timeout=PATIENCE) for _ in range(2))
        let_through = 0
        for _ in range(700):
            for counts in (one, other):
                let_through += (await counts.take(MANY, "search", "a")).allowed
        assert let_through == 1000
        await one.close()
        await other.close()


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    with redis_process() as process:
        yield process


async def test_a_dead_redis_costs_no_waiting(redis: RedisProcess) -> None:
    from vectorplane_service.edge.shared_counts import AWAY_SECONDS, SharedCounts

    now = 0.0
    counts = SharedCounts(redis.url, "test", timeout=PATIENCE, clock=lambda: now)
    assert (await counts.take(TEN, "search", "a")).allowed
    redis.kill()
    with pytest.raises(CountsAway):
        await counts.take(TEN, "search", "a")
    redis.start()
    with pytest.raises(CountsAway, match="a moment ago"):
        await counts.take(TEN, "search", "a")
    now += AWAY_SECONDS
    assert (await counts.take(TEN, "search", "a")).allowed
    await counts.close()


async def test_a_redis_that_says_nothing_is_waited_for_no_longer() -> None:
    from vectorplane_service.edge.shared_counts import SharedCounts

    with silence() as url:
        counts = SharedCounts(url, "test", timeout=0.05)
        with pytest.raises(CountsAway, match="TimeoutError"):
            await counts.take(TEN, "search", "a")
        await counts.close()


# What a client sees

LIMITED = {"rate_limit_enabled": True, "rate_limit_search": "3/hour", "rate_limit_read": "2/hour"}


async def search(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post(f"{PRODUCTS}/search", json=SEARCH, headers=headers)


async def metric(client: httpx.AsyncClient, line: str) -> bool:
    return line in (await client.get("/metrics")).text.splitlines()


async def test_a_key_has_so_many_of_a_group() -> None:
    async with serving(headers={}, **LIMITED) as client:
        answers = [await search(client, **READER) for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        first, last = answers[0].headers, answers[-1].headers
        assert first["ratelimit-policy"] == last["ratelimit-policy"] == '"search";q=3;w=3600'
        assert first["ratelimit"].startswith('"search";r=2;t=')
        assert last["ratelimit"].startswith('"search";r=0;t=')
        assert 1 <= int(last["retry-after"]) <= 3600
        problem = answers[-1].json()
        assert (problem["status"], problem["code"]) == (429, "rate_limited")
        assert "retry-after" not in first
        # Another key, and another group, are counted by themselves; health is not counted.
        assert (await search(client, **WRITER)).status_code == 403
        assert (await client.get(PRODUCTS, headers=READER)).status_code == 200
        assert (await client.get("/health/live")).headers.get("ratelimit") is None
        assert await metric(client, 'vectorplane_rate_limited_total{group="search"} 1.0')


async def test_several_limits_of_a_group() -> None:
    limits = {"rate_limit_search": "2/hour;100/day"}
    async with serving(**{**LIMITED, **limits}) as client:
        answers = [await search(client) for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    policy = '"search-3600s";q=2;w=3600, "search-86400s";q=100;w=86400'
    assert answers[0].headers["ratelimit-policy"] == policy
    assert answers[0].headers["ratelimit"].startswith('"search-3600s";r=1;t=')


async def test_without_keys_an_address_is_a_client() -> None:
    changes: dict[str, Any] = {**LIMITED, "auth_enabled": False, "trusted_proxies": "127.0.0.1"}
    async with serving(headers={}, **changes) as client:
        for address in ("198.51.100.1", "198.51.100.2"):
            found = [await search(client, **{"X-Forwarded-For": address}) for _ in range(4)]
            assert [a.status_code for a in found] == [200, 200, 200, 429]


async def test_keys_cannot_be_guessed() -> None:
    changes = {"rate_limit_enabled": True, "rate_limit_failures": "3/hour"}
    async with serving(headers={}, **changes) as client:
        wrong = [await search(client, **{"X-API-Key": f"guess-{i}"}) for i in range(5)]
        assert [a.status_code for a in wrong] == [401, 401, 401, 429, 429]
        assert int(wrong[-1].headers["retry-after"]) > 1
        # The right one tells nothing either.
        assert (await search(client, **READER)).status_code == 429
        assert await metric(client, 'vectorplane_rate_limited_total{group="failures"} 3.0')


async def test_who_sends_no_key_guesses_nothing() -> None:
    changes = {"rate_limit_enabled": True, "rate_limit_failures": "1/hour"}
    async with serving(headers={}, **changes) as client:
        assert [(await search(client)).status_code for _ in range(3)] == [401] * 3


async def test_off_is_off() -> None:
    async with serving(rate_limit_search="1/hour") as client:
        answers = [await search(client) for _ in range(3)]
    assert [a.status_code for a in answers] == [200] * 3
    assert "ratelimit" not in answers[0].headers


@pytest.mark.parametrize(("on_failure", "status"), [("open", 200), ("closed", 503)])
async def test_while_redis_is_away(redis: RedisProcess, on_failure: str, status: int) -> None:
    changes: dict[str, Any] = {
        **LIMITED,
        "rate_limit_storage": "redis",
        "redis_url": redis.url,
        "rate_limit_on_failure": on_failure,
    }
    async with serving(**changes) as client:
        found = [(await search(client)).status_code for _ in range(4)]
        assert found == [200, 200, 200, 429]
        up = await client.get(f"{API}/db/status/redis")
        assert (up.status_code, up.json()["engine"]) == (200, "redis")
        redis.kill()
        answers = [await search(client) for _ in range(3)]
        assert [a.status_code for a in answers] == [status] * 3
        assert await metric(client, "vectorplane_rate_limit_failures_total 3.0")
    async with serving(**changes) as client:
        ready = await client.get("/health/ready")
        assert ready.status_code == status
        assert ("redis" in ready.json()["dependencies"]) == (on_failure == "closed")
        health = await client.get("/health")
        assert health.json()["dependencies"]["redis"]["status"] == "down"
    if status == 503:
        assert answers[0].json()["code"] == "rate_limits_unavailable"
        assert answers[0].headers["retry-after"]


@pytest.mark.parametrize(
    ("changes", "workers", "said"),
    [
        ({"rate_limit_enabled": True}, 2, "RATE_LIMIT_STORAGE: memory is of one process"),
        ({"search_cache": "memory"}, 3, "SEARCH_CACHE: memory .* 3 workers. Set REDIS_URL"),
        ({"rate_limit_enabled": True}, 1, None),
        ({"rate_limit_storage": "memory"}, 2, None),
        ({"search_cache": "redis", "redis_url": "redis://r"}, 4, None),
    ],
)
def test_memory_is_of_one_process(changes: dict[str, Any], workers: int, said: str | None) -> None:
    found = settings(**changes)
    found.check_redis()
    if said is None:
        found.check_workers(workers)
        return
    with pytest.raises(SettingsError, match=said):
        found.check_workers(workers)


def test_redis_has_to_be_somewhere() -> None:
    with pytest.raises(SettingsError, match="REDIS_URL: not set, and needed for SEARCH_CACHE"):
        settings(search_cache="redis").check_redis()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMIT_SEARCH", "many"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("REDIS_URL", "http://:hunter22@redis"),
        ("REDIS_URL", "redis://:hunter22@"),
        ("CORS_ORIGINS", "https://a.example/path"),
        ("CORS_ORIGINS", "null"),
        ("SEARCH_CACHE", "disk"),
    ],
)
def test_settings_that_cannot_be(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from vectorplane_service.settings import ServiceSettings

    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as error:
        ServiceSettings.load(env_file=None)
    assert "hunter22" not in str(error.value)
