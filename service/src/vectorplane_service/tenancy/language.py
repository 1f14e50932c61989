"""Filters, ids, payloads and paths of a tenant, in the words that its pool is asked in.

A filter is first read by the engines' own strict reading. What comes out has one form, so nothing
in it is passed over here: every id in it is turned into the stored one, and a field of the
machinery is refused wherever it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vectorplane.adapters.vectors.common.filters import CLAUSES, check_filter
from vectorplane.adapters.vectors.common.ids import check_id, check_ids
from vectorplane.adapters.vectors.common.jsonpath import check_path, parse
from vectorplane.domain.tenancy import ID_FIELD, TENANT_FIELD, point_id
from vectorplane.errors import InvalidInput
from vectorplane.ports.vectors import Json, PointId

RESERVED = (TENANT_FIELD, ID_FIELD)


def stored_id(tenant: str, given: object, place: str) -> tuple[str, PointId]:
    """The id under which a tenant's point is stored, and the tenant's own in its one spelling.
    Raises `InvalidInput` for what is no id."""
    own = check_id(given, place)
    return point_id(tenant, own), own


def stored_ids(tenant: str, given: Sequence[object], place: str) -> dict[str, PointId]:
    """Stored id to the tenant's own, each once, in the order that they came in."""
    return {point_id(tenant, one): one for one in check_ids(given, place)}


def own_id(payload: Mapping[str, Any], stored: PointId) -> PointId:
    """The id that the tenant gave. A point that was written past the service may have none."""
    given = payload.get(ID_FIELD)
    if isinstance(given, str) or (isinstance(given, int) and not isinstance(given, bool)):
        return given
    return stored


def bound(tenant: str, filter: object, place: str = "filter") -> Json:
    """A filter that passes what the given one passes of the tenant's points, and nothing else.
    Raises `InvalidInput`."""
    checked = check_filter(filter, place)
    must: list[Json] = [{"key": TENANT_FIELD, "match": {"value": tenant}}]
    if checked:
        # A condition by itself: its should and must_not cannot reach past the tenant.
        must.append(_filter(tenant, checked, place))
    return {"must": must}


def bound_ids(tenant: str, stored: Sequence[str]) -> Json:
    """A filter for points by their stored ids, of that tenant only."""
    return {"must": [{"key": TENANT_FIELD, "match": {"value": tenant}}, {"has_id": list(stored)}]}


def _filter(tenant: str, checked: Json, place: str) -> Json:
    """A filter in its one form, with stored ids."""
    found: Json = {
        clause: [
            _condition(tenant, c, f"{place}.{clause}[{i}]") for i, c in enumerate(checked[clause])
        ]
        for clause in CLAUSES
        if clause in checked
    }
    if least := checked.get("min_should"):
        where = f"{place}.min_should.conditions"
        found["min_should"] = {
            "conditions": [
                _condition(tenant, c, f"{where}[{i}]") for i, c in enumerate(least["conditions"])
            ],
            "min_count": least["min_count"],
        }
    return found


def _condition(tenant: str, condition: Json, place: str) -> Json:
    if "key" in condition:
        check_field(condition["key"], f"{place}.key")
        return condition
    if "is_empty" in condition:
        check_field(condition["is_empty"]["key"], f"{place}.is_empty.key")
        return condition
    if "has_id" in condition:
        return {"has_id": [point_id(tenant, one) for one in condition["has_id"]]}
    if "has_vector" in condition:
        return condition
    if "nested" in condition:
        # What is inside belongs to an object within a field, and knows no ids.
        check_field(condition["nested"]["key"], f"{place}.nested.key")
        return condition
    return _filter(tenant, condition, place)


def check_field(path: object, place: str) -> None:
    """Raises `InvalidInput` for a path that reaches a field of the machinery, and for none at
    all."""
    steps = parse(check_path(path, place))
    assert steps
    if steps[0] in RESERVED:
        raise _reserved(str(steps[0]), place)


def check_payload(payload: object, place: str) -> None:
    """Raises `InvalidInput` for a payload with a field of the machinery. What is no payload at all
    is the store's to refuse."""
    if isinstance(payload, Mapping):
        for field in RESERVED:
            if field in payload:
                raise _reserved(field, f"{place}.{field}")


def _reserved(field: str, place: str) -> InvalidInput:
    return InvalidInput(f"the field {field} is reserved in a tenant of a pool", place=place)
