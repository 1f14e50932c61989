"""`helm install`, `upgrade`, `rollback` and `uninstall` of the umbrella on a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cluster import Cluster, Json, wait
from support.helm import Release, ended, kubelet

NAMESPACE = "platform"
DEFAULT = "http://qdrant.qdrant.svc:6333"
KINDS = {
    f"{plural}.vectorplane.dev"
    for plural in ("vectorcollections", "vectorstores", "vectoraccesses")
}
OURS = (
    "ConfigMap",
    "Deployment",
    "Job",
    "NetworkPolicy",
    "Pod",
    "PodDisruptionBudget",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
)


@pytest.fixture(scope="module")
def release(plane: Path, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The first install of all, in a cluster that has never heard of our kinds."""
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"name": NAMESPACE, "labels": restricted}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
    return Release(plane, NAMESPACE, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def installed(
    release: Release, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Release:
    helm = release.install()
    try:
        kubelet(cluster, NAMESPACE, "vectorplane-operator-kinds", tmp_path_factory.mktemp("pod"))
    except AssertionError as error:
        helm.kill()
        raise AssertionError(f"{error}\n{helm.communicate()[0]}") from None
    said = ended(helm)
    assert "kubectl get vectorstores" in said
    return release


def store(cluster: Cluster) -> Json:
    found = cluster.get("VectorStore", "default")
    assert found, "there is no VectorStore default"
    return found


def upgrade(release: Release, *values: str) -> None:
    """`helm upgrade`, with these values and no others."""
    given = [word for value in values for word in ("--set", value)]
    release.run("upgrade", "vectorplane", str(release.chart), "--reset-values", *given)


def crds(cluster: Cluster) -> dict[str, Json]:
    found = cluster.all("CustomResourceDefinition")
    return {c["metadata"]["name"]: c for c in found if c["metadata"]["name"] in KINDS}


def test_the_first_install_makes_the_kinds_and_a_store_of_one(
    installed: Release, cluster: Cluster
) -> None:
    assert crds(cluster).keys() == KINDS
    assert store(cluster)["spec"]["qdrant"]["url"] == DEFAULT
    assert store(cluster)["spec"]["default"] is True
    assert cluster.get("Job", "vectorplane-operator-kinds", NAMESPACE) is None
    names = {d["metadata"]["name"] for d in cluster.all("Deployment", NAMESPACE)}
    assert names == {"vectorplane-operator", "vectorplane-service"}
    assert "deployed" in installed.run("status", "vectorplane")


def test_an_upgrade_goes_on_with_all_of_it_and_a_roll_back_too(
    installed: Release, cluster: Cluster
) -> None:
    other = "http://other.qdrant.svc:6333"
    first = store(cluster)["metadata"]["uid"]
    upgrade(installed)
    assert store(cluster)["metadata"]["uid"] == first

    # The store is still as the hook made it: Helm alone would leave it so.
    upgrade(installed, f"global.qdrant.url={other}")
    assert store(cluster)["spec"]["qdrant"]["url"] == other
    second = store(cluster)["metadata"]["uid"]
    upgrade(installed, f"global.qdrant.url={other}", "global.qdrant.apiKeySecret.name=key")
    assert store(cluster)["spec"]["qdrant"]["apiKeySecretRef"]["name"] == "key"
    upgrade(installed, "vectorplane-service.replicaCount=3")
    assert store(cluster)["spec"]["qdrant"]["url"] == DEFAULT
    assert "apiKeySecretRef" not in store(cluster)["spec"]["qdrant"]
    assert store(cluster)["metadata"]["uid"] == second

    # To where the store was not yet an object of the release.
    installed.run("rollback", "vectorplane", "1")
    assert store(cluster)["metadata"]["uid"] == second
    upgrade(installed)
    assert store(cluster)["metadata"]["uid"] == second
    installed.run("rollback", "vectorplane", "1")
    upgrade(installed, f"global.qdrant.url={other}")
    assert store(cluster)["spec"]["qdrant"]["url"] == other


def test_an_upgrade_upgrades_the_kinds(installed: Release, cluster: Cluster) -> None:
    age(cluster)
    before = crds(cluster)["vectorstores.vectorplane.dev"]["metadata"]["uid"]
    upgrade(installed)
    after = crds(cluster)["vectorstores.vectorplane.dev"]
    assert after["spec"]["names"]["shortNames"] == ["vstore"]
    assert after["metadata"]["uid"] == before


def test_a_foreign_store_is_not_touched(installed: Release, cluster: Cluster) -> None:
    foreign = {
        "apiVersion": "vectorplane.dev/v1alpha1",
        "kind": "VectorStore",
        "metadata": {"name": "foreign"},
        "spec": {"qdrant": {"url": "http://theirs:6333"}},
    }
    theirs = cluster.apply(foreign)
    with pytest.raises(AssertionError, match="cannot be imported into the current release"):
        upgrade(installed, "vectorplane-operator.store.name=foreign")
    now = cluster.get("VectorStore", "foreign")
    assert now
    assert now["metadata"]["uid"] == theirs["metadata"]["uid"]
    assert now["spec"] == theirs["spec"]
    cluster.delete("VectorStore", "foreign")


def test_an_uninstall_keeps_the_kinds_and_leaves_no_other_trace(
    installed: Release, cluster: Cluster
) -> None:
    upgrade(installed)
    collection = {
        "apiVersion": "vectorplane.dev/v1alpha1",
        "kind": "VectorCollection",
        "metadata": {"name": "products", "namespace": NAMESPACE},
        "spec": {"vectors": [{"size": 4, "distance": "Cosine"}]},
    }
    cluster.apply(collection)
    installed.run("uninstall", "vectorplane")

    assert crds(cluster).keys() == KINDS
    assert cluster.get("VectorCollection", "products", NAMESPACE)
    assert cluster.get("VectorStore", "default") is None
    wait(lambda: not left(cluster), "nothing is left")

    # And again, where the API serves the kinds already: no hook, nothing to wait for. Kinds of
    # another version become those of this one.
    age(cluster)
    ended(installed.install())
    assert store(cluster)
    assert crds(cluster)["vectorstores.vectorplane.dev"]["spec"]["names"]["shortNames"] == [
        "vstore"
    ]
    installed.run("uninstall", "vectorplane")
    assert cluster.get("VectorStore", "default") is None
    assert not left(cluster)


def age(cluster: Cluster) -> None:
    """Make a kind what it may have been in another version."""
    patch = {"spec": {"names": {"shortNames": ["old"]}}}
    cluster.merge("CustomResourceDefinition", "vectorstores.vectorplane.dev", None, patch)


def left(cluster: Cluster) -> list[str]:
    """What there still is of the release."""
    found = [o | {"kind": kind} for kind in OURS for o in cluster.all(kind, NAMESPACE)]
    for kind in ("ClusterRole", "ClusterRoleBinding"):
        found += [o | {"kind": kind} for o in cluster.all(kind)]
    return [
        f"{o['kind']} {o['metadata']['name']}"
        for o in found
        if "vectorplane" in o["metadata"]["name"]
    ]
