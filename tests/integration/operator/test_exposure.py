"""The whole way: a manifest, then a request of a client through Kong, with a key of its own, and an
entry in Consul. On a real Kong where there is one, else on its double; on a real Consul.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import httpx
import pytest

from support.cluster import Json, condition, wait
from support.consul import Consul
from support.controlplane import NAMESPACE, ControlPlane
from support.engines import Engine
from support.exposed import ExposedWorld, Outside, outside
from support.kong import Kong
from support.loops import LoopThread
from support.proxy import Proxy
from support.world import Operators, World

pytestmark = pytest.mark.timeout(240)
POINT = {"id": 1, "vector": [1.0, 0.0, 0.0, 0.0], "payload": {"a": 1}}
SEARCH = {"vector": [1.0, 0.0, 0.0, 0.0], "limit": 1}


@pytest.fixture(scope="module")
def around(
    engine: Engine,
    plane: ControlPlane,
    thread: LoopThread,
    gateway: Kong,
    consul: Consul,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Outside]:
    folder = tmp_path_factory.mktemp("access")
    with outside(engine, plane.cluster, thread, gateway, consul, folder) as made:
        yield made


@pytest.fixture
def world(corner: World, around: Outside) -> Iterator[ExposedWorld]:
    made = ExposedWorld(corner, around)
    yield made
    around.admin.mend()
    around.registry.mend()
    made.end()


@pytest.fixture
def shop(world: ExposedWorld, operators: Operators, around: Outside) -> ExposedWorld:
    """With the operator that these tests share at work."""
    operators.get(world.world.engine, **around.env)
    return world


def reads_alone(proxy: Proxy, since: int, last: int) -> bool:
    """Whether so many requests came since then, and the last of them were reads, all of them."""
    seen = proxy.seen[since:]
    return len(seen) >= last and all(s.method == "GET" for s in seen[-last:])


def services(world: ExposedWorld) -> dict[str, Json]:
    """What Consul has of this corner, by the collection."""
    catalog = world.around.consul.get("/v1/catalog/services")
    found = {}
    for name in catalog:
        if name.startswith(f"{world.world.namespace}-"):
            for entry in world.around.consul.get(f"/v1/health/service/{name}"):
                found[entry["Service"]["Meta"]["collection"]] = entry
    return found


def until(check: Callable[[], int], status: int, seconds: float = 10) -> None:
    wait(lambda: check() == status, f"{status} is answered", seconds=seconds, every=0.1)


def test_from_a_manifest_to_a_request_through_the_gateway(shop: ExposedWorld) -> None:
    call = shop.around.status
    path = shop.path()
    shop.apply(discovery={"enabled": True, "tags": ["search"]})
    ready = shop.world.ready()
    assert ready["status"]["endpoint"] == f"{shop.around.kong.proxy}{path}"
    for kind in ("GatewayProgrammed", "EndpointVerified", "DiscoveryRegistered"):
        wait(lambda k=kind: condition(shop.world.get(), k).get("status") == "True", f"{kind} holds")
    shop.apply("other")
    shop.world.ready("other")
    for name, permissions in (("writer", ["read", "write"]), ("reader", ["read"])):
        shop.allow(name, permissions=permissions)
    shop.allow("stranger", "other", permissions=["admin"])
    writer, reader, stranger = (shop.key(n) for n in ("writer", "reader", "stranger"))

    assert call("GET", path, None) == 401
    assert call("GET", path, "no-such-key") == 401
    assert call("GET", path, stranger) == 403
    assert call("GET", path, reader) == 200
    assert call("PUT", f"{path}/points?wait=true", reader, {"points": [POINT]}) == 403
    assert call("PUT", f"{path}/points?wait=true", writer, {"points": [POINT]}) == 200
    found = shop.around.call("POST", f"{path}/search", reader, SEARCH)
    assert found.status_code == 200
    assert [hit["id"] for hit in found.json()["results"]] == [1]
    assert found.headers["x-request-id"]
    assert call("POST", f"{path}/points/delete", reader, {"ids": [1]}) == 403
    assert call("POST", f"{path}/points/delete?wait=true", writer, {"ids": [1]}) == 200
    assert call("POST", f"{shop.path('other')}/search", writer, SEARCH) == 403

    whole = f"/api/v1/collections/{shop.world.full('products')}"
    assert call("GET", whole, reader) == 200
    assert call("GET", whole, stranger) == 403, "the service looks at what a key is for"
    assert call("GET", whole, None) == 401

    def listed() -> bool:
        entry = services(shop).get(shop.world.full("products"))
        return bool(entry) and entry["Checks"][-1]["Status"] == "passing"

    wait(listed, "the registry says that it is passing")
    assert set(services(shop)) == {shop.world.full("products")}


def test_over_the_limit_is_429(shop: ExposedWorld) -> None:
    shop.apply(gateway={"rateLimit": {"requests": 3, "per": "hour"}})
    shop.world.ready()
    shop.allow("reader")
    key = shop.key("reader")
    answers = [shop.around.status("GET", shop.path(), key) for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]
    shop.allow("other")
    assert shop.around.status("GET", shop.path(), shop.key("other")) == 200


def test_a_revoked_key_is_refused_at_the_edge_and_behind_it(shop: ExposedWorld) -> None:
    shop.apply()
    shop.world.ready()
    shop.allow("reader")
    key = shop.key("reader")
    inside = f"{shop.around.service.url}/api/v1/collections/{shop.world.full('products')}"

    def behind() -> int:
        headers = {"x-api-key": key}
        return httpx.get(inside, headers=headers, trust_env=False, timeout=30).status_code

    assert (shop.around.status("GET", shop.path(), key), behind()) == (200, 200)
    shop.world.cluster.delete("VectorAccess", "reader", shop.world.namespace)
    until(lambda: shop.around.status("GET", shop.path(), key), 401)
    until(behind, 401)


def test_what_is_deleted_leaves_nothing(shop: ExposedWorld) -> None:
    kinds = ("services", "routes", "plugins", "consumers", "acls", "key-auths")
    shop.apply(discovery={"enabled": True})
    shop.world.ready()
    shop.allow("reader")
    key = shop.key("reader")
    uid = shop.world.get()["metadata"]["uid"]
    wait(lambda: services(shop), "it is in the registry")
    assert shop.around.status("GET", shop.path(), key) == 200
    shop.world.delete()
    until(lambda: shop.around.status("GET", shop.path(), key), 404)
    shop.world.gone()
    tag = f"uid:{uid}"
    wait(
        lambda: (
            not any(tag in (e.get("tags") or ()) for k in kinds for e in shop.around.of_kong(k))
        ),
        "Kong has nothing of it",
    )
    wait(lambda: not services(shop), "the registry has nothing of it")


def test_a_gateway_that_is_away_delays_no_collection(shop: ExposedWorld) -> None:
    shop.apply("before")
    shop.world.ready("before")
    shop.around.admin.down()
    shop.apply()
    shop.world.says("GatewayUnreachable")
    made = shop.world.get()
    assert condition(made, "CollectionReady")["status"] == "True"
    assert condition(made, "GatewayProgrammed")["status"] == "False"

    def known() -> bool:
        found = condition(shop.world.get("before"), "GatewayProgrammed")
        return found["status"] == "Unknown"

    wait(known, "nobody knows how it is with the others")
    # Requests come through all the same.
    assert condition(shop.world.get("before"))["status"] == "True"
    shop.around.admin.mend()
    shop.world.says("Ready")
    assert shop.world.ready("before")


def test_a_registry_that_is_away_delays_nothing(shop: ExposedWorld) -> None:
    shop.around.registry.down()
    shop.apply(discovery={"enabled": True})
    shop.world.ready()

    def told() -> bool:
        return condition(shop.world.get(), "DiscoveryRegistered").get("reason") == (
            "RegistryUnreachable"
        )

    wait(told, "the condition says so")
    shop.around.registry.mend()
    wait(lambda: services(shop), "it catches up")


def test_drift_is_repaired_and_what_is_of_others_stays(
    world: ExposedWorld, operators: Operators, around: Outside
) -> None:
    foreign = around.foreign_service("theirs")
    around.consul.put(
        "/v1/catalog/register",
        {"Node": "theirs", "Address": "10.9.9.9", "Service": {"Service": "theirs", "Port": 1}},
    )
    operators.get(world.world.engine, OPERATOR_RESYNC_SECONDS="1", **around.env)
    world.apply(discovery={"enabled": True})
    world.world.ready()
    uid = world.world.get()["metadata"]["uid"]

    def mine(kind: str) -> list[Json]:
        return [e for e in around.of_kong(kind) if f"uid:{uid}" in (e.get("tags") or ())]

    plugins = {p["id"] for p in mine("plugins")}
    lost = sorted(plugins)[0]
    httpx.delete(f"{around.kong.admin}/plugins/{lost}", trust_env=False)
    wait(lambda: {p["id"] for p in mine("plugins")} == plugins, "what was deleted is there again")
    (service,) = mine("services")
    httpx.patch(
        f"{around.kong.admin}/services/{service['id']}", json={"path": "/else"}, trust_env=False
    )
    wait(lambda: mine("services")[0]["path"] == service["path"], "what was changed is as it was")
    assert "theirs" in {s["name"] for s in around.of_kong("services")}
    assert "theirs" in around.consul.get("/v1/catalog/services")
    httpx.delete(foreign, trust_env=False)
    around.consul.put("/v1/catalog/deregister", {"Node": "theirs"})


def test_at_rest_nothing_is_written(
    world: ExposedWorld, operators: Operators, around: Outside
) -> None:
    operators.get(world.world.engine, OPERATOR_RESYNC_SECONDS="1", **around.env)
    world.apply(discovery={"enabled": True})
    world.allow("reader")
    world.key("reader")
    world.world.ready()
    for proxy, sweep in ((around.admin, 6), (around.registry, 2)):
        # Two sweeps on end without a write: what a status still changed is told by then.
        quiet = partial(reads_alone, proxy, len(proxy.seen), 2 * sweep)
        wait(quiet, "all is told", seconds=60)
    at = len(around.admin.seen), len(around.registry.seen), len(world.world.plane.requests())
    wait(lambda: len(around.admin.seen) > at[0] + 3 * 6, "it surveyed three times", seconds=60)
    wait(lambda: len(around.registry.seen) > at[1] + 3, "and the registry", seconds=60)
    for proxy, begin in ((around.admin, at[0]), (around.registry, at[1])):
        assert [s for s in proxy.seen[begin:] if s.method != "GET"] == []
    mine = world.world.namespace
    written = [
        r
        for r in world.world.plane.requests()[at[2] :]
        if r["verb"] not in ("get", "list", "watch") and r["objectRef"].get("namespace") == mine
    ]
    assert written == []


def test_the_registry_follows_the_pods_of_the_service(shop: ExposedWorld) -> None:
    cluster, name = shop.world.cluster, f"{shop.world.namespace}-slice"

    def pods(*ready: bool) -> None:
        """What the controllers of Kubernetes write of the service's pods."""
        cluster.apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": name,
                    "namespace": NAMESPACE,
                    "labels": {"kubernetes.io/service-name": "vectorplane-service"},
                },
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": 10200}],
                "endpoints": [
                    {"addresses": [f"10.8.0.{n}"], "conditions": {"ready": is_ready}}
                    for n, is_ready in enumerate(ready, 1)
                ],
            }
        )

    def listed() -> set[str]:
        found = shop.around.consul.get("/v1/health/service/vectorplane")
        return {e["Service"]["Address"] for e in found if e["Checks"][-1]["Status"] == "passing"}

    pods(True, True)
    wait(lambda: listed() == {"10.8.0.1", "10.8.0.2"}, "both are there")
    pods(True, False)
    wait(lambda: listed() == {"10.8.0.1"}, "one that is not ready is not")
    cluster.delete("EndpointSlice", name, NAMESPACE)
    wait(lambda: not listed(), "none is left")
