"""What must hold of every plan, over generated wishes and generated stores."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from support.worlds import (
    BASE,
    US,
    Snapshot,
    World,
    carry_out,
    plan_for,
    run,
    situations,
    snapshot,
    wishes,
)
from vectorplane.domain.model import AdoptionPolicy, Desired
from vectorplane.domain.plan import plan
from vectorplane.observe import observe

Situation = tuple[Desired, World]


def not_ours(desired: Desired, before: Snapshot) -> set[str]:
    """The collections that this resource must leave alone, by a rule of the test's own."""
    nobodys = desired.adoption_policy is AdoptionPolicy.NEVER or desired.deleting
    owners = {n: c.record.owner if c.record else None for n, c in before.collections.items()}
    return {n for n, owner in owners.items() if (nobodys if owner is None else owner != US)}


@given(situations())
@settings(max_examples=300)
def test_a_plan_that_is_carried_out_leaves_nothing_to_plan(situation: Situation) -> None:
    desired, world = situation

    async def scenario() -> None:
        store = await world.build()
        first = await plan_for(desired, store)
        await carry_out(first.actions, store)
        second = await plan_for(desired, store)
        assert second.actions == (), [str(a) for a in second.actions]
        assert second.stalled == first.stalled

    run(scenario())


@given(situations())
@settings(max_examples=300)
def test_no_plan_touches_what_the_resource_does_not_own(situation: Situation) -> None:
    desired, world = situation

    async def scenario() -> None:
        store = await world.build()
        before = await snapshot(store)
        await carry_out((await plan_for(desired, store)).actions, store)
        after = await snapshot(store)
        for name in not_ours(desired, before):
            assert after.collections.get(name) == before.collections[name]
            for alias, target in before.aliases.items():
                assert target != name or after.aliases.get(alias) == name
        if desired.deleting:
            return
        for name, collection in before.collections.items():
            ours = collection.record.indexes if collection.record else frozenset()
            for field, index in collection.indexes.items():
                if field not in ours:
                    assert after.collections[name].indexes[field] == index
            made = collection.record.aliases if collection.record else frozenset()
            for alias, target in before.aliases.items():
                if target == name and alias not in made | desired.names:
                    assert after.aliases[alias] == name

    run(scenario())


@given(situations(), st.data())
@settings(max_examples=300)
def test_stopped_anywhere_and_begun_again_it_ends_in_the_same_state(
    situation: Situation, data: st.DataObject
) -> None:
    desired, world = situation

    async def scenario() -> None:
        straight, broken = await world.build(), await world.build()
        await carry_out((await plan_for(desired, straight)).actions, straight)
        while actions := (await plan_for(desired, broken)).actions:
            await carry_out(actions[: data.draw(st.integers(1, len(actions)))], broken)
        assert await snapshot(broken) == await snapshot(straight)

    run(scenario())


@given(situations(deleting=False), wishes(deleting=False))
@settings(max_examples=300)
def test_an_edit_arrives_whole_or_not_at_all(situation: Situation, new: Desired) -> None:
    old, world = situation

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


@given(situations())
@settings(max_examples=100)
def test_the_same_question_has_the_same_answer(situation: Situation) -> None:
    desired, world = situation
    observed = run(_observed(desired, world))
    assert plan(desired, observed) == plan(desired, observed)


async def _observed(desired: Desired, world: World):  # type: ignore[no-untyped-def]
    return await observe(desired, await world.build())
