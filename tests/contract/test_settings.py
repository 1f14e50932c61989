"""Every setting that vectorplane knows: each engine takes it, says it back, and changes it."""

from __future__ import annotations

from typing import Any

import pytest

from support.stores import COSINE, Stores
from vectorplane.adapters.vectors.common.table import INDEX_PARAMS, QUANTIZATION, ROWS, pattern
from vectorplane.crd_sources import DEFAULTS
from vectorplane.domain.model import Index, Owner, Param, Path, Record, Settings, Value
from vectorplane.domain.policy import differences, immutable, needs

pytestmark = pytest.mark.anyio

OWNED = Record(owner=Owner("uid-1", "shop", "products", "cluster-1"))

GRAPH = {
    "m": (24, 12),
    "efConstruct": (99, 101),
    "fullScanThreshold": (5000, 6000),
    "maxIndexingThreads": (1, 2),
    "onDisk": (True, False),
    "payloadM": (8, 4),
    "inlineStorage": (True, False),
}
EVERY: dict[Path, tuple[Value, Value]] = {
    ("vectors", "image", "size"): (8, 8),
    ("vectors", "image", "distance"): ("Dot", "Dot"),
    ("vectors", "image", "datatype"): ("Float16", "Float16"),
    ("vectors", "image", "onDisk"): (True, False),
    **{("vectors", "image", "hnsw", f): pair for f, pair in GRAPH.items()},
    ("vectors", "image", "quantization", "type"): ("Binary", "Turbo"),
    ("vectors", "late", "size"): (4, 4),
    ("vectors", "late", "distance"): ("Cosine", "Cosine"),
    ("vectors", "late", "multivector"): ("MaxSim", "MaxSim"),
    ("sparseVectors", "text", "modifier"): ("Idf", "Idf"),
    ("sparseVectors", "text", "onDisk"): (True, False),
    ("sparseVectors", "text", "datatype"): ("Float16", "Float16"),
    ("sparseVectors", "text", "fullScanThreshold"): (500, 600),
    **{("hnsw", f): pair for f, pair in GRAPH.items()},
    ("quantization", "type"): ("Scalar", "None"),
    ("optimizers", "deletedThreshold"): (0.3, 0.4),
    ("optimizers", "vacuumMinVectorNumber"): (200, 300),
    ("optimizers", "defaultSegmentNumber"): (2, 3),
    ("optimizers", "maxSegmentSize"): (100000, 200000),
    ("optimizers", "indexingThreshold"): (20000, 0),
    ("optimizers", "flushIntervalSec"): (6, 7),
    ("optimizers", "maxOptimizationThreads"): (1, -1),
    ("optimizers", "preventUnoptimized"): (True, False),
    ("wal", "walCapacityMb"): (16, 16),
    ("wal", "walSegmentsAhead"): (1, 1),
    ("wal", "walRetainClosed"): (2, 2),
    ("onDiskPayload",): (True, False),
    ("sharding", "number"): (2, 2),
    ("sharding", "method"): ("Auto", "Auto"),
    ("replication", "factor"): (1, 1),
    ("replication", "writeConsistencyFactor"): (1, 2),
    ("replication", "readFanOutFactor"): (1, 2),
    ("replication", "readFanOutDelayMs"): (100, 0),
    ("strictMode", "enabled"): (True, False),
    ("strictMode", "maxQueryLimit"): (1000, 2000),
    ("strictMode", "maxTimeout"): (30, 40),
    ("strictMode", "unindexedFilteringRetrieve"): (True, False),
    ("strictMode", "unindexedFilteringUpdate"): (True, False),
    ("strictMode", "searchMaxHnswEf"): (256, 512),
    ("strictMode", "searchAllowExact"): (True, False),
    ("strictMode", "searchMaxOversampling"): (2.5, 3.0),
    ("strictMode", "upsertMaxBatchsize"): (500, 600),
    ("strictMode", "searchMaxBatchsize"): (50, 60),
    ("strictMode", "maxCollectionVectorSizeBytes"): (10**12, 10**13),
    ("strictMode", "maxCollectionPayloadSizeBytes"): (10**12, 10**13),
    ("strictMode", "maxPointsCount"): (10**9, 10**10),
    ("strictMode", "readRateLimit"): (100000, 200000),
    ("strictMode", "writeRateLimit"): (100000, 200000),
    ("strictMode", "filterMaxConditions"): (100, 200),
    ("strictMode", "conditionMaxSize"): (1000, 2000),
    ("strictMode", "maxPayloadIndexCount"): (20, 30),
    ("strictMode", "maxResidentMemoryPercent"): (99, 98),
    ("strictMode", "maxDiskUsagePercent"): (99, 100),
    ("strictMode", "multivector", "late", "maxVectors"): (64, 128),
    ("strictMode", "sparse", "text", "maxLength"): (1000, 2000),
    ("metadata", "team"): ("shop", "sales"),
    ("metadata", "distance"): ("far", ""),
}
"""Every setting, with the value that a collection is made with and another one."""


def of(which: int) -> dict[Path, Value]:
    """The settings of one side, those of quantizations included."""
    chosen: dict[Path, Value] = {path: pair[which] for path, pair in EVERY.items()}
    return chosen | FIELDS[which]


FIELDS: tuple[dict[Path, Value], dict[Path, Value]] = (
    {
        ("quantization", "quantile"): 0.99,
        ("quantization", "alwaysRam"): True,
        ("vectors", "image", "quantization", "encoding"): "TwoBits",
        ("vectors", "image", "quantization", "queryEncoding"): "Scalar8Bits",
        ("vectors", "image", "quantization", "alwaysRam"): False,
    },
    {
        ("vectors", "image", "quantization", "bits"): "Bits2",
        ("vectors", "image", "quantization", "alwaysRam"): True,
    },
)


