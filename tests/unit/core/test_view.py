"""Many looks at one store: what they ask together is asked once, what they change together is
changed in one call, and a refusal hits only whom it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Collection, Owner, Record, Settings
from vectorplane.errors import Conflict, StoreTimeout
from vectorplane.ports.vectors import Listing, StoreInfo
from vectorplane.view import StoreView

pytestmark = pytest.mark.anyio

SETTINGS: Settings = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Dot"}
RECORD = Record(Owner("uid", "shop", "products", "here"))


class Counted(MemoryStore):
    """Counts its calls; each takes a turn of the event loop, and `slow` seconds of its clock. What
    a list says is read at its begin, and it ends once `open` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.calls: list[str] = []
        self.slow = 0.0
        self.open = asyncio.Event()
        self.open.set()
        self.away = False
        self.making = self.most = 0

    async def _call(self, name: str) -> None:
        self.calls.append(name)
        self.now += self.slow
        await asyncio.sleep(0)
        if self.away:
            raise StoreTimeout("no answer in 10 s")

    async def info(self) -> StoreInfo:
        await self._call("info")
        return await super().info()

    async def listing(self) -> Listing:
        found = await super().listing()
        await self._call("listing")
        await self.open.wait()
        return found

    async def describe(self, collection: str) -> Collection | None:
        await self._call("describe")
        return await super().describe(collection)

    async def create(self, collection: str, settings: Settings, record: Record) -> None:
        self.making += 1
        self.most = max(self.most, self.making)
        await self._call("create")
        self.making -= 1
        await super().create(collection, settings, record)

    async def change_aliases(self, point: Mapping[str, str], drop: frozenset[str]) -> None:
        await self._call("change_aliases")
        await super().change_aliases(point, drop)


@pytest.fixture
def store() -> Counted:
    return Counted()


@pytest.fixture
def view(store: Counted) -> StoreView:
    return StoreView(store, clock=lambda: store.now)


async def test_those_who_ask_at_once_share_one_list(store: Counted, view: StoreView) -> None:
    found = await asyncio.gather(*(view.listing() for _ in range(50)))
    assert store.calls == ["listing"]
    assert all(listing is found[0] for listing in found)


async def test_who_asks_after_a_list_began_gets_the_next_one(
    store: Counted, view: StoreView
) -> None:
    first = asyncio.create_task(view.listing())
    while not store.calls:
        await asyncio.sleep(0)
    await store.create("shop.products_1", SETTINGS, RECORD)
    assert (await view.listing()).collections == {"shop.products_1"}
    await first


async def test_a_cheap_list_is_never_an_old_one(store: Counted, view: StoreView) -> None:
    assert (await view.listing()).collections == frozenset()
    await store.create("shop.products_1", SETTINGS, RECORD)
    assert (await view.listing()).collections == {"shop.products_1"}


async def test_a_dear_list_is_used_for_a_while_with_our_own_changes_in_it(
    store: Counted, view: StoreView
) -> None:
    await store.create("shop.products_1", SETTINGS, RECORD)
    store.slow = 0.03
    await view.listing()
    await view.change_aliases({"shop.products": "shop.products_1"}, frozenset())
    assert (await view.listing()).aliases == {"shop.products": "shop.products_1"}
    await view.change_aliases({}, frozenset({"shop.products"}))
    assert (await view.listing()).aliases == {}
    assert store.calls.count("listing") == 1


async def test_a_list_that_was_under_way_during_a_change_is_not_kept(
    store: Counted, view: StoreView
) -> None:
    store.slow = 0.05
    store.open.clear()
    under_way = asyncio.create_task(view.listing())
    while not store.calls:
        await asyncio.sleep(0)
    await view.create("shop.products_1", SETTINGS, RECORD)
    store.open.set()
    assert (await under_way).collections == frozenset()
    assert (await view.listing()).collections == {"shop.products_1"}


async def test_a_list_that_fails_fails_all_who_wait_and_none_after(
    store: Counted, view: StoreView
) -> None:
    store.away = True
    answers = await asyncio.gather(*(view.listing() for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreTimeout] * 3
    store.away = False
    assert (await view.listing()).collections == frozenset()


async def test_one_who_gives_up_takes_nothing_from_the_others(
    store: Counted, view: StoreView
) -> None:
    store.slow = 0.01
    hasty, patient = (asyncio.create_task(view.listing()) for _ in range(2))
    await asyncio.sleep(0)
    hasty.cancel()
    assert (await patient).collections == frozenset()
    assert hasty.cancelled()


async def test_a_probe_asks_the_store_itself(store: Counted, view: StoreView) -> None:
    await view.info()
    await view.info()
    assert store.calls == ["info"]
    store.away = True
    with pytest.raises(StoreTimeout):
        await view.probe()


async def test_after_forget_everything_is_asked_anew(store: Counted, view: StoreView) -> None:
    await view.info()
    await view.listing()
    view.forget()
    await view.info()
    await view.listing()
    assert store.calls == ["info", "listing", "info", "listing"]


async def test_aliases_go_together(store: Counted, view: StoreView) -> None:
    await store.create("shop.products_1", SETTINGS, RECORD)
    store.calls.clear()
    changes = (
        view.change_aliases({f"shop.a{n}": "shop.products_1"}, frozenset()) for n in range(90)
    )
    await asyncio.gather(*changes)
    assert store.calls == ["change_aliases"]
    assert len((await view.listing()).aliases) == 90


async def test_one_bad_alias_is_refused_alone(store: Counted, view: StoreView) -> None:
    await store.create("shop.products_1", SETTINGS, RECORD)
    await store.create("shop.taken", SETTINGS, RECORD)
    answers = await asyncio.gather(
        view.change_aliases({"shop.a": "shop.products_1"}, frozenset()),
        view.change_aliases({"shop.taken": "shop.products_1"}, frozenset()),
        view.change_aliases({"shop.b": "shop.products_1"}, frozenset()),
        return_exceptions=True,
    )
    assert answers[0] is None
    assert isinstance(answers[1], Conflict)
    assert answers[2] is None
    assert set((await view.listing()).aliases) == {"shop.a", "shop.b"}


async def test_two_changes_of_one_alias_keep_their_order(store: Counted, view: StoreView) -> None:
    await store.create("shop.products_1", SETTINGS, RECORD)
    await store.create("shop.products_2", SETTINGS, RECORD)
    await asyncio.gather(
        view.change_aliases({"shop.products": "shop.products_1"}, frozenset()),
        view.change_aliases({"shop.products": "shop.products_2"}, frozenset()),
        view.change_aliases({"shop.other": "shop.products_1"}, frozenset()),
    )
    assert (await view.listing()).aliases["shop.products"] == "shop.products_2"


async def test_collections_are_made_a_few_at_a_time(store: Counted, view: StoreView) -> None:
    store.slow = 0.001
    await asyncio.gather(*(view.create(f"shop.c_{n}", SETTINGS, RECORD) for n in range(1, 30)))
    assert store.most == 4
    assert len((await view.listing()).collections) == 29


async def test_a_pool_is_described_once_for_all_its_tenants(
    store: Counted, view: StoreView
) -> None:
    await view.create("_pool.abc_1", SETTINGS, RECORD)
    store.calls.clear()
    for _ in range(5):
        await asyncio.gather(*(view.describe("_pool.abc_1") for _ in range(20)))
    assert store.calls == ["describe"]
    await view.write_record("_pool.abc_1", Record(None))
    found = await view.describe("_pool.abc_1")
    assert found is not None
    assert found.record == Record(None)
