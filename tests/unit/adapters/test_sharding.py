"""Which copies of shards are made and dropped, one step at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from vectorplane.adapters.vectors.qdrant_server.sharding import Shard, _steps, brief, observed
from vectorplane.domain.model import Path, Value

A = "Active"
PEERS = {1, 2, 3}


def steps(wanted: int, *copies: Mapping[int, str], moving: bool = False) -> list[dict[str, Any]]:
    shards = [Shard(n, None, c, moving) for n, c in enumerate(copies)]
    return list(_steps(shards, wanted, PEERS))


def test_a_copy_goes_to_the_peer_with_the_fewest() -> None:
    first, second = steps(2, {1: A}, {1: A})
    assert first == {"replicate_shard": {"shard_id": 0, "from_peer_id": 1, "to_peer_id": 2}}
    assert second == {"replicate_shard": {"shard_id": 1, "from_peer_id": 1, "to_peer_id": 3}}


def test_a_bad_copy_goes_first_and_a_good_one_stays() -> None:
    assert steps(1, {1: A, 2: A, 3: "Dead"}) == [{"drop_replica": {"shard_id": 0, "peer_id": 3}}]
    assert steps(1, {1: "Dead", 3: A}) == [{"drop_replica": {"shard_id": 0, "peer_id": 1}}]


@pytest.mark.parametrize("copies", [{1: "Dead"}, {1: "Dead", 2: "Partial"}])
def test_nothing_is_done_to_a_shard_without_a_good_copy(copies: dict[int, str]) -> None:
    assert steps(1, copies) == []
    assert steps(3, copies) == []


def test_a_shard_that_is_moving_is_left_alone() -> None:
    assert steps(3, {1: A}, moving=True) == []


@pytest.mark.parametrize(
    ("declared", "copies", "seen"),
    [(1, [1, 1], 1), (3, [3, 3], 3), (5, [3, 3], 5), (3, [3, 2], 2), (1, [1, 3], 3), (5, [1], 1)],
)
def test_the_factor_is_what_the_shards_have(declared: int, copies: list[int], seen: int) -> None:
    settings: dict[Path, Value] = {("replication", "factor"): declared}
    shards = [Shard(n, "eu", dict.fromkeys(range(count), A)) for n, count in enumerate(copies)]
    assert observed(settings, brief(shards), peers=3) == {
        ("replication", "factor"): seen,
        ("sharding", "keys", "eu"): True,
    }
