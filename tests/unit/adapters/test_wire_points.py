"""What we write by hand for gRPC is what Qdrant's own classes read."""

from __future__ import annotations

import math
import uuid
from typing import Any

import numpy
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import grpc as proto
from qdrant_client.conversions.conversion import grpc_to_payload

from vectorplane.adapters.vectors.qdrant_server.wire_points import upsert_message
from vectorplane.ports.vectors import Columns, Ordering

_floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)
_ids = st.integers(0, 2**64 - 1) | st.uuids().map(str)
_sparse = st.dictionaries(st.integers(0, 2**32 - 1), _floats, min_size=1, max_size=4).map(
    lambda found: {"indices": list(found), "values": list(found.values())}
)
_dense = st.lists(_floats, min_size=1, max_size=4)
_vectors = st.dictionaries(
    _text, _dense | _sparse | st.lists(_dense, min_size=1, max_size=3), min_size=1, max_size=3
)
_points = st.dictionaries(
    _ids, st.tuples(_vectors, st.dictionaries(_text, _json, max_size=4)), max_size=4
)


def _read(vector: Any) -> Any:
    match vector.WhichOneof("vector"):
        case "sparse":
            found = vector.sparse
            return {"indices": list(found.indices), "values": list(found.values)}
        case "multi_dense":
            return [list(row.data) for row in vector.multi_dense.vectors]
        case _:
            return list(vector.dense.data)


def _all(point: Any) -> dict[str, Any]:
    if point.vectors.WhichOneof("vectors_options") == "vector":
        return {"": _read(point.vectors.vector)}
    return {name: _read(vector) for name, vector in point.vectors.vectors.vectors.items()}


def _id(point: Any) -> int | str:
    return point.id.num if point.id.WhichOneof("point_id_options") == "num" else point.id.uuid


@given(_text, _points, st.booleans(), st.none() | st.sampled_from(list(Ordering)))
def test_qdrants_classes_read_what_was_written(
    collection: str, points: Any, wait: bool, ordering: Ordering | None
) -> None:
    message = proto.UpsertPoints.FromString(
        upsert_message(collection, points, wait=wait, ordering=ordering)
    )

    assert message.collection_name == collection
    assert message.wait == wait
    assert message.HasField("ordering") == (ordering is not None)
    if ordering is not None:
        assert proto.WriteOrderingType.Name(message.ordering.type) == ordering.capitalize()
    read = {_id(point): (_all(point), grpc_to_payload(point.payload)) for point in message.points}
    assert read == points


def test_columns_are_the_same_points() -> None:
    table = numpy.arange(12, dtype=numpy.float32).reshape(3, 4)
    ids = [7, str(uuid.UUID(int=5)), 2**64 - 1]
    columns = Columns(ids, {"": table}, [{"a": 1}, None, {"b": [True, None]}])
    rows = {
        ids[0]: ({"": table[0].tolist()}, {"a": 1}),
        ids[1]: ({"": table[1].tolist()}, {}),
        ids[2]: ({"": table[2].tolist()}, {"b": [True, None]}),
    }
    named = Columns(ids, {"one": table, "two": table[:, :2]})

    assert upsert_message("c", columns, wait=True) == upsert_message("c", rows, wait=True)
    found = proto.UpsertPoints.FromString(upsert_message("c", named, wait=True)).points
    assert [_all(point)["two"] for point in found] == table[:, :2].tolist()


def test_an_integer_beyond_64_bits_is_a_float() -> None:
    message = upsert_message("c", {1: ({"": [1.0]}, {"n": 2**70})}, wait=True)

    (point,) = proto.UpsertPoints.FromString(message).points
    assert point.payload["n"].double_value == math.ldexp(1, 70)
