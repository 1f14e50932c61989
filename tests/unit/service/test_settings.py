from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vectorplane.settings import SettingsError
from vectorplane_service.access.keys import Permission
from vectorplane_service.app import create_app
from vectorplane_service.settings import ServiceSettings


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> ServiceSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return ServiceSettings.load(env_file=None)


def test_the_defaults_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(monkeypatch)
    assert (found.port, found.base_path, found.auth_enabled) == (10200, "/api/v1", True)


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"API_PREFIX": "/"}, "/v1"),
        ({"API_PREFIX": "/a/b/", "API_VERSION": "2026-11"}, "/a/b/2026-11"),
        ({"API_VERSIONING_ENABLED": "false"}, "/api"),
        ({"API_PREFIX": "/", "API_VERSIONING_ENABLED": "no"}, ""),
    ],
)
def test_paths(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], path: str) -> None:
    assert load(monkeypatch, **variables).base_path == path


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, QDRANT_API_KEY="", PORT="").qdrant_api_key is None


def test_a_file_is_read_and_the_environment_goes_over_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=1234\nHOST=::1\nNOT_OURS=1\n")
    monkeypatch.setenv("PORT", "99")
    found = ServiceSettings.load(str(file))
    assert (found.port, found.host) == (99, "::1")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "http", "integer"),
        ("PORT", "70000", "65535"),
        ("MAX_RESULTS_K", "0", "greater than or equal to 1"),
        ("API_PREFIX", "api", "a path"),
        ("API_VERSION", "v 1", "pattern"),
        ("QDRANT_URL", "localhost:6333", "an address"),
        ("QDRANT_URL", "http://root:hunter22@localhost:6333", "QDRANT_API_KEY"),
        ("LOG_FORMAT", "xml", "json"),
        ("AUTH_ENABLED", "perhaps", "boolean"),
        ("API_KEYS", "demo:hunter22", "id:secret:permissions"),
        ("API_KEYS", "demo:hunter22:fly", "read, write, admin"),
        ("API_KEYS", "demo:hun:read", "at least 4"),
        ("API_KEYS", "demo:hunter 22:read", "no space"),
        ("API_KEYS", "de mo:hunter22:read", "id is"),
        ("API_KEYS", "demo:hunter22:read:", "no collections"),
        ("API_KEYS", "a:hunter22:read,a:hunter23:read", "same id"),
        ("API_KEYS", "a:hunter22:read,b:hunter22:read", "same secret"),
        ("API_KEYS", '[{"id":"a","key":"hunter22"', "not JSON"),
        ("API_KEYS", '["hunter22"]', "JSON list"),
        ("API_KEYS", '[{"id":"a","secret":"hunter22","permissions":["read"]}]', "JSON list"),
        ("API_KEYS", '[{"id":1,"key":"hunter22","permissions":["read"]}]', "JSON list"),
        ("API_KEYS", '[{"id":"a","key":"hunter22","permissions":"read"}]', "JSON list"),
        ("API_KEYS", '[{"id":"a","key":"hunter22","permissions":[]}]', "permits nothing"),
    ],
)
def test_a_wrong_value_names_its_variable_and_hides_itself(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(monkeypatch, **{name: value})
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert words in message
    assert "hunter" not in message


def test_all_wrong_values_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as caught:
        load(monkeypatch, PORT="x", LOG_LEVEL="loud")
    assert len(str(caught.value).splitlines()) == 2


def test_levels_may_be_upper_case(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, LOG_LEVEL="WARNING").log_level == "warning"


def test_keys_in_short_form(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(monkeypatch, API_KEYS="a:secret-a:read+write:shop.*|docs.*, b:secret-b:admin")
    a, b = found.api_keys
    assert (a.id, a.collections) == ("a", ("shop.*", "docs.*"))
    assert a.permissions == {Permission.READ, Permission.WRITE}
    assert b.permissions == set(Permission)
    assert b.collections == ("*",)


def test_keys_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[{"id":"demo","key":"s3cret","permissions":["read"],"collections":["shop.*"]}]'
    (key,) = load(monkeypatch, API_KEYS=text).api_keys
    assert (key.id, key.collections, key.permissions) == ("demo", ("shop.*",), {Permission.READ})


def test_no_key_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, API_KEYS=" ").api_keys == ()


def test_secrets_are_nowhere_in_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(monkeypatch, API_KEYS="a:hunter22:read", QDRANT_API_KEY="hunter23")
    assert "hunter" not in repr(found)
    assert "hunter" not in str(found.summary())
    assert found.summary()["keys"] == "a(read)"
    assert found.summary()["qdrant_api_key"] == "********"
    assert load(monkeypatch, QDRANT_API_KEY="").summary()["qdrant_api_key"] == "not set"


def test_without_a_key_nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(monkeypatch)
    with pytest.raises(SettingsError, match="API_KEYS: there is no key"):
        found.check_access()
    with pytest.raises(SettingsError, match="AUTH_ENABLED=false"):
        create_app(found, points=lambda: pytest.fail("never opened"))
    load(monkeypatch, AUTH_ENABLED="false").check_access()


@pytest.mark.parametrize(
    ("variables", "name"),
    [({}, "API_KEYS"), ({"PORT": "x"}, "PORT"), ({"API_KEYS": "hunter22"}, "API_KEYS")],
)
@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "import vectorplane_service.main as m; m.app"],
        ["-m", "gunicorn", "-c", "python:vectorplane_service.gunicorn_conf", "--check-config"],
    ],
)
def test_a_process_with_wrong_settings_ends_with_one_message(
    variables: dict[str, str], name: str, arguments: list[str], tmp_path: Path
) -> None:
    if arguments[0] == "-m":
        arguments = [*arguments, "vectorplane_service.main:app"]
    names = {v.name for v in ServiceSettings.variables()}
    kept = {k: v for k, v in os.environ.items() if k not in names}
    ran = subprocess.run(
        [sys.executable, *arguments],
        env={**kept, **variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode != 0
    assert ran.stderr.startswith(f"vectorplane: {name}: ")
    assert "Traceback" not in ran.stderr
    assert "hunter" not in ran.stderr + ran.stdout
