"""Where collections are made known outside: a gateway, a registry. One small protocol for both.

A provider renders wishes into its own objects, lists those that are provably ours, and puts or
deletes one at a time. It decides nothing: `domain.exposure.changes` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from vectorplane.domain.exposure import Body, Found, Ref, Wish


class Provider(Protocol):
    """One outside place. Calls raise `Waiting` where it is away or busy, and `Stalled` where a
    person must act (it is read-only, it refuses our token, it says that an object is wrong)."""

    @property
    def order(self) -> Sequence[str]:
        """Its kinds of objects, in the order in which they are put."""
        ...

    def render(self, wish: Wish) -> Mapping[Ref, Body]:
        """The objects that a wish stands for here; none where it is not of this place. Pure, and
        the same refs each time: who was killed in between puts the same objects again."""
        ...

    async def survey(self) -> Mapping[Ref, Found]:
        """Everything here that is provably ours, by pages."""
        ...

    async def put(self, ref: Ref, body: Body) -> Found:
        """Make an object, or make it as declared. Gives it as it is now."""
        ...

    async def delete(self, ref: Ref) -> None:
        """Delete an object of ours; nothing happens where it is gone."""
        ...

    def programmed(self, refs: Mapping[Ref, Found]) -> str | None:
        """Why the objects of one wish, as they were found, do not work yet; None where they do.
        Of a place that tells no status, they do once they are there."""
        ...

    async def close(self) -> None: ...
