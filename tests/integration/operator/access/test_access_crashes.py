"""`kill -9` after any write about keys, and a new start: no key is good that nobody remembers.

The kill comes when a write has been carried out and its answer is still on the way. What stands in
the Secret at that moment may have been read by somebody, so each key that ever stood there is asked
for with the service's own code: it is in the Secret and in the status, or it is let in no more.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.access import AccessWorld, access_world
from support.cluster import condition
from support.controlplane import ControlPlane
from support.loops import LoopThread
from support.world import Operators
from vectorplane_service.access.identity import Identity

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]


@pytest.fixture
def world(world: AccessWorld) -> AccessWorld:
    """With signing keys that change within a test, and a collection."""
    world.settings |= {
        "operator_signing_key_seconds": 100_000.0,
        "operator_signing_publish_seconds": 10.0,
    }
    world.collection()
    return world


class Reader:
    """Keeps each key that it ever saw in a Secret."""

    def __init__(self, world: AccessWorld, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self.seen: dict[str, None] = {}

    async def read(self, name: str) -> None:
        self.seen |= dict.fromkeys(await self._world.keys(name))

    async def check(self, name: str, *, good: int) -> None:
        """So many are good, and they are those that the Secret and the status have."""
        await self.read(name)
        judge = await self._world.judge(self._folder)
        answers = {key: await judge(key) for key in self.seen}
        taken = {key: a.id for key, a in answers.items() if isinstance(a, Identity)}
        assert len(taken) == good, answers.values()
        assert set(taken) == set(await self._world.keys(name))
        access = await self._world.access(name)
        recorded = await self._world.ids(name) if access else []
        assert set(taken.values()) == set(recorded)


async def interrupted(
    world: AccessWorld,
    write: int,
    reader: Reader,
    name: str,
    act: Callable[[], Awaitable[object]],
    done: Callable[[], Awaitable[object]],
) -> bool:
    """Act, with a kill at the n-th write and a new life after it. False where none was needed."""
    died = await world.killed(write, act, done)
    await reader.read(name)
    await world.live()
    await world.until(done, "the next life ends what this one began")
    await world.rest()
    return died


async def _is_ready(world: AccessWorld, name: str) -> bool:
    access = await world.access(name)
    assert access
    ready = condition(access)
    seen = ready.get("observedGeneration") == access["metadata"]["generation"]
    return bool(seen and ready.get("status") == "True")


async def at_rest_with(world: AccessWorld, name: str, **spec: Any) -> None:
    """An operator that lives, and has made a key."""
    await world.live()
    await world.apply(name, **spec)
    await world.until(lambda: _is_ready(world, name), "it is ready")
    await world.rest()


async def test_a_first_key_survives_a_kill_after_any_write(
    world: AccessWorld, tmp_path: Path
) -> None:
    for write in itertools.count(1):
        name, reader = f"made-{write}", Reader(world, tmp_path)
        await world.live()
        await world.rest()

        async def act(name: str = name) -> None:
            await world.apply(name)

        async def done(name: str = name) -> bool:
            return await _is_ready(world, name)

        died = await interrupted(world, write, reader, name, act, done)
        await reader.check(name, good=1)
        await world.die()
        if not died:
            break
    # Finalizer, record, Secret, event, status, event.
    assert write > 5


async def test_the_very_first_start_survives_a_kill_after_any_write(
    plane: ControlPlane, thread: LoopThread, operators: Operators, tmp_path: Path
) -> None:
    operators.stop()
    for write in itertools.count(1):
        async with access_world(plane.cluster, plane.kubeconfig, thread) as world:
            world.collection()
            reader = Reader(world, tmp_path)
            await world.apply()

            async def done(world: AccessWorld = world) -> bool:
                return await _is_ready(world, "web")

            died = await interrupted(world, write, reader, "web", world.live, done)
            await reader.check("web", good=1)
            verifier = world.operator.verifier()
            assert verifier
            assert len(verifier.keys) == 1
            pems = (await world.secret("vectorplane-signing-key") or {})["data"]
            assert len([name for name in pems if name.endswith(".pem")]) == 1
        if not died:
            break
    assert write > 9


async def test_rotation_and_revocation_survive_a_kill_after_any_write(
    world: AccessWorld, tmp_path: Path
) -> None:
    """Some time later a key is due for renewal, and another wish revokes what there is."""
    for write in itertools.count(1):
        name, reader = f"both-{write}", Reader(world, tmp_path)
        await at_rest_with(world, name, ttl="600s")
        await reader.read(name)

        async def later() -> None:
            await world.pass_by(450)

        async def renewed(name: str = name) -> bool:
            return len(await world.keys(name)) == 2

        died = await interrupted(world, write, reader, name, later, renewed)
        await reader.check(name, good=2)

        async def edit(name: str = name) -> None:
            await world.apply(name, ttl="600s", permissions=["write"])

        async def done(name: str = name) -> bool:
            return await _is_ready(world, name) and len(await world.keys(name)) == 1

        died |= await interrupted(world, write, reader, name, edit, done)
        await reader.check(name, good=1)
        await world.die()
        await world.discard(name)
        if not died:
            break
    # Deny list, event, record, Secret, event, status.
    assert write > 5


async def test_a_deletion_survives_a_kill_after_any_write(
    world: AccessWorld, tmp_path: Path
) -> None:
    for write in itertools.count(1):
        name, reader = f"gone-{write}", Reader(world, tmp_path)
        await at_rest_with(world, name)
        await reader.read(name)

        async def act(name: str = name) -> None:
            await world.delete(name)

        async def gone(name: str = name) -> bool:
            return await world.access(name) is None and await world.secret(name) is None

        died = await interrupted(world, write, reader, name, act, gone)
        assert len(reader.seen) == 1
        await reader.check(name, good=0)
        await world.die()
        if not died:
            break
    # Deny list, Secret, finalizer.
    assert write > 3


async def test_a_rotation_of_signing_keys_survives_a_kill_after_any_write(
    world: AccessWorld, tmp_path: Path
) -> None:
    name, reader = "web", Reader(world, tmp_path)
    await at_rest_with(world, name, ttl="9999d")
    await world.die()
    for write in itertools.count(1):
        await world.live()
        before = await _signer(world, name)

        async def later() -> None:
            await world.pass_by(100_001)

        async def another(before: str = before) -> bool:
            # The public key has to be known for a while before it signs.
            if world._operator:
                await world.pass_by(11)
            return await _signer(world, name) != before

        died = await interrupted(world, write, reader, name, later, another)
        await reader.check(name, good=2)
        await world.die()
        if not died:
            break
    assert write > 8


async def _signer(world: AccessWorld, name: str) -> str:
    return str((await world.status(name))["keys"][-1]["signedBy"])
