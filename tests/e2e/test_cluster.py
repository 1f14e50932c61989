"""A release's life, told in order: each test goes on where the one before ended."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from support.cluster import wait
from support.release import EXAMPLES, NAMESPACE, OPERATOR, PORT, SERVICE, Release

# The first test also builds the images; without a warm cache that takes its time.
pytestmark = pytest.mark.timeout(2400)
DIGITS = "/api/v1/collections/demo.digits"
TAKE_OVER_SECONDS = 15.0
Json = dict[str, Any]


@pytest.fixture(scope="module")
def url(release: Release) -> Iterator[str]:
    with release.node.reach(NAMESPACE, SERVICE, PORT) as found:
        yield found


@pytest.fixture(scope="module")
def store(release: Release) -> Iterator[str]:
    with release.node.reach("qdrant", "qdrant", 6333) as found:
        yield found


def key(release: Release, name: str = "digits") -> str:
    return release.secret(name, "demo")["api-key"]


def points_of(count: int) -> list[Json]:
    dice = random.Random(7)
    return [
        {"id": n, "vector": [dice.random() for _ in range(64)], "payload": {"label": n % 10}}
        for n in range(count)
    ]


def test_the_chart_installs_with_nothing_but_values(release: Release) -> None:
    release.install()

    for part in (OPERATOR, SERVICE):
        pods = release.pods(part)
        assert len(pods) == 2
        for pod in pods:
            ready = {c["type"]: c["status"] for c in pod["status"]["conditions"]}
            assert ready["Ready"] == "True"
            assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
            assert pod["spec"]["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
            for container in pod["spec"]["containers"]:
                said = container["securityContext"]
                assert said["readOnlyRootFilesystem"] is True
                assert said["allowPrivilegeEscalation"] is False
                assert said["capabilities"]["drop"] == ["ALL"]
    wait(release.leader, "one of them leads", seconds=60)


@pytest.mark.parametrize("part", [OPERATOR, SERVICE])
def test_a_pod_is_nobody_and_can_build_nothing(release: Release, part: str) -> None:
    pod = release.pods(part)[0]["metadata"]["name"]
    inside = "id -u; command -v pip gcc cc make ld; python -c 'import pip'; touch /here /opt/here"
    said = release.node.kubectl("exec", pod, "-n", NAMESPACE, "--", "sh", "-c", f"{inside}; true")
    assert said.splitlines() == ["65532"]


def test_the_examples_become_ready(release: Release) -> None:
    release.node.kubectl("apply", "-f", str(EXAMPLES))
    for name in ("digits", "packages"):
        wait(lambda name=name: release.ready(name, "demo"), f"{name} is Ready", seconds=90)


def test_points_are_loaded_and_searched_through_the_service(release: Release, url: str) -> None:
    access = {
        "apiVersion": "vectorplane.dev/v1alpha1",
        "kind": "VectorAccess",
        "metadata": {"name": "digits", "namespace": "demo"},
        "spec": {"collection": "digits", "permissions": ["read", "write"]},
    }
    release.apply(access)
    wait(lambda: release.ready("digits", "demo", "vectoraccess"), "the key is made", seconds=60)
    headers = {"x-api-key": key(release)}

    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        points = points_of(500)
        loaded = client.put(f"{DIGITS}/points", json={"points": points}, headers=headers)
        assert loaded.status_code == 200, loaded.text
        search = {"vector": points[42]["vector"], "limit": 3}
        found = client.post(f"{DIGITS}/search", json=search, headers=headers)
        assert found.status_code == 200, found.text
        assert found.json()["results"][0]["id"] == 42
        assert client.post(f"{DIGITS}/search", json=search).status_code == 401
        foreign = client.get("/api/v1/collections/demo.packages", headers=headers)
        assert foreign.status_code == 403


def test_helm_test_passes(release: Release) -> None:
    assert "Phase:          Succeeded" in release.test()


def test_an_upgrade_under_load_fails_no_request(release: Release) -> None:
    before = {pod["metadata"]["name"] for pod in release.pods(SERVICE)}
    with release.load(DIGITS, key(release)) as load:
        load.goes_on(200)
        release.upgrade(**{"vectorplane-service.config.LOG_LEVEL": "warning"})
        old = "the old pods are gone"
        wait(lambda: not before & all_pods(release), old, seconds=120, every=0.5)
        after = load.goes_on(200)

    assert after["failed"] == []
    assert after["done"] > 400
    assert not before & {pod["metadata"]["name"] for pod in release.pods(SERVICE)}


def test_a_killed_leader_is_followed_by_the_other(release: Release) -> None:
    old = release.leader()
    begun = time.monotonic()
    gone = ("delete", "pod", old, "-n", NAMESPACE, "--grace-period=0", "--force", "--wait=false")
    release.node.kubectl(*gone)
    new = wait(
        lambda: (leader := release.leader()) != old and leader,
        "another pod leads",
        seconds=TAKE_OVER_SECONDS,
        every=0.2,
    )
    assert time.monotonic() - begun < TAKE_OVER_SECONDS
    assert new in {pod["metadata"]["name"] for pod in release.pods(OPERATOR)}

    collection = {
        "apiVersion": "vectorplane.dev/v1alpha1",
        "kind": "VectorCollection",
        "metadata": {"name": "later", "namespace": "demo"},
        "spec": {"vectors": [{"size": 4, "distance": "Cosine"}]},
    }
    release.apply(collection)
    wait(lambda: release.ready("later", "demo"), "a new collection is Ready", seconds=30)


def test_an_uninstall_leaves_the_collections_and_no_other_trace(
    release: Release, store: str
) -> None:
    """As the chart's notes say: resources first. The CRDs stay by policy."""
    later = f"{store}/collections/demo.later"
    release.node.kubectl("delete", "vectoraccess", "--all", "-n", "demo", "--timeout=60s")
    release.node.kubectl("delete", "vectorcollection", "--all", "-n", "demo", "--timeout=60s")
    release.uninstall()

    assert what_stays(release) == []
    assert release.node.kubectl("get", "vectorstores", "-o", "name") == ""
    secrets = release.node.kubectl("get", "secrets,configmaps", "-n", "demo", "-o", "name")
    assert secrets.split() == ["configmap/kube-root-ca.crt"]
    for name in ("demo.digits", "demo.packages", "demo.later"):
        assert httpx.get(f"{store}/collections/{name}", trust_env=False).status_code == 200
    count = httpx.post(
        f"{store}/collections/demo.digits/points/count", json={"exact": True}, trust_env=False
    )
    assert count.json()["result"]["count"] >= 500
    assert httpx.get(later, trust_env=False).json()["result"]["points_count"] == 0


def all_pods(release: Release) -> set[str]:
    found = release.node.read("pods", "-n", NAMESPACE)["items"]
    return {pod["metadata"]["name"] for pod in found}


def what_stays(release: Release) -> list[str]:
    """What is left once pods had a minute to end."""
    with suppress(AssertionError):
        wait(lambda: not release.left(), "nothing is left", seconds=60, every=0.5)
    return release.left()
