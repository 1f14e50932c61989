"""Readers and writers of two services over one store and one memory of answers, step by step: who
goes on next, who is killed, and what lands after its writer died is drawn.

Each call of the store and of the cache waits at a gate before and after it. A service that is
killed stays at its gate for ever; what it had asked of the store may still come about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.serving import add_collection
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.ports.cache import AnswerCache, Look
from vectorplane.ports.vectors import Found, Point, Search
from vectorplane_service.edge.cache import CachedPoints

NAMES = ("shop.products", "shop.live", "shop.products_1")
MARK_SECONDS = 60.0
VECTOR = [1.0, 0.0, 0.0, 0.0]


@dataclass(eq=False)
class Actor:
    """One request: where it waits, and what its answer must hold."""

    wanted: frozenset[int] = frozenset()
    gone: frozenset[int] = frozenset()
    writes: int | None = None
    deletes: int | None = None
    mortal: bool = False
    gate: asyncio.Future[None] | None = None
    landing: Callable[[], Awaitable[None]] | None = None
    task: asyncio.Task[Any] | None = None
    later_deleted: set[int] = field(default_factory=set)


_actor: ContextVar[Actor] = ContextVar("actor")


async def gate() -> None:
    actor = _actor.get()
    actor.gate = asyncio.get_running_loop().create_future()
    await actor.gate


async def gated(call: Callable[[], Awaitable[Any]], *, lands: bool = False) -> Any:
    actor = _actor.get()
    actor.landing = call if lands else None
    await gate()
    actor.landing = None
    result = await call()
    await gate()
    return result


class GatedCache:
    def __init__(self, cache: AnswerCache) -> None:
        self.cache = cache

    async def look(self, names: Sequence[str], key: str) -> Look:
        found: Look = await gated(lambda: self.cache.look(names, key))
        return found

    async def keep(self, key: str, token: bytes, value: bytes) -> None:
        await gated(lambda: self.cache.keep(key, token, value))

    async def begin(self, names: Sequence[str], writer: str, seconds: float) -> None:
        await gated(lambda: self.cache.begin(names, writer, seconds))

    async def end(self, names: Sequence[str], writer: str) -> None:
        await gated(lambda: self.cache.end(names, writer))

    async def version(self) -> str:
        return await self.cache.version()

    async def close(self) -> None:
        await self.cache.close()


class GatedStore(MemoryStore):
    async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
        plain = super().search
        found: list[list[Found]] = await gated(lambda: plain(collection, searches))
        return found

    async def upsert(self, *arguments: Any, **named: Any) -> None:
        plain = super().upsert
        await gated(lambda: plain(*arguments, **named), lands=True)

    async def delete(self, *arguments: Any, **named: Any) -> None:
        plain = super().delete
        await gated(lambda: plain(*arguments, **named), lands=True)

    async def everything(self) -> set[int]:
        page = await super().scroll("shop.products_1", limit=10_000)
        return {int(point.id) for point in page.points}


class Histories(RuleBasedStateMachine):
    """`caches` opens what two services keep their answers in; `forget_marks` is after the time that
    marks have, where a test can turn its clock."""

    caches: Callable[[], list[AnswerCache]]
    forget_marks: Callable[[], None] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = GatedStore()
        self.runner.run(self._made())
        self.actors: list[Actor] = []
        self.killed: list[Actor] = []
        self.written: set[int] = set()
        self.deleting: set[int] = set()
        self.deleted: set[int] = set()
        self.next = 0

    async def _made(self) -> None:
        await add_collection(self.store, "shop.products")
        await self.store.change_aliases({"shop.live": "shop.products_1"}, frozenset())
        self.opened = type(self).caches()
        self.services = [
            CachedPoints(
                self.store, GatedCache(cache), believed_seconds=0, mark_seconds=MARK_SECONDS
            )
            for cache in self.opened
        ]

    # What is drawn

    @rule(service=st.integers(0, 1), name=st.sampled_from(NAMES))
    def read(self, service: int, name: str) -> None:
        actor = Actor(wanted=frozenset(self.written - self.deleting), gone=frozenset(self.deleted))
        search = Search(VECTOR, 1000, payload=False)
        self._start(actor, lambda: self.services[service].search(name, [search]))

    @rule(service=st.integers(0, 1), name=st.sampled_from(NAMES), wait=st.booleans())
    def write(self, service: int, name: str, wait: bool) -> None:
        self.next += 1
        actor = Actor(writes=self.next, mortal=True)
        points = [Point(self.next, VECTOR)]
        self._start(actor, lambda: self.services[service].upsert(name, points, wait=wait))

    @precondition(lambda self: self.written - self.deleting)
    @rule(service=st.integers(0, 1), name=st.sampled_from(NAMES), data=st.data())
    def delete(self, service: int, name: str, data: st.DataObject) -> None:
        target = data.draw(st.sampled_from(sorted(self.written - self.deleting)))
        self.deleting.add(target)
        for reading in self.actors:
            reading.later_deleted.add(target)
        actor = Actor(deletes=target, mortal=True)
        self._start(actor, lambda: self.services[service].delete(name, ids=[target]))

    @precondition(lambda self: self.actors)
    @rule(data=st.data(), steps=st.integers(1, 4))
    def go_on(self, data: st.DataObject, steps: int) -> None:
        actor = data.draw(st.sampled_from(self.actors))
        for _ in range(steps):
            if actor in self.actors:
                self.runner.run(self._step(actor))

    @precondition(lambda self: self.actors)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        self._finished(data.draw(st.sampled_from(self.actors)))

    @rule(service=st.integers(0, 1), name=st.sampled_from(NAMES))
    def read_at_once(self, service: int, name: str) -> None:
        self.read(service, name)
        self._finished(self.actors[-1])

    @rule(service=st.integers(0, 1), name=st.sampled_from(NAMES), steps=st.integers(0, 5))
    def write_and_die(self, service: int, name: str, steps: int) -> None:
        self.write(service, name, True)
        actor = self.actors[-1]
        for _ in range(steps):
            self.runner.run(self._step(actor))
        self.actors.remove(actor)
        self.killed.append(actor)

    @precondition(lambda self: type(self).forget_marks and not any(a.landing for a in self.killed))
    @rule(service=st.integers(0, 1), name=st.sampled_from(NAMES), steps=st.integers(2, 4))
    def write_for_longer_than_a_mark(self, service: int, name: str, steps: int) -> None:
        self.write(service, name, True)
        actor = self.actors[-1]
        for _ in range(steps):
            self.runner.run(self._step(actor))
        self.time_passes()

    @precondition(lambda self: any(a.mortal for a in self.actors))
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        actor = data.draw(st.sampled_from([a for a in self.actors if a.mortal]))
        self.actors.remove(actor)
        self.killed.append(actor)

    @precondition(lambda self: any(a.landing for a in self.killed))
    @rule(data=st.data())
    def land(self, data: st.DataObject) -> None:
        actor = data.draw(st.sampled_from([a for a in self.killed if a.landing]))
        assert actor.landing
        self.runner.run(_awaited(actor.landing))
        actor.landing = None

    @precondition(lambda self: type(self).forget_marks and not any(a.landing for a in self.killed))
    @rule()
    def time_passes(self) -> None:
        """Longer than a mark: what will ever land of the dead has landed, and who writes now and
        is that slow lives on."""
        for actor in self.actors:
            actor.mortal = False
        assert type(self).forget_marks
        type(self).forget_marks()

    @invariant()
    def nobody_is_done_unseen(self) -> None:
        assert not any(actor.task and actor.task.done() for actor in self.actors)

    def teardown(self) -> None:
        try:
            # Who writes dies now: one that ended well would cover up what others left behind.
            self.killed += [actor for actor in self.actors if actor.mortal]
            self.actors = [actor for actor in self.actors if not actor.mortal]
            while self.actors:
                self._finished(self.actors[0])
            for actor in self.killed:
                if actor.landing:
                    self.runner.run(_awaited(actor.landing))
            if type(self).forget_marks:
                type(self).forget_marks()
                self._all_as_in_the_store()
        finally:
            self.runner.run(self._closed())
            self.runner.close()

    def _all_as_in_the_store(self) -> None:
        """Twice: what is kept first is what is found then."""
        there = self.runner.run(self.store.everything())
        for _ in range(2):
            for service in (0, 1):
                for name in NAMES:
                    self.read(service, name)
                    assert self._finished(self.actors[-1]) == there

    # How it is done

    def _start(self, actor: Actor, call: Callable[[], Awaitable[Any]]) -> None:
        async def started() -> None:
            _actor.set(actor)
            actor.task = asyncio.create_task(_awaited(call))
            await self._settled(actor)

        self.actors.append(actor)
        self.runner.run(started())

    def _finished(self, actor: Actor) -> set[int] | None:
        found = None
        while actor in self.actors:
            found = self.runner.run(self._step(actor))
        return found

    async def _step(self, actor: Actor) -> set[int] | None:
        """Through one gate. Where that was the last, what came of it."""
        waiting, actor.gate = actor.gate, None
        assert waiting
        waiting.set_result(None)
        await self._settled(actor)
        if actor.gate is not None:
            return None
        self.actors.remove(actor)
        assert actor.task
        return self._done(actor, actor.task.result())

    async def _settled(self, actor: Actor) -> None:
        async with asyncio.timeout(30):
            while actor.gate is None and not (actor.task and actor.task.done()):
                await asyncio.sleep(0)

    def _done(self, actor: Actor, answer: Any) -> set[int] | None:
        if actor.writes is not None:
            self.written.add(actor.writes)
            return None
        if actor.deletes is not None:
            self.deleted.add(actor.deletes)
            return None
        found = {int(hit.id) for hit in answer[0]}
        assert found >= actor.wanted - actor.later_deleted, "an acknowledged write is not seen"
        assert not found & actor.gone, "what was deleted is seen"
        return found

    async def _closed(self) -> None:
        tasks = [a.task for a in (*self.actors, *self.killed) if a.task and not a.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for cache in self.opened:
            await cache.close()


async def _awaited(call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()
