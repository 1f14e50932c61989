"""The engines agree: the same operations, made up by Hypothesis, give the same answers on all of
them.

The memory store is compared too: a double is worth what it agrees with. Each example runs on fresh
collections. Ids, payloads and counts must be equal; scores within 1e-4; points of one score may
come in any order.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.stores import Stores
from support.twins import TOLERANCE, Twins, same
from vectorplane.domain.model import Index, Settings
from vectorplane.errors import VectorplaneError
from vectorplane.ports.vectors import Found, Point, Search

SIZE = 3


numbers = st.integers(-8, 8).map(lambda n: n / 4)
dense = st.lists(numbers, min_size=SIZE, max_size=SIZE)
# Positive, for a sum of zero is a hit to one way of searching inside an engine and none to another.
weights = st.integers(1, 8).map(lambda n: n / 4)
sparse = st.dictionaries(st.integers(0, 6), weights, min_size=1, max_size=4).map(
    lambda d: {"indices": list(d), "values": list(d.values())}
)
multi = st.lists(dense, min_size=1, max_size=3)
ids = st.integers(0, 12) | st.integers(1, 4).map(lambda n: f"00000000-0000-4000-8000-{n:012}")
words = st.sampled_from(["red", "blue", "red wine", ""])
days = st.sampled_from(["2026-01-01", "2026-01-01T12:00:00Z", "2026-01-01T14:30:00+02:00"])
scalars = (
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from([0.5, 1.0, 2.5]) | words | days
)
places = st.fixed_dictionaries({"lon": st.integers(0, 3), "lat": st.integers(0, 3)})
values = (
    scalars
    | places
    | st.lists(scalars, max_size=3)
    | st.dictionaries(st.sampled_from("xy"), scalars)
)
rows = st.lists(st.dictionaries(st.sampled_from("xy"), scalars, max_size=2), max_size=3)
payloads = st.fixed_dictionaries(
    {},
    optional={
        "a": values,
        "b": scalars,
        "sub": rows,
        "at": places | st.lists(places, max_size=2),
        "body": words | st.lists(words, max_size=2),
        "color": words | st.lists(words, max_size=2),
        "stock": st.integers(-2, 3) | st.lists(st.integers(-2, 3), max_size=2),
        "price": st.sampled_from([-1.5, 0.5, 2.5]),
        "day": days,
    },
)
# Indexes are made on these alone: of values that are not of its type an index knows nothing.
typed = st.sampled_from(["color", "stock", "price", "day", "at"])
keys = st.sampled_from(["a", "b", "sub[].x", "sub[0].y", "a.x", "a[]", "sub", "nowhere"]) | typed
bounds = st.dictionaries(
    st.sampled_from(["gt", "gte", "lt", "lte"]), st.integers(-2, 3), min_size=1, max_size=2
)
time_bounds = st.dictionaries(st.sampled_from(["gt", "lte"]), days, min_size=1, max_size=2)
matches = st.one_of(
    st.fixed_dictionaries({"value": words | st.integers(-2, 3) | st.booleans()}),
    st.fixed_dictionaries({"any": st.lists(words, max_size=3) | st.lists(st.integers(-2, 3))}),
    st.fixed_dictionaries({"except": st.lists(words, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"except": st.lists(st.integers(-2, 3), min_size=1)}),
)
# Engines agree on full text only where there is a text index: `body` has one.
texts = st.sampled_from(["red", "wine RED", "ed w", "", "win"])
text_matches = st.fixed_dictionaries({"text": texts}) | st.fixed_dictionaries({"text_any": texts})
fields = st.one_of(
    st.fixed_dictionaries({"key": keys, "match": matches}),
    st.fixed_dictionaries({"key": st.just("body"), "match": text_matches}),
    st.fixed_dictionaries({"key": keys, "range": bounds | time_bounds}),
    st.fixed_dictionaries(
        {"key": keys, "values_count": bounds.map(lambda b: {k: abs(v) for k, v in b.items()})}
    ),
    st.fixed_dictionaries({"key": keys, "is_empty": st.booleans()}),
    st.fixed_dictionaries({"key": keys, "is_null": st.booleans()}),
    st.fixed_dictionaries({"is_empty": st.fixed_dictionaries({"key": keys})}),
    st.fixed_dictionaries({"is_null": st.fixed_dictionaries({"key": keys})}),
    st.fixed_dictionaries(
        {
            "key": st.just("at"),
            "geo_radius": st.fixed_dictionaries(
                {"center": places, "radius": st.sampled_from([10, 120_000, 200_000])}
            ),
        }
    ),
)
inner = st.fixed_dictionaries(
    {"key": st.sampled_from("xy"), "match": matches}
) | st.fixed_dictionaries({"key": st.sampled_from("xy"), "range": bounds})
conditions = st.one_of(
    fields,
    st.fixed_dictionaries({"has_id": st.lists(ids, max_size=4)}),
    st.fixed_dictionaries({"has_vector": st.sampled_from(["", "late", "text"])}),
    st.fixed_dictionaries(
        {
            "nested": st.fixed_dictionaries(
                {
                    "key": st.sampled_from(["sub", "sub[]"]),
                    "filter": st.fixed_dictionaries(
                        {},
                        optional={"must": st.lists(inner, min_size=1), "must_not": st.lists(inner)},
                    ),
                }
            )
        }
    ),
)


def clauses(children: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    listed = st.lists(children, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "must": listed,
            "should": listed,
            "must_not": listed,
            "min_should": st.fixed_dictionaries(
                {"conditions": listed, "min_count": st.integers(1, 2)}
            ),
        },
    ).map(without_contradiction)


def without_contradiction(flt: dict[str, Any]) -> dict[str, Any]:
    """Not the same condition in must and must_not: with an index on its field, Qdrant 1.18 then
    forgets the second (it gives points where there can be none)."""
    must = flt.get("must", [])
    kept = [c for c in flt.get("must_not", []) if c not in must]
    return {k: v for k, v in flt.items() if k != "must_not"} | ({"must_not": kept} if kept else {})


filters = clauses(conditions | clauses(conditions).filter(bool))
distances = st.sampled_from(["Cosine", "Dot", "Euclid", "Manhattan"])
selections = st.booleans() | st.lists(st.sampled_from(["a", "sub[].x", "at.lon", "b"]), min_size=1)
searches = st.fixed_dictionaries(
    {"limit": st.integers(3, 20), "offset": st.sampled_from([0, 0, 0, 2]), "payload": selections},
    optional={"filter": filters},
) | st.fixed_dictionaries(
    {"limit": st.integers(3, 20), "score_threshold": numbers.map(lambda n: n + 0.0371)}
)
queries = st.one_of(
    st.tuples(st.just(""), dense),
    st.tuples(st.just("late"), multi),
    st.tuples(st.just("text"), sparse),
)
weighed = st.tuples(st.just("weighed"), sparse)
vectors = st.fixed_dictionaries(
    {}, optional={"": dense, "late": multi, "text": sparse, "weighed": sparse}
)
points = st.builds(Point, id=ids, vector=vectors, payload=payloads)
full = st.fixed_dictionaries({"": dense, "late": multi, "text": sparse, "weighed": sparse})
# Every example begins with enough points that a search or a filter has something to find.
crowd = st.lists(
    st.builds(Point, id=ids, vector=full, payload=payloads),
    min_size=8,
    max_size=14,
    unique_by=lambda point: point.id,
)
operations = st.one_of(
    st.tuples(st.just("upsert"), st.lists(points, min_size=1, max_size=8)),
    st.tuples(st.just("upsert"), st.lists(points, min_size=1, max_size=8)),
    st.tuples(st.just("delete"), st.lists(ids, max_size=3)),
    st.tuples(st.just("purge"), filters.filter(bool)),
    st.tuples(
        st.just("index"),
        st.sampled_from(
            [
                Index("color", "Keyword"),
                Index("stock", "Integer"),
                Index("price", "Float"),
                Index("day", "Datetime"),
                Index("at", "Geo"),
            ]
        ),
    ),
)


def shape(distance: str, late: str) -> Settings:
    return {
        ("vectors", "", "size"): SIZE,
        ("vectors", "", "distance"): distance,
        ("vectors", "late", "size"): SIZE,
        ("vectors", "late", "distance"): late,
        ("vectors", "late", "multivector"): "MaxSim",
        ("sparseVectors", "text", "modifier"): "None",
        ("sparseVectors", "weighed", "modifier"): "Idf",
    }


def _only_new(plan: list[tuple[str, Any]]) -> bool:
    if any(kind in ("delete", "purge") for kind, _ in plan):
        return False
    batches = [{p.id for p in what} for kind, what in plan if kind == "upsert"]
    return sum(map(len, batches)) == len(set().union(*batches))


async def operate(store: Stores, name: str, operation: tuple[str, Any]) -> object:
    kind, what = operation
    try:
        match kind:
            case "upsert":
                await store.points.upsert(name, what)
            case "delete":
                await store.points.delete(name, ids=what)
            case "purge":
                await store.points.delete(name, filter=what)
            case "index":
                await store.admin.create_index(name, what)
    except VectorplaneError as error:
        return type(error).__name__
    return await store.points.count(name)


async def look(store: Stores, name: str, flt: dict[str, Any]) -> tuple[object, ...]:
    page = await store.points.scroll(name, limit=4)
    rest = await store.points.scroll(name, limit=50, offset=page.next, filter=flt, vectors=True)
    return (
        page,
        [(p.id, p.payload) for p in rest.points],
        await store.points.count(name, filter=flt),
    )


@pytest.mark.timeout(600)  # a failure takes its time to become small
@settings(
    max_examples=60,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), distance=distances, late=distances)
def test_the_same_operations_give_the_same_answers(
    twins: Twins, data: st.DataObject, distance: str, late: str
) -> None:
    plan = [("upsert", data.draw(crowd, label="crowd"))]
    plan += data.draw(st.lists(operations, max_size=3), label="operations")
    flt = data.draw(filters, label="filter")
    # An engine counts a deleted or replaced vector for Idf until it is vacuumed away, so weights
    # are
    # compared only where nothing was.
    fresh = queries | weighed if _only_new(plan) else queries
    asked = data.draw(st.lists(st.tuples(fresh, searches), min_size=1, max_size=4), label="asked")
    batch = [
        Search(query=query, using=using, params={"exact": True}, **rest)
        for (using, query), rest in asked
    ]

    async def run(store: Stores) -> tuple[list[object], tuple[object, ...], list[list[Found]]]:
        async with store.passing(shape(distance, late)) as name:
            await store.admin.create_index(name, Index("body", "Text"))
            done = [await operate(store, name, operation) for operation in plan]
            seen = await look(store, name, flt)
            return done, seen, await store.points.search(name, batch)

    ours, theirs = twins.both(run)
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
    for search, left, right in zip(batch, ours[2], theirs[2], strict=True):
        if search.offset:  # ties may fall on either side of it
            assert [h.score for h in left] == pytest.approx([h.score for h in right], abs=TOLERANCE)
        else:
            same(left, right, search.limit)
    assert all(math.isfinite(h.score or 0) for hits in ours[2] for h in hits)
