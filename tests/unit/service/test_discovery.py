"""What a Consul agent would be told, and which settings are refused."""

from __future__ import annotations

import socket

import pytest

from vectorplane.settings import SettingsError
from vectorplane_service.discovery.opening import registered, service_of
from vectorplane_service.settings import ServiceSettings


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> ServiceSettings:
    for variable in ServiceSettings.variables():
        if variable.name.startswith("CONSUL_"):
            monkeypatch.delenv(variable.name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return ServiceSettings.load(env_file=None)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("127.0.0.1:8500", "http://127.0.0.1:8500"),
        ("consul.example.com:8500/", "http://consul.example.com:8500"),
        ("https://consul.example.com:8501", "https://consul.example.com:8501"),
        ("[::1]:8500", "http://[::1]:8500"),
    ],
)
def test_an_agent_s_address_is_as_consul_takes_it(
    monkeypatch: pytest.MonkeyPatch, said: str, expected: str
) -> None:
    assert load(monkeypatch, CONSUL_HTTP_ADDR=said).consul_http_addr == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CONSUL_HTTP_ADDR", "unix:///var/run/s3cr3t.sock"),
        ("CONSUL_HTTP_ADDR", "http://user:s3cr3t@consul:8500"),
        ("CONSUL_HTTP_ADDR", "http://consul:s3cr3t"),
        ("CONSUL_HTTP_TOKEN", "s3cr3t-ünï"),
        ("CONSUL_SERVICE_NAME", "s3cr3t_"),
        ("CONSUL_SERVICE_ADDRESS", "a/s3cr3t"),
        ("CONSUL_SERVICE_PORT", "0"),
        ("CONSUL_CHECK_INTERVAL", "10"),
        ("CONSUL_DEREGISTER_AFTER", "0s"),
    ],
)
def test_what_will_not_do_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=variable) as raised:
        load(monkeypatch, **{variable: value})
    assert "s3cr3t" not in str(raised.value)


def test_the_token_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(monkeypatch, CONSUL_HTTP_ADDR="127.0.0.1:8500", CONSUL_HTTP_TOKEN="s3cr3t")
    assert "s3cr3t" not in repr(found) + repr(found.summary())
    assert found.summary()["consul"] == "http://127.0.0.1:8500"


def test_a_key_needs_its_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(monkeypatch, CONSUL_HTTP_ADDR="127.0.0.1:8500", CONSUL_CLIENT_KEY="key.pem")
    with pytest.raises(SettingsError, match="set CONSUL_CLIENT_CERT as well"):
        found.check_consul()


def test_a_missing_extra_is_said_where_an_agent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vectorplane_service.discovery.settings.find_spec", lambda name: None)
    load(monkeypatch).check_consul()
    with pytest.raises(SettingsError, match=r"pip install 'vectorplane\[consul\]'"):
        load(monkeypatch, CONSUL_HTTP_ADDR="127.0.0.1:8500").check_consul()


@pytest.mark.parametrize(
    ("variables", "address", "port", "checked"),
    [
        ({"HOST": "10.1.2.3"}, "10.1.2.3", 4711, "10.1.2.3:4711"),
        ({"HOST": "fd00::1"}, "fd00::1", 4711, "[fd00::1]:4711"),
        ({"HOST": "localhost"}, "localhost", 4711, "localhost:4711"),
        ({"HOST": "0.0.0.0"}, "", 4711, "127.0.0.1:4711"),
        ({"HOST": "::"}, "", 4711, "[::1]:4711"),
        (
            {"HOST": "0.0.0.0", "CONSUL_SERVICE_ADDRESS": "api.example.com"},
            "api.example.com",
            4711,
            "api.example.com:4711",
        ),
        (
            {"HOST": "10.1.2.3", "CONSUL_SERVICE_PORT": "80"},
            "10.1.2.3",
            80,
            "10.1.2.3:80",
        ),
    ],
)
def test_where_others_reach_it(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    address: str,
    port: int,
    checked: str,
) -> None:
    agent = "[::1]:8500" if variables["HOST"] == "::" else "127.0.0.1:8500"
    made = service_of(load(monkeypatch, CONSUL_HTTP_ADDR=agent, **variables), 4711)
    assert (made.address, made.port) == (address, port)
    assert made.check_url == f"http://{checked}/health/ready"
    place = (address or socket.gethostname()).replace(":", "-")
    assert made.id == f"vectorplane-{place}-{port}"


def test_what_is_told_is_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    made = service_of(
        load(
            monkeypatch,
            CONSUL_HTTP_ADDR="127.0.0.1:8500",
            CONSUL_SERVICE_NAME="search",
            CONSUL_SERVICE_TAGS=" a, b,,c ",
            CONSUL_CHECK_INTERVAL="2m",
            CONSUL_DEREGISTER_AFTER="1h",
        ),
        1,
    )
    assert made.name == "search"
    assert made.tags == ("a", "b", "c")
    assert (made.interval, made.deregister_after) == ("2m", "1h")
    assert load(monkeypatch, CONSUL_CHECK_INTERVAL="2m").consul_check_seconds == 120.0


def test_a_host_that_is_not_there_is_an_error_of_the_world(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(OSError, match=r"\[Errno"):
        service_of(load(monkeypatch, CONSUL_HTTP_ADDR="http://nowhere.invalid:8500"), 1)


@pytest.mark.anyio
async def test_a_port_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(monkeypatch, CONSUL_HTTP_ADDR="127.0.0.1:8500", PORT="0")
    with pytest.raises(SettingsError, match="CONSUL_SERVICE_PORT"):
        async with registered(found):
            pytest.fail("it was let in")
