"""A Kubernetes that runs pods, for end-to-end tests, with images that are built here.

The first of these that is at hand:

- any cluster (kind, for instance): its `KUBECONFIG`, and with it `VECTORPLANE_E2E_LOAD`, a command
  that is called with an image's name and gives the image to the cluster's nodes
  (`kind load docker-image`). Without that command no cluster is touched, so nobody's own is by
  accident: what there is of vectorplane in it is deleted before the tests, and after. Images are
  built by `docker build`, or by what `VECTORPLANE_E2E_BUILD` says instead.
- a node of scripts: the folder that `VECTORPLANE_NODE` names, or `../shared/node` beside this
  repository, with `install.sh`, `up.sh`, `down.sh` and `build-image.sh NAME FOLDER [options]`. It
  needs root. It is stopped at the end where it was started here.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.cluster import Cluster
from support.controlplane import free_port
from support.parts import require_or_skip

ROOT = Path(__file__).parents[2]
Json = dict[str, Any]
_PINNED = re.compile(r"^ARG PYTHON=(\S+?)@sha256:\S+$", re.M)


class CommandFailed(AssertionError):
    """A command that a test relies on did not end well; says its last lines."""


def missing() -> str | None:
    """What a test cannot do without, and is not here; None where all is."""
    tools = [tool for tool in ("kubectl", "helm") if shutil.which(tool) is None]
    if _given() is None:
        folder = _scripts()
        if folder is None:
            return "no node: set KUBECONFIG and VECTORPLANE_E2E_LOAD, or VECTORPLANE_NODE"
        if os.geteuid() != 0:
            return f"the node of {folder.name}/ needs root"
    elif not os.environ.get("VECTORPLANE_E2E_BUILD") and shutil.which("docker") is None:
        return "no docker to build images with, and no VECTORPLANE_E2E_BUILD"
    return f"not on PATH: {', '.join(tools)}" if tools else None


@contextmanager
def node() -> Iterator[Node]:
    """A cluster that is ready."""
    if reason := missing():
        require_or_skip("node", reason)
    if given := _given():
        yield Node(given, None)
        return
    scripts = _scripts()
    assert scripts
    before = _up(scripts)
    run([str(scripts / "install.sh")], seconds=1800)
    said = run([str(scripts / "up.sh")], seconds=300)
    kubeconfig = Path(said.rsplit("export KUBECONFIG=", 1)[1].strip())
    try:
        yield Node(kubeconfig, scripts)
    finally:
        if not before:
            run([str(scripts / "down.sh")], seconds=120)


class Node:
    """One cluster. `scripts` is the folder of the node where it is one of scripts."""

    def __init__(self, kubeconfig: Path, scripts: Path | None) -> None:
        self.kubeconfig = kubeconfig
        self._scripts = scripts

    def cluster(self) -> Cluster:
        return Cluster(self.kubeconfig)

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = 180) -> str:
        """What kubectl prints. Raises `CommandFailed`."""
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), *arguments]
        return run(command, stdin=stdin, seconds=seconds)

    def helm(self, *arguments: str, seconds: float = 600) -> str:
        return run(["helm", "--kubeconfig", str(self.kubeconfig), *arguments], seconds=seconds)

    def read(self, *arguments: str) -> Json:
        """`kubectl get ... -o json`."""
        found: Json = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def build(self, image: str, folder: Path, *, target: str | None = None) -> None:
        """Builds the Dockerfile of a folder, and gives the image to the cluster."""
        options = ["--target", target] if target else []
        if self._scripts is None:
            builder = os.environ.get("VECTORPLANE_E2E_BUILD") or "docker build"
            run([*shlex.split(builder), "-t", image, *options, str(folder)], seconds=1800)
            run([*shlex.split(os.environ["VECTORPLANE_E2E_LOAD"]), image], seconds=600)
            return
        with tempfile.TemporaryDirectory(prefix="dockerfile-") as temporary:
            file = Path(temporary) / "Dockerfile"
            file.write_text(by_name((folder / "Dockerfile").read_text("utf-8")), "utf-8")
            script = str(self._scripts / "build-image.sh")
            _patiently([script, image, str(folder), "-f", str(file), *options])

    @contextmanager
    def reach(self, namespace: str, service: str, port: int) -> Iterator[str]:
        """Where a Service answers, from here. Its address is routed on the node of scripts;
        elsewhere kubectl forwards a port to one of its pods."""
        if self._scripts:
            address = self.read("service", service, "-n", namespace)["spec"]["clusterIP"]
            yield f"http://{address}:{port}"
            return
        local = free_port()
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), "port-forward"]
        command += ["-n", namespace, f"service/{service}", f"{local}:{port}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout
            assert "Forwarding" in process.stdout.readline()
            yield f"http://127.0.0.1:{local}"
        finally:
            process.terminate()
            process.communicate()


def qdrant_folder(folder: Path) -> Path:
    """The `qdrant` on PATH as something to build an image of."""
    program = shutil.which("qdrant")
    if program is None:
        require_or_skip("qdrant", "no qdrant on PATH to make an image of, and no QDRANT_URL")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(program, folder / "qdrant")
    dockerfile = "FROM debian:bookworm-slim\nCOPY qdrant /usr/local/bin/qdrant\n"
    (folder / "Dockerfile").write_text(dockerfile + 'ENTRYPOINT ["qdrant"]\n', "utf-8")
    return folder


def by_name(dockerfile: str) -> str:
    """The Dockerfile with its base by name: the node of scripts has stand-ins for names, not for
    digests, and reads FROM lines without their arguments."""
    pinned = _PINNED.search(dockerfile)
    if pinned is None:
        return dockerfile
    base = pinned[1]
    return dockerfile.replace(pinned[0], f"ARG PYTHON={base}").replace("${PYTHON} AS", f"{base} AS")


def run(command: list[str], *, stdin: str | None = None, seconds: float = 180) -> str:
    """Standard output of a command. Raises `CommandFailed`."""
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{_short(command)}: not within {seconds} s") from None
    if done.returncode:
        said = "\n".join((done.stdout[-2000:], done.stderr[-4000:])).strip()
        raise CommandFailed(f"{_short(command)}: status {done.returncode}\n{said}")
    return done.stdout


def _patiently(build: list[str], tries: int = 3) -> None:
    """On a busy machine buildah now and then cannot seal the copy that it makes of itself. Layers
    that are done are kept, so another try is short."""
    for left in reversed(range(tries)):
        try:
            run(build, seconds=1800)
            return
        except CommandFailed as failed:
            if left == 0 or "sealing memfd" not in str(failed):
                raise


def _short(command: list[str]) -> str:
    return " ".join([Path(command[0]).name, *command[1:]])[:300]


def _given() -> Path | None:
    kubeconfig = os.environ.get("KUBECONFIG")
    if not kubeconfig or not os.environ.get("VECTORPLANE_E2E_LOAD"):
        return None
    return Path(kubeconfig)


def _scripts() -> Path | None:
    named = os.environ.get("VECTORPLANE_NODE")
    folder = Path(named) if named else ROOT.parent / "shared" / "node"
    return folder if (folder / "up.sh").is_file() else None


def _up(scripts: Path) -> bool:
    """Whether the node of scripts runs already."""
    asked = ["bash", "-c", '. "$1/env.sh" && alive "$RUN/kube.pid"', "-", str(scripts)]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0
