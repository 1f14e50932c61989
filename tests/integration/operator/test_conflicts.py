"""Two resources that claim one name: the oldest wins, and the other one says who did."""

from __future__ import annotations

from support.cluster import Json, wait
from support.world import World


def _second_after(world: World, resource: Json, name: str) -> None:
    """Wait until the API server's clock shows a later second than a resource's creation."""

    def later() -> bool:
        made = world.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": f"clock-{name}", "namespace": world.namespace},
            }
        )
        created: str = made["metadata"]["creationTimestamp"]
        world.cluster.delete("Secret", f"clock-{name}", world.namespace)
        before: str = resource["metadata"]["creationTimestamp"]
        return created > before

    wait(later, "the clock moves on")


def test_the_oldest_wins_and_the_other_gets_the_name_when_it_goes(world: World) -> None:
    winner = world.apply("first", aliases=["live"], deletionPolicy="Delete")
    world.ready("first")
    _second_after(world, winner, "first")

    world.apply("second", aliases=["live"])
    said = world.says("ResourceConflict", "second")
    assert f"{world.namespace}/first" in said["message"]
    assert world.full("live") in said["message"]
    assert world.engine.of(world.namespace) == {world.full("first_1")}

    world.delete("first")
    world.gone("first")
    world.ready("second")
    assert world.engine.aliases(world.namespace) == {
        world.full("second"): world.full("second_1"),
        world.full("live"): world.full("second_1"),
    }


def test_the_other_gets_the_name_when_the_oldest_gives_it_up(world: World) -> None:
    winner = world.apply("first", aliases=["live"])
    world.ready("first")
    _second_after(world, winner, "first")
    world.apply("second", aliases=["live"])
    world.says("ResourceConflict", "second")

    world.apply("first")
    world.ready("second")
    assert world.engine.aliases(world.namespace)[world.full("live")] == world.full("second_1")


def test_the_oldest_wins_also_when_both_are_new_to_the_operator(world: World) -> None:
    world.operators.stop()
    winner = world.apply("zz-first", aliases=["live"])
    _second_after(world, winner, "first")
    world.apply("aa-second", aliases=["live"])

    _ = world.operator
    world.ready("zz-first")
    world.says("ResourceConflict", "aa-second")


def test_an_alias_does_not_take_the_name_of_a_collection(world: World) -> None:
    winner = world.apply("products")
    world.ready("products")
    _second_after(world, winner, "products")

    world.apply("second", aliases=["products"])
    said = world.says("ResourceConflict", "second")
    assert f"{world.namespace}/products" in said["message"]


def test_a_name_in_the_store_that_is_not_ours_is_left_alone(world: World) -> None:
    world.engine.make(world.full("theirs"))
    world.engine.point(world.full("live"), world.full("theirs"))

    world.apply(aliases=["live"])
    assert world.full("live") in world.says("NotOwned")["message"]
    assert world.engine.aliases(world.namespace) == {world.full("live"): world.full("theirs")}
