"""A survey of an engine in this process: there a call for each collection costs next to nothing."""

from __future__ import annotations

from vectorplane.domain.model import PARTITION, Collection
from vectorplane.domain.tenancy import TENANT_FIELD
from vectorplane.ports.vectors import Survey, VectorAdmin


class Surveyor:
    """Surveys of one engine; what did not change since the last one is the same object again."""

    def __init__(self) -> None:
        self._known: dict[str, Collection] = {}

    async def survey(self, admin: VectorAdmin) -> Survey:
        """See `VectorAdmin.survey`."""
        listing = await admin.listing()
        found: dict[str, Collection] = {}
        tenants: dict[str, int] = {}
        for name in sorted(listing.collections):
            collection = await admin.describe(name)
            if collection is None:
                continue
            known = self._known.get(name)
            found[name] = known if known is not None and known == collection else collection
            if collection.record and collection.record.tenancy == PARTITION:
                tenants |= await admin.tally(name, TENANT_FIELD)
        self._known = found
        return Survey(await admin.info(), listing, found, tenants)
