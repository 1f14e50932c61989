"""A manifest becomes a collection, follows its edits, and goes as its policy says."""

from __future__ import annotations

from support.cluster import condition, wait
from support.world import World
from vectorplane.domain.model import Owner

FULL = {
    "vectors": [
        {"size": 4, "distance": "Cosine", "onDisk": False},
        {"name": "image", "size": 8, "distance": "Dot", "hnsw": {"m": 24}},
    ],
    "sparseVectors": [{"name": "text", "modifier": "Idf"}],
    "hnsw": {"m": 16, "efConstruct": 128},
    "quantization": {"type": "Scalar", "quantile": 0.99, "alwaysRam": True},
    "optimizers": {"indexingThreshold": 20000},
    "onDiskPayload": True,
    "strictMode": {"enabled": True, "maxQueryLimit": 1000},
    "payloadIndexes": [
        {"field": "category", "type": "Keyword"},
        {"field": "price", "type": "Float"},
    ],
    "aliases": ["live"],
}


def test_a_manifest_becomes_a_collection_of_exactly_that_shape(world: World) -> None:
    world.apply(**FULL)
    resource = world.ready()

    assert world.engine.of(world.namespace) == {world.full("products_1")}
    assert world.engine.aliases(world.namespace) == {
        world.full("products"): world.full("products_1"),
        world.full("live"): world.full("products_1"),
    }
    found = world.engine.describe(world.full("products_1"))
    assert found
    declared = {
        ("vectors", "", "size"): 4,
        ("vectors", "", "distance"): "Cosine",
        ("vectors", "image", "size"): 8,
        ("vectors", "image", "distance"): "Dot",
        ("vectors", "image", "hnsw", "m"): 24,
        ("sparseVectors", "text", "modifier"): "Idf",
        ("hnsw", "m"): 16,
        ("hnsw", "efConstruct"): 128,
        ("quantization", "type"): "Scalar",
        ("quantization", "quantile"): 0.99,
        ("quantization", "alwaysRam"): True,
        ("optimizers", "indexingThreshold"): 20000,
        ("onDiskPayload",): True,
        ("strictMode", "enabled"): True,
        ("strictMode", "maxQueryLimit"): 1000,
    }
    assert {path: found.settings.get(path) for path in declared} == declared
    assert {i.field: i.type for i in found.indexes.values()} == {
        "category": "Keyword",
        "price": "Float",
    }
    assert found.record
    assert found.record.owner == Owner(
        resource["metadata"]["uid"],
        world.namespace,
        "products",
        world.cluster.get("Namespace", "kube-system")["metadata"]["uid"],  # type: ignore[index]
    )


def test_the_status_says_what_there_is(world: World) -> None:
    world.apply()
    resource = world.ready()

    assert resource["metadata"]["finalizers"] == ["vectorplane.dev/collection"]
    status = resource["status"]
    assert status["store"] == world.store
    assert status["collection"] == {
        "name": world.full("products"),
        "physical": world.full("products_1"),
        "points": 0,
        "indexedVectors": 0,
        "state": "green",
    }
    for kind in ("Ready", "StoreReachable", "CollectionReady"):
        assert condition(resource, kind)["status"] == "True"
    wait(
        lambda: world.cluster.events(world.namespace, "products") == [("Normal", "Ready")],
        "one event about it",
    )


def test_an_edit_of_what_may_change_arrives(world: World) -> None:
    world.apply(hnsw={"m": 16}, payloadIndexes=[{"field": "category", "type": "Keyword"}])
    world.ready()

    world.apply(
        hnsw={"m": 32}, payloadIndexes=[{"field": "price", "type": "Float"}], aliases=["live"]
    )
    world.ready()

    found = world.engine.describe(world.full("products_1"))
    assert found
    assert found.settings[("hnsw", "m")] == 32
    assert set(found.indexes) == {"price"}
    assert world.full("live") in world.engine.aliases(world.namespace)

    world.apply(hnsw={"m": 32}, payloadIndexes=[{"field": "price", "type": "Float"}])
    world.ready()
    assert set(world.engine.aliases(world.namespace)) == {world.full("products")}


