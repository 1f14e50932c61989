"""A small blocking client of the Kubernetes API, so that a test reads as what a person does."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import yaml
from kubernetes import config
from kubernetes.client import Configuration

Json = dict[str, Any]
GROUP = "/apis/vectorplane.dev/v1alpha1"
_PATHS = {
    "Namespace": ("/api/v1", "namespaces", False),
    "ServiceAccount": ("/api/v1", "serviceaccounts", True),
    "Secret": ("/api/v1", "secrets", True),
    "ConfigMap": ("/api/v1", "configmaps", True),
    "Pod": ("/api/v1", "pods", True),
    "Service": ("/api/v1", "services", True),
    "Deployment": ("/apis/apps/v1", "deployments", True),
    "Job": ("/apis/batch/v1", "jobs", True),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets", True),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies", True),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers", True),
    "Event": ("/api/v1", "events", True),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases", True),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices", True),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "CustomResourceDefinition": (
        "/apis/apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        False,
    ),
    "VectorCollection": (GROUP, "vectorcollections", True),
    "VectorStore": (GROUP, "vectorstores", False),
    "VectorAccess": (GROUP, "vectoraccesses", True),
    "GatewayClass": ("/apis/gateway.networking.k8s.io/v1", "gatewayclasses", False),
    "Gateway": ("/apis/gateway.networking.k8s.io/v1", "gateways", True),
    "HTTPRoute": ("/apis/gateway.networking.k8s.io/v1", "httproutes", True),
    "ReferenceGrant": ("/apis/gateway.networking.k8s.io/v1beta1", "referencegrants", True),
    "KongPlugin": ("/apis/configuration.konghq.com/v1", "kongplugins", True),
    "KongConsumer": ("/apis/configuration.konghq.com/v1", "kongconsumers", True),
}


class Refused(AssertionError):
    """The API server said no: `status` and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Cluster:
    """One API server, as the user of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        found = Configuration()
        load: Callable[..., None] = config.load_kube_config
        load(str(kubeconfig), client_configuration=found)
        context = ssl.create_default_context(cafile=found.ssl_ca_cert)
        if not found.verify_ssl:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if found.cert_file:
            context.load_cert_chain(found.cert_file, found.key_file)
        token = found.get_api_key_with_prefix("BearerToken", alias="authorization")
        self.server = str(found.host)
        self.ca = found.ssl_ca_cert
        self._http = httpx.Client(
            base_url=self.server,
            verify=context,
            headers={"authorization": token} if token else {},
            timeout=30,
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def ready(self) -> bool:
        try:
            return self._http.get("/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def apply(self, manifest: Json, *, dry_run: bool = False) -> Json:
        """What `kubectl apply` does, or would do."""
        path = self.path(manifest["kind"], **_place(manifest))
        body = yaml.safe_dump(manifest)
        query = {"fieldManager": "kubectl", "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return self._call("PATCH", path, body, "application/apply-patch+yaml", query)

    def apply_folder(self, folder: Path) -> None:
        """What `kubectl apply -f folder/` does: the files by name, no folders below."""
        for file in sorted(folder.glob("*.yaml")):
            for manifest in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                if manifest:
                    self.apply(manifest)
        for kind in ("VectorCollection", "VectorStore"):
            wait(partial(self._serves, kind), f"the API serves {kind}")

    def get(self, kind: str, name: str, namespace: str | None = None) -> Json | None:
        try:
            return self._call("GET", self.path(kind, name, namespace))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def all(self, kind: str, namespace: str | None = None) -> list[Json]:
        items: list[Json] = self._call("GET", self.path(kind, None, namespace))["items"]
        return items

    def merge(self, kind: str, name: str, namespace: str | None, patch: Json) -> Json:
        path = self.path(kind, name, namespace)
        return self._call("PATCH", path, patch, "application/merge-patch+json")

    def merge_status(self, kind: str, name: str, namespace: str | None, status: Json) -> Json:
        path = self.path(kind, name, namespace) + "/status"
        return self._call("PATCH", path, {"status": status}, "application/merge-patch+json")

    def annotate(self, name: str, namespace: str, **annotations: str | None) -> Json:
        named = {f"vectorplane.dev/{k.replace('_', '-')}": v for k, v in annotations.items()}
        patch = {"metadata": {"annotations": named}}
        return self.merge("VectorCollection", name, namespace, patch)

    def delete(self, kind: str, name: str, namespace: str | None = None) -> None:
        try:
            self._call("DELETE", self.path(kind, name, namespace))
        except Refused as refused:
            if refused.status != 404:
                raise

    def discard(self, kind: str, name: str, namespace: str | None = None) -> None:
        """Delete it without waiting for anybody. In this order: an operator gives the finalizer
        back to all but what is being deleted."""
        self.delete(kind, name, namespace)
        try:
            self.merge(kind, name, namespace, {"metadata": {"finalizers": None}})
        except Refused as refused:
            if refused.status != 404:
                raise

    def events(self, namespace: str, name: str) -> list[tuple[str, str]]:
        """Type and reason of all events about one object, in the order they came."""
        found = [e for e in self.all("Event", namespace) if e["involvedObject"]["name"] == name]
        found.sort(key=lambda e: int(e["metadata"]["resourceVersion"]))
        return [(e["type"], e["reason"]) for e in found]

    def messages(self, namespace: str, name: str, reason: str) -> list[str]:
        """What the events of a reason say about one object."""
        found = [e for e in self.all("Event", namespace) if e["involvedObject"]["name"] == name]
        return [e["message"] for e in found if e["reason"] == reason]

    def token(self, namespace: str, account: str) -> str:
        path = self.path("ServiceAccount", account, namespace) + "/token"
        spec = {"spec": {"expirationSeconds": 24 * 3600}}
        token: str = self._call("POST", path, spec)["status"]["token"]
        return token

    def may(self, **about: str) -> bool:
        """Whether the user of this kubeconfig may do something: `verb`, `group`, `resource`, ..."""
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        answer = self._call("POST", path, {**kind, "spec": {"resourceAttributes": about}})
        return bool(answer["status"]["allowed"])

    def path(self, kind: str, name: str | None = None, namespace: str | None = None) -> str:
        group, plural, namespaced = _PATHS[kind]
        place = f"/namespaces/{namespace}" if namespaced and namespace else ""
        return f"{group}{place}/{plural}" + (f"/{quote(name)}" if name else "")

    def _serves(self, kind: str) -> bool:
        try:
            self.all(kind)
        except Refused:
            return False
        return True

    def _call(
        self,
        method: str,
        path: str,
        body: Json | str | None = None,
        content_type: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Json:
        content = body if isinstance(body, str) or body is None else _json(body)
        answer = self._http.request(
            method, path, content=content, params=query, headers={"content-type": content_type}
        )
        try:
            result: Json = answer.json()
        except ValueError:
            # What is not served at all is said in plain text.
            result = {"message": answer.text}
        if answer.is_error:
            raise Refused(answer.status_code, result.get("message", ""))
        return result


def wait(
    check: Callable[[], object], what: str, *, seconds: float = 30, every: float = 0.05
) -> Any:
    """What `check` gives once that is true."""
    until = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)
    return found


def condition(resource: Json, kind: str = "Ready") -> Json:
    """One condition of a resource, or {}."""
    conditions: Iterator[Json] = iter(resource.get("status", {}).get("conditions", ()))
    return next((c for c in conditions if c["type"] == kind), {})


def _place(manifest: Json) -> Json:
    meta = manifest["metadata"]
    return {"name": meta["name"], "namespace": meta.get("namespace")}


def _json(body: Json) -> str:
    return json.dumps(body)
