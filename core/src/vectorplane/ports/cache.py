"""Kept answers, which a write makes worthless at once, whoever writes and whoever reads.

Each name (a collection's, for clients; a family of physical collections) has an epoch. An answer
is kept under the epochs that were read before its search, and found only while these are the
epochs. A writer moves the epochs before and after it writes. Between the two it leaves a mark, and
while there is one nothing is kept: so a writer that dies half-way leaves nothing that it made old.
A mark ends by itself, long after the store has forgotten the writer's call.

Every adapter passes one contract suite: `tests/contract/test_cache.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vectorplane.errors import Waiting


class CacheUnreachable(Waiting):
    """The memory that the answers are kept in does not answer."""

    reason = "CacheUnreachable"


@dataclass(frozen=True, slots=True)
class Look:
    """What a reader finds: the answer, or the token that it may keep its own under; neither while
    somebody writes."""

    value: bytes | None
    token: bytes | None


class AnswerCache(Protocol):
    """All calls raise `CacheUnreachable` and nothing else."""

    async def look(self, names: Sequence[str], key: str) -> Look:
        """The answer kept under `key`, as good as one of now. `names` are all that it hangs on."""

    async def keep(self, key: str, token: bytes, value: bytes) -> None:
        """Keep an answer of a search that began after the look that gave `token`."""

    async def begin(self, names: Sequence[str], writer: str, seconds: float) -> None:
        """Before a write to these names. `writer` is a name that no other write has; its mark ends
        after `seconds` where no `end` comes."""

    async def end(self, names: Sequence[str], writer: str) -> None:
        """After it, and before anybody is told that it is done. Further names may have come up."""

    async def version(self) -> str:
        """What the memory says of itself; also the probe whether it answers."""

    async def close(self) -> None: ...