def test_an_edit_of_what_cannot_change_is_refused_and_named(world: World) -> None:
    world.apply()
    world.ready()

    world.apply(vectors=[{"size": 8, "distance": "Cosine"}])
    said = world.says("ImmutableChange")

    assert said["status"] == "False"
    assert "from 4 to 8" in said["message"]
    assert world.engine.aliases(world.namespace) == {
        world.full("products"): world.full("products_1")
    }
    assert world.get()["status"]["collection"]["physical"] == world.full("products_1")
    events = [("Normal", "Ready"), ("Warning", "ImmutableChange")]
    wait(lambda: world.cluster.events(world.namespace, "products") == events, "an event about each")

    world.apply()
    world.ready()


def test_retain_leaves_the_collection_and_nobody_owns_it(world: World) -> None:
    world.apply()
    world.ready()

    world.delete()
    world.gone()

    assert world.engine.of(world.namespace) == {world.full("products_1")}
    assert world.full("products") in world.engine.aliases(world.namespace)
    assert world.engine.owner(world.full("products_1")) is None


def test_delete_drops_the_collection(world: World) -> None:
    world.apply(deletionPolicy="Delete", aliases=["live"])
    world.ready()

    world.delete()
    world.gone()

    assert world.engine.of(world.namespace) == set()
    assert world.engine.aliases(world.namespace) == {}


def test_delete_never_drops_what_it_does_not_own(world: World) -> None:
    theirs = Owner("uid-of-another", "elsewhere", "other", "another-cluster")
    world.engine.make(world.full("products_1"), theirs)
    world.engine.point(world.full("products"), world.full("products_1"))
    world.apply(deletionPolicy="Delete")
    said = world.says("NotOwned")
    assert "elsewhere/other" in said["message"]

    world.delete()
    world.gone()

    assert world.engine.owner(world.full("products_1")) == theirs


def test_an_existing_collection_is_taken_over_only_when_told_so(world: World) -> None:
    world.engine.make(world.full("products_1"))
    world.engine.point(world.full("products"), world.full("products_1"))
    world.apply()
    assert "IfUnowned" in world.says("NotOwned")["message"]
    assert world.engine.owner(world.full("products_1")) is None

    world.apply(adoptionPolicy="IfUnowned")
    resource = world.ready()

    owner = world.engine.owner(world.full("products_1"))
    assert owner
    assert owner.uid == resource["metadata"]["uid"]
    assert world.engine.of(world.namespace) == {world.full("products_1")}


def test_a_paused_resource_changes_nothing_outside(world: World) -> None:
    world.apply(hnsw={"m": 16})
    world.ready()
    world.cluster.annotate("products", world.namespace, paused="true")
    world.says("Paused")

    world.apply(hnsw={"m": 32}, deletionPolicy="Delete")
    world.says("Paused")
    world.delete()
    wait(lambda: "deletionTimestamp" in world.get()["metadata"], "it is being deleted")
    found = world.engine.describe(world.full("products_1"))
    assert found
    assert found.settings[("hnsw", "m")] == 16

    world.cluster.annotate("products", world.namespace, paused=None)
    world.gone()
    assert world.engine.of(world.namespace) == set()


def test_a_collection_that_somebody_dropped_or_renamed_comes_back(world: World) -> None:
    world.apply(payloadIndexes=[{"field": "category", "type": "Keyword"}])
    world.ready()
    world.engine.call("drop", world.full("products_1"))

    # Anything that touches the resource makes the operator look; the resync would, too.
    world.cluster.annotate("products", world.namespace, note="look")
    wait(lambda: world.engine.aliases(world.namespace), "it is made again")
    world.ready()
    found = world.engine.describe(world.full("products_1"))
    assert found
    assert set(found.indexes) == {"category"}
