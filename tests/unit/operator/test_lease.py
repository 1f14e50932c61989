"""The election, against an API whose answers and whose time a test has in its hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from support.kube_double import KubeDouble
from vectorplane.errors import ApiUnavailable
from vectorplane_operator.fence import Fence
from vectorplane_operator.kube import Json
from vectorplane_operator.lease import Elector, own_namespace

pytestmark = pytest.mark.anyio
PATH = "/apis/coordination.k8s.io/v1/namespaces/here/leases/operator"
THEIRS = {"holderIdentity": "them", "leaseDurationSeconds": 10, "leaseTransitions": 3}


class Clock:
    """Time goes on when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Replica:
    """One elector with its fence; `led` counts the terms that began, `ended` those that ended."""

    def __init__(
        self, api: KubeDouble, clock: Callable[[], float] | None = None, seconds: int = 10
    ):
        timed: Any = {"clock": clock} if clock else {}
        self.fence = Fence(**timed)
        self.led = self.ended = 0
        self.ending = asyncio.Event()
        self.ending.set()
        self.broken: Exception | None = None
        self.elector = Elector(
            api,
            self.fence,
            self._lead,
            namespace="here",
            name="operator",
            seconds=seconds,
            **timed,
        )

    async def try_(self) -> bool:
        await self.elector._try()
        return self.fence.held

    async def _lead(self) -> None:
        self.led += 1
        if self.broken:
            raise self.broken
        try:
            await asyncio.Event().wait()
        finally:
            await self.ending.wait()
            self.ended += 1


@pytest.fixture
def api() -> KubeDouble:
    return KubeDouble()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replica(api: KubeDouble, clock: Clock) -> Replica:
    return Replica(api, clock)


@pytest.fixture
async def leading(api: KubeDouble, replica: Replica) -> AsyncIterator[Replica]:
    """A replica in its first term."""
    assert await replica.try_()
    replica.elector._leading = True
    yield replica
    replica.fence.shut()


def spec(api: KubeDouble) -> Json:
    found: Json = api.objects[PATH]["spec"]
    return found


async def until(check: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.01)


# Acquiring


async def test_where_there_is_no_lease_it_is_made_at_once(
    api: KubeDouble, replica: Replica
) -> None:
    assert await replica.try_()
    found = spec(api)
    assert found["holderIdentity"] == replica.elector.identity
    assert found["leaseDurationSeconds"] == 10
    assert found["leaseTransitions"] == 0
    assert found["acquireTime"] == found["renewTime"]
    assert len(found["renewTime"]) == len("2026-01-01T00:00:00.000000Z")
    assert replica.fence.left == pytest.approx(6.0)


async def test_a_lease_that_was_given_back_is_taken_at_once(
    api: KubeDouble, replica: Replica
) -> None:
    api.put(PATH, spec=THEIRS | {"holderIdentity": ""})
    assert await replica.try_()
    assert spec(api)["leaseTransitions"] == 4


async def test_the_lease_of_another_runs_out_by_our_own_clock(
    api: KubeDouble, replica: Replica, clock: Clock
) -> None:
    api.put(PATH, spec=THEIRS | {"renewTime": "1999-01-01T00:00:00.000000Z"})
    assert not await replica.try_()
    clock.now += 9.9
    assert not await replica.try_()
    clock.now += 0.1
    assert await replica.try_()
    assert spec(api)["leaseTransitions"] == 4
    assert spec(api)["holderIdentity"] == replica.elector.identity


async def test_a_renewal_by_another_starts_its_time_again(
    api: KubeDouble, replica: Replica, clock: Clock
) -> None:
    api.put(PATH, spec=THEIRS | {"renewTime": "a"})
    assert not await replica.try_()
    clock.now += 9.0
    api.put(PATH, spec=THEIRS | {"renewTime": "b"})
    assert not await replica.try_()
    clock.now += 9.9
    assert not await replica.try_()
    clock.now += 0.1
    assert await replica.try_()


