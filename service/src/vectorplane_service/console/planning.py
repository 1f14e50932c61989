"""The plan of a manifest that somebody pasted into the page. Nothing is changed by it.

What a plan is compared with depends on where the service runs, so it is said with every plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vectorplane.errors import InvalidInput, StoreRejected, Unsupported, Waiting

if TYPE_CHECKING:
    from vectorplane_service.local.planning import Preview
    from vectorplane_service.local.records import Wish
    from vectorplane_service.local.targets import Target

MOST_CHARACTERS = 65_536
"""Longest manifest: it is read in this process, beside the searches."""
MOST_COLLECTIONS = 50
ALONE = "Checked by itself, as the API server would. It was compared with no store."


@dataclass(frozen=True, slots=True)
class Comparison:
    """What plans are compared with: how it is opened, and what the page says of it."""

    open: Callable[[], AbstractAsyncContextManager[Target]]
    words: str


class Planner:
    """Plans manifests, one at a time. Without a comparison it only checks them."""

    def __init__(self, comparison: Comparison | None) -> None:
        self._comparison = comparison
        self._turn = asyncio.Lock()

    async def plan(self, manifest: str) -> dict[str, Any]:
        """What would be done, by collection.

        Raises `InvalidInput` with all that is wrong with the manifest, `Waiting` where the store is
        away, and `Unsupported` where manifests cannot be read here.
        """
        async with self._turn:
            wishes, notes = await asyncio.to_thread(_read, manifest)
            if len(wishes) > MOST_COLLECTIONS:
                raise InvalidInput(f"at most {MOST_COLLECTIONS} collections", place="manifest")
            if self._comparison is None:
                planned = [_shown(str(wish.key), "valid", ()) for wish in wishes]
            else:
                planned = await self._compared(wishes, self._comparison)
        words = ALONE if self._comparison is None else self._comparison.words
        return {"compared": words, "planned": planned, "notes": notes}

    async def _compared(
        self, wishes: Sequence[Wish], comparison: Comparison
    ) -> list[dict[str, Any]]:
        from vectorplane_service.local.planning import previews

        async with comparison.open() as target:
            found = await previews(
                wishes,
                target.known,
                target.store,
                target.cluster,
                admit=target.admit,
                likely=target.likely,
            )
        return [_preview(one) for one in found]


def _read(manifest: str) -> tuple[Sequence[Wish], list[str]]:
    """The collections of a manifest, and what is said of its other documents."""
    try:
        # Not at the top: the library that evaluates rules may be missing, and few ask for a plan.
        from vectorplane.manifest import load
        from vectorplane_service.local.manifests import read_documents
    except ModuleNotFoundError as error:
        raise Unsupported(
            f"manifests cannot be checked by this service: there is no module {error.name}"
        ) from error
    documents = load(manifest)
    if not documents:
        raise InvalidInput("there is no document in it", place="manifest")
    reading = read_documents(documents)
    if reading.problem:
        raise InvalidInput(reading.problem)
    notes = [
        f"{document.kind} {document.name}: "
        + ("as it should be; only collections are planned" if document.ours else "left out")
        for document in documents
        if not (document.ours and document.kind == "VectorCollection")
    ]
    return reading.wishes, notes


def _preview(preview: Preview) -> dict[str, Any]:
    name, error = str(preview.key), preview.error
    if isinstance(error, Waiting | StoreRejected):
        # What a store says of itself is not for clients: `problems` knows what is.
        raise error
    if error is not None:
        return _shown(name, "refused", [f"! {error.reason}: {error.message}"])
    lines = [line.strip() for line in list(preview.lines())[1:]]
    if not preview.stands:
        return _shown(name, "stalled", lines)
    return _shown(name, "changes" if preview.changes else "no changes", lines)


def _shown(name: str, outcome: str, lines: Sequence[str]) -> dict[str, Any]:
    return {"name": name, "outcome": outcome, "lines": list(lines)}