async def possible(store: Stores, settings: Settings) -> Settings:
    """What this engine can have of it."""
    can = (await store.admin.info()).capabilities
    return {p: v for p, v in settings.items() if needs(p) is None or needs(p) in can}


def test_every_setting_is_tried() -> None:
    tried = {pattern(path) for path in of(0)}
    assert set(ROWS) - tried == {("sharding", "keys", "{}")}, "shard keys need a cluster"
    changed = {p for p, pair in EVERY.items() if pair[0] != pair[1]}
    fixed = {p for p in EVERY if immutable(p)}
    assert not changed & fixed
    same = {("replication", "factor"), ("sparseVectors", "text", "modifier")}
    assert set(EVERY) - changed - fixed == same


async def test_every_setting_is_given_back(store: Stores) -> None:
    settings = await possible(store, of(0))
    name = await store.collection(settings)
    found = await store.admin.describe(name)
    assert found is not None
    assert differences(settings, found.settings) == []


async def test_every_setting_that_may_change_is_changed(store: Stores) -> None:
    name = await store.collection(await possible(store, of(0)))
    wanted = await possible(store, of(1))
    changes = {p: v for p, v in wanted.items() if not immutable(p)}
    for _ in range(2):
        await store.admin.update(name, changes)
        found = await store.admin.describe(name)
        assert found is not None
        assert differences(wanted, found.settings) == []
    back = {p: v for p, v in (await possible(store, of(0))).items() if not immutable(p)}
    await store.admin.update(name, back)
    found = await store.admin.describe(name)
    assert found is not None
    assert differences(back, found.settings) == []


@pytest.mark.parametrize("kind", QUANTIZATION)
async def test_every_quantization_with_every_field(store: Stores, kind: str) -> None:
    values: dict[str, Value] = {
        "quantile": 0.5,
        "compression": "X8",
        "encoding": "OneAndHalfBits",
        "queryEncoding": "Binary",
        "bits": "Bits1_5",
        "alwaysRam": True,
    }
    given: dict[str, Value] = {"type": kind} | {
        field: values[field] for field in QUANTIZATION[kind]
    }
    on = {
        **{("quantization", field): value for field, value in given.items()},
        **{("vectors", "", "quantization", field): value for field, value in given.items()},
    }
    name = await store.collection(COSINE | on)
    found = await store.admin.describe(name)
    assert found is not None
    assert differences(on, found.settings) == []
    off: dict[Path, Value] = {
        ("quantization", "type"): "None",
        ("vectors", "", "quantization", "type"): "None",
    }
    for change in (off, on):
        await store.admin.update(name, change)
        found = await store.admin.describe(name)
        assert found is not None
        assert differences(change, found.settings) == []


@pytest.mark.parametrize("kind", INDEX_PARAMS)
async def test_every_index_with_every_parameter(store: Stores, kind: str) -> None:
    odd: dict[str, Param] = {
        "tokenizer": "Multilingual",
        "minTokenLen": 2,
        "maxTokenLen": 15,
        "stopwords.languages": ("English", "German"),
        "stopwords.custom": ("Bücher", "books"),
        "stemmer.language": "English",
    }
    index = Index("a.b", kind, tuple((n, odd.get(n, True)) for n in INDEX_PARAMS[kind]))
    name = await store.collection()
    for _ in range(2):
        await store.admin.create_index(name, index)
        found = await store.admin.describe(name)
        assert found is not None
        assert index.matches(found.indexes["a.b"]), found.indexes["a.b"]


async def test_words_of_a_text_index_by_one_half(store: Stores) -> None:
    one = Index("a", "Text", (("stopwords.languages", ("Hinglish",)),))
    other = Index("b", "Text", (("stopwords.custom", ("der",)),))
    name = await store.collection()
    for index in (one, other):
        await store.admin.create_index(name, index)
    found = await store.admin.describe(name)
    assert found is not None
    assert one.matches(found.indexes["a"])
    assert other.matches(found.indexes["b"])


async def test_ones_own_metadata_stands_beside_the_record(store: Stores) -> None:
    assert store.metadata is not None
    team: dict[Path, Value] = {("metadata", "team"): "shop", ("metadata", "tier"): "1"}
    name = await store.collection(COSINE | team, record=OWNED)
    await store.admin.update(name, {("metadata", "team"): "sales"})
    await store.admin.write_record(name, OWNED)
    found = await store.admin.describe(name)
    assert found is not None
    assert found.record == OWNED
    assert {p: v for p, v in found.settings.items() if p[0] == "metadata"} == {
        ("metadata", "team"): "sales",
        ("metadata", "tier"): "1",
    }


async def test_what_the_documentation_says_qdrant_does_by_itself(store: Stores) -> None:
    if (await store.admin.info()).engine != "qdrant":
        pytest.skip("another engine has its own defaults")
    name = await store.collection()
    found = await store.admin.describe(name)
    assert found is not None
    shown = {
        ".".join(path): _as_said(value)
        for path, value in found.settings.items()
        if path[0] not in ("vectors", "sparseVectors")
    }
    compared = {field: DEFAULTS[field] for field in shown if field in DEFAULTS}
    # A server of several peers, or with a configuration of its own, may say otherwise.
    assert {field: shown[field] for field in compared} == compared | {"sharding.number": "1"}
    assert len(compared) >= 15


def _as_said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
