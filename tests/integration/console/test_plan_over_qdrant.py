"""The plan of the service as it runs in a cluster: compared with a real Qdrant, and with no
Kubernetes."""

from __future__ import annotations

from uuid import uuid4

import pytest

from support.local import manifest
from support.qdrant import QdrantServer
from support.serving import SIZE, running, settings
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.domain.model import Owner, Record
from vectorplane_service.main import COMPARED, application

pytestmark = pytest.mark.anyio


async def test_a_manifest_is_compared_with_what_qdrant_holds(qdrant: QdrantServer) -> None:
    space = f"console-{uuid4().hex[:8]}"
    admin = QdrantAdmin(qdrant.url, qdrant.api_key)
    physical = f"{space}.products_1"
    try:
        owner = Owner(str(uuid4()), space, "products", "test")
        await admin.create(physical, SIZE, Record(owner))
        await admin.change_aliases({f"{space}.products": physical}, frozenset())
        app = application(settings(qdrant_url=qdrant.url, qdrant_api_key=qdrant.api_key))
        sent = manifest(namespace=space, size=8) + manifest("orders", namespace=space)
        async with running(app) as client:
            answer = await client.post("/console/plan", json={"manifest": sent})
            assert answer.status_code == 200, answer.text
        products, orders = answer.json()["planned"]
        assert (products["name"], products["outcome"]) == (f"{space}/products", "stalled")
        assert products["lines"][-1].startswith("! stalled: ImmutableChange: spec.vectors")
        assert orders["lines"][0].startswith(f"+ create collection {space}.orders_1")
        assert answer.json()["compared"] == COMPARED
        assert f"{space}.orders_1" not in (await admin.listing()).collections
    finally:
        await admin.drop(physical)
        await admin.close()
