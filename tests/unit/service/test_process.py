"""How a process is put together: the entry point, gunicorn's configuration and hooks."""

from __future__ import annotations

import importlib
import io
import logging
import os
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from gunicorn.config import Config  # type: ignore[import-untyped]

from support.serving import API, KEYS, filled_store, running, settings
from vectorplane.settings import SettingsError
from vectorplane_service import main
from vectorplane_service.app import create_app
from vectorplane_service.settings import ServiceSettings

pytestmark = pytest.mark.anyio


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """Neither settings nor an application of an earlier test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_KEYS", KEYS)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    main._app.cache_clear()
    yield monkeypatch
    main._app.cache_clear()
    sys.modules.pop("vectorplane_service.gunicorn_conf", None)


def configuration() -> ModuleType:
    sys.modules.pop("vectorplane_service.gunicorn_conf", None)
    return importlib.import_module("vectorplane_service.gunicorn_conf")


class Server:
    """Stands for gunicorn's master: what the hooks use of it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.LISTENERS = ["http://0.0.0.0:10200"]
        self.log = SimpleNamespace(info=self._say, warning=self._say)

    def _say(self, message: str, *arguments: object) -> None:
        self.said.append(message % arguments)


def test_the_application_is_made_when_it_is_asked_for(fresh: pytest.MonkeyPatch) -> None:
    app = main.app
    assert isinstance(app, FastAPI)
    assert main.app is app
    with pytest.raises(AttributeError, match="no attribute 'application_'"):
        _ = main.application_


def test_settings_that_cannot_be_end_the_start(
    fresh: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh.setenv("QDRANT_TIMEOUT_SECONDS", "-1")
    with pytest.raises(SystemExit) as caught:
        _ = main.app
    assert caught.value.code == 4
    assert capsys.readouterr().err.startswith("vectorplane: QDRANT_TIMEOUT_SECONDS: ")


async def test_the_service_starts_without_its_qdrant_and_says_so(
    fresh: pytest.MonkeyPatch,
) -> None:
    app = main.application(
        settings(qdrant_url="http://127.0.0.1:1", qdrant_api_key="key", qdrant_timeout_seconds=1)
    )
    async with running(app) as client:
        assert (await client.get("/health/live")).status_code == 200
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["dependencies"]["vectors"]["reason"] == "StoreUnreachable"
        answer = await client.get(f"{API}/collections")
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unreachable")


def test_what_qdrants_certificate_is_checked_against(tmp_path: Path) -> None:
    assert main.trust(settings()) is True
    assert main.trust(settings(qdrant_tls_verify=False)) is False
    with pytest.raises(SettingsError, match="QDRANT_TLS_CA: "):
        main.trust(settings(qdrant_tls_ca=str(tmp_path / "none.pem")))
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(SettingsError, match="QDRANT_TLS_CA: "):
        main.trust(settings(qdrant_tls_ca=str(wrong)))
    defaults = ssl.get_default_verify_paths().cafile
    if defaults:
        assert main.trust(settings(qdrant_tls_ca=defaults)) == defaults


async def test_a_store_that_was_opened_here_is_closed_here() -> None:
    store: Any = await filled_store()
    closed: list[bool] = []

    async def close() -> None:
        closed.append(True)

    store.close = close

    async def opening() -> Any:
        return store

    async with running(create_app(settings(), points=opening)) as client:
        assert (await client.get("/health/ready")).status_code == 200
    assert closed == [True]
    async with running(create_app(settings(), points=store)):
        pass
    assert closed == [True]


def test_gunicorn_takes_the_configuration(fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv("WEB_CONCURRENCY", "3")
    fresh.setenv("HOST", "::1")
    fresh.setenv("WORKER_MAX_REQUESTS", "1000")
    fresh.setenv("WORKER_MAX_REQUESTS_JITTER", "100")
    conf = configuration()
    config = Config()
    for name, value in vars(conf).items():
        if name in config.settings:
            config.set(name, value)
    assert config.bind == ["[::1]:10200"]
    assert config.workers == 3
    assert (config.max_requests, config.max_requests_jitter) == (1000, 100)
    assert config.worker_class.__name__ == "ServiceWorker"
    assert config.graceful_timeout == 30
    assert config.preload_app is False
    assert config.control_socket_disable is True
    assert config.on_starting is conf.on_starting


def test_workers_are_the_cpus(fresh: pytest.MonkeyPatch) -> None:
    fresh.setattr("vectorplane_service.cpus.available", lambda: 7)
    assert configuration().workers == 7


def test_gunicorns_configuration_ends_a_start_that_cannot_be(
    fresh: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh.delenv("API_KEYS")
    with pytest.raises(SystemExit) as caught:
        configuration()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("vectorplane: API_KEYS: ")


def test_hooks(fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv("QDRANT_API_KEY", "hunter22")
    conf, server = configuration(), Server()
    conf.on_starting(server)
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    assert folder.is_dir()
    assert "qdrant_api_key=********" in server.said[0]
    assert "keys=all(admin+read+verify+write)" in server.said[0]
    assert "secret" not in server.said[0]
    assert "hunter22" not in server.said[0]
    conf.when_ready(server)
    conf.worker_exit(server, SimpleNamespace(pid=77))
    (folder / "gauge_livesum_77.db").write_bytes(b"")
    (folder / "counter_77.db").write_bytes(b"")
    conf.child_exit(server, SimpleNamespace(pid=77))
    assert [file.name for file in folder.iterdir()] == ["counter_77.db"]
    assert "listening at http://0.0.0.0:10200" in server.said
    conf.on_exit(server)
    assert not folder.exists()


def test_a_folder_for_metrics_that_was_given_is_emptied_and_kept(
    fresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"old")
    (folder / "other.txt").write_text("mine")
    fresh.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    fresh.setenv("AUTH_ENABLED", "false")
    conf, server = configuration(), Server()
    conf.on_starting(server)
    conf.on_exit(server)
    assert [file.name for file in folder.iterdir()] == ["other.txt"]
    assert any("authentication is OFF" in line for line in server.said)


def test_gunicorns_lines_are_in_the_services_format(fresh: pytest.MonkeyPatch) -> None:
    from vectorplane_service.worker import ServiceLogger

    stream = io.StringIO()
    fresh.setattr(sys, "stderr", stream)
    fresh.setenv("LOG_LEVEL", "warning")
    logger = ServiceLogger(Config())
    logger.info("not this")
    logger.warning("this")
    assert '"event":"this"' in stream.getvalue()
    assert "not this" not in stream.getvalue()


def test_the_worker_passes_the_settings_on() -> None:
    """uvicorn waits as long for requests in flight as gunicorn does."""
    from vectorplane_service.worker import ServiceWorker

    config = Config()
    config.set("graceful_timeout", 17)
    log = SimpleNamespace(error_log=logging.getLogger("a"), access_log=logging.getLogger("b"))
    app = SimpleNamespace()
    worker = ServiceWorker(0, os.getppid(), [], app, 30, config, log)
    worker.tmp.close()
    assert worker.config.timeout_graceful_shutdown == 17
    assert worker.config.access_log is False
    assert ServiceSettings.model_fields["worker_class"].default.endswith("ServiceWorker")
