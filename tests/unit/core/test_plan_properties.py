"""What must hold of every plan, over generated wishes and generated stores."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from support.worlds import (
    BASE,
    Snapshot,
    World,
    carry_out,
    plan_for,
    run,
    snapshot,
    wishes,
    worlds,
)
from vectorplane.domain.model import AdoptionPolicy, Desired
from vectorplane.domain.plan import plan
from vectorplane.domain.policy import Ownership, ownership
from vectorplane.reconcile import observe


def not_ours(desired: Desired, before: Snapshot) -> set[str]:
    """The collections that this resource must leave alone whatever happens."""
    spare = {Ownership.FOREIGN}
    if desired.adoption_policy is AdoptionPolicy.NEVER or desired.deleting:
        spare.add(Ownership.NOBODYS)
    return {n for n, c in before.collections.items() if ownership(desired, c) in spare}


@given(wishes(), worlds())
@settings(max_examples=400)
def test_a_plan_that_is_carried_out_leaves_nothing_to_plan(desired: Desired, world: World) -> None:
    async def scenario() -> None:
        store = await world.build()
        first = await plan_for(desired, store)
        await carry_out(first.actions, store)
        second = await plan_for(desired, store)
        assert second.actions == (), [str(a) for a in second.actions]
        assert second.stalled == first.stalled

    run(scenario())


@given(wishes(), worlds())
@settings(max_examples=400)
def test_no_plan_touches_what_the_resource_does_not_own(desired: Desired, world: World) -> None:
    async def scenario() -> None:
        store = await world.build()
        before = await snapshot(store)
        await carry_out((await plan_for(desired, store)).actions, store)
        after = await snapshot(store)
        for name in not_ours(desired, before):
            assert after.collections.get(name) == before.collections[name]
            for alias, target in before.aliases.items():
                assert target != name or after.aliases.get(alias) == name

    run(scenario())


@given(wishes(), worlds(), st.data())
@settings(max_examples=400)
def test_stopped_anywhere_and_begun_again_it_ends_in_the_same_state(
    desired: Desired, world: World, data: st.DataObject
) -> None:
    async def scenario() -> None:
        straight, broken = await world.build(), await world.build()
        await carry_out((await plan_for(desired, straight)).actions, straight)
        while actions := (await plan_for(desired, broken)).actions:
            await carry_out(actions[: data.draw(st.integers(1, len(actions)))], broken)
        assert await snapshot(broken) == await snapshot(straight)

    run(scenario())


@given(wishes(deleting=False), wishes(deleting=False), worlds())
@settings(max_examples=300)
def test_an_edit_arrives_whole_or_not_at_all(old: Desired, new: Desired, world: World) -> None:
    async def scenario() -> None:
        store = await world.build()
        await carry_out((await plan_for(old, store)).actions, store)
        before = await snapshot(store)
        planned = await plan_for(new, store)
        await carry_out(planned.actions, store)
        after = await snapshot(store)
        if planned.stalled:
            assert after.collections == before.collections
            assert {k: v for k, v in after.aliases.items() if k != BASE} == {
                k: v for k, v in before.aliases.items() if k != BASE
            }
            return
        collection = after.collections[planned.collection or ""]
        for path, value in new.settings.items():
            assert collection.settings.get(path, value) == value
        for field, index in new.indexes.items():
            assert index.matches(collection.indexes[field])
        for alias in new.names - {collection.name}:
            assert after.aliases[alias] == collection.name
        assert collection.record is not None
        assert collection.record.owner == new.owner

    run(scenario())


@given(wishes(), worlds())
@settings(max_examples=100)
def test_the_same_question_has_the_same_answer(desired: Desired, world: World) -> None:
    observed = run(_observed(desired, world))
    assert plan(desired, observed) == plan(desired, observed)


async def _observed(desired: Desired, world: World):  # type: ignore[no-untyped-def]
    return await observe(desired, await world.build())
