"""Who may come in, and what a change of a path concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from vectorplane.domain.model import Key
from vectorplane.errors import EngineLocked, Stalled
from vectorplane_service.local import dev
from vectorplane_service.local.data import DataFolder, Run
from vectorplane_service.local.dev import Options, options_of
from vectorplane_service.local.records import ResourceFiles
from vectorplane_service.local.server import AddressTaken, listen, url_of
from vectorplane_service.settings import ServiceSettings

Make = Callable[..., Options]


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.chdir(tmp_path)
    for variable in ServiceSettings.variables():
        monkeypatch.delenv(variable.name, raising=False)

    def make(host: str = "127.0.0.1", log_level: str | None = None, **variables: str) -> Options:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return options_of(tmp_path, DataFolder(tmp_path / "data"), host, 0, log_level)

    return make


def test_alone_on_this_machine_nobody_needs_a_key(options: Make) -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.1.2.3"):
        assert not options(host).settings.auth_enabled


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "no.such.host.invalid"])
def test_where_others_come_in_there_must_be_a_key(options: Make, host: str) -> None:
    with pytest.raises(Stalled, match="API_KEYS"):
        options(host)
    assert options(host, API_KEYS="a:secret:read").settings.auth_enabled


def test_everybody_may_come_in_where_somebody_said_so(options: Make) -> None:
    assert not options("0.0.0.0", AUTH_ENABLED="false").settings.auth_enabled


def test_where_it_listens_is_not_for_the_environment_to_say(options: Make) -> None:
    settings = options(HOST="0.0.0.0", PORT="80").settings
    assert (settings.host, settings.port) == ("127.0.0.1", 0)


def test_logs_are_quiet_and_readable_unless_said_otherwise(options: Make) -> None:
    settings = options().settings
    assert (settings.log_level, settings.log_format) == ("warning", "console")
    settings = options(LOG_LEVEL="debug", LOG_FORMAT="json").settings
    assert (settings.log_level, settings.log_format) == ("debug", "json")
    assert options(log_level="error").settings.log_level == "error"


def test_whom_a_change_of_paths_concerns(tmp_path: Path) -> None:
    files = ResourceFiles(DataFolder(tmp_path))
    space = tmp_path / "resources" / "shop"

    def concerned(*paths: Path) -> set[Key] | None:
        return dev._concerned(files, set(paths))

    assert concerned() is None
    assert concerned(space / "a.json", space / ".a.json.1.tmp") == {Key("shop", "a")}
    assert concerned(space / ".a.json.1.tmp") == set()
    assert concerned(space, space / "a.json") is None
    assert concerned(tmp_path / "a.json") == set()


def test_an_address(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        assert url_of(bound) == f"http://127.0.0.1:{port}"
        with pytest.raises(AddressTaken, match="in use"):
            listen("127.0.0.1", port)
    with listen("0.0.0.0", 0) as bound:
        assert url_of(bound).startswith("http://127.0.0.1:")
    with pytest.raises(AddressTaken, match="cannot listen"):
        listen("no.such.host.invalid", 0)


def test_an_engine_that_a_command_holds_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataFolder(tmp_path)
    opened = object()
    tries = 0

    async def open(path: Path) -> object:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise EngineLocked("in use")
        return opened

    monkeypatch.setattr(dev.EmbeddedEngine, "open", open)
    assert asyncio.run(dev._open(data)) is opened
    tries = -100
    monkeypatch.setattr(dev, "LOCK_PATIENCE", 0.0)
    with pytest.raises(EngineLocked, match="in use"):
        asyncio.run(dev._open(data))
    monkeypatch.setattr(DataFolder, "running", lambda self: Run(7, "http://there"))
    with pytest.raises(EngineLocked, match=r"pid 7.*http://there"):
        asyncio.run(dev._open(data))
