"""What every test may use: anyio on asyncio, and a real Qdrant server where there is one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from support.kong import Kong, kong
from support.parts import require_or_skip
from support.qdrant import MISSING, QdrantServer, available, qdrant_server

if TYPE_CHECKING:
    from support.consul import Consul, ConsulProcess

# A shell starts what goes to the background with Ctrl-C ignored; so would be all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more of the machine than of us: one that stands still for a
# moment must not be a failure.
settings.register_profile(
    "vectorplane", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("vectorplane")


def pytest_collection_finish(session: pytest.Session) -> None:
    """No test's own time is spent on building the control plane, or Consul."""
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly:
        return
    # Not at the top: quick runs need no Kubernetes client.
    if "plane" in wanted:
        from support import controlplane

        controlplane.prepare()
    if wanted & {"consul", "own_consul", "guarded_consul", "secure_consul"}:
        from support import consul

        consul.prepare()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def consul() -> Iterator[Consul]:
    """The one that the environment names, or one of our own."""
    from support.consul import any_consul

    with any_consul() as found:
        yield found


@pytest.fixture
def own_consul() -> Iterator[ConsulProcess]:
    """One to be killed, and started again."""
    from support.consul import consul_process

    with consul_process() as process:
        yield process


@pytest.fixture(scope="session")
def guarded_consul() -> Iterator[Consul]:
    """One with ACLs."""
    from support.consul import guarded_consul

    with guarded_consul() as found:
        yield found


@pytest.fixture(scope="session")
def secure_consul() -> Iterator[Consul]:
    """One with TLS alone."""
    from support.consul import secure_consul

    with secure_consul() as found:
        yield found


@pytest.fixture(scope="session")
def qdrant() -> Iterator[QdrantServer]:
    if not available():
        require_or_skip("qdrant", MISSING)
    with qdrant_server() as server:
        yield server


@pytest.fixture(scope="session")
def kong_server() -> Iterator[Kong]:
    with kong() as server:
        yield server
