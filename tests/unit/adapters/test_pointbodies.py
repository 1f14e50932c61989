"""Points as a Qdrant server's JSON: digits from arrays, in pieces that it takes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vectorplane.adapters.vectors.common.searches import Checked, CheckedPrefetch
from vectorplane.adapters.vectors.qdrant_server.pointbodies import (
    PIECE_NUMBERS,
    column_bodies,
    search_body,
)
from vectorplane.ports.vectors import ById, Columns, Fusion, FusionMethod, Recommend, Strategy

MAX_BODY = 32 * 1024 * 1024
"""What Qdrant takes by default."""


def test_columns_are_one_batch_of_digits() -> None:
    array = np.array([[0.1, -2.0], [3.0, 4.5]], dtype=np.float32)
    [body] = column_bodies(Columns([1, 2], {"": array}, [{"a": 1}, None]))
    # The digits of a 32-bit float, not of the double that is nearest to it.
    vectors = [[0.1, -2.0], [3.0, 4.5]]
    batch = {"ids": [1, 2], "vectors": vectors, "payloads": [{"a": 1}, None]}
    assert json.loads(body) == {"batch": batch}
    [body] = column_bodies(Columns([1, 2], {"": array, "b": array}))
    assert json.loads(body)["batch"]["vectors"].keys() == {"", "b"}
    assert json.loads(body)["batch"]["payloads"] is None


def test_pieces_are_smaller_than_a_body_may_be() -> None:
    size = 1000
    rows = 2 * PIECE_NUMBERS // size + 1
    array = np.full((rows, size), -1.2345678e-30, dtype=np.float32)
    bodies = list(column_bodies(Columns(list(range(rows)), {"": array})))
    assert len(bodies) == 3
    assert max(map(len, bodies)) < MAX_BODY
    ids = [i for body in bodies for i in json.loads(body)["batch"]["ids"]]
    assert ids == list(range(rows))


def test_an_integer_of_more_than_64_bits_in_a_payload() -> None:
    array = np.array([[0.5]], dtype=np.float32)
    [body] = column_bodies(Columns([1], {"": array}, [{"big": 2**80}]))
    assert json.loads(body) == {"points": [{"id": 1, "vector": [0.5], "payload": {"big": 2**80}}]}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (ById(7), 7),
        (Fusion(FusionMethod.RRF), {"fusion": "rrf"}),
        (Fusion(FusionMethod.RRF, 60), {"rrf": {"k": 60}}),
        (Fusion(FusionMethod.DBSF), {"fusion": "dbsf"}),
        (
            Recommend([ById(1), [[1, 0]]], [[0.5]], Strategy.BEST_SCORE),
            {
                "recommend": {
                    "positive": [1, [[1.0, 0.0]]],
                    "negative": [[0.5]],
                    "strategy": "best_score",
                }
            },
        ),
    ],
)
def test_queries_in_qdrants_words(query: object, said: object) -> None:
    below = CheckedPrefetch(query, "b", 3, {"must": []}, {"exact": True}, 0.5)
    search = Checked(query, "", 2, 1, None, {}, None, True, False, (below,))
    assert search_body(search) == {
        "query": said,
        "limit": 2,
        "offset": 1,
        "with_payload": True,
        "with_vector": False,
        "prefetch": [
            {
                "query": said,
                "using": "b",
                "limit": 3,
                "filter": {"must": []},
                "params": {"exact": True},
                "score_threshold": 0.5,
            }
        ],
    }
