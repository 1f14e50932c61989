"""The client against the real service over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.clients import KINDS, Clients
from support.live import live
from support.loops import loop_thread
from support.proxy import Proxy
from vectorplane_service.settings import ServiceSettings


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_this_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for variable in ServiceSettings.variables():
            patch.delenv(variable.name, raising=False)
        for name in ("VECTORPLANE_URL", "VECTORPLANE_API_KEY", "NO_COLOR"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def url() -> Iterator[str]:
    """A service with collections of its own."""
    with live() as found:
        yield found


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    """Stands before the service, to break what goes through it."""
    with loop_thread() as thread:
        found = Proxy(thread, url)
        found.start()
        yield found
        found.stop()


@pytest.fixture(params=KINDS)
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Makes clients, of each kind in its turn."""
    made = Clients(request.param)
    yield made
    made.close()
