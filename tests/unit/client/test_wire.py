"""Bodies: what arrays, points and ids become on the wire."""

from __future__ import annotations

import io
import uuid
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vectorplane.client import Columns, Found, Point, Sparse, as_numpy
from vectorplane.client.batching import LARGEST, batches_of, packed
from vectorplane.client.wire import (
    JSON,
    NPZ,
    columns_json,
    id_array,
    json_bytes,
    ndjson_line,
    point_json,
)
from vectorplane_service.points import npz

IDS = st.one_of(
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8, unique=True),
    st.lists(st.uuids().map(str), min_size=1, max_size=8, unique=True),
)


def read(body: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(body), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@given(IDS, st.integers(1, 5), st.data())
def test_the_service_reads_what_the_client_writes(
    ids: list[Any], size: int, data: st.DataObject
) -> None:
    numbers = st.floats(-100, 100, width=32)
    vectors = data.draw(arrays(np.float32, (len(ids), size), elements=numbers))
    payloads = [{"n": n} if n % 2 else None for n in range(len(ids))]
    found = npz.read(Columns(ids, {"": vectors, "more": vectors}, payloads).npz(), 100)
    assert found.ids == ids
    assert found.payloads == payloads
    for name in ("", "more"):
        np.testing.assert_array_equal(found.vectors[name], vectors)


def test_arrays_of_any_kind_become_rows_of_float32() -> None:
    every = np.arange(24, dtype=np.float64).reshape(4, 6)
    for array in (every, every[:, ::2], every.T, every.astype(np.float16)):
        body = read(Columns(range(len(array)), array).npz())
        assert body["vectors"].dtype == np.float32
        np.testing.assert_array_equal(body["vectors"], array.astype(np.float32))
        assert body["ids"].tolist() == list(range(len(array)))
        assert "payloads" not in body


def test_columns_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ValueError, match="2 rows for 3 ids"):
        Columns([1, 2, 3], np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"vectors\['a'\]: an array of shape"):
        Columns([1], {"a": np.zeros(4)})
    with pytest.raises(ValueError, match="payloads: 0 for 1"):
        Columns([1], np.zeros((1, 4)), [])


def test_ids_are_numbers_or_uuids() -> None:
    a, b = uuid.UUID(int=1), uuid.UUID(int=2)
    assert id_array([a, str(b)]).tolist() == [str(a), str(b)]
    assert id_array([1, 2**64 - 1]).dtype == np.uint64
    already = np.array([1, 2], dtype=np.int32)
    assert id_array(already) is already
    for wrong in ([1, str(a)], [-1], [None], [2**64], [[1]]):
        with pytest.raises(ValueError, match="ids"):
            id_array(wrong)


def test_mixed_ids_travel_as_json() -> None:
    mixed = packed(Columns([1, str(uuid.UUID(int=1))], np.ones((2, 2)), [None, {"a": 1}]))
    assert (mixed.media_type, mixed.points) == (JSON, 2)
    assert orjson.loads(mixed.body)["vectors"] == [[1, 1], [1, 1]]
    assert packed(Columns([1, 2], np.ones((2, 2)))).media_type == NPZ
    named = columns_json(Columns([1], {"a": np.ones((1, 2)), "b": np.ones((1, 1))}))
    assert orjson.loads(json_bytes(named)) == {
        "ids": [1],
        "vectors": {"a": [[1, 1]], "b": [[1]]},
    }


def test_batches_are_of_a_bearable_size() -> None:
    columns = Columns(np.arange(10), np.zeros((10, 2)), [{"n": n} for n in range(10)])
    parts = list(batches_of(columns, 4))
    assert [len(part) for part in parts] == [4, 4, 2]
    assert parts[2].payloads == [{"n": 8}, {"n": 9}]
    assert list(parts[1].ids) == [4, 5, 6, 7]
    large = Columns(range(3), np.broadcast_to(np.float32(0), (3, LARGEST // 8)))
    assert [len(part) for part in batches_of(large, 1000)] == [2, 1]


def test_points_as_json() -> None:
    point = Point(1, {"a": np.ones(2, np.float32), "s": Sparse([3], [0.5])}, {"x": None})
    assert orjson.loads(ndjson_line(point)) == {
        "id": 1,
        "vector": {"a": [1.0, 1.0], "s": {"indices": [3], "values": [0.5]}},
        "payload": {"x": None},
    }
    assert point_json({"id": 2, "text": "tea"}) == {"id": 2, "text": "tea"}
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert json_bytes({"at": at, "n": np.float32(1.5), "some": range(2)}) == (
        b'{"at":"2026-01-02T00:00:00+00:00","n":1.5,"some":[0,1]}'
    )


def test_what_json_has_no_word_for_is_said() -> None:
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="NaN or infinity"):
            point_json(Point(1, np.array([1.0, bad])))
    with pytest.raises(TypeError, match="object is not JSON"):
        json_bytes({"x": object()})


def test_vectors_come_back_as_one_array() -> None:
    found = [Found(1, vector=[1.0, 2.0]), Found(2, vector=[3.0, 4.0])]
    np.testing.assert_array_equal(as_numpy(found), np.array([[1, 2], [3, 4]], np.float32))
    named = [Found(1, vector={"a": [1.0], "s": {"indices": [1], "values": [1.0]}})]
    np.testing.assert_array_equal(as_numpy(named, "a"), np.array([[1]], np.float32))
    for name in ("", "s"):
        with pytest.raises(ValueError, match="point 1 came without"):
            as_numpy(named, name)
