"""Who may write: the fence that every change to a store or to the Kubernetes API passes.

The Lease says which replica leads; the fence makes sure that no other one acts. It stands open up
to a moment on this machine's monotonic clock, which goes on while the process is stopped. So one
that was paused, or cut off from the API server, finds it shut before another one has the Lease.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from vectorplane.errors import NotLeading
from vectorplane.ports.exposure import Provider
from vectorplane.ports.vectors import VectorAdmin

Clock = Callable[[], float]
"""Seconds that never go back and never stand still."""

READS = frozenset(
    "info listing describe survey tally names resolve peek retrieve scroll count search groups"
    " facet render programmed order".split()
)
"""What changes nothing in a store. `close` ends our own connection alone."""
WRITES = frozenset(
    "create update add_vector write_record create_index drop_index change_aliases drop hold release"
    " take_snapshot drop_snapshot restore_snapshot upsert delete change_payload put".split()
)
PARTS = frozenset({"points"})
"""Other halves of a store, reached through it: fenced like it."""


@dataclass(eq=False, slots=True)
class _Write:
    task: asyncio.Task[Any]
    cut: bool = False


class Fence:
    """Shut until `open` says up to when it stands open; `extend` moves that moment, `shut` ends it.

    Once it is shut, by the clock or by hand, only `open` opens it: a late `extend` does nothing.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._until = -math.inf
        self.opened = -math.inf
        """When the term of leading began that is, or was the last: a moment of the clock."""
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: set[_Write] = set()

    @property
    def held(self) -> bool:
        """Whether a write may go out now."""
        return self._clock() < self._until

    @property
    def left(self) -> float:
        """Seconds until it shuts; 0 where it is shut, infinite where no Lease is asked for."""
        return max(0.0, self._until - self._clock())

    def open(self, until: float = math.inf) -> None:
        """A term of leading begins; `until` is a moment of the fence's clock."""
        self._until, self.opened = until, self._clock()
        self._watch()

    def extend(self, until: float) -> None:
        """The term goes on; nothing happens where it is over."""
        if self.held:
            self._until = until
            self._watch()

    def shut(self) -> None:
        """Let no further write out, and cut off those under way."""
        self._until = -math.inf
        if self._timer:
            self._timer.cancel()
            self._timer = None
        for write in self._under_way:
            if not write.cut:
                write.cut = True
                write.task.cancel()

    def check(self) -> None:
        """Raises `NotLeading` where nothing may be written."""
        if not self.held:
            raise NotLeading("another replica leads, or the Lease could not be renewed in time")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around one write: checks before it, and cuts it off where the fence shuts under way, for
        it may still wait for its connection. Raises `NotLeading`; a write that was cut off may have
        happened."""
        self.check()
        task = asyncio.current_task()
        assert task
        write, others = _Write(task), task.cancelling()
        self._under_way.add(write)
        try:
            yield
        except BaseException as error:
            if not write.cut or task.uncancel() > others:
                raise
            raise NotLeading("the Lease was lost while this was being written") from error
        else:
            if write.cut:
                task.uncancel()
        finally:
            self._under_way.discard(write)

    def _watch(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self.held:
            self.shut()
        elif self.left < math.inf:
            self._timer = asyncio.get_running_loop().call_later(self.left, self._watch)


def fenced_provider(provider: Provider, fence: Fence) -> Provider:
    """The same for a gateway or a registry."""
    return cast(Provider, _Fenced(provider, fence))


def fenced(admin: VectorAdmin, fence: Fence) -> VectorAdmin:
    """The same store, each of whose writes passes the fence right before it is sent."""
    return cast(VectorAdmin, _Fenced(admin, fence))


class _Fenced:
    """Knows each method by its name: one that is in no table is refused, not let through."""

    def __init__(self, inner: object, fence: Fence) -> None:
        self._inner = inner
        self._fence = fence

    def __getattr__(self, name: str) -> Any:
        if name in WRITES:
            return self._fence_of(getattr(self._inner, name))
        if name in PARTS:
            return _Fenced(getattr(self._inner, name), self._fence)
        if name in READS or name == "close":
            return getattr(self._inner, name)
        raise AttributeError(f"{name} is neither a read nor a write that the fence knows")

    def _fence_of(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def write(*args: Any, **kwargs: Any) -> Any:
            with self._fence.writing():
                return await method(*args, **kwargs)

        return write
