"""Tests of the service: on asyncio, and with no variable of this machine in the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import structlog

from support.serving import serving
from vectorplane_service.settings import ServiceSettings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ServiceSettings.variables():
        monkeypatch.delenv(variable.name, raising=False)
    # gunicorn's configuration sets it in this process; set here first, so that it is taken away at
    # the end, for who starts a process after this.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> object:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with serving() as client:
        yield client
