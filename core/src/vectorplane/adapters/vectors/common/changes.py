"""The check of a change of payloads, and of a facet's field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vectorplane.adapters.vectors.common.filters import check_filter
from vectorplane.adapters.vectors.common.ids import check_ids, check_one_of, shown
from vectorplane.adapters.vectors.common.jsonpath import check_path
from vectorplane.adapters.vectors.common.schema import check_payload
from vectorplane.domain.model import Index
from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import Json, PayloadChange, PointId

_COUNTABLE = ("Keyword", "Integer", "Uuid", "Bool")
"""Indexes that know their values."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of payloads that every engine can make as it is.

    `filter` names the points also where ids did: Qdrant then leaves alone those that are not there,
    where by ids it would stop in the middle of them.
    """

    kind: PayloadChange
    payload: Json
    fields: list[str]
    path: str | None
    filter: Json


def check_change(
    change: object,
    payload: object,
    fields: Sequence[object],
    path: object,
    ids: Sequence[PointId] | None,
    flt: Json | None,
) -> Change | None:
    """The change; None where it concerns no point. Raises `InvalidInput`."""
    try:
        kind = PayloadChange(change)  # type: ignore[arg-type]
    except ValueError as error:
        raise InvalidInput(
            f"one of {', '.join(PayloadChange)}, not {shown(change)}", place="change"
        ) from error
    check_one_of(ids, flt)
    if kind in (PayloadChange.SET, PayloadChange.OVERWRITE):
        check_payload(payload, "payload")
    elif payload is not None:
        raise InvalidInput(f"{kind} has no payload", place="payload")
    if (kind is PayloadChange.DELETE) != bool(fields):
        raise InvalidInput(
            "at least one field" if kind is PayloadChange.DELETE else f"{kind} has no fields",
            place="fields",
        )
    if path is not None and kind is not PayloadChange.SET:
        raise InvalidInput("only set has a path", place="path")
    named = None if ids is None else check_ids(ids, "ids")
    checked = check_filter(flt)
    if named == []:
        return None
    return Change(
        kind=kind,
        payload=payload if isinstance(payload, dict) else {},
        fields=[check_path(field, f"fields[{i}]") for i, field in enumerate(fields)],
        path=None if path is None else check_path(path, "path"),
        filter=checked or {} if named is None else {"must": [{"has_id": named}]},
    )


def check_facet(field: str, index: Index | None) -> Index:
    """The index that knows the values of a field. Raises `InvalidInput` where there is none."""
    if (
        index is None
        or index.type not in _COUNTABLE
        or (index.type == "Integer" and dict(index.params).get("lookup") is False)
    ):
        raise no_facet(field)
    return index


def no_facet(field: str) -> InvalidInput:
    return InvalidInput(
        f"{shown(field)} needs a payload index of type {', '.join(_COUNTABLE)}", place="field"
    )
