"""Operator tests: a real control plane, and the operator as a process with its own RBAC, on a real
Qdrant where there is one, else on the memory engine behind a port: both pass one contract suite.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import kong as real_kong
from support.controlplane import ControlPlane, controlplane
from support.engines import REAL, Engine
from support.kong import Kong
from support.kong_double import kong_double
from support.loops import LoopThread, loop_thread
from support.mortal import Mortal
from support.remote_store import StoreServer
from support.world import Operators, World


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with controlplane(tmp_path_factory.mktemp("controlplane")) as running:
        yield running


@pytest.fixture(scope="session")
def thread() -> Iterator[LoopThread]:
    with loop_thread() as running:
        yield running


@pytest.fixture(scope="session", params=[REAL])
def engine(request: pytest.FixtureRequest, thread: LoopThread) -> Iterator[Engine]:
    if request.param == "qdrant":
        qdrant = request.getfixturevalue("qdrant")
        yield Engine("qdrant", qdrant.url, qdrant.api_key, qdrant.snapshots)
        return
    server = StoreServer(thread)
    server.start()
    yield Engine("memory", server.url)
    server.stop()


@pytest.fixture(scope="session")
def gateway(request: pytest.FixtureRequest) -> Iterator[Kong]:
    """A real Kong where there is one, else its double: both pass one contract suite."""
    if real_kong.available():
        yield request.getfixturevalue("kong_server")
        return
    with kong_double() as double:
        yield double.kong


@pytest.fixture(scope="session")
def operators(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operators]:
    running = Operators(plane, tmp_path_factory.mktemp("operators"))
    yield running
    running.end()


@pytest.fixture
def corner(
    plane: ControlPlane, engine: Engine, thread: LoopThread, operators: Operators
) -> Iterator[World]:
    """A namespace and a store of one's own; no operator is started for it."""
    made = World(plane, engine, thread, operators)
    made.begin()
    yield made
    made.end()


@pytest.fixture
def world(corner: World) -> World:
    """The same, with the operator that tests share at work."""
    _ = corner.operator
    return corner


@pytest.fixture
def mortal(corner: World, tmp_path: Path) -> Iterator[Mortal]:
    """An operator in that corner that a test kills."""
    made = Mortal(corner, tmp_path)
    yield made
    made.end()
