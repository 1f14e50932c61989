"""Stores that are missing, closed, locked or silent: what is said, and how it mends."""

from __future__ import annotations

import pytest

from support.cluster import condition
from support.world import World


def test_a_store_says_what_it_is(world: World) -> None:
    world.store_says("Reachable")

    status = world.cluster.get("VectorStore", world.store)["status"]  # type: ignore[index]
    assert status["version"]
    assert status["peers"] == 1
    assert "payload indexes" in status["capabilities"]
    assert status["collections"] == 0


def test_a_store_that_is_missing_is_named_and_used_once_it_is_there(world: World) -> None:
    world.apply(store="not-there-yet")
    said = world.says("StoreMissing")
    assert said["message"] == "there is no VectorStore not-there-yet"
    assert condition(world.get(), "StoreReachable")["status"] == "False"

    world.make_store("not-there-yet")
    world.ready()


def test_a_resource_that_never_had_a_store_goes_at_once(world: World) -> None:
    world.apply(store="not-there-yet", deletionPolicy="Delete")
    world.says("StoreMissing")

    world.delete()
    world.gone()


def test_without_a_store_the_oldest_default_one_serves(world: World) -> None:
    world.apply(store=None)
    assert "no VectorStore is the default one" in world.says("StoreMissing")["message"]

    world.apply_store(world.store, default=True, url=world.proxy.url)
    assert world.ready()["status"]["store"] == world.store

    # A collection stays where its points are, whatever becomes the default one.
    world.make_store(f"{world.namespace}-other")
    world.apply_store(world.store, default=False, url=world.proxy.url)
    other = world.proxies[f"{world.namespace}-other"]
    world.apply_store(f"{world.namespace}-other", default=True, url=other.url)
    world.apply(store=None, hnsw={"m": 32})
    assert world.ready()["status"]["store"] == world.store


def test_a_collection_does_not_move_to_another_store(world: World) -> None:
    world.apply()
    world.ready()
    world.make_store(f"{world.namespace}-other")

    world.apply(store=f"{world.namespace}-other")
    said = world.says("ImmutableChange")

    assert f"from {world.store} to {world.namespace}-other" in said["message"]
    assert world.get()["status"]["store"] == world.store


@pytest.mark.parametrize(
    ("broken", "reason"),
    [("down", "StoreUnreachable"), ("hang", "StoreTimeout"), (503, "StoreOverloaded")],
)
def test_a_store_that_does_not_answer_is_waited_for(
    world: World, broken: str | int, reason: str
) -> None:
    proxy = world.proxy
    proxy.status(broken) if isinstance(broken, int) else getattr(proxy, broken)()
    world.apply()

    assert world.says(reason)["status"] == "False"
    assert condition(world.get(), "CollectionReady")["status"] == "Unknown"
    world.store_says(reason)
    assert world.engine.of(world.namespace) == set()

    proxy.mend()
    world.ready()
    world.store_says("Reachable")


def test_a_store_that_falls_is_seen_at_its_collections(world: World) -> None:
    world.apply()
    world.ready()
    world.proxy.down()
    world.cluster.annotate("products", world.namespace, note="look")

    world.says("StoreUnreachable")
    assert world.get()["status"]["collection"]["physical"] == world.full("products_1")
    world.store_says("StoreUnreachable")
    up = f'vectorplane_store_up{{store="{world.store}"}}'
    assert world.operator.metrics()[up] == 0

    world.proxy.mend()
    world.ready()
    assert world.operator.metrics()[up] == 1


def test_a_deletion_waits_for_its_store(world: World) -> None:
    world.apply(deletionPolicy="Delete")
    world.ready()
    world.proxy.down()

    world.delete()
    world.says("StoreUnreachable")
    assert world.get()["metadata"]["finalizers"] == ["vectorplane.dev/collection"]
    assert world.engine.of(world.namespace) == {world.full("products_1")}

    world.proxy.mend()
    world.gone()
    assert world.engine.of(world.namespace) == set()


def test_a_person_can_release_a_deletion_that_waits(world: World) -> None:
    world.apply(deletionPolicy="Delete")
    world.ready()
    world.proxy.down()
    world.delete()
    world.says("StoreUnreachable")

    world.cluster.annotate("products", world.namespace, force_delete="true")
    world.gone()
    assert world.engine.of(world.namespace) == {world.full("products_1")}


def test_a_store_that_hangs_holds_up_no_other(world: World) -> None:
    world.make_store(f"{world.namespace}-other")
    world.store_says("Reachable", f"{world.namespace}-other")
    world.proxy.hang()
    for number in range(40):
        world.apply(f"stuck-{number}")

    world.apply("free", store=f"{world.namespace}-other")
    world.says("Ready", "free", seconds=5)

    world.proxy.mend()
    for number in range(40):
        world.ready(f"stuck-{number}")


def test_a_wrong_key_is_read_again_until_it_is_right(world: World) -> None:
    secret = world.make_secret(world.store, "wrong")
    world.proxy.status(401)
    world.apply_store(world.store, url=world.proxy.url, apiKeySecretRef=secret)
    world.apply()
    world.says("StoreUnauthorized")
    world.store_says("StoreUnauthorized")

    world.make_secret(world.store, world.engine.api_key or "right")
    world.proxy.mend()
    world.ready()
    assert "wrong" not in world.operator.text()


def test_a_secret_that_is_missing_is_named(world: World) -> None:
    """One that is out of reach: `test_rbac.py`."""
    name = f"{world.store}-key"
    secret = {"namespace": "vectorplane-system", "name": name, "key": "key"}
    world.apply_store(world.store, url=world.proxy.url, apiKeySecretRef=secret)
    world.apply()
    assert (
        world.says("SecretUnreadable")["message"] == f"there is no Secret vectorplane-system/{name}"
    )

    world.make_secret(name, world.engine.api_key or "any")
    world.apply_store(world.store, url=world.proxy.url, apiKeySecretRef=secret)
    world.ready()


def test_a_store_that_moves_is_followed(world: World) -> None:
    world.apply()
    world.ready()
    old = world.proxies.pop(world.store)
    old.stop()

    world.make_store(world.store)
    world.store_says("Reachable")
    world.apply(hnsw={"m": 32})
    world.ready()
    assert world.proxy.writes


def test_a_store_whose_resource_is_deleted_is_missed(world: World) -> None:
    world.apply()
    world.ready()

    world.cluster.delete("VectorStore", world.store)
    assert world.says("StoreMissing")["message"] == f"there is no VectorStore {world.store}"
    assert world.engine.of(world.namespace) == {world.full("products_1")}

    world.apply_store(world.store, url=world.proxy.url)
    world.ready()
