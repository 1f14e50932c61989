"""Changes of payloads as the engine's own operations."""

from __future__ import annotations

import qdrant_edge as edge

from vectorplane.adapters.vectors.common.changes import Change
from vectorplane.adapters.vectors.qdrant_embedded.filters import edge_filter
from vectorplane.ports.vectors import PayloadChange


def edge_change(change: Change) -> edge.UpdateOperation:
    flt = edge_filter(change.filter)
    operation = edge.UpdateOperation
    match change.kind:
        case PayloadChange.SET:
            return operation.set_payload_by_filter(flt, change.payload, change.path)
        case PayloadChange.OVERWRITE:
            return operation.overwrite_payload_by_filter(flt, change.payload)
        case PayloadChange.DELETE:
            return operation.delete_payload_by_filter(flt, change.fields)
        case PayloadChange.CLEAR:
            return operation.clear_payload_by_filter(flt)
