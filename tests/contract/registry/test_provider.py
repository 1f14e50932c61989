"""What every registry does with entries, the one in memory too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.registry import Place, entry
from vectorplane.domain.exposure import Delete, Put

pytestmark = pytest.mark.anyio
Places = Callable[[str], Place]


async def test_what_is_put_is_found_and_changes_no_more(places: Places) -> None:
    place, wishes = places("ours"), [entry("one"), entry("two", passing=False, tags=(), meta={})]
    done = await place.converge(wishes)
    assert [type(change) for change in done] == [Put, Put]
    assert await place.pending(wishes) == []
    assert {it.uid for it in (await place.provider.survey()).values()} == {"uid-one", "uid-two"}


async def test_a_put_gives_what_a_survey_finds(places: Places) -> None:
    place = places("ours")
    ((ref, body),) = place.wanted([entry()]).items()
    put = await place.provider.put(ref, body)
    assert (await place.provider.survey())[ref].uid == put.uid
    assert (await place.provider.survey())[ref].body == put.body


@pytest.mark.parametrize(
    "changed",
    [{"passing": False}, {"output": "why"}, {"port": 1}, {"tags": ("a",)}, {"address": "10.0.0.1"}],
    ids=str,
)
async def test_an_edit_is_one_put(places: Places, changed: dict[str, Any]) -> None:
    place = places("ours")
    await place.converge([entry("one"), entry("two")])
    edited = [entry("one"), entry("two", **changed)]
    (done,) = await place.converge(edited)
    assert isinstance(done, Put)
    assert await place.pending(edited) == []


async def test_what_is_wanted_no_more_goes(places: Places) -> None:
    place = places("ours")
    await place.converge([entry("one"), entry("two")])
    (gone,) = await place.converge([entry("two")])
    assert isinstance(gone, Delete)
    await place.provider.delete(gone.ref)
    assert await place.pending([entry("two")]) == []
    await place.converge([])
    assert await place.provider.survey() == {}


async def test_what_is_paused_stays(places: Places) -> None:
    place = places("ours")
    await place.converge([entry("one"), entry("two")])
    await place.converge([], paused={"uid-one"})
    assert {it.uid for it in (await place.provider.survey()).values()} == {"uid-one"}


async def test_a_restart_finds_all_and_removes_nothing(places: Places) -> None:
    wishes = [entry("one"), entry("two")]
    await places("ours").converge(wishes)
    assert await places("ours").pending(wishes) == []


async def test_two_clusters_do_not_see_each_other(places: Places) -> None:
    ours, theirs = places("ours"), places("theirs")
    await theirs.converge([entry()])
    await ours.converge([entry(port=1)])
    assert await theirs.pending([entry()]) == []
    await ours.converge([])
    assert await theirs.pending([entry()]) == []


async def test_more_than_a_hundred(places: Places) -> None:
    place, wishes = places("ours"), [entry(f"c{number:03}") for number in range(120)]
    assert len(await place.converge(wishes)) == 120
    assert await place.pending(wishes) == []
    assert len(await place.converge([])) == 120
    assert await place.provider.survey() == {}
