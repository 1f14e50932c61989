"""Answers kept in this process, the least used ones given up first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import count

from vectorplane.ports.cache import Look

OVERHEAD = 256
"""Bytes of an entry beside its key and its answer, roughly."""


class MemoryCache:
    """`AnswerCache` of one process. `max_bytes` bounds all answers together, `ttl` (in seconds) the
    age of each."""

    def __init__(
        self, max_bytes: int, ttl: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._clock = clock
        self._next = count(1)
        self._epochs: dict[str, int] = {}
        self._marks: dict[str, dict[str, float]] = {}
        self._kept: OrderedDict[str, tuple[bytes, bytes, float]] = OrderedDict()
        self.bytes = 0

    async def look(self, names: Sequence[str], key: str) -> Look:
        now = self._clock()
        if any([self._written(name, now) for name in names]):
            return Look(None, None)
        epochs = self._epochs
        token = b"%r" % [epochs.get(name, 0) for name in names]
        kept = self._kept.get(key)
        if kept is None:
            return Look(None, token)
        if kept[0] != token or kept[2] <= now:
            self._forget(key)
            return Look(None, token)
        self._kept.move_to_end(key)
        return Look(kept[1], token)

    def _written(self, name: str, now: float) -> bool:
        """Whether somebody writes there. Marks of those who never ended go."""
        marks = self._marks.get(name)
        if not marks:
            return False
        for writer in [writer for writer, until in marks.items() if until <= now]:
            del marks[writer]
        return bool(marks)

    async def keep(self, key: str, token: bytes, value: bytes) -> None:
        self._forget(key)
        size = len(key) + len(value) + OVERHEAD
        if size > self._max_bytes:
            return
        self._kept[key] = (token, value, self._clock() + self._ttl)
        self.bytes += size
        while self.bytes > self._max_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.bytes -= len(key) + len(kept[1]) + OVERHEAD

    async def begin(self, names: Sequence[str], writer: str, seconds: float) -> None:
        until = self._clock() + seconds
        for name in names:
            self._epochs[name] = next(self._next)
            self._marks.setdefault(name, {})[writer] = until

    async def end(self, names: Sequence[str], writer: str) -> None:
        for name in names:
            self._epochs[name] = next(self._next)
            marks = self._marks.get(name)
            if marks is not None:
                marks.pop(writer, None)
                if not marks:
                    del self._marks[name]

    async def version(self) -> str:
        return "1"

    async def close(self) -> None:
        self._kept.clear()
        self.bytes = 0
