"""The CRDs of the Gateway API, from its Go module, and the least of Kong's, from the folder
`tests/gateway-crds`; and the provider over them.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from support.cluster import Cluster, Json, Refused, wait
from support.controlplane import with_token
from support.parts import require_or_skip
from vectorplane.adapters.gateway.gateway_api import GatewayApi
from vectorplane_operator.kube import Api
from vectorplane_operator.kube_objects import KubeObjects

PART = "gateway-crds"
MODULE = "sigs.k8s.io/gateway-api@v1.3.0"
KONG = Path(__file__).parents[1] / "gateway-crds"
NAMES = ("gatewayclasses", "gateways", "httproutes", "referencegrants")
GATEWAY, GATEWAY_NAMESPACE = "kong", "kong"
SERVICE, PORT = "vectorplane-service", 10200
_CRD = "CustomResourceDefinition"

# What the operator needs in this mode, and nothing else: `put` reads a name before it takes it.
_VERBS = ["get", "list", "patch", "delete"]
RULES = [
    {
        "apiGroups": ["configuration.konghq.com"],
        "resources": ["kongplugins", "kongconsumers"],
        "verbs": [*_VERBS, "create"],
    },
    {
        "apiGroups": ["gateway.networking.k8s.io"],
        "resources": ["httproutes"],
        "verbs": [*_VERBS, "create"],
    },
    {"apiGroups": [""], "resources": ["secrets"], "verbs": [*_VERBS, "create"]},
]
GRANT_RULES = [
    {
        "apiGroups": ["gateway.networking.k8s.io"],
        "resources": ["referencegrants"],
        "verbs": [*_VERBS, "create"],
    }
]
"""In the Service's namespace alone."""


@cache
def _module() -> Path:
    """Where Go keeps the module's files; fetched where it does not."""
    go = shutil.which("go")
    if go is None:
        require_or_skip(PART, "no Go to get the CRDs of the Gateway API with")
    command = [go, "mod", "download", "-json", MODULE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    said = json.loads(done.stdout or "{}")
    if "Dir" not in said:
        require_or_skip(PART, f"go mod download failed: {said.get('Error') or done.stderr}")
    return Path(said["Dir"])


def manifests() -> list[Json]:
    """The CRDs themselves."""
    standard = _module() / "config" / "crd" / "standard"
    files = [standard / f"gateway.networking.k8s.io_{name}.yaml" for name in NAMES]
    return [yaml.safe_load(file.read_text()) for file in [*files, *sorted(KONG.glob("*.yaml"))]]


def install(cluster: Cluster) -> None:
    """Install those that the cluster lacks: another one's are not replaced. Returns once all are
    served."""
    for crd in manifests():
        if cluster.get(_CRD, crd["metadata"]["name"]) is None:
            cluster.apply(crd)
        kind = crd["spec"]["names"]["kind"]
        wait(partial(_served, cluster, kind), f"the API serves {kind}", seconds=60)


def _served(cluster: Cluster, kind: str) -> bool:
    with suppress(Refused):
        cluster.all(kind)
        return True
    return False


async def api_of(kubeconfig: Path) -> Api:
    """The operator's client, as the user of a kubeconfig."""
    configuration = Configuration()
    await config.load_kube_config(
        config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
    )
    return Api(ApiClient(configuration))


def provider(api: Api, service_namespace: str, **other: Any) -> GatewayApi:
    """The provider under test."""
    said: dict[str, Any] = {
        "gateway_name": GATEWAY,
        "gateway_namespace": GATEWAY_NAMESPACE,
        "listener": "",
        "service_name": SERVICE,
        "service_namespace": service_namespace,
        "service_port": PORT,
    }
    return GatewayApi(KubeObjects(api), **{**said, **other})


def account(cluster: Cluster, admin: Path, folder: Path, namespace: str, rules: list[Json]) -> Path:
    """A kubeconfig of an account of its own, that may do what `rules` say everywhere, and what
    `GRANT_RULES` say in its namespace."""
    name = f"gateway-{secrets.token_hex(4)}"
    meta = {"name": name, "namespace": namespace}
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", **meta}
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    for kind, where, granted in (
        ("ClusterRole", {"name": name}, rules),
        ("Role", meta, GRANT_RULES if rules else []),
    ):
        role = {"apiVersion": f"{rbac}/v1", "kind": kind, "metadata": where, "rules": granted}
        binding = {
            "apiVersion": f"{rbac}/v1",
            "kind": f"{kind}Binding",
            "metadata": where,
            "roleRef": {"apiGroup": rbac, "kind": kind, "name": name},
            "subjects": [subject],
        }
        cluster.apply(role)
        cluster.apply(binding)
    kubeconfig = folder / f"{name}.kubeconfig"
    kubeconfig.write_text(with_token(admin, cluster.token(namespace, name)))
    return kubeconfig
