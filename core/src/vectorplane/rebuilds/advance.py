"""The copy behind a rebuild, one slice after the other.

    phase        what a slice does                                          then
    -----------  ---------------------------------------------------------  ------------------------
    Copying      every point once, from the cursor on                       CatchingUp at the end
    CatchingUp   pass 0, 2, ..: what is new or different in the source      Holding, once a pass
                 pass 1, 3, ..: what is gone from the source                finds little
    Holding      writes are held back; the last pass, counts, recall@10,    Done; CatchingUp where
                 the names move, writes go on (`switching.py`)              it took too long; Failed
    Failed       begins to catch up again                                   CatchingUp

No write is lost: one that is told to be done before the hold is in the last pass, one that comes
during the hold is refused with "come back later", and one that comes after it goes to the new
collection. What a slice has done is in the status before the next one begins, so a killed operator
goes on where it was; a hold that it leaves behind is ended by the next look's plan.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from vectorplane.domain.decisions import Rebuild
from vectorplane.domain.model import Collection, Desired, Progress
from vectorplane.errors import NotFound
from vectorplane.ports.embeddings import Embedders
from vectorplane.ports.vectors import VectorAdmin
from vectorplane.rebuilds.carrying import Carrier
from vectorplane.rebuilds.copying import Copy, page_size
from vectorplane.rebuilds.switching import switch

SLICE_SECONDS = 3.0
PASSES = 8
"""Of catching up, where writers are faster than it."""
FEW = 1000
"""Points that may be left for the last pass, or 1 % of all."""


async def advance(
    rebuild: Rebuild, desired: Desired, store: VectorAdmin, embedders: Embedders | None = None
) -> Progress:
    """One slice of a rebuild; gives how far it is now. Raises what the store raises: what was done
    then is done again."""
    source = await _described(store, rebuild.source.collection)
    target = await _described(store, rebuild.target)
    carrier = _carrier(rebuild, source, target, embedders)
    copy = Copy(
        store.points,
        rebuild.source,
        rebuild.target,
        carrier,
        page=page_size(source.settings, target.settings),
        per_second=rebuild.policy.per_second,
    )
    progress = desired.progress
    place = (source.name, target.name)
    if progress is None or (progress.source, progress.target) != place:
        total, _ = await copy.counts()
        progress = Progress(*place, total=total, started=desired.now)
    slice_ = _Slice(copy, store, target, asyncio.get_running_loop().time() + SLICE_SECONDS)
    match progress.phase:
        case "Copying":
            return await slice_.copying(progress)
        case "CatchingUp":
            return await slice_.catching_up(progress)
        case "Holding":
            return await switch(rebuild, desired, store, carrier, (source, target), progress)
        case _:
            return replace(progress, phase="CatchingUp", cursor=None, passes=0, changed=0)


@dataclass(frozen=True, slots=True)
class _Slice:
    copy: Copy
    store: VectorAdmin
    target: Collection
    until: float

    async def copying(self, progress: Progress) -> Progress:
        progress = await self.copy.first(progress, self.until)
        if progress.cursor is not None:
            return progress
        return replace(progress, phase="CatchingUp", passes=0, changed=0)

    async def catching_up(self, progress: Progress) -> Progress:
        if progress.cursor is None:
            if progress.passes == 0 and await self._indexing():
                return replace(progress, message=f"{self.target.name} is still being indexed")
            progress = replace(progress, changed=0, message="")
        of_changed = progress.passes % 2 == 0
        work = self.copy.changed if of_changed else self.copy.gone
        progress = await work(progress, self.until)
        if progress.cursor is not None:
            return progress
        progress = replace(progress, passes=progress.passes + 1)
        source, target = await self.copy.counts()
        few = max(FEW, source // 100)
        few_gone = target - source <= few
        if progress.passes >= PASSES or (of_changed and few_gone and progress.changed <= few):
            return replace(progress, phase="Holding")
        # Where few went away, the next pass looks for what is new again.
        return replace(progress, passes=progress.passes + (of_changed and few_gone))

    async def _indexing(self) -> bool:
        """Whether the target still makes its index: to serve without would be slow. Waits for it
        as long as a slice takes."""
        target: Collection | None = self.target
        while target and target.state == "yellow":
            if asyncio.get_running_loop().time() >= self.until:
                return True
            await asyncio.sleep(0.2)
            target = await self.store.describe(self.target.name)
        return False


def _carrier(
    rebuild: Rebuild, source: Collection, target: Collection, embedders: Embedders | None
) -> Carrier:
    embed = rebuild.embed
    return Carrier(
        source.settings,
        target.settings,
        tenant=rebuild.source.tenant,
        embed=embed,
        embedder=embedders(embed.model, embed.size) if embed and embedders else None,
    )


async def _described(store: VectorAdmin, collection: str) -> Collection:
    found = await store.describe(collection)
    if found is None:
        raise NotFound(f"there is no collection {collection}")
    return found
