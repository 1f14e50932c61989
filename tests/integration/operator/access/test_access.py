"""VectorAccesses on a real API server: keys that the service itself takes, until it must not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.access import FINALIZER, AccessWorld
from support.cluster import Refused, condition
from support.proxy import Seen
from vectorplane.domain.model import Key
from vectorplane.domain.status import GATEWAY_PROGRAMMED, Condition, Exposed, Trouble
from vectorplane_service.access.identity import Identity, Permission

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


async def test_a_key_in_a_secret_that_the_service_takes(ready: AccessWorld, tmp_path: Path) -> None:
    world, full = ready, f"{ready.namespace}.products"
    access = await world.says("Ready")
    secret = await world.secret()
    assert secret
    assert secret["type"] == "servicebinding.io/vectorplane"
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("VectorAccess", access["metadata"]["uid"])
    labels = secret["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "vectorplane-operator"
    assert labels["vectorplane.dev/uid"] == access["metadata"]["uid"]
    data = dict(secret["data"])
    key = data.pop("api-key")
    assert data == {
        "type": "vectorplane",
        "provider": "vectorplane",
        "collection": full,
        "uri": f"http://gateway/{world.namespace}/products",
        "host": "gateway",
        "port": "80",
    }

    status = access["status"]
    assert access["metadata"]["finalizers"] == [FINALIZER]
    assert (status["collection"], status["secretName"]) == (full, "web")
    assert (status["endpoint"], status["expires"]) == (data["uri"], status["keys"][0]["expires"])
    assert condition(access, "SecretWritten")["status"] == "True"
    judge = await world.judge(tmp_path)
    found = await judge(key)
    assert isinstance(found, Identity)
    assert (found.id, found.permissions) == (status["keys"][0]["id"], {Permission.READ})
    assert (found.sees(full), found.sees(f"{world.namespace}.other")) == (True, False)
    assert "KeyIssued" in await world.events()
    assert not any(key in str(event) for event in world.cluster.all("Event", world.namespace))
    assert key not in str(await world.access())

    (credential,) = world.operator.credentials()
    assert credential.username == f"vectorplane.{world.namespace}.web"
    assert dict(credential.keys) == {found.id: key}
    assert credential.groups == ("vectorplane", f"vectorplane.{full}.read")
    assert credential.owner in world.changed
    assert world.operator.paused() == set()


async def test_at_rest_nothing_is_written_and_a_restart_reads_lists(world: AccessWorld) -> None:
    names = [f"web-{n}" for n in range(10)]
    world.collection()
    await world.live()
    for name in names:
        await world.apply(name)
    for name in names:
        await world.says("Ready", name)
    await world.rest()
    before = sorted(str(c) for c in world.operator.credentials())
    await world.die()

    world.proxy.seen.clear()
    world.proxy.page_size = 4
    await world.live()

    async def all_known() -> bool:
        return len(world.operator.credentials()) == 10 and not world.operator.paused()

    await world.until(all_known, "it knows all keys")
    await world.rest()
    assert sorted(str(c) for c in world.operator.credentials()) == before
    assert world.proxy.writes == []
    asked = [seen.path for seen in world.proxy.seen]
    assert not [path for path in asked if "/secrets/web-" in path]
    assert "/api/v1/secrets" in asked


async def test_rotation_overlaps(ready: AccessWorld, tmp_path: Path) -> None:
    world = ready
    (old,) = await world.keys()
    await world.pass_by(41)
    new = await world.other_key(old)
    assert await world.keys() == [new, old]
    assert (await world.secret() or {})["data"]["previous-api-key"] == old
    judge = await world.judge(tmp_path)
    assert [type(await judge(key)) for key in (new, old)] == [Identity, Identity]
    (credential,) = world.operator.credentials()
    assert sorted(credential.keys.values()) == sorted([new, old])
    assert await world.denied() == set()

    await world.pass_by(20)

    async def alone() -> bool:
        return await world.keys() == [new] and len(await world.ids()) == 1

    await world.until(alone, "the older one is gone")
    judge = await world.judge(tmp_path)
    assert await judge(old) == "expired"
    assert isinstance(await judge(new), Identity)
    assert "KeyRotated" in await world.events()
    assert await world.denied() == set()


@pytest.mark.parametrize(
    "changed",
    [{"permissions": ["read", "write"]}, {"collection": "other"}],
    ids=["permissions", "collection"],
)
async def test_another_wish_revokes_at_once(
    ready: AccessWorld, tmp_path: Path, changed: dict[str, Any]
) -> None:
    world = ready
    world.collection("other")
    (old,) = await world.keys()
    await world.apply(ttl="60s", **changed)
    new = await world.other_key(old)
    await world.says("Ready")
    assert await world.keys() == [new]
    judge = await world.judge(tmp_path)
    assert await judge(old) == "revoked"
    found = await judge(new)
    assert isinstance(found, Identity)
    assert found.may(Permission.WRITE) == ("permissions" in changed)
    assert found.sees(f"{world.namespace}.{changed.get('collection', 'products')}")
    assert "KeyRevoked" in await world.events()
    (credential,) = world.operator.credentials()
    assert list(credential.keys.values()) == [new]


@pytest.mark.parametrize("how", ["deleted", "altered", "swapped"])
async def test_a_secret_that_was_lost_gets_another_key(
    ready: AccessWorld, tmp_path: Path, how: str
) -> None:
    world = ready
    (old,) = await world.keys()
    if how == "deleted":
        await world.call(world.cluster.delete, "Secret", "web", world.namespace)
    else:
        theirs = "bm90IGEga2V5"
        if how == "swapped":
            await world.apply("other")
            await world.says("Ready", "other")
            found = await world.call(world.cluster.get, "Secret", "other", world.namespace)
            theirs = found["data"]["api-key"]
        patch = {"data": {"api-key": theirs}}
        await world.call(world.cluster.merge, "Secret", "web", world.namespace, patch)

    async def ours() -> str | None:
        judge = await world.judge(tmp_path)
        keys = await world.keys()
        found = await judge(keys[0]) if keys else None
        good = isinstance(found, Identity) and [found.id] == await world.ids()
        return keys[0] if good and keys[0] != old else None

    await world.until(ours, "there is another key")
    assert await (await world.judge(tmp_path))(old) == "revoked"


async def test_drift_of_a_secret_is_mended_and_keeps_the_key(ready: AccessWorld) -> None:
    world = ready
    (old,) = await world.keys()
    patch: Any = {
        "metadata": {"labels": {"vectorplane.dev/binding": None, "theirs": "stays"}},
        "data": {"uri": "bm8=", "previous-api-key": "bm8=", "theirs": "eWVz"},
    }
    await world.call(world.cluster.merge, "Secret", "web", world.namespace, patch)

    async def mended() -> Any:
        secret = await world.secret()
        assert secret
        data, labels = secret["data"], secret["metadata"]["labels"]
        return data.get("uri") == world.endpoints["products"] and (data, labels)

    data, labels = await world.until(mended, "the Secret is as declared")
    assert data["api-key"] == old
    assert data["theirs"] == "yes"
    assert "previous-api-key" not in data
    assert labels["theirs"] == "stays"
    assert labels["vectorplane.dev/binding"] == "true"
    assert await world.denied() == set()


async def test_somebody_elses_secret_is_never_touched(world: AccessWorld) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "web", "namespace": world.namespace},
        "stringData": {"api-key": "theirs"},
    }
    made = await world.call(world.cluster.apply, theirs)
    world.collection()
    await world.live()
    await world.apply()
    access = await world.says("SecretConflict")
    assert condition(access, "SecretWritten")["status"] == "False"
    assert access["status"].get("keys") == []
    await world.rest()
    secret = await world.secret()
    assert secret
    assert secret["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert await world.denied() == set()

    await world.apply(secretName="web-key")
    await world.says("Ready")
    assert len(await world.keys("web-key")) == 1
    await world.delete()
    await world.until(lambda: _gone(world), "it is gone")
    assert (await world.secret() or {})["data"] == {"api-key": "theirs"}


async def test_two_accesses_do_not_share_a_secret(ready: AccessWorld) -> None:
    await ready.apply("second", secretName="web")
    await ready.says("SecretConflict", "second")
    (key,) = await ready.keys()
    await ready.rest()
    assert await ready.keys() == [key]


async def test_another_name_of_the_secret_moves_the_key(ready: AccessWorld) -> None:
    (key,) = await ready.keys()
    await ready.apply(ttl="60s", secretName="elsewhere")

    async def moved() -> bool:
        there = await ready.keys("elsewhere") == [key]
        return there and await ready.secret("web") is None

    await ready.until(moved, "it moved")
    access = await ready.says("Ready")
    assert access["status"]["secretName"] == "elsewhere"
    assert await ready.denied() == set()


async def test_without_its_collection_an_access_has_no_key(
    world: AccessWorld, tmp_path: Path
) -> None:
    await world.live()
    await world.apply()
    await world.says("CollectionMissing")
    assert await world.secret() is None
    world.collection()
    await world.says("Ready")
    (old,) = await world.keys()

    world.no_collection()
    await world.says("CollectionMissing")
    assert await world.secret() is None
    assert await world.ids() == []
    assert world.operator.credentials() == []
    assert await (await world.judge(tmp_path))(old) == "revoked"
    world.collection()
    await world.says("Ready")
    assert await world.keys() != [old]


async def _gone(world: AccessWorld, name: str = "web") -> bool:
    return await world.access(name) is None


async def test_deletion_revokes(ready: AccessWorld, tmp_path: Path) -> None:
    world = ready
    (key,) = await world.keys()
    await world.delete()
    await world.until(lambda: _gone(world), "it is gone")
    assert await (await world.judge(tmp_path))(key) == "revoked"
    assert await world.secret() is None

    async def forgotten() -> bool:
        return world.operator.credentials() == []

    await world.until(forgotten, "the gateway needs to know nothing")
    assert len(await world.denied()) == 1
    await world.pass_by(60 + 901)
    await world.until(lambda: _nothing_denied(world), "an id is not kept longer than needed")


async def _nothing_denied(world: AccessWorld) -> bool:
    return await world.denied() == set()


async def test_paused_nothing_changes(ready: AccessWorld) -> None:
    world = ready
    (key,) = await world.keys()
    uid = (await world.access() or {})["metadata"]["uid"]
    paused = {"vectorplane.dev/paused": "true"}
    await world.apply(annotations=paused, ttl="60s", permissions=["write"])
    await world.says("Paused")
    assert world.operator.paused() == {uid}
    await world.delete()
    await world.rest()
    assert await world.keys() == [key]
    assert await world.denied() == set()
    patch = {"metadata": {"annotations": {"vectorplane.dev/paused": None}}}
    await world.call(world.cluster.merge, "VectorAccess", "web", world.namespace, patch)
    await world.until(lambda: _gone(world), "it is gone")
    assert len(await world.denied()) == 1


async def test_the_gateway_has_its_say(ready: AccessWorld) -> None:
    world = ready
    message = "no answer from the gateway"
    away = Condition(GATEWAY_PROGRAMMED, "Unknown", "GatewayUnreachable", message)
    world.gateway = Exposed(None, (away,), Trouble("GatewayUnreachable", message))
    world.operator.look(Key(world.namespace, "web"))
    access = await world.says("GatewayUnreachable")
    assert condition(access, GATEWAY_PROGRAMMED)["status"] == "Unknown"
    assert condition(access, "SecretWritten")["status"] == "True"


async def test_a_revocation_that_could_not_be_written_is_not_forgotten(
    ready: AccessWorld, tmp_path: Path
) -> None:
    world = ready
    (old,) = await world.keys()

    def denies(seen: Seen) -> bool:
        return seen.method == "PATCH" and "/configmaps/" in seen.path

    tried = world.proxy.instead(denies, 503, {"message": "no"}, times=2)
    world.proxy.instead(denies, 503, {"message": "no"}, times=10_000)
    await world.apply(ttl="60s", permissions=["write"])

    async def twice() -> bool:
        return tried()

    await world.until(twice, "it tried twice")
    assert await world.keys() == [old], "nothing goes on before that"
    assert len(await world.ids()) == 1
    await world.die()
    await asyncio.to_thread(world.proxy.mend)
    await world.live()
    await world.other_key(old)
    assert await (await world.judge(tmp_path))(old) == "revoked"


async def test_a_secret_that_cannot_be_written_makes_no_heap_of_keys(world: AccessWorld) -> None:
    """A quota, or a missing right: the one key that was recorded is written in the end."""

    def makes_secret(seen: Seen) -> bool:
        return seen.method == "POST" and seen.path.endswith(f"/{world.namespace}/secrets")

    world.collection()
    await world.live()
    await world.rest()
    tried = world.proxy.instead(makes_secret, 403, {"message": "exceeded quota"}, times=3)
    await world.apply()

    async def thrice() -> bool:
        world.operator.look(Key(world.namespace, "web"))
        return tried()

    await world.until(thrice, "it tried three times")
    (id,) = await world.ids()
    await world.says("Ready")
    assert await world.ids() == [id]
    assert await world.denied() == set()
    (key,) = (await world.status())["keys"]
    assert "pending" not in key


async def test_a_wrong_spec_changes_nothing(ready: AccessWorld) -> None:
    """As it may stand in a cluster from before the CRD was as it is. Its version is one of an API
    server that was restored since."""
    world = ready
    (key,) = await world.keys()
    body = await world.access()
    assert body
    body["spec"]["ttl"] = "0s"
    body["metadata"] |= {"resourceVersion": str(10**15), "generation": 7}
    world.operator.seen(body)
    await world.operator.join()
    assert await world.keys() == [key]
    with pytest.raises(Refused, match="ttl"):
        await world.apply(ttl="9s")
