"""The operator as a process that programs a gateway by Kubernetes objects, with the rights of
`manifests/rbac.yaml`. The test plays Kong's ingress controller: it says what became of the routes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.cluster import Cluster, Json, condition, wait
from support.controlplane import ControlPlane
from support.engines import MEMORY_ENGINE
from support.exposed import ExposedWorld
from support.gateway_crds import GATEWAY, GATEWAY_NAMESPACE, install
from support.world import Operators, World

pytestmark = [MEMORY_ENGINE, pytest.mark.timeout(240)]
ENV = {
    "OPERATOR_GATEWAY_MODE": "gateway-api",
    "OPERATOR_GATEWAY_NAME": GATEWAY,
    "OPERATOR_GATEWAY_NAMESPACE": GATEWAY_NAMESPACE,
    # No URL: nobody asks the gateway, for there is none.
    "OPERATOR_SERVICE_URL": "http://service",
}


@pytest.fixture(scope="module")
def cluster(plane: ControlPlane) -> Cluster:
    install(plane.cluster)
    return plane.cluster


@pytest.fixture
def shop(cluster: Cluster, corner: World, operators: Operators) -> Iterator[ExposedWorld]:
    made = ExposedWorld(corner)
    operators.get(corner.engine, **ENV)
    yield made
    made.end()


def routes(shop: ExposedWorld) -> list[Json]:
    return shop.world.cluster.all("HTTPRoute", shop.world.namespace)


def say(shop: ExposedWorld, accepted: str, message: str) -> None:
    """What a controller writes of every route."""
    for route in routes(shop):
        meta = route["metadata"]
        about = {
            "type": "Accepted",
            "status": accepted,
            "reason": "Accepted" if accepted == "True" else "NoMatchingParent",
            "message": message,
            "observedGeneration": meta["generation"],
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        parent = {
            "parentRef": route["spec"]["parentRefs"][0],
            "controllerName": "example.com/controller",
            "conditions": [about],
        }
        shop.world.cluster.merge_status(
            "HTTPRoute", meta["name"], meta["namespace"], {"parents": [parent]}
        )


def test_the_routes_own_words_decide(shop: ExposedWorld) -> None:
    shop.apply()
    shop.world.says("NotProgrammed")
    assert condition(shop.world.get(), "CollectionReady")["status"] == "True"
    assert len(routes(shop)) == 2
    (owner,) = routes(shop)[0]["metadata"]["ownerReferences"]
    assert owner["uid"] == shop.world.get()["metadata"]["uid"]
    say(shop, "False", "no listener for this host")

    def told() -> bool:
        said = condition(shop.world.get(), "GatewayProgrammed").get("message", "")
        return "no listener for this host" in said

    wait(told, "the controller's own words are passed on", seconds=60)
    say(shop, "True", "taken up")
    shop.world.says("Ready", seconds=60)
    assert "EndpointVerified" not in {c["type"] for c in shop.world.get()["status"]["conditions"]}

    shop.allow("reader")
    consumer = f"{shop.world.namespace}.reader"

    def known() -> bool:
        found = shop.world.cluster.all("KongConsumer", shop.world.namespace)
        return any(consumer in c["username"] and c["credentials"] for c in found)

    wait(known, "there is a consumer with credentials")

    shop.apply(gateway={"enabled": False})
    wait(lambda: not routes(shop), "the routes go with what asked for them")
    shop.world.says("Ready", seconds=60)
