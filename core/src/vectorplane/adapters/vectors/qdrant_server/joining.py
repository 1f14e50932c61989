"""Searches that come while others are under way go to the store together, as one batch call.

A call costs more than a search, on both sides: Qdrant answers a batch of 32 in a fraction of the
time of 32 calls. A search that finds nobody under way goes at once, so one client waits for nobody.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from vectorplane.adapters.vectors.common.searches import Checked
from vectorplane.errors import VectorplaneError, Waiting
from vectorplane.ports.vectors import Found

MOST_TOGETHER = 32
"""Searches of one call, unless one caller alone brings more."""
MOST_UNDER_WAY = 2
"""Calls for one collection at a time: one is worked on while the other travels."""

Answers = list[list[Found]]
Send = Callable[[str, Sequence[Checked]], Awaitable[Answers]]


@dataclass(slots=True)
class _Caller:
    searches: Sequence[Checked]
    answer: asyncio.Future[Answers]


@dataclass(slots=True)
class _Line:
    """Who waits for one collection, and how many calls are under way."""

    waiting: list[_Caller] = field(default_factory=list)
    under_way: int = 0


class Joiner:
    """Sends searches by `send`, joined per collection. Each caller gets its own answers or error:
    a call that the store refuses is made again for each caller alone, so one bad search spoils no
    other. A store that does not answer is not asked again for those who wait.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lines: dict[str, _Line] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def search(self, collection: str, searches: Sequence[Checked]) -> Answers:
        line = self._lines.setdefault(collection, _Line())
        if line.under_way >= MOST_UNDER_WAY:
            caller = _Caller(searches, asyncio.get_running_loop().create_future())
            line.waiting.append(caller)
            return await caller.answer
        line.under_way += 1
        try:
            return await self._send(collection, searches)
        finally:
            self._landed(collection, line)

    def _landed(self, collection: str, line: _Line) -> None:
        """The next call of a line, or its end."""
        line.under_way -= 1
        together: list[_Caller] = []
        size = 0
        while line.waiting:
            caller = line.waiting[0]
            if together and size + len(caller.searches) > MOST_TOGETHER:
                break
            line.waiting.pop(0)
            if not caller.answer.done():  # else its client went
                together.append(caller)
                size += len(caller.searches)
        if together:
            line.under_way += 1
            call = asyncio.create_task(self._call(collection, line, together))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        elif not line.under_way:
            self._lines.pop(collection, None)

    async def _call(self, collection: str, line: _Line, callers: list[_Caller]) -> None:
        try:
            try:
                await self._answer(collection, callers)
            except Waiting as error:
                _fail(callers + line.waiting, error)
                line.waiting.clear()
            except VectorplaneError as error:
                if len(callers) == 1:
                    _fail(callers, error)
                else:
                    await self._each_alone(collection, callers)
        except BaseException as error:
            _fail(callers, error)
            raise
        finally:
            self._landed(collection, line)

    async def _each_alone(self, collection: str, callers: list[_Caller]) -> None:
        for caller in callers:
            try:
                await self._answer(collection, [caller])
            except VectorplaneError as error:
                _fail([caller], error)

    async def _answer(self, collection: str, callers: list[_Caller]) -> None:
        searches = [search for caller in callers for search in caller.searches]
        answers = iter(await self._send(collection, searches))
        for caller in callers:
            own = [next(answers) for _ in caller.searches]
            if not caller.answer.done():
                caller.answer.set_result(own)


def _fail(callers: list[_Caller], error: BaseException) -> None:
    for caller in callers:
        if caller.answer.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            caller.answer.cancel()
        else:
            caller.answer.set_exception(copy.copy(error))
