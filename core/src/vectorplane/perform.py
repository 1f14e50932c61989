"""One action, carried out."""

from __future__ import annotations

from typing import assert_never

from vectorplane.domain.actions import (
    Action,
    AddVector,
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    DropCollection,
    DropIndex,
    DropSnapshot,
    PurgeTenant,
    ReleaseWrites,
    RestoreSnapshot,
    TakeSnapshot,
    UpdateCollection,
    WriteRecord,
)
from vectorplane.domain.status import Taken
from vectorplane.domain.tenancy import TENANT_FIELD
from vectorplane.ports.vectors import VectorAdmin
from vectorplane.tracing import span


async def perform(action: Action, store: VectorAdmin) -> Taken | None:
    """Take one action; gives the snapshot where that was the action."""
    with span(type(action).__name__, action=str(action)):
        return await _perform(action, store)


async def _perform(action: Action, store: VectorAdmin) -> Taken | None:
    match action:
        case CreateCollection():
            await store.create(action.collection, action.settings, action.record)
        case UpdateCollection():
            await store.update(action.collection, action.settings)
        case AddVector():
            await store.add_vector(action.collection, action.name, action.settings)
        case WriteRecord():
            await store.write_record(action.collection, action.record)
        case CreateIndex():
            await store.create_index(action.collection, action.index)
        case DropIndex():
            await store.drop_index(action.collection, action.field)
        case ChangeAliases():
            await store.change_aliases(action.point, action.drop)
        case DropCollection():
            await store.drop(action.collection)
        case ReleaseWrites():
            await store.release(action.collection, action.before)
        case PurgeTenant():
            only = {"must": [{"key": TENANT_FIELD, "match": {"value": action.tenant}}]}
            await store.points.delete(action.collection, filter=only)
        case TakeSnapshot():
            return await store.take_snapshot(action.collection)
        case DropSnapshot():
            await store.drop_snapshot(action.collection, action.snapshot)
        case RestoreSnapshot():
            await store.restore_snapshot(action.collection, action.snapshot)
        case _:
            assert_never(action)
    return None
