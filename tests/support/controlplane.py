"""A real Kubernetes control plane for tests, with our manifests in it.

The first of these that is at hand: a cluster that somebody gives (`VECTORPLANE_TEST_KUBECONFIG`),
the binaries of `KUBEBUILDER_ASSETS` (etcd and kube-apiserver; no controllers then), or
`tests/controlplane`, a Go module that is built once and kept under a name made from its sources.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import go_programs
import pytest
import yaml
from kubernetes.config import ConfigException

from support.cluster import Cluster, Json
from support.parts import require_or_skip

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
SOURCES = ROOT / "tests" / "controlplane"
NAMESPACE = "vectorplane-system"
ACCOUNT = "vectorplane-operator"
_USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


class Server:
    """`tests/controlplane` as a process. A new start goes on with the data, the port and the keys
    of the one before."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self._folder = folder
        self._command = [str(binary), "-dir", str(folder), "-port", str(free_port())]
        self._command += ["-audit", _USER]
        self._process: subprocess.Popen[bytes] | None = None
        self.kubeconfig = folder / "kubeconfig"

    def start(self) -> None:
        """Returns once it is ready."""
        self._process = _spawn(self._command, self._folder / "controlplane.log")
        ready = self.kubeconfig
        _wait(self._process, self._folder, lambda: ready.exists() and _ready(ready))

    def kill(self) -> None:
        """SIGKILL: etcd, API server and controllers at once."""
        assert self._process
        _end(self._process)


@dataclass(frozen=True)
class ControlPlane:
    """What a test needs to know of it."""

    kubeconfig: Path
    """An administrator's."""
    operator_kubeconfig: Path
    """The operator's: its service account, with the RBAC of `manifests/` and nothing more."""
    cluster: Cluster
    audit: Path | None = None
    """Every request of the operator as a JSON line, where the control plane writes them."""
    controllers: bool = True
    """Whether owner references and the deletion of namespaces are carried out."""
    server: Server | None = None
    """Its process, where it is ours to kill and to start again."""

    def requests(self) -> list[Json]:
        """Every request of the operator so far, as the API server's audit log has them."""
        if self.audit is None:
            pytest.skip("this control plane writes no audit log")
        lines = self.audit.read_text().splitlines() if self.audit.exists() else []
        return [json.loads(line) for line in lines]

    def writes(self, namespace: str) -> list[tuple[str, str]]:
        """Verb and resource of what the operator wrote in one namespace."""
        return [
            (request["verb"], "/".join(filter(None, (about["resource"], about.get("subresource")))))
            for request in self.requests()
            if request["verb"] not in ("get", "list", "watch")
            and (about := request["objectRef"]).get("namespace") == namespace
        ]


@contextmanager
def bare_controlplane(folder: Path) -> Iterator[Path]:
    """One of its own, with nothing of ours in it; gives its kubeconfig."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        with _from_assets(Path(assets), folder) as kubeconfig:
            yield kubeconfig
    else:
        with _from_module(built(), folder) as server:
            yield server.kubeconfig


@contextmanager
def controlplane(folder: Path) -> Iterator[ControlPlane]:
    """Start one, or take the one that is given; install `manifests/`."""
    if given := os.environ.get("VECTORPLANE_TEST_KUBECONFIG"):
        with _installed(Path(given), folder) as plane:
            yield plane
        return
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        with (
            _from_assets(Path(assets), folder) as kubeconfig,
            _installed(kubeconfig, folder, controllers=False) as plane,
        ):
            yield plane
        return
    with (
        _from_module(built(), folder) as server,
        _installed(server.kubeconfig, folder, folder / "audit.log", server=server) as plane,
    ):
        yield plane


def prepare() -> None:
    """Build the control plane ahead, where one will be built: a cold build takes minutes, more than
    one test may. What goes wrong is told by the first test that needs it.
    """
    if os.environ.get("VECTORPLANE_TEST_KUBECONFIG") or os.environ.get("KUBEBUILDER_ASSETS"):
        return
    with suppress(pytest.skip.Exception, pytest.fail.Exception):
        built()


def built() -> Path:
    """The binary of `tests/controlplane`; built where no earlier run left it."""
    try:
        return go_programs.built("controlplane", SOURCES, ("go.mod", "go.sum", "main.go"))
    except go_programs.Missing as error:
        require_or_skip("controlplane", f"no cluster: {error}")


@contextmanager
def _from_module(binary: Path, folder: Path) -> Iterator[Server]:
    server = Server(binary, folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def _from_assets(assets: Path, folder: Path) -> Iterator[Path]:
    client, peer, port = free_port(), free_port(), free_port()
    key = folder / "signing.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    (folder / "tokens.csv").write_text('admin,admin,1,"system:masters"\n')
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        _kubeconfig(f"https://127.0.0.1:{port}", folder / "apiserver" / "apiserver.crt", "admin")
    )
    etcd = [
        str(assets / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",
    ]
    api = [
        str(assets / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{client}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'apiserver'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
    ]
    with _process(etcd, folder / "etcd.log"), _process(api, folder / "apiserver.log") as process:
        _wait(process, folder, lambda: _ready(kubeconfig))
        yield kubeconfig


@contextmanager
def _installed(
    kubeconfig: Path,
    folder: Path,
    audit: Path | None = None,
    *,
    controllers: bool = True,
    server: Server | None = None,
) -> Iterator[ControlPlane]:
    """`kubectl apply -f manifests/`, and a kubeconfig for the operator's service account."""
    cluster = Cluster(kubeconfig)
    try:
        cluster.apply_folder(MANIFESTS)
        token = cluster.token(NAMESPACE, ACCOUNT)
        operators = folder / "operator.kubeconfig"
        operators.write_text(with_token(kubeconfig, token))
        yield ControlPlane(kubeconfig, operators, cluster, audit, controllers, server)
    finally:
        cluster.close()


def with_token(kubeconfig: Path, token: str) -> str:
    """The same cluster, as somebody else."""
    document = yaml.safe_load(kubeconfig.read_text())
    context = next(
        c["context"] for c in document["contexts"] if c["name"] == document["current-context"]
    )
    for user in document["users"]:
        if user["name"] == context["user"]:
            user["user"] = {"token": token}
    return yaml.safe_dump(document)


def _kubeconfig(server: str, ca: Path, token: str) -> str:
    document: Mapping[str, object] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [
            {"name": "test", "cluster": {"server": server, "certificate-authority": str(ca)}}
        ],
        "users": [{"name": "test", "user": {"token": token}}],
    }
    return yaml.safe_dump(document)


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = _spawn(command, log)
    try:
        yield process
    finally:
        _end(process)


def _spawn(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """A server that ends with its standard input, so a killed test run leaves none behind."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def _ready(kubeconfig: Path) -> bool:
    try:
        cluster = Cluster(kubeconfig)
    except (OSError, ConfigException):
        return False
    try:
        return cluster.ready()
    finally:
        cluster.close()


def _wait(process: subprocess.Popen[bytes], folder: Path, ready: Callable[[], bool]) -> None:
    until = time.monotonic() + 90
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            logs = "\n".join(p.read_text(errors="replace")[-3000:] for p in folder.glob("*.log"))
            raise AssertionError(f"the control plane did not start:\n{logs}")
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
