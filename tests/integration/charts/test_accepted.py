"""What the charts render is taken by a real API server, field by field, and by the Pod Security
Standard `restricted`."""

from __future__ import annotations

import pytest

from support.chart_values import SETS
from support.cluster import Cluster, Json, Refused, wait
from support.helm import OPERATOR, UMBRELLA, Charts, pods

NAMESPACE = "platform"
_ELSEWHERE = ("Pod", "ServiceMonitor", "PrometheusRule")
"""Pods have a test of their own; the other kinds are not Kubernetes' and not ours."""


@pytest.fixture(scope="module")
def ready(cluster: Cluster, charts: Charts) -> Cluster:
    """A cluster with our kinds, and a namespace that takes restricted pods alone."""
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"name": NAMESPACE, "labels": restricted}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
    for manifest in charts.render(OPERATOR):
        if manifest["kind"] == "CustomResourceDefinition":
            cluster.apply(manifest)
    wait(lambda: _serves(cluster), "the API serves VectorStores")
    wait(lambda: cluster.get("ServiceAccount", "default", NAMESPACE), "pods may be made")
    return cluster


def _serves(cluster: Cluster) -> bool:
    try:
        cluster.all("VectorStore")
    except Refused:
        return False
    return True


@pytest.mark.parametrize("name", SETS)
def test_the_api_takes_every_manifest(ready: Cluster, charts: Charts, name: str) -> None:
    values, apis = SETS[name]
    manifests = [
        m for m in charts.render(UMBRELLA, values, apis=apis) if m["kind"] not in _ELSEWHERE
    ]
    assert len(manifests) >= 4
    for manifest in manifests:
        taken = ready.apply(manifest, dry_run=True)
        assert taken["metadata"]["name"] == manifest["metadata"]["name"]


@pytest.mark.parametrize("name", SETS)
def test_every_pod_is_restricted(ready: Cluster, charts: Charts, name: str) -> None:
    values, apis = SETS[name]
    for who, template in pods(charts.render(UMBRELLA, values, apis=apis)):
        taken = ready.apply(_pod(template), dry_run=True)
        assert taken["kind"] == "Pod", who


def test_a_pod_that_is_not_restricted_would_be_refused(ready: Cluster, charts: Charts) -> None:
    """The test above can fail."""
    _, template = next(iter(pods(charts.render(UMBRELLA))))
    pod = _pod(template)
    del pod["spec"]["containers"][0]["securityContext"]["capabilities"]
    with pytest.raises(Refused, match="violates PodSecurity"):
        ready.apply(pod, dry_run=True)


def _pod(template: Json) -> Json:
    labels = template["metadata"]["labels"]
    # Who it runs as, and how important it is, is looked up when it comes; neither is here.
    spec = {
        key: value
        for key, value in template["spec"].items()
        if key not in ("serviceAccountName", "priorityClassName")
    }
    constraints = [
        {k: v for k, v in constraint.items() if k != "matchLabelKeys"}
        for constraint in spec.get("topologySpreadConstraints", ())
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "dry-run", "namespace": NAMESPACE, "labels": labels},
        "spec": spec | ({"topologySpreadConstraints": constraints} if constraints else {}),
    }
