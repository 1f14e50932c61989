"""What is made known outside: the decision, the wishes and what is said of them. All pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorplane.domain.exposure import (
    EVERYBODY,
    VERIFIER,
    Delete,
    Found,
    Put,
    RateLimit,
    Ref,
    changes,
    differs,
    groups_of,
)
from vectorplane.domain.model import Key
from vectorplane.domain.status import Condition
from vectorplane.exposure.outcome import NO_GATEWAY, Verified, exposed
from vectorplane.exposure.publishing import State
from vectorplane.exposure.verifying import Answer, judged
from vectorplane.exposure.wishes import (
    Policy,
    entries_of_service,
    entry_of,
    exposure_of,
    exposure_of_service,
    rate_limit,
    refused_paths,
    refused_services,
)
from vectorplane.ports.resources import Resource

ORDER = ("services", "routes", "plugins")
POLICY = Policy("http://gateway", "http://inside:10200", rate_limit=RateLimit(600, "minute"))
WORKS = State(True)
AWAY = State(False, "GatewayUnreachable", "no answer", away=True)
CAME = Verified(True, "Verified", "a request came through")
LOST = Verified(False, "RouteMissing", "no way")

refs = st.builds(Ref, st.sampled_from(ORDER), st.sampled_from("abcdef"))
bodies = st.dictionaries(
    st.sampled_from("xyz"),
    st.integers(0, 2) | st.lists(st.integers(0, 2), max_size=2),
    max_size=3,
)
founds = st.builds(Found, bodies, st.sampled_from(["u1", "u2"]))


def resource(name: str = "products", namespace: str = "shop", **more: Any) -> Resource:
    spec = {"vectors": [], "gateway": {"enabled": True}} | more.pop("spec", {})
    usual = {"uid": f"uid-{namespace}-{name}", "generation": 1, "created": "2026-01-01T00:00:00Z"}
    return Resource(Key(namespace, name), spec=spec, **{**usual, **more})


@given(st.dictionaries(refs, bodies), st.dictionaries(refs, founds), st.sets(st.just("u2")))
def test_what_is_carried_out_leaves_nothing_to_do(
    wanted: dict[Ref, Any], found: dict[Ref, Found], paused: set[str]
) -> None:
    todo = changes(wanted, found, ORDER, paused=paused)
    after = dict(found)
    for change in todo:
        if isinstance(change, Put):
            # A provider keeps what it is not told of, as far as it knows it.
            kept = after[change.ref].body if change.ref in after else {}
            after[change.ref] = Found({**kept, **change.body}, "u1")
        else:
            del after[change.ref]
    assert not changes(wanted, after, ORDER, paused=paused)
    assert wanted.keys() <= after.keys()
    assert all(after[r].uid in paused for r in after.keys() - wanted.keys())


@given(st.dictionaries(refs, bodies), st.dictionaries(refs, founds))
def test_deletions_come_first_and_kinds_in_order(
    wanted: dict[Ref, Any], found: dict[Ref, Found]
) -> None:
    todo = changes(wanted, found, ORDER)
    gone = [c.ref for c in todo if isinstance(c, Delete)]
    made = [c.ref for c in todo if isinstance(c, Put)]
    assert [*gone, *made] == [c.ref for c in todo]
    assert [ORDER.index(r.kind) for r in made] == sorted(ORDER.index(r.kind) for r in made)
    assert [-ORDER.index(r.kind) for r in gone] == sorted(-ORDER.index(r.kind) for r in gone)


@pytest.mark.parametrize(
    ("declared", "found", "otherwise"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": None}}, False),
        ({"a": {"b": 1}}, {"a": None}, True),
        ({"a": [1, 2]}, {"a": [2, 1]}, True),
        ({"a": [1]}, {"a": [1, 2]}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, False),
        ({"a": []}, {}, False),
        ({"a": "xy"}, {"a": ["x", "y"]}, True),
        ({"a": None}, {}, False),
    ],
)
def test_only_what_is_declared_is_compared(declared: Any, found: Any, otherwise: bool) -> None:
    assert differs(declared, found) is otherwise


def test_an_exposure_is_as_declared_or_as_the_platform_says() -> None:
    usual = exposure_of(resource(), POLICY)
    assert (usual.path, usual.upstream) == ("/shop/products", "/api/v1/collections/shop.products")
    assert usual.rate_limit == RateLimit(600, "minute")
    assert usual.readers == ("vectorplane.shop.products.read", VERIFIER)
    assert usual.writers == ("vectorplane.shop.products.write",)
    said = {"enabled": True, "path": "/shop/p", "rateLimit": {"requests": 5, "per": "second"}}
    own = exposure_of(resource(spec={"gateway": {**said, "origins": ["https://a"]}}), POLICY)
    assert (own.path, own.rate_limit, own.origins) == (
        "/shop/p",
        RateLimit(5, "second"),
        ("https://a",),
    )
    whole = exposure_of_service(POLICY, "cluster")
    assert whole.readers == whole.writers == (EVERYBODY,)


def test_the_groups_of_a_key() -> None:
    read, write = "vectorplane.shop.p.read", "vectorplane.shop.p.write"
    assert groups_of("shop.p", ["read"]) == (EVERYBODY, read)
    assert groups_of("shop.p", ["write"]) == (EVERYBODY, write)
    assert groups_of("shop.p", ["admin"]) == (EVERYBODY, read, write)


def at(path: str, name: str, created: int, **more: Any) -> Resource:
    spec = {"gateway": {"enabled": True, "path": path}}
    return resource(name, spec=spec, created=f"2026-01-0{created}T00:00:00Z", **more)


def test_paths_that_meet_are_the_oldest_ones() -> None:
    first, same, below, above = (
        at("/shop/a/b", "first", 1),
        at("/shop/a/b", "same", 2),
        at("/shop/a/b/c", "below", 3),
        at("/shop/a", "above", 4),
    )
    beside = at("/shop/a/bc", "beside", 5)
    refused = refused_paths([beside, above, below, same, first], POLICY)
    assert {k.name: t.reason for k, t in refused.items()} == {
        name: "PathConflict" for name in ("same", "below", "above")
    }
    assert "shop/first" in refused[Key("shop", "same")].message


def test_who_serves_a_path_keeps_it() -> None:
    younger = at("/shop/a", "younger", 2, status={"endpoint": "http://gateway/shop/a"})
    refused = refused_paths([at("/shop/a", "older", 1), younger], POLICY)
    assert list(refused) == [Key("shop", "older")]


@pytest.mark.parametrize("path", ["/api/v1", "/api", "/api/v1/collections/x", "/other/a", "/shop"])
def test_a_path_stays_within_its_namespace_and_off_the_api(path: str) -> None:
    (why,) = refused_paths([at(path, "a", 1)], POLICY).values()
    assert why.reason == "PathNotAllowed"
    if path.startswith("/api"):
        (why,) = refused_paths([at(path, "a", 1)], replace(POLICY, any_path=True)).values()
        assert why.reason == "PathConflict"


def test_what_goes_or_asks_for_nothing_claims_nothing() -> None:
    going = at("/shop/a", "going", 1, deleting=True)
    silent = resource("silent", spec={"gateway": {"enabled": False, "path": "/shop/a"}})
    assert not refused_paths([going, silent, at("/shop/a", "mine", 3)], POLICY)


def test_one_name_in_the_registry_is_for_one() -> None:
    discovery = {"spec": {"discovery": {"enabled": True}}}
    first = resource("c", "a-b", **discovery)
    second = resource("b-c", "a", created="2026-01-02T00:00:00Z", **discovery)
    refused = refused_services([second, first])
    assert refused.keys() == {second.key}
    assert refused[second.key].reason == "NameConflict"


def test_an_entry_says_where_and_how_it_is() -> None:
    spec = {"discovery": {"enabled": True, "tags": ["search"]}}
    ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}]}
    entry = entry_of(resource(spec=spec, status=ready), POLICY)
    assert entry is not None
    assert (entry.address, entry.port, entry.passing) == ("gateway", 80, True)
    assert entry.meta["path"] == "/shop/products"
    spec["gateway"] = {"enabled": False}
    inside = entry_of(resource(spec=spec), POLICY)
    assert inside is not None
    assert (inside.address, inside.port, inside.passing) == ("inside", 10200, False)
    assert inside.meta["path"] == "/api/v1/collections/shop.products"
    assert entry_of(resource(spec=spec), Policy()) is None
    (own,) = entries_of_service([("10.0.0.1", 10200, "pod-1")], POLICY, "cluster")
    assert (own.name, own.address, own.meta["pod"]) == ("vectorplane", "10.0.0.1", "pod-1")


def test_limits_are_read_as_they_are_written() -> None:
    assert rate_limit("600/minute") == RateLimit(600, "minute")
    assert rate_limit("") is None


def conditions(**known: Any) -> tuple[dict[str, Condition], str | None]:
    more = {"verifies": True} | known
    said = exposed(more.pop("about", resource()), endpoint="http://gateway/shop/products", **more)
    return {c.type: c for c in said.conditions}, said.trouble.reason if said.trouble else None


def was(**statuses: str) -> Resource:
    made = [
        {"type": t, "status": s, "reason": "Before", "message": "m"} for t, s in statuses.items()
    ]
    return resource(status={"conditions": made})


def test_ready_means_that_a_request_came_through() -> None:
    found, trouble = conditions(gateway=WORKS, verified=CAME)
    assert (found["GatewayProgrammed"].status, found["EndpointVerified"].status) == ("True", "True")
    assert trouble is None
    found, trouble = conditions(gateway=WORKS, verified=LOST)
    assert (found["EndpointVerified"].status, trouble) == ("False", "RouteMissing")
    found, trouble = conditions(gateway=WORKS)
    assert (found["EndpointVerified"].status, trouble) == ("Unknown", "NotVerifiedYet")


def test_without_verification_the_gateway_decides() -> None:
    found, trouble = conditions(gateway=WORKS, verifies=False)
    assert list(found) == ["GatewayProgrammed"]
    assert trouble is None
    refused = State(False, "PathConflict", "taken")
    found, trouble = conditions(gateway=refused, verifies=False)
    assert (found["GatewayProgrammed"].status, trouble) == ("False", "PathConflict")


def test_a_gateway_that_is_away_takes_nothing_back() -> None:
    found, trouble = conditions(gateway=AWAY, verified=CAME, about=was(GatewayProgrammed="True"))
    assert (found["GatewayProgrammed"].status, trouble) == ("Unknown", None)
    found, trouble = conditions(
        gateway=AWAY, verifies=False, about=was(GatewayProgrammed="Unknown")
    )
    assert (found["GatewayProgrammed"].status, trouble) == ("Unknown", None)
    found, trouble = conditions(gateway=AWAY, verifies=False)
    assert (found["GatewayProgrammed"].status, trouble) == ("False", "GatewayUnreachable")


def test_what_nobody_knows_yet_is_said_as_before() -> None:
    about = was(GatewayProgrammed="True", EndpointVerified="True")
    found, trouble = conditions(about=about)
    assert {c.reason for c in found.values()} == {"Before"}
    assert trouble is None


def test_who_asks_for_a_gateway_where_there_is_none_is_told() -> None:
    found, trouble = conditions(gateway=NO_GATEWAY)
    assert (found["GatewayProgrammed"].reason, trouble) == ("NoGateway", "NoGateway")
    assert "EndpointVerified" not in found


def test_the_registry_does_not_decide() -> None:
    about = resource(spec={"gateway": {}, "discovery": {"enabled": True}})
    found, trouble = conditions(about=about, registry=AWAY)
    assert list(found) == ["DiscoveryRegistered"]
    assert (found["DiscoveryRegistered"].status, trouble) == ("False", None)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(200), "Verified"),
        (Answer(0, error="ConnectError"), "GatewayUnreachable"),
        (Answer(401), "KeyRefused"),
        (Answer(403, problem=True), "KeyRefused"),
        (Answer(404), "RouteMissing"),
        (Answer(404, problem=True), "CollectionMissing"),
        (Answer(503), "ServiceUnavailable"),
    ],
)
def test_an_answer_says_how_far_it_came(answer: Answer, reason: str) -> None:
    verified = judged(answer, "/shop/products")
    assert (verified.reason, verified.works) == (reason, reason == "Verified")
    assert verified.message
