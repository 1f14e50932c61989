"""The umbrella chart installed on a node, and what tests do to it and ask of it."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from support.cluster import wait
from support.node import ROOT, CommandFailed, Node, qdrant_folder

Json = dict[str, Any]
NAME = "vectorplane"
NAMESPACE = "vectorplane-system"
OPERATOR, SERVICE, PORT = f"{NAME}-operator", f"{NAME}-service", 10200
TAG = "e2e"
LOADER = "loader"
EXAMPLES = ROOT / "manifests" / "examples"
_KINDS = ("vectoraccesses", "vectorcollections", "vectorstores")
_CRDS = tuple(f"{kind}.vectorplane.dev" for kind in _KINDS)
_OWN = (
    "deployments,replicasets,pods,jobs,services,serviceaccounts,configmaps,secrets,leases,roles,"
    "rolebindings,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers"
)
_CLUSTER = "clusterroles,clusterrolebindings"
_RESTRICTED: Json = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_LOCKED: Json = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def images(node: Node) -> None:
    """Both targets of the Dockerfile, in the cluster."""
    for target in ("operator", "service"):
        node.build(f"vectorplane-{target}:{TAG}", ROOT, target=target)


def qdrant(node: Node, folder: Path) -> None:
    """`qdrant.qdrant.svc`, which examples and chart ask by default: the Qdrant that `QDRANT_URL`
    names, where pods can reach it, or a pod of the one on PATH. It is to be an empty one."""
    outside = _outside(os.environ.get("QDRANT_URL", ""))
    if outside is None:
        node.build(f"qdrant:{TAG}", qdrant_folder(folder / "qdrant"))
    objects: list[Json] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "qdrant"}}
    ]
    meta = {"name": "qdrant", "namespace": "qdrant"}
    ports = [{"name": "http", "port": 6333, "targetPort": outside[1] if outside else 6333}]
    selector = {} if outside else {"selector": {"app": "qdrant"}}
    spec = {"ports": ports, **selector}
    objects.append({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
    objects.append(_slice(*outside) if outside else _qdrant_deployment(meta))
    node.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    if outside is None:
        node.kubectl("-n", "qdrant", "rollout", "status", "deployment/qdrant", "--timeout=120s")


class Release:
    """One installation. Tests install it, change it and take it away again."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node = node
        self._charts = folder / "charts"
        shutil.copytree(ROOT / "charts", self._charts)
        # Into the copy: a checkout stays as it is.
        node.helm("dependency", "update", str(self._charts / NAME))
        self._values = folder / "values.yaml"
        image = {"image": {"tag": TAG, "pullPolicy": "IfNotPresent"}}
        values = {"vectorplane-operator": image, "vectorplane-service": image}
        self._values.write_text(yaml.safe_dump(values), "utf-8")

    def install(self) -> None:
        self.node.helm(
            "install", NAME, self._chart, "-n", NAMESPACE, "--create-namespace", *self._settled()
        )

    def upgrade(self, **values: str) -> None:
        """With further values, by their path; returns once all pods are new ones."""
        changed = [
            word for path, value in values.items() for word in ("--set-string", f"{path}={value}")
        ]
        self.node.helm("upgrade", NAME, self._chart, "-n", NAMESPACE, *self._settled(), *changed)

    def test(self) -> str:
        return self.node.helm("test", NAME, "-n", NAMESPACE, "--timeout", "3m")

    def uninstall(self) -> None:
        self.node.helm("uninstall", NAME, "-n", NAMESPACE, "--wait", "--timeout", "5m")

    def pods(self, part: str) -> list[Json]:
        """Those of operator or service that are to stay."""
        found = self.node.read("pods", "-n", NAMESPACE, "-l", f"app.kubernetes.io/name={part}")
        return [pod for pod in found["items"] if "deletionTimestamp" not in pod["metadata"]]

    def leader(self) -> str:
        """The pod that leads; "" where none does."""
        lease = self.node.read("lease", OPERATOR, "-n", NAMESPACE)
        return str(lease["spec"].get("holderIdentity") or "").split("_")[0]

    def conditions(self, kind: str, name: str, namespace: str) -> dict[str, Json]:
        status = self.node.read(kind, name, "-n", namespace).get("status", {})
        return {c["type"]: c for c in status.get("conditions", ())}

    def ready(self, name: str, namespace: str, kind: str = "vectorcollection") -> bool:
        return self.conditions(kind, name, namespace).get("Ready", {}).get("status") == "True"

    def apply(self, *objects: Json) -> None:
        self.node.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def secret(self, name: str, namespace: str) -> dict[str, str]:
        data = self.node.read("secret", name, "-n", namespace)["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def left(self) -> list[str]:
        """What is there of ours, apart from CRDs and resources: `kind/name`."""
        own = self.node.read(_OWN, "-n", NAMESPACE)["items"]
        cluster = self.node.read(_CLUSTER)["items"]
        named = [f"{o['kind']}/{o['metadata']['name']}" for o in own]
        named += [f"{o['kind']}/{o['metadata']['name']}" for o in cluster if _ours(o)]
        return sorted(set(named) - {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"})

    @contextmanager
    def load(self, path: str, key: str) -> Iterator[Load]:
        """Clients in a pod of their own, that go on until the end."""
        code = (Path(__file__).parent / "loading.py").read_text("utf-8")
        url = f"http://{SERVICE}.{NAMESPACE}.svc:{PORT}{path}"
        container = {
            "name": LOADER,
            "image": f"vectorplane-service:{TAG}",
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-c", code],
            "env": [{"name": "URL", "value": url}, {"name": "KEY", "value": key}],
            "securityContext": _LOCKED,
        }
        pod: Json = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": LOADER, "namespace": "qdrant"},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "securityContext": _RESTRICTED,
                "containers": [container],
            },
        }
        self.apply(pod)
        try:
            yield Load(self.node)
        finally:
            self.node.kubectl(
                *("delete", "pod", LOADER, "-n", "qdrant", "--ignore-not-found", "--grace-period=1")
            )

    def sweep(self) -> None:
        """Nothing of ours is left, whatever happened before."""
        with suppress(CommandFailed):
            self.uninstall()
        for kind in _KINDS:
            with suppress(CommandFailed):
                self._let_go(kind)
        self.node.kubectl("delete", "crd", *_CRDS, "--ignore-not-found", "--timeout=60s")
        for namespace in ("demo", NAMESPACE, "qdrant"):
            self.node.kubectl(
                "delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s"
            )

    def _let_go(self, kind: str) -> None:
        """No operator is there to do it."""
        nobodys = json.dumps({"metadata": {"finalizers": None}})
        self.node.kubectl("delete", kind, "--all", "-A", "--wait=false")
        for item in self.node.read(kind, "-A")["items"]:
            meta = item["metadata"]
            place = ["-n", meta["namespace"]] if "namespace" in meta else []
            self.node.kubectl("patch", kind, meta["name"], *place, "--type=merge", "-p", nobodys)

    @property
    def _chart(self) -> str:
        return str(self._charts / NAME)

    def _settled(self) -> tuple[str, ...]:
        return ("-f", str(self._values), "--wait", "--timeout", "5m")


class Load:
    """What the clients tell, once a second."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def now(self) -> Json:
        """Requests that were answered as they should be, those that were not, and one of these."""
        with suppress(CommandFailed):
            lines = self._node.kubectl("logs", LOADER, "-n", "qdrant", "--tail=1").splitlines()
            if lines:
                said: Json = json.loads(lines[-1])
                return said
        return {"done": 0, "failed": [], "at": ""}

    def goes_on(self, more: int) -> Json:
        """Waits for so many more answers."""
        until = self.now()["done"] + more
        wait(lambda: self.now()["done"] >= until, "clients are answered", seconds=120, every=0.5)
        return self.now()


def _qdrant_deployment(meta: Json) -> Json:
    folders = {
        "QDRANT__STORAGE__STORAGE_PATH": "/qdrant/storage",
        "QDRANT__STORAGE__SNAPSHOTS_PATH": "/qdrant/snapshots",
        "QDRANT__STORAGE__TEMP_PATH": "/qdrant/temp",
        "QDRANT__TELEMETRY_DISABLED": "true",
    }
    container: Json = {
        "name": "qdrant",
        "image": f"qdrant:{TAG}",
        "imagePullPolicy": "IfNotPresent",
        "workingDir": "/qdrant",
        "env": [{"name": name, "value": value} for name, value in folders.items()],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 6333}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/qdrant"}],
        "securityContext": _LOCKED,
    }
    pod = {
        "securityContext": {**_RESTRICTED, "fsGroup": 65532},
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "enableServiceLinks": False,
    }
    labels = {"app": "qdrant"}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def _outside(url: str) -> tuple[str, int] | None:
    """Address and port of a Qdrant that pods may reach: not one of this machine's loopback."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        return None
    address = socket.gethostbyname(parts.hostname)
    return None if ipaddress.ip_address(address).is_loopback else (address, parts.port or 6333)


def _slice(address: str, port: int) -> Json:
    labels = {"kubernetes.io/service-name": "qdrant"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "qdrant-outside", "namespace": "qdrant", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": [address]}],
    }


def _ours(item: Json) -> bool:
    meta = item["metadata"]
    return "vectorplane" in meta["name"] or "vectorplane" in json.dumps(meta.get("labels", {}))
