"""The charts, rendered by Helm and installed with it. Helm is the one on PATH, or built once from
`tools/helm`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from helm_tools import Missing, program

from support.cluster import Cluster, wait
from support.parts import require_or_skip

Json = dict[str, Any]
CHARTS = Path(__file__).parents[2] / "charts"
OPERATOR, SERVICE, UMBRELLA = "vectorplane-operator", "vectorplane-service", "vectorplane"
KONG_APIS = ("gateway.networking.k8s.io/v1/HTTPRoute", "configuration.konghq.com/v1/KongPlugin")
STORE_API = "vectorplane.dev/v1alpha1/VectorStore"


class Charts:
    """The charts as Helm sees them."""

    def __init__(self) -> None:
        try:
            self._helm = program("helm")
        except Missing as error:
            require_or_skip("helm", str(error))

    def render(
        self, chart: str, values: Mapping[str, Any] | None = None, *, apis: tuple[str, ...] = ()
    ) -> list[Json]:
        """Every manifest of a chart, hooks and tests included, as release `vectorplane` in the
        namespace `platform`."""
        command = [self._helm, "template", "vectorplane", str(CHARTS / chart)]
        command += ["--namespace", "platform", "--values", "-"]
        command += [word for api in apis for word in ("--api-versions", api)]
        done = subprocess.run(
            command, input=yaml.safe_dump(values or {}), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(done.stderr)
        return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


class Release:
    """One release of the umbrella in a cluster, which runs no pods: `kubelet` stands in for what
    they would do."""

    def __init__(self, kubeconfig: Path, namespace: str, home: Path) -> None:
        self._helm = program("helm")
        self.chart = CHARTS / UMBRELLA
        self.namespace = namespace
        # Helm keeps what it found out about an API server: that must be of this one.
        self._environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(home),
            "KUBECONFIG": str(kubeconfig),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`helm ARGUMENTS`, under way. Its time-out is shorter than a test's."""
        command = [self._helm, *arguments, "--namespace", self.namespace]
        return subprocess.Popen(
            command,
            env=self._environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: str) -> str:
        """What `helm ARGUMENTS` says. Raises `AssertionError` where it fails."""
        return ended(self.start(*arguments))

    def install(self, *more: str) -> subprocess.Popen[str]:
        """The first command of the README."""
        return self.start("install", "vectorplane", str(self.chart), "--timeout", "90s", *more)


def ended(helm: subprocess.Popen[str]) -> str:
    """What it says to its end."""
    said, _ = helm.communicate(timeout=110)
    if helm.returncode:
        raise AssertionError(said)
    return said


def kubelet(cluster: Cluster, namespace: str, name: str, folder: Path) -> Json:
    """Wait for a Job, run its container's program here as its account, and say that it is done.
    Gives the Job."""
    job = wait(lambda: cluster.get("Job", name, namespace), f"the Job {name}", seconds=60)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    token = cluster.token(namespace, pod["serviceAccountName"])
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_bytes(Path(str(cluster.ca)).read_bytes())
    (program_text,) = container["args"]
    mounted = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mounted in program_text
    host, _, port = cluster.server.removeprefix("https://").partition(":")
    done = subprocess.run(
        [sys.executable, "-c", program_text.replace(mounted, str(folder))],
        env={"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port or "443"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert token not in done.stderr
    now = job["metadata"]["creationTimestamp"]
    conditions = [
        {"type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": now}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    status = {"succeeded": 1, "startTime": now, "completionTime": now, "conditions": conditions}
    cluster.merge_status("Job", name, namespace, status)
    return job


def pods(manifests: list[Json]) -> Iterator[tuple[str, Json]]:
    """The name and the template of everything that makes a pod."""
    for manifest in manifests:
        name = f"{manifest['kind']} {manifest['metadata']['name']}"
        if manifest["kind"] == "Pod":
            yield name, manifest
        elif manifest["kind"] in ("Deployment", "Job"):
            yield name, manifest["spec"]["template"]
