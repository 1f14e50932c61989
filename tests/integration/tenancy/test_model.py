"""Two tenants of one pool do random things with the same ids. A model is a store in memory where
each of them has a collection of its own: what a tenant sees is what its model shows, and nothing
else. A third tenant does nothing, and its points stay what they were."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.stores import ADAPTERS, COSINE
from support.tenants import INDEXES, Pool, pool
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Record
from vectorplane.domain.tenancy import TENANT_FIELD
from vectorplane.ports.vectors import (
    ById,
    Columns,
    Found,
    PayloadChange,
    Point,
    Prefetch,
    Recommend,
    Search,
    VectorPoints,
)

IDS = [0, 1, 2, "5c56c793-69f3-4fbf-87e6-c4bf54c28c26", "00000000-0000-0000-0000-000000000001"]
VECTORS = [[1.0, 0.0, 0.0, 0.0], [0.8, 0.6, 0.0, 0.0], [0.0, 0.6, 0.8, 0.0], [0.1, 0.2, 0.3, 0.4]]
EXACT = {"exact": True}

ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=3)
vectors = st.sampled_from(VECTORS)
payloads = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(0, 3),
        "kind": st.sampled_from(["a", "b", "c"]),
        "deep": st.just({"x": [{"y": 1}, {"y": 2}]}),
    },
)
conditions = st.one_of(
    st.builds(lambda n: {"key": "n", "match": {"value": n}}, st.integers(0, 3)),
    st.builds(lambda n: {"key": "n", "range": {"gte": n}}, st.integers(0, 3)),
    st.builds(
        lambda k: {"key": "kind", "match": {"any": k}}, st.sets(st.sampled_from("abc")).map(sorted)
    ),
    st.builds(lambda k: {"key": "kind", "match": {"except": [k]}}, st.sampled_from("abc")),
    st.builds(lambda i: {"has_id": i}, st.lists(st.sampled_from(IDS), max_size=3)),
    st.just({"is_empty": {"key": "n"}}),
    st.just(
        {"nested": {"key": "deep.x", "filter": {"must": [{"key": "y", "match": {"value": 2}}]}}}
    ),
)


def _clauses(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=2)
    return st.one_of(
        st.fixed_dictionaries({"must": some}),
        st.fixed_dictionaries({"should": some}),
        st.fixed_dictionaries({"must_not": some}),
        st.fixed_dictionaries({"must": some, "must_not": some}),
        st.builds(lambda c: {"min_should": {"conditions": c, "min_count": 1}}, some),
    )


filters = _clauses(st.recursive(conditions, _clauses, max_leaves=4))
which = st.one_of(st.builds(lambda i: {"ids": i}, ids), st.builds(lambda f: {"filter": f}, filters))

Act = Callable[[VectorPoints, str], Awaitable[None]]


def _upsert(points: list[tuple[Any, Any, Any]], columnar: bool) -> Act:
    given: Any = [Point(id, vector, payload) for id, vector, payload in points]
    if columnar:
        array = np.array([vector for _, vector, _ in points], dtype=np.float32)
        given = Columns([id for id, _, _ in points], {"": array}, [p for _, _, p in points])
    return lambda store, name: store.upsert(name, given)


acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(
        _upsert,
        st.lists(
            st.tuples(st.sampled_from(IDS), vectors, payloads),
            min_size=1,
            max_size=4,
            unique_by=lambda point: point[0],
        ),
        st.booleans(),
    ),
    st.builds(lambda w: lambda store, name: store.delete(name, **w), which),
    st.builds(
        lambda w, c, p: lambda store, name: store.change_payload(name, c, payload=p, **w),
        which,
        st.sampled_from([PayloadChange.SET, PayloadChange.OVERWRITE]),
        payloads,
    ),
    st.builds(
        lambda w: lambda store, name: store.change_payload(name, PayloadChange.CLEAR, **w), which
    ),
    st.builds(
        lambda w, f: (
            lambda store, name: store.change_payload(name, PayloadChange.DELETE, fields=[f], **w)
        ),
        which,
        st.sampled_from(["n", "kind", "deep.x[].y", "deep"]),
    ),
    st.builds(
        lambda w: (
            lambda store, name: store.change_payload(
                name, PayloadChange.SET, payload={"z": 1}, path="deep.more", **w
            )
        ),
        which,
    ),
)
histories = st.lists(st.tuples(st.sampled_from(["a", "b"]), acts, filters), min_size=4, max_size=12)


def seen(points: list[Found]) -> dict[Any, Any]:
    assert len({f.id for f in points}) == len(points)
    return {f.id: (f.payload, [round(float(x), 5) for x in f.vector]) for f in points}


def scores(hits: list[Found]) -> list[float]:
    return [round(hit.score or 0.0, 4) for hit in hits]


async def same(tenant: VectorPoints, model: VectorPoints, name: str, flt: dict[str, Any]) -> None:
    """Every read of the tenant gives what its model gives."""
    scrolled = [
        seen((await at.scroll(name, filter=f, limit=100, vectors=True)).points)
        for at in (tenant, model)
        for f in (None, flt)
    ]
    assert scrolled[:2] == scrolled[2:]
    held = list(scrolled[0])
    fitting = list(scrolled[1])
    assert seen(await tenant.retrieve(name, IDS, vectors=True)) == scrolled[0]
    assert await tenant.count(name, filter=flt) == len(fitting)
    searches = [
        Search(VECTORS[3], 10, filter=flt, params=EXACT),
        Search(VECTORS[1], 2, params=EXACT, payload=False),
        Search(VECTORS[1], 10, prefetch=[Prefetch(VECTORS[0], 10, filter=flt, params=EXACT)]),
        *(Search(ById(id), 10, params=EXACT) for id in held[:1]),
        *(Search(Recommend([ById(id)]), 10, filter=flt, params=EXACT) for id in held[:1]),
    ]
    found, expected = [await at.search(name, searches) for at in (tenant, model)]
    assert [scores(hits) for hits in found] == [scores(hits) for hits in expected]
    assert [{hit.id for hit in hits} for hits in found if len(hits) != 2] == [
        {hit.id for hit in hits} for hits in expected if len(hits) != 2
    ]
    facets = [dict(await at.facet(name, "kind", filter=flt, limit=100)) for at in (tenant, model)]
    assert facets[0] == facets[1]
    groups = [
        {g.key: {hit.id for hit in g.hits} for g in await at.groups(name, search, "kind", 100)}
        for at in (tenant, model)
        for search in [Search(VECTORS[3], 100, filter=flt, params=EXACT)]
    ]
    assert groups[0] == groups[1]


async def play(shared: Pool, history: list[tuple[str, Act, dict[str, Any]]]) -> None:
    model = MemoryStore()
    tenants = {}
    for base in ("a", "b", "still"):
        tenants[base] = await shared.tenant(base)
        await model.create(shared.name(base), COSINE, Record(None))
        for index in INDEXES:
            await model.create_index(shared.name(base), index)
    untouched = [Point(id, VECTORS[0], {"n": 0, "kind": "a"}) for id in IDS]
    for at, name in ((tenants["still"], ""), (model, shared.name("still"))):
        await at.upsert(name, untouched)
    for base, act, flt in history:
        name = shared.name(base)
        await act(tenants[base], name)
        await act(model, name)
        for one in ("a", "b"):
            await same(tenants[one], model, shared.name(one), flt)
    await same(tenants["still"], model, shared.name("still"), history[0][2])
    total = sum([await model.count(shared.name(base)) for base in tenants])
    everything = (await shared.stores.points.scroll(shared.physical, limit=1000)).points
    assert len(everything) == total
    assert {(f.payload or {}).get(TENANT_FIELD) for f in everything} <= {
        shared.name(base) for base in tenants
    }


@pytest.mark.parametrize("kind", ADAPTERS)
def test_each_tenant_sees_exactly_its_own(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    async def run(history: list[tuple[str, Act, dict[str, Any]]]) -> None:
        async with ADAPTERS[kind](tmp_path, request) as stores:
            await play(await pool(stores), history)

    @settings(
        max_examples=60 if kind == "memory" else 8,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(histories)
    def check(history: list[tuple[str, Act, dict[str, Any]]]) -> None:
        asyncio.run(run(history))

    check()
