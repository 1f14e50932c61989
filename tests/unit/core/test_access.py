"""Which keys there are: the tables, and what holds over any history of wishes, time and kills."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectorplane.domain.access import (
    KeyPlan,
    KeyRecord,
    KeyWish,
    Signers,
    SigningKey,
    SigningPlan,
    next_look,
    plan_keys,
    plan_signing,
    renewal,
)

READ = frozenset({"read"})
WISH = KeyWish("shop.products", READ, 90.0)
KEY = KeyRecord("a", "s1", 0.0, 90.0, "shop.products", READ)
SIGNERS = Signers("s1", frozenset({"s1", "s0"}))


def planned(
    *keys: KeyRecord,
    wish: KeyWish | None = WISH,
    signers: Signers = SIGNERS,
    lost: set[str] | None = None,
    now: float = 10.0,
) -> KeyPlan:
    held = {key.id for key in keys} - (lost or set())
    return plan_keys(wish, keys, signers, held, now)


def ids(keys: tuple[KeyRecord, ...]) -> list[str]:
    return [key.id for key in keys]


@pytest.mark.parametrize(
    ("plan", "issue", "keep", "revoke"),
    [
        (planned(), True, "", ""),
        (planned(KEY), False, "a", ""),
        (planned(wish=None), False, "", ""),
        (planned(KEY, wish=None), False, "", "a"),
        (planned(KEY, wish=replace(WISH, collection="shop.other")), True, "", "a"),
        (planned(KEY, wish=replace(WISH, permissions=frozenset({"write"}))), True, "", "a"),
        (planned(KEY, lost={"a"}), True, "", "a"),
        (planned(KEY, signers=Signers("s2", frozenset({"s2"}))), True, "", "a"),
        (planned(KEY, signers=Signers("s2", frozenset({"s1", "s2"}))), True, "a", ""),
        (planned(replace(KEY, signed_by="s0")), True, "a", ""),
        (planned(KEY, wish=replace(WISH, ttl=60.0)), True, "a", ""),
        (planned(KEY, now=59.9), False, "a", ""),
        (planned(KEY, now=60.0), True, "a", ""),
        (planned(KEY, now=90.0), True, "", ""),
        (planned(KEY, wish=None, now=90.0), False, "", ""),
        (planned(replace(KEY, id="b", issued=60, expires=150), KEY, now=70), False, "ab", ""),
        (planned(replace(KEY, id="b", expires=60), KEY), False, "ba", ""),
        (planned(KEY, replace(KEY, id="b", expires=60)), True, "ab", ""),
        (planned(replace(KEY, written=False), lost={"a"}), False, "a", ""),
        (planned(replace(KEY, written=False), lost={"a"}, wish=None), False, "", "a"),
        (
            planned(replace(KEY, id="b", issued=60, expires=150), KEY, lost={"b"}, now=70),
            True,
            "a",
            "b",
        ),
    ],
)
def test_the_table_of_keys(plan: KeyPlan, issue: bool, keep: str, revoke: str) -> None:
    assert (plan.issue, ids(plan.keep), ids(plan.revoke)) == (issue, list(keep), list(revoke))


def test_the_next_look_is_when_something_falls_due() -> None:
    newer = replace(KEY, id="b", issued=60.0, expires=150.0)
    assert next_look([], 10.0) is None
    assert next_look([KEY], 10.0) == 50.0
    assert next_look([KEY, newer], 70.0) == 20.0
    assert next_look([newer], 95.0) == 25.0
    assert next_look([KEY], 70.0) == 0.0


ONE = SigningKey("s1", 0.0, 0.0)
TWO = SigningKey("s2", 1000.0, 1000.0)


def signing(*keys: SigningKey, in_use: str = "", now: float = 500.0) -> SigningPlan:
    used = {f"s{n}" for n in in_use}
    return plan_signing(keys, used, now, period=1000.0, publish=100.0)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (signing(), SigningPlan(make=True)),
        (signing(replace(ONE, published=None)), SigningPlan()),
        # The first one signs at once: nobody knows another one.
        (signing(ONE, now=0.0), SigningPlan("s1", after=1000.0)),
        (signing(ONE), SigningPlan("s1", after=500.0)),
        (signing(ONE, now=1000.0), SigningPlan("s1", make=True)),
        (signing(ONE, replace(TWO, published=None), now=1000.0), SigningPlan("s1", after=100.0)),
        (signing(ONE, TWO, in_use="1", now=1099.0), SigningPlan("s1", after=1.0)),
        (signing(ONE, TWO, in_use="12", now=1100.0), SigningPlan("s2", after=900.0)),
        (
            signing(ONE, TWO, in_use="2", now=1200.0),
            SigningPlan("s2", drop=frozenset({"s1"}), after=800.0),
        ),
        (
            signing(ONE, TWO, in_use="12", now=2000.0),
            SigningPlan("s2", retire=frozenset({"s1"})),
        ),
        (
            signing(ONE, TWO, in_use="2", now=2000.0),
            SigningPlan("s2", make=True, drop=frozenset({"s1"})),
        ),
        # Both were published anew, or the setting grew: the one that is known for longest.
        (
            signing(replace(ONE, published=990.0), TWO, in_use="1", now=1000.0),
            SigningPlan("s1", after=100.0),
        ),
    ],
)
def test_the_table_of_signing_keys(plan: SigningPlan, expected: SigningPlan) -> None:
    assert plan == expected


@dataclass
class World:
    """Everything that outlives a kill, and the two looks as a list of writes.

    It does what the operator does in the same order; `writes` ends where the test kills it.
    """

    period: float
    publish: float
    now: float = 0.0
    wish: KeyWish | None = None
    stored: dict[str, SigningKey] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)
    records: dict[str, KeyRecord] = field(default_factory=dict)
    secret: list[str] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    made: dict[str, KeyRecord] = field(default_factory=dict)
    """Every key that ever stood in a Secret."""
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def signing(self) -> SigningPlan:
        in_use = {r.signed_by for r in self.records.values() if self.now < r.expires}
        return plan_signing(
            list(self.stored.values()), in_use, self.now, period=self.period, publish=self.publish
        )

    def signers(self) -> Signers | None:
        plan = self.signing()
        if plan.active is None:
            return None
        return Signers(plan.active, frozenset(self.stored) - plan.retire - plan.drop)

    def look_at_signing(self) -> Iterator[Callable[[], object]]:
        plan = self.signing()
        if plan.make or plan.drop:
            keys = {id: key for id, key in self.stored.items() if id not in plan.drop}
            if plan.make:
                id = f"s{next(self.numbers)}"
                keys[id] = SigningKey(id, self.now)
            yield lambda: setattr(self, "stored", keys)
        if self.public != set(self.stored):
            yield lambda: setattr(self, "public", set(self.stored))
        if any(key.published is None for key in self.stored.values()):
            noted = {
                id: replace(k, published=self.now if k.published is None else k.published)
                for id, k in self.stored.items()
            }
            yield lambda: setattr(self, "stored", noted)

    def look_at_access(self) -> Iterator[Callable[[], object]]:
        signers = self.signers()
        if signers is None:
            return
        held = {id for id in self.secret if id not in self.denied}
        known = {r.id: r for r in self.records.values() if r.id not in self.denied}
        plan = plan_keys(self.wish, known.values(), signers, held, self.now)
        if plan.revoke:
            yield lambda: self.denied.update(key.id for key in plan.revoke)
        keys = list(plan.keep)
        if plan.issue:
            assert self.wish
            id = f"k{next(self.numbers)}"
            w = self.wish
            made = KeyRecord(
                id, signers.active, self.now, self.now + w.ttl, w.collection, w.permissions, False
            )
            keys.append(made)
            yield lambda: setattr(self, "records", {k.id: k for k in keys})
        if self.secret != [key.id for key in keys]:
            yield lambda: self.write_secret(keys)
        done = {k.id: replace(k, written=True) for k in keys}
        if self.records != done:
            yield lambda: setattr(self, "records", done)

    def write_secret(self, keys: list[KeyRecord]) -> None:
        self.secret = [key.id for key in keys]
        self.made |= {key.id: key for key in keys}

    def run(self, kill_after: int | None = None) -> int:
        """Looks until there is nothing to do, or so many writes; gives how many there were."""
        writes = 0
        for _ in range(50):
            before = writes
            for look in (self.look_at_signing, self.look_at_access):
                for write in look():
                    if writes == kill_after:
                        return writes
                    write()
                    writes += 1
                    self.check()
            if writes == before:
                return writes
        raise AssertionError("it never comes to rest")

    def check(self) -> None:
        """What holds at every moment, whoever was killed before."""
        assert len(self.stored) <= 2
        valid = {id: k for id, k in self.made.items() if self.good(k)}
        for key in valid.values():
            assert key.id in self.records, "no key is good that nobody remembers"
        for key in self.made.values():
            assert key.signed_by in self.public or key.id not in valid

    def good(self, key: KeyRecord) -> bool:
        """Whether the service takes it."""
        known = key.signed_by in self.public
        return self.now < key.expires and key.id not in self.denied and known

    def check_at_rest(self) -> None:
        good = {id for id, key in self.made.items() if self.good(key)}
        assert good == set(self.secret) == set(self.records)
        assert bool(self.secret) == (self.wish is not None)
        if self.wish:
            newest = self.records[self.secret[-1]]
            assert newest.expires - newest.issued == self.wish.ttl
            assert self.now < renewal(newest)
            assert self.records[self.secret[-1]].signed_by == self.signing().active
        wished = {(k.collection, k.permissions) for k in self.records.values()}
        assert wished == ({(self.wish.collection, self.wish.permissions)} if self.wish else set())
        for key in self.records.values():
            assert key.signed_by in self.public, "no valid key without a published one"
        assert self.public == set(self.stored)
        assert all(key.published is not None for key in self.stored.values())


WISHES = st.none() | st.builds(
    KeyWish,
    st.sampled_from(["shop.a", "shop.b"]),
    st.sampled_from([READ, frozenset({"read", "write"})]),
    st.sampled_from([10.0, 60.0, 600.0]),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 7.0, 41.0, 130.0, 700.0]),
        st.just("same") | WISHES,
        st.sampled_from(["", "", "lost", "foreign", "unsigned"]),
        st.none() | st.integers(0, 8),
    ),
    min_size=1,
    max_size=12,
)


@given(STEPS, st.sampled_from([50.0, 200.0, 5000.0]), st.sampled_from([0.0, 5.0, 30.0]))
@settings(max_examples=400)
def test_any_history_ends_well(
    steps: list[tuple[float, KeyWish | str | None, str, int | None]], period: float, publish: float
) -> None:
    world = World(period, publish)
    for seconds, wish, accident, kill in steps:
        world.now += seconds
        if not isinstance(wish, str):
            world.wish = wish
        if accident == "lost":
            world.secret = []
        elif accident == "foreign":
            world.secret = ["stranger", *world.secret[:-1]]
        elif accident == "unsigned":
            world.stored = {}
        world.run(kill)
    world.run()
    world.check_at_rest()
    assert world.run() == 0, "at rest there is nothing to do"


def test_each_wish_of_one_second_has_one_key() -> None:
    """Whatever their ids are: those of this world sort otherwise than they were made."""
    world = World(5000.0, 5.0)
    for ttl in (10.0, 60.0) * 8:
        world.wish = replace(WISH, ttl=ttl)
        world.run()
        world.check_at_rest()
    assert list(world.records) == [f"k{number}" for number in range(1, 17)]


@given(st.integers(0, 12), st.integers(0, 12))
def test_every_interruption_ends_in_the_same_state(first: int, second: int) -> None:
    """But for the names of keys, and what was revoked on the way."""

    def end(*kills: int) -> tuple[int, int, set[str]]:
        world = World(1000.0, 10.0, wish=WISH)
        for kill in kills:
            world.run(kill)
        world.run()
        world.check_at_rest()
        world.now += 65.0
        world.wish = replace(WISH, permissions=frozenset({"write"}))
        for kill in kills:
            world.run(kill)
        world.run()
        world.check_at_rest()
        return len(world.stored), len(world.secret), {k.collection for k in world.records.values()}

    assert end(first, second) == end()


@given(st.lists(st.sampled_from([1.0, 20.0, 31.0]), min_size=30, max_size=60))
@settings(max_examples=50)
def test_rotation_never_leaves_an_application_without_a_key(waits: list[float]) -> None:
    """Who reads the Secret anew within a third of a key's time is never refused; also while the
    signing keys are rotated."""
    world = World(400.0, 40.0, wish=KeyWish("shop.a", READ, 120.0))
    world.run()
    read, at = world.secret[-1], world.now
    for seconds in waits:
        world.now += seconds
        world.run()
        world.check_at_rest()
        assert world.good(world.made[read])
        assert len(world.secret) <= 3
        if world.now - at >= 8.0:
            read, at = world.secret[-1], world.now
