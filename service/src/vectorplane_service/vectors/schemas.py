"""The bodies of the flat paths: the usual ones, and the collection's name."""

from __future__ import annotations

from pydantic import Field

from vectorplane_service.points.schemas import ColumnsIn, PointIn, PointsIn
from vectorplane_service.search.schemas import SearchIn

_DESCRIPTION = "A collection's name; left out: DEFAULT_COLLECTION."


class StoreIn(PointsIn):
    """Points to write, and where."""

    collection: str | None = Field(None, max_length=255, description=_DESCRIPTION)


class StoreOneIn(PointIn):
    """One point to write, and where."""

    collection: str | None = Field(None, max_length=255, description=_DESCRIPTION)


class StoreColumnsIn(ColumnsIn):
    """Points to write by column, and where."""

    collection: str | None = Field(None, max_length=255, description=_DESCRIPTION)


class FlatSearchIn(SearchIn):
    """A search, and where."""

    collection: str | None = Field(None, max_length=255, description=_DESCRIPTION)
