"""The copy behind a rebuild, slice by slice."""

from __future__ import annotations

from vectorplane.domain.decisions import Rebuild
from vectorplane.domain.model import Desired, Progress
from vectorplane.ports.vectors import VectorAdmin


async def advance(rebuild: Rebuild, desired: Desired, store: VectorAdmin) -> Progress:
    """One slice of a rebuild; gives how far it is now."""
    raise NotImplementedError
