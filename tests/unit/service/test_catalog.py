"""What is kept of a collection, for how long, and by whom it is looked up."""

from __future__ import annotations

import asyncio

import pytest

from support.serving import EMBEDDING, add_collection, filled_store
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Collection
from vectorplane.errors import InvalidInput, NotFound, StoreTimeout, Unsupported
from vectorplane_service import answers
from vectorplane_service.catalog import Catalog
from vectorplane_service.embedding import Embedding

pytestmark = pytest.mark.anyio


class Counting(MemoryStore):
    """Counts look-ups, and lets a test hold them."""

    asked = 0
    error: Exception | None = None

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.open.set()

    async def peek(self, collection: str) -> Collection:
        self.asked += 1
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return await super().peek(collection)


async def test_a_look_up_is_kept_for_a_while() -> None:
    store, now = Counting(), 0.0
    await add_collection(store, "shop.products")
    catalog = Catalog(store, kept_seconds=5, clock=lambda: now)
    first = await catalog.entry("shop.products")
    now = 4.9
    assert await catalog.entry("shop.products") is first
    assert store.asked == 1
    now = 5.1
    assert await catalog.entry("shop.products") == first
    assert store.asked == 2


async def test_a_crowd_looks_once() -> None:
    store = Counting()
    await add_collection(store, "shop.products")
    catalog = Catalog(store)
    store.open.clear()
    crowd = [asyncio.create_task(catalog.entry("shop.products")) for _ in range(20)]
    await asyncio.sleep(0)
    crowd[0].cancel()
    await asyncio.sleep(0)
    store.open.set()
    found = await asyncio.gather(*crowd[1:])
    assert len({id(entry) for entry in found}) == 1
    assert store.asked == 1
    assert crowd[0].cancelled()


async def test_a_collection_is_there_as_soon_as_it_is_made() -> None:
    store = Counting()
    catalog = Catalog(store)
    with pytest.raises(NotFound):
        await catalog.entry("shop.products")
    await add_collection(store, "shop.products")
    assert (await catalog.entry("shop.products")).physical == "shop.products_1"


async def test_a_failed_look_up_is_not_kept() -> None:
    store = Counting()
    await add_collection(store, "shop.products")
    catalog = Catalog(store, kept_seconds=0)
    await catalog.entry("shop.products")
    store.error = StoreTimeout("slow")
    for _ in range(2):
        with pytest.raises(StoreTimeout):
            await catalog.entry("shop.products")
    store.error = None
    await catalog.entry("shop.products")
    assert store.asked == 4


class Failing:
    """An embedder that cannot be made the first time."""

    dimensions = 4
    made = 0

    def __init__(self, size: int) -> None:
        assert size == 4
        type(self).made += 1
        if type(self).made == 1:
            raise Unsupported("the weights are not there")

    async def embed(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, 0, 0, 0] for _ in texts]


async def test_an_embedder_is_made_once_and_again_after_a_failure() -> None:
    store = await filled_store()
    entry = await Catalog(store).entry("shop.texts")
    embedding = Embedding({("test", "words"): Failing})  # type: ignore[dict-item]
    with pytest.raises(Unsupported, match="weights"):
        await embedding.embed(entry, None, ["a"], place="text")
    for _ in range(3):
        assert await embedding.embed(entry, None, ["a"], place="text") == ("", [[1.0, 0, 0, 0]])
    assert Failing.made == 2


async def test_a_vector_that_is_not_there_is_the_stores_to_say() -> None:
    store = await filled_store()
    entry = await Catalog(store).entry("shop.texts")
    Failing.made = 1
    using, _ = await Embedding({("test", "words"): Failing}).embed(  # type: ignore[dict-item]
        entry, "no such", ["a"], place="text"
    )
    assert using == "no such"
    assert entry.embedding == dict(EMBEDDING)


@pytest.mark.parametrize(
    ("place", "drop", "expected"),
    [
        ("searches[0].query[3]", "searches[0]", "vector[3]"),
        ("searches[0].payload[0]", "searches[0]", "with_payload[0]"),
        ("searches[0]", "searches[0]", "body"),
        ("searches[2].query", "", "searches[2].vector"),
        ("searches[2]", "", "searches[2]"),
        ("filter.must[0].payload", "", "filter.must[0].payload"),
        ("vectors", "", "with_vectors"),
    ],
)
def test_places_in_the_words_of_clients(place: str, drop: str, expected: str) -> None:
    words = {**answers.SELECTIONS, "query": "vector"}
    assert answers.translated(place, words, drop) == expected


def test_an_error_without_a_place_stays_so() -> None:
    with pytest.raises(InvalidInput) as caught, answers.said_as({}):
        raise InvalidInput("somewhere")
    assert caught.value.place is None
