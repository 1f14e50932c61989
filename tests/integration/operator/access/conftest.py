"""What makes keys, in this process, on a real API server, and no other operator beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.access import AccessWorld, access_world
from support.controlplane import ControlPlane
from support.loops import LoopThread
from support.world import Operators


@pytest.fixture
async def world(
    plane: ControlPlane, thread: LoopThread, operators: Operators
) -> AsyncIterator[AccessWorld]:
    """No other operator works on these resources."""
    operators.stop()
    async with access_world(plane.cluster, plane.kubeconfig, thread) as made:
        yield made


@pytest.fixture
async def ready(world: AccessWorld) -> AccessWorld:
    """With a key for a collection."""
    world.collection()
    await world.live()
    await world.apply(ttl="60s")
    await world.says("Ready")
    return world
