"""What every provider does: it makes what is wished, finds what is ours, and leaves the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from support.gateways import World, apply, due, wanted_of
from support.wishes import Wishes
from vectorplane.domain.exposure import Delete, Put, RateLimit, Wish, changes
from vectorplane.errors import Waiting

pytestmark = pytest.mark.anyio

KINDS: dict[str, Callable[[Wishes], Wish]] = {
    "way": Wishes.exposure,
    "way without limits": lambda w: w.exposure(rate_limit=None, max_body_bytes=None),
    "way with origins": lambda w: w.exposure(origins=("https://a.example", "http://b.example:81")),
    "way for any origin": lambda w: w.exposure(origins=("*",)),
    "way with dots": lambda w: w.exposure(path=f"/{w.namespace}/v1.2_x~y-z"),
    "way for many": lambda w: w.exposure(readers=("z", "a", "m"), writers=("y", "b")),
    "service": Wishes.service,
    "credential": Wishes.credential,
    "credential with keys": lambda w: w.credential(
        keys={"b": w.key("b"), "a": w.key("a"), "c": w.key("c")}
    ),
    "credential without keys": lambda w: w.credential(keys={}),
    "entry": Wishes.entry,
    "failing entry": lambda w: w.entry(passing=False, output="no pod is ready"),
    "bare entry": lambda w: w.entry(tags=(), meta={}),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_put_is_found_and_asks_for_nothing_more(
    gateway: World, wishes: Wishes, kind: str
) -> None:
    wish = KINDS[kind](wishes)
    provider = gateway.provider
    wanted = dict(provider.render(wish))
    assert dict(provider.render(wish)) == wanted, "rendering is pure"
    assert {ref.kind for ref in wanted} <= set(provider.order)
    put = {ref: await provider.put(ref, wanted[ref]) for ref in _in_order(gateway, wish)}
    assert changes(wanted, put, provider.order) == [], "what a put gives is as declared"
    found = await provider.survey()
    assert set(found) == set(wanted)
    assert {one.uid for one in found.values()} <= {wish.owner.uid}
    assert changes(wanted, found, provider.order) == []
    assert isinstance(provider.programmed(found), str | None)
    for ref in reversed(_in_order(gateway, wish)):
        await provider.delete(ref)
    assert await provider.survey() == {}
    for ref in wanted:
        await provider.delete(ref)  # a second time is fine


def _in_order(gateway: World, wish: Wish) -> list[object]:
    provider = gateway.provider
    return [c.ref for c in changes(provider.render(wish), {}, provider.order)]


EDITS: dict[str, tuple[Callable[[Wishes], Wish], Callable[[Wishes], Wish]]] = {
    "path": (Wishes.exposure, lambda w: w.exposure(path=f"/{w.namespace}/moved")),
    "rate": (Wishes.exposure, lambda w: w.exposure(rate_limit=RateLimit(7, "minute"))),
    "period": (Wishes.exposure, lambda w: w.exposure(rate_limit=RateLimit(600, "hour"))),
    "no rate": (Wishes.exposure, lambda w: w.exposure(rate_limit=None)),
    "size": (Wishes.exposure, lambda w: w.exposure(max_body_bytes=2048)),
    "no origins": (lambda w: w.exposure(origins=("https://a.example",)), Wishes.exposure),
    "origins": (Wishes.exposure, lambda w: w.exposure(origins=("https://a.example",))),
    "readers": (Wishes.exposure, lambda w: w.exposure(readers=("others",))),
    "one group": (Wishes.exposure, lambda w: w.exposure(readers=("all",), writers=("all",))),
    "rotated key": (
        lambda w: w.credential(keys={"1": w.key("a"), "2": w.key("b")}),
        lambda w: w.credential(keys={"2": w.key("b"), "3": w.key("c")}),
    ),
    "another key of that id": (
        Wishes.credential,
        lambda w: w.credential(keys={"k1": "x" + w.key("z")}),
    ),
    "groups": (lambda w: w.credential("a", "write"), lambda w: w.credential("a", "read")),
    "health": (Wishes.entry, lambda w: w.entry(passing=False, output="away")),
    "address": (Wishes.entry, lambda w: w.entry(address="127.0.0.2", port=81)),
    "tags": (Wishes.entry, lambda w: w.entry(tags=("b", "a"), meta={"x": "y"})),
}


@pytest.mark.parametrize("edit", EDITS)
async def test_an_edit_is_made_and_then_asks_for_nothing_more(
    gateway: World, wishes: Wishes, edit: str
) -> None:
    before, after = (make(wishes) for make in EDITS[edit])
    provider = gateway.provider
    await apply(provider, before)
    done = await apply(provider, after)
    assert bool(done) == bool(provider.render(after))
    assert await due(provider, after) == []
    assert set(await provider.survey()) == set(provider.render(after))


async def test_drift_is_found(gateway: World, wishes: Wishes) -> None:
    provider, all_of_them = gateway.provider, wishes.all()
    wanted = wanted_of(provider, all_of_them)
    assert wanted
    await apply(provider, *all_of_them)
    one, *others = sorted(wanted)
    for altered in ([one], others):
        for ref in altered:
            await gateway.alter(ref)
        todo = [str(change) for change in await due(provider, *all_of_them)]
        assert sorted(todo) == sorted(f"put {ref}" for ref in altered)
        await apply(provider, *all_of_them)
    assert await due(provider, *all_of_them) == []


async def test_what_somebody_deletes_is_put_again(gateway: World, wishes: Wishes) -> None:
    provider = gateway.provider
    some: list[Wish] = [wishes.exposure(), wishes.credential(), wishes.entry()]
    await apply(provider, *some)
    for ref in sorted(wanted_of(provider, some)):
        await gateway.remove(ref)
        todo = await due(provider, *some)
        assert f"put {ref}" in map(str, todo)
        assert all(isinstance(change, Put) for change in todo)
        await apply(provider, *some)
    assert await due(provider, *some) == []


async def test_who_is_killed_in_between_begins_again(gateway: World, wishes: Wishes) -> None:
    provider, all_of_them = gateway.provider, wishes.all()
    wanted = wanted_of(provider, all_of_them)
    todo = await due(provider, *all_of_them)
    for change in todo[: len(todo) // 2]:
        await provider.put(change.ref, wanted[change.ref])
    assert await due(provider, *all_of_them) == todo[len(todo) // 2 :]
    await apply(provider, *all_of_them)
    gone = await due(provider)
    assert all(isinstance(change, Delete) for change in gone)
    for change in gone[: len(gone) // 2]:
        await provider.delete(change.ref)
    await apply(provider)
    assert await provider.survey() == {}


async def test_what_is_of_others_stays(gateway: World, wishes: Wishes) -> None:
    provider = gateway.provider
    await gateway.plant()
    theirs = Wishes().all()
    await apply(gateway.neighbour, *theirs)
    before = await gateway.others()
    mine = wishes.all()
    await apply(provider, *mine)
    assert set(await provider.survey()) == set(wanted_of(provider, mine))
    await apply(provider, wishes.exposure(path=f"/{wishes.namespace}/elsewhere"))
    await apply(provider)
    assert await provider.survey() == {}
    assert await gateway.others() == before
    assert await due(gateway.neighbour, *theirs) == []


async def test_a_resource_of_the_same_name_in_another_cluster_is_another_one(
    gateway: World, wishes: Wishes
) -> None:
    ours = wishes.exposure()
    theirs = replace(ours, owner=replace(ours.owner, uid=f"other-{ours.owner.uid}"))
    await apply(gateway.provider, ours)
    await apply(gateway.neighbour, theirs)
    await apply(gateway.provider)
    assert await due(gateway.neighbour, theirs) == []


async def test_a_survey_finds_more_than_a_page(gateway: World, wishes: Wishes) -> None:
    many: list[Wish] = []
    for number in range(9):
        many += [
            wishes.exposure(f"c{number}"),
            wishes.credential(f"a{number}"),
            wishes.entry(f"c{number}"),
        ]
    provider = gateway.provider
    await apply(provider, *many)
    found = await provider.survey()
    assert set(found) == set(wanted_of(provider, many))
    assert await due(provider, *many) == []


async def test_a_place_that_is_away_is_waited_for(gateway: World, wishes: Wishes) -> None:
    away = gateway.away
    with pytest.raises(Waiting):
        await away.survey()
    for ref, body in wanted_of(away, wishes.all()).items():
        with pytest.raises(Waiting) as refused:
            await away.put(ref, body)
        assert "secret" not in str(refused.value)
        with pytest.raises(Waiting):
            await away.delete(ref)
