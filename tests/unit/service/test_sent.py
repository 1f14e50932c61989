"""A vector's own text is taken only where it is the text of that vector."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorplane.adapters.vectors.common.schema import Schema
from vectorplane.adapters.vectors.common.searches import check_searches
from vectorplane.adapters.vectors.qdrant_server.pointbodies import search_body
from vectorplane.adapters.vectors.qdrant_server.rest import encoded
from vectorplane.ports.vectors import Search, SentVector
from vectorplane_service.search.sent import as_sent

NUMBERS = [n / 8 for n in range(20)]

_vectors = st.lists(
    st.integers(-(2**40), 2**40) | st.floats(width=32, allow_nan=False, allow_infinity=False),
    min_size=1,
    max_size=20,
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.just('"vector":[1]'),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["vector", "a", 'vec"tor']), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(_vectors, _json, st.sampled_from([None, 1]), st.booleans())
def test_the_text_reads_as_the_vector(
    vector: list[float], filter: Any, indent: int | None, first: bool
) -> None:
    rest = {"filter": filter, "limit": 3}
    body = json.dumps(
        {"vector": vector, **rest} if first else {**rest, "vector": vector}, indent=indent
    )
    read = orjson.loads(body)["vector"]
    sent = as_sent(body.encode(), read)

    assert sent == read
    if isinstance(sent, SentVector):
        assert orjson.loads(sent.json) == read


def test_it_is_passed_on_as_it_was_written() -> None:
    text = "[" + ", ".join(f"{n:.4f}" for n in NUMBERS) + "]"
    body = f'{{"limit":3,"vector" : {text}}}'.encode()
    sent = as_sent(body, orjson.loads(body)["vector"])
    schema = Schema.of({("vectors", "", "size"): 20, ("vectors", "", "distance"): "Dot"})
    (checked,) = check_searches(schema, [Search(sent, limit=3)])

    assert text.encode() in encoded(search_body(checked))


def test_with_a_number_that_only_pythons_json_writes() -> None:
    body = orjson.dumps({"vector": NUMBERS})
    sent = as_sent(body, orjson.loads(body)["vector"])
    schema = Schema.of({("vectors", "", "size"): 20, ("vectors", "", "distance"): "Dot"})
    huge = {"must": [{"key": "n", "match": {"value": 2**63 - 1}}]}
    (checked,) = check_searches(schema, [Search(sent, limit=3, filter=huge)])
    content = search_body(checked) | {"limit": 2**70}

    assert json.loads(encoded(content))["query"] == NUMBERS


@pytest.mark.parametrize(
    "body",
    [
        '{"filter":{"vector":[1,2]},"vector":[1,2]}',
        '{"vector":["1","2"]}',
        '{"vector":[[1,2],[3,4]]}',
        '{"v\\u0065ctor":[1,2],"filter":{"vector":[[3],4]}}',
    ],
)
def test_in_doubt_it_is_written_anew(body: str) -> None:
    assert type(as_sent(body.encode(), orjson.loads(body)["vector"])) is list
