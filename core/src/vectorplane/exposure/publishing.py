"""The loop of one provider: what is wanted, compared with what is there, made so.

A pass is quick (only owners whose wishes changed are looked at, against what we know to be there)
or full (a survey first). The first pass of a leader is full, so nothing is removed before all is
known; so is one after trouble, and one each `resync` seconds, which finds drift. A provider that is
away holds up nobody but its own loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import structlog

from vectorplane.domain.exposure import Body, Change, Found, Owner, Put, Ref, Wish, changes
from vectorplane.errors import CallerError, Stalled, Waiting
from vectorplane.ports.exposure import Provider
from vectorplane.queue import backoff

Wishes = Mapping[Owner, Sequence[Wish]]
_AT_ONCE = 8
_GATHER = 0.05
"""Seconds that a pass waits for more to come: a hundred resources are one pass."""
_SOON = (1.0, 2.0, 3.0, 5.0)
"""Seconds between surveys while something is there but does not work yet."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """How it stands with the objects of one owner; `reason` in one CamelCase word. `away` says that
    the provider itself could not be asked."""

    works: bool
    reason: str = "Programmed"
    message: str = ""
    away: bool = False


class Watcher(Protocol):
    """Is told what happened, for metrics."""

    def published(self, provider: str, change: Change) -> None: ...

    def reached(self, provider: str, up: bool) -> None: ...


class Publisher:
    """`wishes` gives all that is wanted now, and the UIDs of owners that are paused. `told` is
    called with an owner whose state is another one than before."""

    def __init__(
        self,
        name: str,
        provider: Provider,
        *,
        wishes: Callable[[], tuple[Wishes, Collection[str]]],
        told: Callable[[Owner], None],
        watcher: Watcher | None = None,
        resync: float = 60.0,
    ) -> None:
        self._name = name
        self._provider = provider
        self._wishes = wishes
        self._told = told
        self._watcher = watcher
        self._resync = resync
        self._rendered: dict[Owner, tuple[tuple[Wish, ...], Mapping[Ref, Body]]] = {}
        self._there: dict[Ref, Found] | None = None
        """What is there, as far as we know; None before the first survey."""
        self._states: dict[Owner, State] = {}
        self._trouble: State | None = None
        self._unsettled: set[Owner] = set()
        self._woken = asyncio.Event()

    def state(self, owner: Owner) -> State | None:
        """None as long as nobody knows."""
        return self._trouble or self._states.get(owner)

    def wake(self) -> None:
        """Something that wishes are made of changed."""
        self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = pending = 0
        loop = asyncio.get_running_loop()
        full = loop.time()
        while True:
            self._woken.clear()
            survey = self._there is None or loop.time() >= full
            try:
                await self._pass(survey)
            except (Waiting, Stalled, CallerError) as error:
                # Where a person must act, that may happen at any time too.
                failures += 1
                away = isinstance(error, Waiting)
                self._fail(State(False, error.reason, error.message, away))
                asked = (isinstance(error, Waiting) and error.retry_after) or 0.0
                await asyncio.sleep(max(asked, backoff(failures, most=10.0)))
                continue
            except Exception:
                # A bug, and must not end the loop.
                log.exception("pass_failed", provider=self._name)
                failures += 1
                self._there = None
                await asyncio.sleep(backoff(failures, most=30.0))
                continue
            failures = 0
            self._recover()
            if survey:
                full = loop.time() + self._resync
            waiting = [s for s in self._states.values() if not s.works]
            pending = pending + 1 if waiting else 0
            if waiting:
                full = min(full, loop.time() + _SOON[min(pending, len(_SOON)) - 1])
            await self._rest(full - loop.time())

    def forget(self) -> None:
        """Another one led meanwhile: nothing is known."""
        self._there, self._trouble = None, None
        self._rendered.clear()
        self._states.clear()
        self._unsettled.clear()

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), max(seconds, 0.0))
        except TimeoutError:
            return
        await asyncio.sleep(_GATHER)

    async def _pass(self, survey: bool) -> None:
        if survey:
            self._there = None
            self._there = dict(await self._provider.survey())
        wishes, paused = self._wishes()
        changed = self._render(wishes)
        assert self._there is not None
        if survey:
            looked_at, found = set(self._rendered), self._there
        else:
            looked_at = changed.keys() | self._unsettled
            refs = {ref for old in changed.values() for ref in old}
            refs |= {ref for o in looked_at if o in self._rendered for ref in self._rendered[o][1]}
            found = {ref: self._there[ref] for ref in refs if ref in self._there}
        looked_at &= self._rendered.keys()
        owners = {ref: owner for owner in looked_at for ref in self._rendered[owner][1]}
        wanted = {ref: self._rendered[owner][1][ref] for ref, owner in owners.items()}
        todo = changes(wanted, found, self._provider.order, paused=paused)
        failed = await self._carry_out(todo, owners)
        # They are looked at in each pass. After any other trouble all are: a survey comes first.
        self._unsettled = set(failed)
        self._assess(looked_at, failed)

    def _render(self, wishes: Wishes) -> dict[Owner, Mapping[Ref, Body]]:
        """Bring what is rendered up to date; gives the owners that changed, with what they had."""
        changed: dict[Owner, Mapping[Ref, Body]] = {}
        for owner in self._rendered.keys() - wishes.keys():
            changed[owner] = self._rendered.pop(owner)[1]
            self._states.pop(owner, None)
        for owner, wanted in wishes.items():
            known = self._rendered.get(owner)
            if known and known[0] == tuple(wanted):
                continue
            changed[owner] = known[1] if known else {}
            bodies = {r: b for wish in wanted for r, b in self._provider.render(wish).items()}
            self._rendered[owner] = (tuple(wanted), bodies)
        return changed

    async def _carry_out(
        self, todo: Sequence[Change], owners: Mapping[Ref, Owner]
    ) -> dict[Owner, State]:
        """All of them, kind by kind. Who is refused is told so, and holds up nobody else."""
        failed: dict[Owner, State] = {}
        away: list[Waiting] = []
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(change: Change) -> None:
            owner = owners.get(change.ref)
            async with slots:
                if away or owner in failed:
                    return
                try:
                    await self._one(change)
                except Waiting as error:
                    away.append(error)
                except (Stalled, CallerError) as error:
                    log.warning("refused", provider=self._name, change=str(change), why=str(error))
                    if owner:
                        failed[owner] = State(False, error.reason, error.message)

        for _, group in groupby(todo, key=lambda change: (type(change), change.ref.kind)):
            await asyncio.gather(*map(one, group))
            if away:
                raise away[0]
        return failed

    async def _one(self, change: Change) -> None:
        assert self._there is not None
        if isinstance(change, Put):
            self._there[change.ref] = await self._provider.put(change.ref, change.body)
        else:
            await self._provider.delete(change.ref)
            self._there.pop(change.ref, None)
        log.info("published", provider=self._name, change=str(change))
        if self._watcher:
            self._watcher.published(self._name, change)

    def _assess(self, owners: Collection[Owner], failed: Mapping[Owner, State]) -> None:
        assert self._there is not None
        for owner in owners:
            refs = self._rendered[owner][1]
            there = {ref: self._there[ref] for ref in refs if ref in self._there}
            why = self._provider.programmed(there)
            works = State(True) if why is None else State(False, "NotProgrammed", why)
            self._say(owner, failed.get(owner, works))

    def _say(self, owner: Owner, state: State) -> None:
        if self._states.get(owner) != state:
            self._states[owner] = state
            self._told(owner)

    def _fail(self, trouble: State) -> None:
        """Nobody knows more of anything there. All that is wanted is told so."""
        # What was under way when it went away may have happened: ask before the next change.
        self._there = None
        if self._watcher:
            self._watcher.reached(self._name, up=False)
        if self._trouble != trouble:
            log.warning(
                "provider_away", provider=self._name, reason=trouble.reason, why=trouble.message
            )
            self._trouble = trouble
            self._tell_all()

    def _recover(self) -> None:
        if self._watcher:
            self._watcher.reached(self._name, up=True)
        if self._trouble:
            log.info("provider_back", provider=self._name)
            self._trouble = None
            self._tell_all()

    def _tell_all(self) -> None:
        wishes, _ = self._wishes()
        for owner in wishes:
            self._told(owner)
