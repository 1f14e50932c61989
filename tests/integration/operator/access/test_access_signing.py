"""The keys that sign, and what is published of keys, on a real API server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from support.access import CLUSTER, CONFIG, SIGNING, AccessWorld
from vectorplane.domain.exposure import VERIFIER, Owner
from vectorplane.exposure.wishes import SERVICE
from vectorplane_service.access.identity import Identity, Permission

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


async def test_the_operators_own_key(ready: AccessWorld, tmp_path: Path) -> None:
    world = ready
    first = world.operator.verifier()
    assert first
    assert (first.username, first.groups) == (VERIFIER, ("vectorplane", VERIFIER))
    assert first.owner == Owner("Service", SERVICE, CLUSTER)
    (key,) = first.keys.values()
    found = await (await world.judge(tmp_path))(key)
    assert isinstance(found, Identity)
    assert found.permissions == {Permission.VERIFY}
    assert found.sees("any.thing")

    await world.die()
    await world.live()

    async def known() -> Any:
        return world.operator.verifier()

    assert await world.until(known, "it knows its key") == first
    await world.pass_by(16 * 3600 + 60)

    async def two() -> Any:
        both = world.operator.verifier()
        return both and len(both.keys) == 2 and both

    both = await world.until(two, "there is another one")
    assert next(iter(both.keys.values())) == key, "the gateway knows the older one for sure"
    world.ahead += 7.5 * 3600
    newer = world.operator.verifier()
    assert newer
    assert next(iter(newer.keys.values())) != key


async def test_signing_keys_rotate_with_two_public_keys(world: AccessWorld, tmp_path: Path) -> None:
    world.settings |= {
        "operator_signing_key_seconds": 1000.0,
        "operator_signing_publish_seconds": 100.0,
    }
    world.collection()
    await world.live()
    await world.apply(ttl="600s")
    await world.says("Ready")
    await world.rest()
    (first,) = await world.keys()
    (signer,) = await _public(world)

    await world.pass_by(1001)
    await world.until(lambda: _public(world, 2), "another public key")
    await world.rest()
    (second,) = await world.keys()
    assert (await world.status())["keys"][0]["signedBy"] == signer, "it is not known long enough"
    await world.pass_by(101)
    third = await world.other_key(second)
    assert await world.keys() == [third, second]
    assert len(await _public(world)) == 2
    judge = await world.judge(tmp_path)
    assert isinstance(await judge(second), Identity)
    assert isinstance(await judge(third), Identity)
    assert await judge(first) == "expired"
    newest = (await world.status())["keys"][-1]["signedBy"]
    assert newest != signer

    # The operator's own keys last a day, and hold up the next rotation no more than a period.
    await world.pass_by(1001)
    await world.until(lambda: _public_without(world, signer), "the first signing key is gone")
    await world.rest()
    assert len(await _public(world)) == 2
    secret = await world.secret(SIGNING)
    assert secret
    assert len([name for name in secret["data"] if name.endswith(".pem")]) == 2
    fourth = (await world.keys())[0]
    assert isinstance(await (await world.judge(tmp_path))(fourth), Identity)


async def _public(world: AccessWorld, count: int = 0) -> set[str]:
    ids = {jwk["kid"] for jwk in json.loads((await world.config())["keys.json"])["keys"]}
    return ids if not count or len(ids) == count else set()


async def _public_without(world: AccessWorld, id: str) -> bool:
    return id not in await _public(world)


async def test_without_the_signing_secret_all_keys_are_made_anew(
    ready: AccessWorld, tmp_path: Path
) -> None:
    world = ready
    (old,) = await world.keys()
    before = await _public(world)
    await world.call(world.cluster.delete, "Secret", SIGNING, world.namespace)
    world.operator.look_at_all()
    new = await world.other_key(old)
    judge = await world.judge(tmp_path)
    assert await judge(old) == "unknown_key"
    assert isinstance(await judge(new), Identity)
    assert not before & await _public(world)


async def test_a_lost_configmap_is_written_again_with_what_was_revoked(
    ready: AccessWorld, tmp_path: Path
) -> None:
    world = ready
    (old,) = await world.keys()
    await world.apply(ttl="60s", permissions=["write"])
    await world.other_key(old)
    await world.call(world.cluster.delete, "ConfigMap", CONFIG, world.namespace)
    world.operator.look_at_all()
    await world.until(world.config, "it is there again")
    assert await (await world.judge(tmp_path))(old) == "revoked"


async def test_who_begins_at_the_same_time_makes_one_signing_key(world: AccessWorld) -> None:
    others = []
    world.collection()
    for _ in range(3):
        other = AccessWorld(world.cluster, world._kubeconfig, world._thread)
        other.namespace = world.namespace
        await asyncio.to_thread(other.proxy.start)
        others.append(other)
    try:
        await asyncio.gather(*(other.live() for other in others))

        async def agree() -> bool:
            known = [other.operator.verifier() for other in others]
            return all(known) and len(await _public(world)) == 1

        await world.until(agree, "all have a key")
        for other in others:
            other.operator.look_at_all()
            await other.rest()
        secret = await world.secret(SIGNING)
        assert secret
        assert len([name for name in secret["data"] if name.endswith(".pem")]) == 1
        assert len({str(other.operator.verifier()) for other in others}) == 1
    finally:
        for other in others:
            await other.die()
            await asyncio.to_thread(other.proxy.stop)


async def test_a_signing_secret_that_holds_something_else_is_left_alone(
    world: AccessWorld,
) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SIGNING, "namespace": world.namespace},
        "stringData": {"tls.key": "theirs"},
    }
    made = await world.call(world.cluster.apply, theirs)
    world.collection()
    await world.live()
    await world.apply()

    async def looked_at() -> bool:
        path = f"/api/v1/namespaces/{world.namespace}/secrets/{SIGNING}"
        return [s.path for s in world.proxy.seen].count(path) >= 2

    await world.until(looked_at, "it tried")
    await world.says("SigningSecretUnreadable")
    secret = await world.secret(SIGNING)
    assert secret
    assert secret["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert await world.secret() is None
    assert world.operator.credentials() == []
    await world.delete()

    async def gone() -> bool:
        return await world.access() is None

    await world.until(gone, "its deletion does not wait for that")


async def test_a_configmap_that_cannot_be_read_is_not_written_over(ready: AccessWorld) -> None:
    """It could let in who was revoked."""
    world = ready
    await world.die()
    patch = {"data": {"denied.json": "{"}}
    await world.call(world.cluster.merge, "ConfigMap", CONFIG, world.namespace, patch)
    await world.live()
    await world.apply("second")
    await world.says("AccessConfigUnreadable", "second")
    assert (await world.config())["denied.json"] == "{"
    assert len(await world.keys()) == 1
    mended = {"data": {"denied.json": None}}
    await world.call(world.cluster.merge, "ConfigMap", CONFIG, world.namespace, mended)
    world.operator.look_at_all()
    await world.says("Ready", "second")
