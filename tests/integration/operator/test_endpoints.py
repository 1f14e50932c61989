"""The ready endpoints of a Service, as a real API server tells of them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.cluster import Cluster
from support.controlplane import ACCOUNT, NAMESPACE, ControlPlane
from support.loops import LoopThread
from support.proxy import Proxy
from vectorplane_operator.endpoints import EndpointSlices, ready_of
from vectorplane_operator.kube import Api

pytestmark = pytest.mark.anyio
SERVICE = "vectorplane-service"
SECONDS = 60.0


def endpoint(address: str, pod: str = "", *, ready: bool | None = True) -> dict[str, Any]:
    made: dict[str, Any] = {"addresses": [address]}
    if ready is not None:
        made["conditions"] = {"ready": ready, "serving": True, "terminating": False}
    if pod:
        made["targetRef"] = {"kind": "Pod", "name": pod}
    return made


def endpoint_slice(
    name: str,
    namespace: str,
    endpoints: Sequence[Any],
    *,
    service: str = SERVICE,
    family: str = "IPv4",
    ports: Sequence[Any] = ({"name": "http", "port": 10200, "protocol": "TCP"},),
) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": family,
        "ports": list(ports),
        "endpoints": list(endpoints),
    }


@pytest.fixture
def cluster(plane: ControlPlane) -> Cluster:
    return plane.cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    name = f"endpoints-{secrets.token_hex(4)}"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    group = "rbac.authorization.k8s.io"
    rule = {
        "apiGroups": ["discovery.k8s.io"],
        "resources": ["endpointslices"],
        "verbs": ["list", "watch"],
    }
    meta = {"name": "endpoints", "namespace": name}
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": [rule]}
    cluster.apply(role)
    cluster.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "endpoints"},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
        }
    )
    yield name
    cluster.delete("Namespace", name)


@pytest.fixture
def proxy(plane: ControlPlane, thread: LoopThread) -> Iterator[Proxy]:
    """Before the API server, to break what goes through it."""
    made = Proxy(thread, plane.cluster.server, plane.cluster.ca)
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def api(
    plane: ControlPlane, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    document = yaml.safe_load(plane.operator_kubeconfig.read_text())
    for one in document["clusters"]:
        one["cluster"] = {"server": proxy.url}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(document))
    # The library reads $KUBECONFIG when it is imported.
    monkeypatch.setattr(
        "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig)
    )
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    made = await Api.connect()
    yield made
    await made.close()


class Following:
    """EndpointSlices, and a way to wait for what they say."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.told = 0
        self._woken = asyncio.Event()
        self.slices = EndpointSlices(api, namespace, SERVICE, self._changed)

    def _changed(self) -> None:
        self.told += 1
        self._woken.set()

    async def until(self, *expected: tuple[str, int, str]) -> None:
        async with asyncio.timeout(SECONDS):
            while not (self.slices.known and self.slices.ready == set(expected)):
                self._woken.clear()
                await self._woken.wait()


@pytest.fixture
async def following(api: Api, namespace: str) -> AsyncIterator[Following]:
    made = Following(api, namespace)
    yield made
    await made.slices.stop()


async def apply(cluster: Cluster, manifest: dict[str, Any]) -> None:
    await asyncio.to_thread(cluster.apply, manifest)


async def delete(cluster: Cluster, name: str, namespace: str) -> None:
    await asyncio.to_thread(cluster.delete, "EndpointSlice", name, namespace)


