"""What a wish is in Kong: objects, ids, and the order that leaves nothing open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from support.wishes import Wishes
from vectorplane.adapters.gateway.kong_admin.rendering import ORDER, Rendering
from vectorplane.domain.exposure import Body, Ref, changes
from vectorplane.errors import GatewayRejected

RENDERING = Rendering("0123456789abcdef", "http://vectorplane.svc:10200")


def _by_kind(rendered: Any) -> dict[str, list[Body]]:
    found: dict[str, list[Body]] = {}
    for ref, body in rendered.items():
        found.setdefault(ref.kind, []).append(body)
    return found


def test_a_way_is_a_service_three_routes_and_their_plugins() -> None:
    wishes = Wishes()
    wish = wishes.exposure(origins=("https://shop.example",))
    kinds = _by_kind(RENDERING.render(wish))
    (service,) = kinds["services"]
    inside = f"/api/v1/collections/{wishes.namespace}.products"
    assert (service["host"], service["port"], service["path"]) == (
        "vectorplane.svc",
        10200,
        inside,
    )
    assert service["name"] == f"vectorplane.01234567.{wishes.namespace}.products"
    assert {plugin["name"] for plugin in kinds["service-plugins"]} == {
        "key-auth",
        "acl",
        "correlation-id",
        "prometheus",
        "rate-limiting",
        "request-size-limiting",
        "cors",
    }
    routes = {route["name"].rsplit(".", 1)[1]: route for route in kinds["routes"]}
    assert set(routes) == {"read", "write", "change"}
    assert routes["write"]["methods"] == ["DELETE", "PATCH", "PUT"]
    assert sorted(plugin["name"] for plugin in kinds["route-plugins"]) == [
        "acl",
        "request-transformer",
    ]
    for kind in kinds.values():
        for body in kind:
            assert body["tags"] == [
                "cluster:0123456789abcdef",
                "managed-by:vectorplane",
                f"uid:{wish.owner.uid}",
            ]


def test_without_limits_and_sites_there_are_no_plugins_for_them() -> None:
    wish = Wishes().exposure(rate_limit=None, max_body_bytes=None)
    names = {plugin["name"] for plugin in _by_kind(RENDERING.render(wish))["service-plugins"]}
    assert names == {"key-auth", "acl", "correlation-id", "prometheus"}


def test_the_service_as_a_whole_has_one_route() -> None:
    kinds = _by_kind(RENDERING.render(Wishes().service()))
    (route,) = kinds["routes"]
    assert route["methods"] is None
    assert "route-plugins" not in kinds


def test_a_route_is_never_there_before_key_auth_and_an_acl_for_writers() -> None:
    wish = Wishes().exposure()
    rendered = RENDERING.render(wish)
    puts = changes(rendered, {}, ORDER)
    there: list[tuple[Ref, Body]] = []
    seen = 0
    for put in puts:
        there.append((put.ref, rendered[put.ref]))
        plugins = {body["name"] for ref, body in there if ref.kind == "service-plugins"}
        if put.ref.kind == "routes":
            seen += 1
            assert {"key-auth", "acl", "rate-limiting", "request-size-limiting"} <= plugins
    assert seen == 3
    (acl,) = (
        body
        for ref, body in rendered.items()
        if ref.kind == "service-plugins" and body["name"] == "acl"
    )
    assert acl["config"]["allow"] == list(wish.writers)
    gone = [change.ref.kind for change in changes({}, {r: _found(r) for r in rendered}, ORDER)]
    assert gone.index("service-plugins") > max(
        place for place, kind in enumerate(gone) if kind == "routes"
    )


def _found(ref: Ref) -> Any:
    from vectorplane.domain.exposure import Found

    return Found({"id": ref.id})


def test_a_credential_is_a_consumer_with_its_groups_and_keys() -> None:
    wishes = Wishes()
    wish = wishes.credential(keys={"1": wishes.key("a"), "2": wishes.key("b")})
    kinds = _by_kind(RENDERING.render(wish))
    (consumer,) = kinds["consumers"]
    assert (consumer["username"], consumer["custom_id"]) == (wish.username, wish.owner.uid)
    assert {acl["group"] for acl in kinds["acls"]} == set(wish.groups)
    assert {key["key"] for key in kinds["key-auths"]} == set(wish.keys.values())


def test_ids_are_the_same_each_time_and_others_for_other_owners_and_clusters() -> None:
    wish = Wishes().exposure()
    ids = {ref.id for ref in RENDERING.render(wish)}
    assert ids == {ref.id for ref in RENDERING.render(wish)}
    assert {UUID(one).version for one in ids} == {5}
    recreated = replace(wish, owner=replace(wish.owner, uid="another"))
    assert ids.isdisjoint(ref.id for ref in RENDERING.render(recreated))
    elsewhere = Rendering("another", "http://vectorplane.svc:10200")
    assert ids.isdisjoint(ref.id for ref in elsewhere.render(wish))


def test_a_path_is_quoted_in_a_regex() -> None:
    wish = Wishes().exposure(path="/shop/v1.2_x~y-z+")
    paths = {
        path for route in _by_kind(RENDERING.render(wish))["routes"] for path in route["paths"]
    }
    assert paths == {
        "/shop/v1.2_x~y-z+/",
        r"~/shop/v1\.2_x~y-z\+$",
        r"~/shop/v1\.2_x~y-z\+/points/(?<change>delete|payload)/?$",
    }


def test_an_entry_is_nothing_here() -> None:
    assert RENDERING.render(Wishes().entry()) == {}


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://a", "a", 80, "/api/v1"),
        ("https://a/", "a", 443, "/api/v1"),
        ("http://[::1]:81/inside/", "[::1]", 81, "/inside/api/v1"),
    ],
)
def test_where_the_service_is(url: str, host: str, port: int, path: str) -> None:
    (service,) = _by_kind(Rendering("c", url).render(Wishes().service()))["services"]
    assert (service["host"], service["port"], service["path"]) == (host, port, path)


@pytest.mark.parametrize("url", ["", "vectorplane:10200", "ftp://a", "http://", "http://a:99999"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(GatewayRejected):
        Rendering("c", url)
