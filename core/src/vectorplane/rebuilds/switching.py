"""The end of a rebuild: writes are held back, the last pass and the checks are made, the names
move, and writes go on. All in one slice; see `advance.py`.

The hold is in the source's record before it begins, so whoever finds it later, after a kill, ends
it. It lasts a little longer than the move of the names: a write that had looked up the old
collection before it, and comes there after it, must still be refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from vectorplane.domain.decisions import Rebuild
from vectorplane.domain.model import Collection, Desired, Path, Progress, Value
from vectorplane.domain.policy import HOLDER, held_by, record_of
from vectorplane.errors import VectorplaneError
from vectorplane.perform import perform
from vectorplane.ports.vectors import Point, VectorAdmin
from vectorplane.rebuilds.carrying import Carrier
from vectorplane.rebuilds.checking import Sample, recall
from vectorplane.rebuilds.copying import Copy, page_size

HOLD_SECONDS = 40.0
"""The longest that writes are held back for; `VectorAdmin.hold` gives a little more."""
AFTER_SECONDS = 1.0
TRIAL_SECONDS = 1.0
UNLIMITED = 2**31 - 1
"""A write rate that no writer reaches: the server cannot be told to have none."""


async def switch(
    rebuild: Rebuild,
    desired: Desired,
    store: VectorAdmin,
    carrier: Carrier,
    sides: tuple[Collection, Collection],
    progress: Progress,
) -> Progress:
    """`sides` are the source and the target as they are now. Gives Done, Failed, or CatchingUp
    where it has to be tried again."""
    source, target = sides
    if held_by(source) not in (None, desired.marker):
        await asyncio.sleep(AFTER_SECONDS)
        return replace(progress, message="the end of another tenant's rebuild comes first")
    page = page_size(source.settings, target.settings)
    copy = Copy(store.points, rebuild.source, target.name, carrier, page=page)
    if (seconds := await _estimate(copy)) > HOLD_SECONDS:
        return _failed(
            progress,
            f"the last pass over {progress.total} points would hold writes back for about "
            f"{seconds:.0f} s, and {HOLD_SECONDS:.0f} s is the most",
        )
    record = replace(record_of(source), held=None)
    before = _strict_mode(source)
    held = before | ({HOLDER: desired.marker} if rebuild.source.tenant else {})
    last = _Last(rebuild, store, carrier, sides, copy)
    retire = None
    await store.write_record(source.name, replace(record, held=held))
    try:
        async with asyncio.timeout(HOLD_SECONDS):
            await store.hold(source.name)
            problem = await last.problem()
        if not await _holds(store, source.name, held):
            return _again(progress, "somebody else ended the hold of the writes")
        if problem is None:
            await perform(rebuild.swap, store)
            retire = rebuild.retire
            await asyncio.sleep(AFTER_SECONDS)
    except TimeoutError:
        return _again(progress, f"writes were held back for {HOLD_SECONDS:.0f} s, the most")
    finally:
        with suppress(VectorplaneError):  # else the next look's plan does it
            if await _holds(store, source.name, held):
                await store.release(source.name, before)
                await store.write_record(source.name, retire or record)
    if problem:
        return _failed(progress, problem)
    await store.write_record(target.name, rebuild.final)
    return replace(progress, phase="Done", cursor=None, message=last.remarks)


class _Last:
    """The last pass and the checks, while writes are held back."""

    def __init__(
        self,
        rebuild: Rebuild,
        store: VectorAdmin,
        carrier: Carrier,
        sides: tuple[Collection, Collection],
        copy: Copy,
    ) -> None:
        self._rebuild = rebuild
        self._store = store
        self._carrier = carrier
        self._sides = sides
        self._copy = copy
        self._sample = Sample()
        self._points = 0
        self._textless = 0
        self.remarks = ""

    async def problem(self) -> str | None:
        """Why the target must not serve, or None."""
        whole = Progress(self._rebuild.source.collection, self._rebuild.target)
        await self._copy.changed(whole, seen=self._seen)
        source, target = await self._copy.counts()
        if target > source:
            await self._copy.gone(whole)
            source, target = await self._copy.counts()
        if source != target:
            return f"{source} points in the source, but {target} in the target"
        if embed := self._rebuild.embed:
            if self._textless == self._points > 0:
                return f"no point has a text in the payload field {embed.field!r}"
            if self._textless:
                self.remarks = (
                    f"points without a text in the payload field {embed.field!r}, and so without a "
                    f"vector: {self._textless}"
                )
        return await self._recall()

    def _seen(self, points: Sequence[Point]) -> None:
        self._sample.add(points)
        self._points += len(points)
        if self._rebuild.embed:
            self._textless += sum(self._carrier.text(p.payload) is None for p in points)

    async def _recall(self) -> str | None:
        source, target = self._sides
        found = await recall(
            self._store.points,
            self._rebuild.source,
            self._rebuild.target,
            (source.settings, target.settings),
            self._sample.points,
        )
        least = self._rebuild.policy.recall
        if found is None or found >= least:
            return None
        return f"recall@10 of the new collection is {found:.2f}, less than {least:.2f}"


async def _estimate(copy: Copy) -> float:
    """Seconds that the last pass will take, after a little of it."""
    loop = asyncio.get_running_loop()
    begun, looked = loop.time(), 0

    def seen(points: Sequence[Point]) -> None:
        nonlocal looked
        looked += len(points)

    await copy.changed(Progress("", ""), begun + TRIAL_SECONDS, seen)
    took = loop.time() - begun
    source, _ = await copy.counts()
    return took * source / max(1, looked)


def _strict_mode(source: Collection) -> dict[Path, Value]:
    """What a hold changes, as it is."""
    enabled, limit = ("strictMode", "enabled"), ("strictMode", "writeRateLimit")
    return {
        enabled: source.settings.get(enabled, False),
        limit: source.settings.get(limit, UNLIMITED),
    }


async def _holds(store: VectorAdmin, collection: str, held: dict[Path, Value]) -> bool:
    found = await store.describe(collection)
    return found is not None and record_of(found).held == held


def _again(progress: Progress, why: str) -> Progress:
    return replace(
        progress, phase="CatchingUp", cursor=None, passes=0, changed=0, message=f"again: {why}"
    )


def _failed(progress: Progress, why: str) -> Progress:
    return replace(progress, phase="Failed", cursor=None, message=why)
