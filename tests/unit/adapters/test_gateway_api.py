"""What stands for a wish in a cluster: names, references, and who gets through where."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorplane.adapters.gateway.gateway_api import GatewayApi, kinds
from vectorplane.adapters.gateway.gateway_api.render import Place, render
from vectorplane.domain.exposure import (
    EVERYBODY,
    Credential,
    Entry,
    Exposure,
    Owner,
    RateLimit,
    Ref,
    Wish,
)
from vectorplane.domain.model import Key
from vectorplane.spec_base import SUBDOMAIN
from vectorplane_operator.kube import FIELD_MANAGER

PLACE = Place("kong", "edge", "", "vectorplane-service", "system", 10200)
PRODUCTS = Owner("VectorCollection", Key("shop", "products"), "uid-1")
WAY = Exposure(
    PRODUCTS,
    "/shop/products",
    "/api/v1/collections/shop.products",
    readers=("r", "verifier"),
    writers=("w",),
    rate_limit=RateLimit(600, "minute"),
    max_body_bytes=4096,
    origins=("https://shop.example",),
)
WHOLE = Exposure(
    Owner("Service", Key("", "vectorplane"), "uid-0"),
    "/api/v1",
    "/api/v1",
    readers=(EVERYBODY,),
    writers=(EVERYBODY,),
)
KEY = Credential(
    Owner("VectorAccess", Key("shop", "app"), "uid-2"),
    "shop.app",
    {"Key_1": "very-secret"},
    ("vectorplane", "vectorplane.shop.products.read"),
)
Json = dict[str, Any]


def made(wish: Wish, kind: str, place: Place = PLACE) -> dict[str, Any]:
    """The objects of one kind, by name."""
    bodies: Mapping[Ref, Any] = render(wish, place)
    return {ref.id.partition("/")[2]: body for ref, body in bodies.items() if ref.kind == kind}


def plugins_of(wish: Exposure, route: str) -> dict[str, Any]:
    """The configurations that are attached to a route, by the plugins' names."""
    names = made(wish, "HTTPRoute")[route]["metadata"]["annotations"]["konghq.com/plugins"]
    there = made(wish, "KongPlugin")
    return {there[n]["plugin"]: there[n]["config"] for n in names.split(",")}


def winner(wish: Exposure, method: str, path: str) -> tuple[str, str] | None:
    """The route that takes a request, by the Gateway API's precedence, and what the service is
    asked."""
    best: tuple[tuple[int, bool], str, str] | None = None
    for name, route in made(wish, "HTTPRoute").items():
        for rule in route["spec"]["rules"]:
            (match,) = rule["matches"]
            prefix, wanted = match["path"]["value"], match.get("method")
            if wanted not in (None, method) or not f"{path}/".startswith(f"{prefix}/"):
                continue
            rank = (len(prefix), wanted is not None)
            (rewrite,) = rule.get("filters") or ({},)
            upstream = rewrite.get("urlRewrite", {}).get("path", {}).get("replacePrefixMatch")
            asked = (prefix if upstream is None else upstream) + path.removeprefix(prefix)
            if best is None or rank > best[0]:
                best = rank, name, asked
    return best and (best[1], best[2])


@pytest.mark.parametrize(
    ("method", "below", "route"),
    [
        ("GET", "", "read"),
        ("HEAD", "/points/7", "read"),
        ("OPTIONS", "/search", "read"),
        ("POST", "/search", "read"),
        ("POST", "/search/batch", "read"),
        ("POST", "/points/scroll", "read"),
        ("POST", "/points/retrieve", "read"),
        ("POST", "/points/deleted", "read"),
        ("GET", "/points/delete", "read"),
        ("PUT", "/points", "write"),
        ("PATCH", "", "write"),
        ("DELETE", "/documents/4", "write"),
        ("PUT", "/points/delete", "write"),
        ("POST", "/points/delete", "write"),
        ("POST", "/points/delete/", "write"),
        ("POST", "/points/payload", "write"),
    ],
)
def test_who_may_write_is_asked_where_something_changes(
    method: str, below: str, route: str
) -> None:
    asked = f"/api/v1/collections/shop.products{below}"
    assert winner(WAY, method, f"/shop/products{below}") == (f"vp-products-{route}", asked)