async def test_who_was_paused_for_long_does_not_trust_what_it_remembers(
    api: KubeDouble, replica: Replica, clock: Clock
) -> None:
    api.put(PATH, spec=THEIRS | {"renewTime": "a"})
    assert not await replica.try_()
    clock.now += 3600
    api.put(PATH, spec=THEIRS | {"renewTime": "b"})
    assert not await replica.try_()
    assert spec(api)["holderIdentity"] == "them"


async def test_the_duration_that_its_holder_wrote_is_what_counts(
    api: KubeDouble, replica: Replica, clock: Clock
) -> None:
    api.put(PATH, spec=THEIRS | {"leaseDurationSeconds": 30})
    assert not await replica.try_()
    clock.now += 29.9
    assert not await replica.try_()
    clock.now += 0.1
    assert await replica.try_()


async def test_a_lease_that_somebody_deletes_frees_nobody_early(
    api: KubeDouble, replica: Replica, clock: Clock
) -> None:
    api.put(PATH, spec=THEIRS)
    assert not await replica.try_()
    api.remove(PATH)
    clock.now += 9.9
    assert not await replica.try_()
    clock.now += 0.1
    assert await replica.try_()


@pytest.mark.parametrize("there", [False, True], ids=["create", "update"])
async def test_of_two_that_try_at_once_one_leads(
    api: KubeDouble, clock: Clock, there: bool
) -> None:
    if there:
        api.put(PATH, spec=THEIRS | {"holderIdentity": ""})
    first, second = Replica(api, clock), Replica(api, clock)
    read = asyncio.Event()

    async def get(path: str, **query: str) -> Json:
        """Both have read before one of them writes."""
        try:
            return await KubeDouble.get(api, path, **query)
        finally:
            if read.is_set():
                await asyncio.sleep(0)
            else:
                read.set()
                await asyncio.sleep(0.01)

    api.get = get  # type: ignore[method-assign]
    led = await asyncio.gather(first.try_(), second.try_())

    assert sorted(led) == [False, True]
    winner = first if led[0] else second
    assert spec(api)["holderIdentity"] == winner.elector.identity


# Renewing


async def test_a_renewal_is_one_call_and_keeps_who_and_since_when(
    api: KubeDouble, leading: Replica, clock: Clock
) -> None:
    before, calls = spec(api), len(api.calls)
    clock.now += 5
    assert await leading.try_()

    assert api.calls[calls:] == [("merge", PATH)]
    assert spec(api) == before | {"renewTime": spec(api)["renewTime"]}
    assert spec(api)["renewTime"] > before["renewTime"]
    assert leading.fence.left == pytest.approx(6.0)


async def test_the_fence_counts_from_before_the_renewal_was_sent(
    api: KubeDouble, leading: Replica, clock: Clock
) -> None:
    def slow(verb: str) -> None:
        clock.now += 2

    clock.now += 1
    api.before = slow
    assert await leading.try_()
    assert leading.fence.left == pytest.approx(4.0)


async def test_an_answer_that_comes_too_late_opens_nothing(
    api: KubeDouble, leading: Replica, clock: Clock
) -> None:
    def slow(verb: str) -> None:
        clock.now += 5.5

    clock.now += 1
    api.before = slow
    # Counted from when it was sent, 0.5 s would be left; but the term ended before it was known.
    assert not await leading.try_()


async def test_without_a_renewal_the_fence_shuts_before_the_lease_runs_out(
    api: KubeDouble, leading: Replica, clock: Clock
) -> None:
    api.failing = ApiUnavailable("away")
    clock.now += 5.9
    assert await leading.try_()
    clock.now += 0.1
    assert not await leading.try_()


async def test_a_lease_that_another_one_took_shuts_the_fence_at_once(
    api: KubeDouble, leading: Replica
) -> None:
    api.put(PATH, spec=THEIRS)
    assert not await leading.try_()
    assert spec(api)["holderIdentity"] == "them"


async def test_a_renewal_whose_answer_was_lost_is_no_loss(
    api: KubeDouble, leading: Replica, clock: Clock
) -> None:
    api.put(PATH, spec=spec(api) | {"renewTime": "ours, but we never heard"})
    clock.now += 3
    assert await leading.try_()
    assert leading.fence.left == pytest.approx(6.0)


