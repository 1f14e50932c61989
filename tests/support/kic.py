"""Kong's ingress controller as a process (`kic` on PATH, a build of its 3.x), with a Kong without
database that it programs: who reads our objects in a cluster, on one machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.cluster import Cluster
from support.controlplane import free_port
from support.gateway_crds import GATEWAY, GATEWAY_NAMESPACE, SERVICE
from support.kong import KongProcess
from support.parts import require_or_skip

PART = "kic"
_API = "gateway.networking.k8s.io/v1"
_PROXY = "kong-proxy"
# Kinds that our test CRDs leave out, and what would listen or call home.
_OFF = (
    "anonymous-reports",
    "enable-controller-ingress-class-parameters",
    "enable-controller-kong-custom-entity",
    "enable-controller-kong-license",
    "enable-controller-kong-service-facade",
    "enable-controller-kong-upstream-policy",
    "enable-controller-kong-vault",
    "enable-controller-kongclusterplugin",
    "enable-controller-kongingress",
    "enable-controller-tcpingress",
    "enable-controller-udpingress",
    "enable-controller-gwapi-grpcroute",
)


def require() -> str:
    """The controller's program. A test without it, or without a Kong for it, is skipped."""
    program = shutil.which("kic")
    if program is None:
        require_or_skip(PART, "no kic (Kong's ingress controller) on PATH")
    if shutil.which("kong") is None:
        require_or_skip("kong", "no kong on PATH, for its ingress controller to program")
    return program


@contextmanager
def controlled_kong(
    kubeconfig: Path, cluster: Cluster, folder: Path, system: str, port: int, flavor: str
) -> Iterator[str]:
    """Kong with this router, and its controller for the Gateway of `gateway_crds`. The Service in
    `system` leads to `port` on this machine. Gives the URL that clients use."""
    program = require()
    # No pod has an address on loopback, so Kong asks for the Service by its name.
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 {SERVICE}.{system}.svc\n")
    kong = KongProcess(
        folder, {"DATABASE": "off", "ROUTER_FLAVOR": flavor, "DNS_HOSTSFILE": str(hosts)}
    )
    proxy = int(kong.kong.proxy.rpartition(":")[2])
    _install(cluster, system, port, proxy)
    command = [
        *(program, f"--kubeconfig={kubeconfig}", f"--kong-admin-url={kong.kong.admin}"),
        *(f"--publish-service={GATEWAY_NAMESPACE}/{_PROXY}", "--force-leader-election=disabled"),
        *(f"--metrics-bind-address=127.0.0.1:{free_port()}",),
        *(f"--health-probe-bind-address=127.0.0.1:{free_port()}",),
        *(f"--{name}=false" for name in _OFF),
    ]
    pod = {"POD_NAME": "kic", "POD_NAMESPACE": GATEWAY_NAMESPACE}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **pod}
    try:
        kong.start()
        with (folder / "kic.log").open("wb") as log:
            controller = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            yield kong.kong.proxy
        finally:
            controller.kill()
            controller.wait()
    finally:
        kong.stop()


def _install(cluster: Cluster, system: str, port: int, proxy: int) -> None:
    namespace = {"name": GATEWAY_NAMESPACE}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
    for where, name, number, notes in (
        (GATEWAY_NAMESPACE, _PROXY, proxy, {}),
        (system, SERVICE, port, {"ingress.kubernetes.io/service-upstream": "true"}),
    ):
        meta = {"name": name, "namespace": where, "annotations": notes}
        spec = {"ports": [{"name": "http", "port": number, "protocol": "TCP"}]}
        cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
    unmanaged = {"konghq.com/gatewayclass-unmanaged": "true"}
    cluster.apply(
        {
            "apiVersion": _API,
            "kind": "GatewayClass",
            "metadata": {"name": "kong", "annotations": unmanaged},
            "spec": {"controllerName": "konghq.com/kic-gateway-controller"},
        }
    )
    listener = {"name": "proxy", "port": proxy, "protocol": "HTTP"}
    everywhere = {"allowedRoutes": {"namespaces": {"from": "All"}}}
    cluster.apply(
        {
            "apiVersion": _API,
            "kind": "Gateway",
            "metadata": {"name": GATEWAY, "namespace": GATEWAY_NAMESPACE},
            "spec": {"gatewayClassName": "kong", "listeners": [{**listener, **everywhere}]},
        }
    )