@pytest.mark.parametrize("path", ["/shop/products2", "/shop/product", "/shop", "/"])
def test_a_path_matches_by_whole_segments(path: str) -> None:
    assert winner(WAY, "GET", path) is None


def test_no_key_gets_through_without_a_group() -> None:
    reading = plugins_of(WAY, "vp-products-read")
    writing = plugins_of(WAY, "vp-products-write")
    assert reading["acl"]["allow"] == ["r", "verifier"]
    assert writing["acl"]["allow"] == ["w"]
    for attached in (reading, writing, plugins_of(WHOLE, "vps-vectorplane-read")):
        assert attached["key-auth"]["key_names"] == ["x-api-key"]
        assert attached["key-auth"]["hide_credentials"] is False
        assert attached["acl"]["allow"]


def test_what_a_request_may_cost_holds_for_both_routes() -> None:
    for route in ("vp-products-read", "vp-products-write"):
        attached = plugins_of(WAY, route)
        assert attached["rate-limiting"] == {
            "minute": 600,
            "limit_by": "consumer",
            "policy": "local",
            "fault_tolerant": True,
        }
        assert attached["request-size-limiting"]["allowed_payload_size"] == 4096
        assert attached["request-size-limiting"]["size_unit"] == "bytes"
        assert attached["cors"]["origins"] == ["https://shop.example"]
        assert {"correlation-id", "prometheus"} < attached.keys()


def test_what_is_not_asked_for_is_not_there() -> None:
    attached = plugins_of(WHOLE, "vps-vectorplane-read")
    assert attached.keys() == {"key-auth", "acl", "correlation-id", "prometheus"}


def test_the_service_as_a_whole_is_one_route_beside_it_and_owned_by_nobody() -> None:
    bodies = render(WHOLE, PLACE)
    assert {ref.kind for ref in bodies} == {"KongPlugin", "HTTPRoute"}
    assert all(ref.id.startswith("system/") for ref in bodies)
    assert not any("ownerReferences" in body["metadata"] for body in bodies.values())
    assert winner(WHOLE, "PUT", "/api/v1/collections/a.b/points") == (
        "vps-vectorplane-read",
        "/api/v1/collections/a.b/points",
    )


def test_a_route_leads_to_the_service_of_another_namespace_by_a_grant() -> None:
    (grant,) = made(WAY, "ReferenceGrant").values()
    assert grant["metadata"]["namespace"] == "system"
    assert grant["spec"]["from"][0]["namespace"] == "shop"
    assert grant["spec"]["to"] == [{"group": "", "kind": "Service", "name": "vectorplane-service"}]
    here = Place("kong", "edge", "", "vectorplane-service", "shop", 10200)
    assert not made(WAY, "ReferenceGrant", here)


def test_routes_are_attached_to_the_gateway_or_one_listener_of_it() -> None:
    for listener in ("", "https"):
        place = Place("kong", "edge", listener, "vectorplane-service", "system", 10200)
        for route in made(WAY, "HTTPRoute", place).values():
            (parent,) = route["spec"]["parentRefs"]
            assert (parent["namespace"], parent["name"]) == ("edge", "kong")
            assert parent.get("sectionName", "") == listener


def test_what_a_resource_owns_goes_with_it() -> None:
    for wish in (WAY, KEY):
        for ref, body in render(wish, PLACE).items():
            metadata = body["metadata"]
            assert metadata["labels"][kinds.UID] == wish.owner.uid
            if ref.kind == "ReferenceGrant":
                continue
            (owner,) = metadata["ownerReferences"]
            assert (owner["kind"], owner["uid"]) == (wish.owner.kind, wish.owner.uid)
            assert owner["controller"]
            assert not owner["blockOwnerDeletion"]