async def seen(check: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while not check():
            await asyncio.sleep(0.02)


async def test_what_is_ready_is_known_and_followed(
    following: Following, cluster: Cluster, namespace: str
) -> None:
    mine = [endpoint("10.0.0.1", "a"), endpoint("10.0.0.2", "b", ready=False)]
    await apply(cluster, endpoint_slice("one", namespace, mine))
    await apply(cluster, endpoint_slice("other", namespace, mine, service="another-service"))
    assert not following.slices.known

    await following.slices.start()
    await following.until(("10.0.0.1", 10200, "a"))

    mine = [endpoint("10.0.0.1", "a"), endpoint("10.0.0.2", "b")]
    await apply(cluster, endpoint_slice("one", namespace, mine))
    await following.until(("10.0.0.1", 10200, "a"), ("10.0.0.2", 10200, "b"))

    await apply(cluster, endpoint_slice("two", namespace, [endpoint("10.0.0.3", "c")]))
    await delete(cluster, "one", namespace)
    await following.until(("10.0.0.3", 10200, "c"))

    await delete(cluster, "two", namespace)
    await following.until()


async def test_a_service_without_endpoints_is_known_to_have_none(following: Following) -> None:
    await following.slices.start()
    await following.until()
    assert following.told == 1


async def test_what_changes_nothing_is_not_told(
    following: Following, cluster: Cluster, namespace: str
) -> None:
    made = endpoint_slice("one", namespace, [endpoint("10.0.0.1", "a")])
    await apply(cluster, made)
    await following.slices.start()
    await following.until(("10.0.0.1", 10200, "a"))
    told = following.told

    made["metadata"]["labels"]["touched"] = "yes"
    made["endpoints"].append(endpoint("10.0.0.9", "z", ready=False))
    await apply(cluster, made)
    made["endpoints"].append(endpoint("10.0.0.2", "b"))
    await apply(cluster, made)
    await following.until(("10.0.0.1", 10200, "a"), ("10.0.0.2", 10200, "b"))
    assert following.told == told + 1


async def test_a_cut_watch_misses_nothing(
    following: Following, cluster: Cluster, namespace: str, proxy: Proxy
) -> None:
    await apply(cluster, endpoint_slice("one", namespace, [endpoint("10.0.0.1", "a")]))
    await apply(cluster, endpoint_slice("two", namespace, [endpoint("10.0.0.2", "b")]))
    await following.slices.start()
    await following.until(("10.0.0.1", 10200, "a"), ("10.0.0.2", 10200, "b"))

    for number in range(3):
        await seen(lambda: proxy.watched)
        assert await asyncio.to_thread(proxy.cut_watches) == 1
        # In the time in which nobody listens: one goes, and another comes.
        await delete(cluster, "two", namespace)
        pod = f"c{number}"
        await apply(cluster, endpoint_slice("two", namespace, [endpoint("10.0.0.3", pod)]))
        await following.until(("10.0.0.1", 10200, "a"), ("10.0.0.3", 10200, pod))


async def test_a_version_that_is_too_old_is_a_new_list(
    following: Following, cluster: Cluster, namespace: str, proxy: Proxy
) -> None:
    await apply(cluster, endpoint_slice("one", namespace, [endpoint("10.0.0.1", "a")]))
    await following.slices.start()
    await following.until(("10.0.0.1", 10200, "a"))
    await seen(lambda: proxy.watched)

    expired = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    await asyncio.to_thread(proxy.end_watches, {"type": "ERROR", "object": expired})
    await apply(cluster, endpoint_slice("one", namespace, [endpoint("10.0.0.2", "b")]))
    await following.until(("10.0.0.2", 10200, "b"))


async def test_while_the_api_server_is_away_they_stay(
    following: Following, cluster: Cluster, namespace: str, proxy: Proxy
) -> None:
    await apply(cluster, endpoint_slice("one", namespace, [endpoint("10.0.0.1", "a")]))
    await following.slices.start()
    await following.until(("10.0.0.1", 10200, "a"))
    told = following.told

    await asyncio.to_thread(proxy.down)
    await delete(cluster, "one", namespace)
    await apply(cluster, endpoint_slice("two", namespace, [endpoint("10.0.0.2", "b")]))
    assert following.slices.ready == {("10.0.0.1", 10200, "a")}
    assert following.told == told

    await asyncio.to_thread(proxy.mend)
    await following.until(("10.0.0.2", 10200, "b"))


async def test_an_api_server_that_is_away_at_the_start_is_waited_for(
    following: Following, cluster: Cluster, namespace: str, proxy: Proxy
) -> None:
    await apply(cluster, endpoint_slice("one", namespace, [endpoint("10.0.0.1", "a")]))
    before = len(proxy.seen)
    proxy.status(503)
    await following.slices.start()
    await seen(lambda: len(proxy.seen) > before)
    assert not following.slices.known
    assert following.slices.ready == frozenset()

    await asyncio.to_thread(proxy.mend)
    await following.until(("10.0.0.1", 10200, "a"))


async def test_after_the_end_nothing_is_asked(
    following: Following, cluster: Cluster, namespace: str, proxy: Proxy
) -> None:
    await following.slices.start()
    await following.until()
    await seen(lambda: proxy.watched)
    await following.slices.stop()
    await seen(lambda: not proxy.watched)
    await following.slices.stop()


HTTP = {"name": "http", "port": 10200, "protocol": "TCP"}
METRICS = {"name": "metrics", "port": 9000, "protocol": "TCP"}


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ([([endpoint("10.0.0.1", "a", ready=None)], {})], {("10.0.0.1", 10200, "a")}),
        ([([endpoint("10.0.0.1")], {})], {("10.0.0.1", 10200, "")}),
        ([([endpoint("10.0.0.1", "a")], {"ports": [METRICS, HTTP]})], {("10.0.0.1", 10200, "a")}),
        ([([endpoint("10.0.0.1", "a")], {"ports": [METRICS]})], {("10.0.0.1", 9000, "a")}),
        ([([endpoint("10.0.0.1", "a")], {"ports": []})], set()),
        ([([endpoint("10.0.0.1", "a")], {"ports": [HTTP | {"protocol": "UDP"}]})], set()),
        ([([endpoint("name.example.com", "a")], {"family": "FQDN"})], set()),
        (
            [
                ([endpoint("fd00::1", "a"), endpoint("fd00::2", "b")], {"family": "IPv6"}),
                ([endpoint("10.0.0.1", "a")], {}),
            ],
            {("10.0.0.1", 10200, "a"), ("fd00::2", 10200, "b")},
        ),
        (
            [([endpoint("10.0.0.1", "a")], {}), ([endpoint("10.0.0.1", "a")], {})],
            {("10.0.0.1", 10200, "a")},
        ),
        ([([], {})], set()),
    ],
    ids=[
        "no condition",
        "no pod",
        "the port named http",
        "another port",
        "no port",
        "no TCP",
        "a name",
        "both families",
        "in two slices",
        "nobody",
    ],
)
def test_what_takes_requests(
    slices: list[tuple[list[Any], dict[str, Any]]], expected: set[tuple[str, int, str]]
) -> None:
    made = [endpoint_slice("any", "any", endpoints, **more) for endpoints, more in slices]
    assert ready_of(made) == expected
