"""Resources as people read them: the columns of `kubectl get vcol`, JSON and YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from vectorplane.domain.status import READY, condition_of
from vectorplane_service.local.records import Document, Stored

Row = Mapping[str, str]


def table(stored: Sequence[Stored], *, serving: bool, wide: bool, now: datetime) -> list[str]:
    """Lines, aligned. What nothing serves shows no endpoint."""
    rows = [_row(one, serving, now) for one in stored]
    columns = ["NAMESPACE", "NAME", "READY", "REASON", "POINTS", "STORE", "ENDPOINT", "AGE"]
    if wide:
        columns += ["COLLECTION", "SOURCE", "MESSAGE"]
    widths = {c: max(len(c), *(len(row[c]) for row in rows)) for c in columns}
    lines = [{c: c for c in columns}, *rows]
    return ["   ".join(row[c].ljust(widths[c]) for c in columns).rstrip() for row in lines]


def as_json(documents: Sequence[Document], one: bool) -> str:
    return json.dumps(_object(documents, one), indent=2, ensure_ascii=False)


def as_yaml(documents: Sequence[Document], one: bool) -> str:
    text: str = yaml.safe_dump(_object(documents, one), sort_keys=False, allow_unicode=True)
    return text.rstrip("\n")


def age(created: str, now: datetime) -> str:
    """How long ago, as kubectl shows it: 42s, 3m, 5h, 2d."""
    try:
        seconds = int((now - datetime.fromisoformat(created)).total_seconds())
    except (ValueError, TypeError):
        return "<unknown>"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{max(seconds, 0)}s"


def _object(documents: Sequence[Document], one: bool) -> Any:
    if one and len(documents) == 1:
        return documents[0]
    return {"apiVersion": "v1", "kind": "List", "items": list(documents)}


def _row(stored: Stored, serving: bool, now: datetime) -> Row:
    resource = stored.resource
    ready = condition_of(resource.status, READY)
    collection = resource.status.get("collection") or {}
    return {
        "NAMESPACE": resource.key.namespace,
        "NAME": resource.key.name,
        "READY": _shown(ready.get("status")),
        "REASON": "Deleting" if resource.deleting else _shown(ready.get("reason")),
        "POINTS": _shown(collection.get("points")),
        "STORE": _shown(resource.status.get("store")),
        "ENDPOINT": _shown(resource.status.get("endpoint")) if serving else "",
        "AGE": age(resource.created, now.astimezone(UTC)),
        "COLLECTION": _shown(collection.get("physical")),
        "SOURCE": stored.source.file if stored.source else "",
        "MESSAGE": _shown(ready.get("message")),
    }


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