def test_a_consumer_has_a_secret_for_each_key_and_each_group() -> None:
    (consumer,) = made(KEY, "KongConsumer").values()
    there = made(KEY, "Secret")
    assert sorted(consumer["credentials"]) == sorted(there)
    assert (consumer["username"], consumer["custom_id"]) == ("shop.app", "uid-2")
    assert consumer["metadata"]["annotations"] == {"kubernetes.io/ingress.class": "kong"}
    said = [(s["metadata"]["labels"][kinds.CREDENTIAL], *_decoded(s)) for s in there.values()]
    assert sorted(said) == [
        ("acl", "group", "vectorplane"),
        ("acl", "group", "vectorplane.shop.products.read"),
        ("key-auth", "key", "very-secret"),
    ]


def _decoded(secret: Json) -> tuple[str, str]:
    ((field, value),) = secret["data"].items()
    return field, base64.b64decode(value).decode()


def test_no_key_shows_in_a_name() -> None:
    assert "very-secret" not in str(list(render(KEY, PLACE)))


def test_a_registry_s_entry_is_none_of_this_place() -> None:
    assert render(Entry(PRODUCTS, "n", "i", "a", 1, True), PLACE) == {}


def test_the_manager_is_the_one_that_the_operator_writes_as() -> None:
    assert kinds.MANAGER == FIELD_MANAGER


def test_the_order_has_every_kind_and_routes_last() -> None:
    assert {ref.kind for wish in (WAY, KEY) for ref in render(wish, PLACE)} == set(GatewayApi.order)
    assert GatewayApi.order[-1] == "HTTPRoute"


# Names

_LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
_ROLES = st.sampled_from(
    ["", "-read", "-write", "-readers", "-key", "-consumer", "-read-write", "x", ".a"]
)
_LONG = st.sampled_from([("a" * 60 + ".") * 5, "b" * 253, "b" * 240])
_NAMES = st.builds(lambda a, b: (a + b)[:253].rstrip("-."), _LABEL | _LONG, _ROLES)
_OWNERS = st.builds(
    Owner,
    st.sampled_from(["VectorCollection", "VectorAccess", "Service"]),
    st.builds(Key, st.sampled_from(["a", "system"]), _NAMES),
    st.uuids().map(str),
)


def _wishes(owner: Owner) -> list[Wish]:
    way = Exposure(
        owner, "/p", "/u", ("r",), ("w",), RateLimit(1, "day"), 1024, ("https://a.example",)
    )
    return [way, Credential(owner, f"{owner.kind}-{owner.key}", {"1": "k", "2": "l"}, ("g", "h"))]


@given(st.lists(_OWNERS, min_size=2, max_size=6, unique_by=lambda o: (o.kind, o.key)))
def test_names_are_valid_and_no_two_resources_meet_in_one(owners: list[Owner]) -> None:
    # Of the service there is one.
    owners = [o for i, o in enumerate(owners) if o.kind != "Service" or o.key.namespace == "system"]
    sets = [{ref for wish in _wishes(o) for ref in render(wish, PLACE)} for o in owners]
    for refs in sets:
        for ref in refs:
            _, _, name = ref.id.partition("/")
            assert len(name) <= 253, name
            assert re.fullmatch(SUBDOMAIN, name), name
    for one, other in combinations(sets, 2):
        assert not one & other


@given(_OWNERS)
def test_every_object_of_a_wish_has_a_name_of_its_own(owner: Owner) -> None:
    way, credential = _wishes(owner)
    # Six plugins for both routes and an acl for each; two keys, two groups and the consumer.
    grant = owner.kind != "Service" and owner.key.namespace != "system"
    assert len(render(way, PLACE)) == 8 + 2 + grant
    assert len(render(credential, PLACE)) == 5


def test_long_names_that_begin_alike_differ() -> None:
    first, other = ("b" * 250 + end for end in ("-1", "-2"))
    refs = [
        render(_wishes(Owner("VectorCollection", Key("a", n), n))[0], PLACE) for n in (first, other)
    ]
    assert not refs[0].keys() & refs[1].keys()