async def test_its_own_lease_is_made_again_where_somebody_deletes_it(
    api: KubeDouble, leading: Replica, clock: Clock
) -> None:
    api.remove(PATH)
    clock.now += 3
    assert await leading.try_()
    assert spec(api)["holderIdentity"] == leading.elector.identity


# Terms


async def test_a_term_begins_and_ends_and_the_next_one_waits_for_its_end(
    api: KubeDouble,
) -> None:
    replica = Replica(api, seconds=3)
    await replica.elector.start()
    await until(lambda: replica.led == 1)
    replica.ending.clear()

    api.failing = ApiUnavailable("away")
    await until(lambda: not replica.fence.held)
    api.failing = None
    # The API is back and the Lease is still its own; but the old term has not ended.
    await asyncio.sleep(1.5)
    assert (replica.led, replica.ended, replica.fence.held) == (1, 0, False)

    replica.ending.set()
    await until(lambda: replica.led == 2)
    assert replica.fence.held
    await replica.elector.stop()
    assert (replica.led, replica.ended) == (2, 2)


async def test_a_stop_gives_the_lease_back(api: KubeDouble) -> None:
    first, second = Replica(api, seconds=10), Replica(api, seconds=10)
    await first.elector.start()
    await second.elector.start()
    await until(lambda: first.led == 1)
    await first.elector.stop()

    assert not first.fence.held
    assert spec(api)["holderIdentity"] == ""
    assert spec(api)["leaseDurationSeconds"] == 1
    assert first.ended == 1
    assert await second.try_()
    await second.elector.stop()


async def test_it_is_given_back_also_where_the_last_renewal_is_in_doubt(api: KubeDouble) -> None:
    replica = Replica(api)
    await replica.elector.start()
    api.put(PATH, spec=spec(api) | {"renewTime": "ours, but we never heard"})
    await replica.elector.stop()
    assert spec(api)["holderIdentity"] == ""


async def test_a_stop_takes_nothing_from_another_and_needs_no_api(api: KubeDouble) -> None:
    replica = Replica(api)
    await replica.elector.start()
    api.put(PATH, spec=THEIRS)
    await replica.elector.stop()
    assert spec(api) == THEIRS

    again = Replica(api)
    api.failing = ApiUnavailable("away")
    await again.elector.start()
    await again.elector.stop()
    assert again.led == 0


async def test_where_leading_breaks_another_one_may_try(api: KubeDouble) -> None:
    replica = Replica(api, seconds=1)
    replica.broken = ValueError("a bug")
    await replica.elector.start()
    await until(lambda: replica.led == 1)
    await until(lambda: api.objects[PATH]["spec"]["holderIdentity"] == "")
    assert not replica.fence.held
    replica.broken = None
    await until(lambda: replica.led > 1 and replica.fence.held)
    await replica.elector.stop()


async def test_never_two_of_many_on_an_api_that_fails_and_hangs(api: KubeDouble) -> None:
    replicas = [Replica(api, seconds=1) for _ in range(4)]
    both: list[int] = []
    terms: list[int] = []

    def look() -> None:
        held = [n for n, r in enumerate(replicas) if r.fence.held]
        if len(held) > 1:
            both.append(len(held))
        if held and terms[-1:] != held:
            terms.extend(held)

    api.before = lambda verb: look()
    for replica in replicas:
        await replica.elector.start()
    for _ in range(3):
        await until(lambda: any(r.fence.held for r in replicas))
        api.failing = ApiUnavailable("away")
        await until(lambda: not any(r.fence.held for r in replicas))
        look()
        api.failing = None
    await until(lambda: any(r.fence.held for r in replicas))
    for replica in replicas:
        await replica.elector.stop()
    assert not both
    assert terms


def test_the_namespace_is_that_of_the_pod(tmp_path: Path) -> None:
    file = tmp_path / "namespace"
    assert own_namespace(file) == "vectorplane-system"
    file.write_text("elsewhere\n")
    assert own_namespace(file) == "elsewhere"
