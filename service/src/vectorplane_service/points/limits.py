"""How much one request may ask for."""

from __future__ import annotations

from vectorplane.errors import InvalidInput
from vectorplane_service.access.dependencies import CollectionAccess


def check_size(at: CollectionAccess, size: int, place: str) -> None:
    """Points, ids or searches of one request. Raises `InvalidInput`."""
    most = at.services.settings.max_batch_size
    if not size:
        raise InvalidInput("at least one is needed", place=place)
    if size > most:
        raise InvalidInput(f"at most {most} in one request, not {size}", place=place)


def check_page(at: CollectionAccess, limit: int, *, offset: int = 0, place: str = "limit") -> None:
    """Results of one page. Raises `InvalidInput`."""
    most = at.services.settings.max_results_k
    if limit + offset > most:
        what = "limit and offset together are" if offset else "a limit is"
        raise InvalidInput(f"{what} at most {most}", place=place)
