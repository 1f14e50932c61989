"""Local mode with real processes: a folder of manifests, a data folder, and the command line."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
COMMAND = [sys.executable, "-m", "vectorplane.cli"]
SETTINGS = ("API_KEYS", "AUTH_ENABLED", "API_PREFIX", "API_VERSION", "VECTORPLANE_DATA_DIR")


def eventually(look: Callable[[], T], seconds: float = 20.0) -> T:
    """Look until there is something to see."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {look.__name__}")
        time.sleep(0.01)


class Dev:
    """A `vectorplane dev` that runs."""

    def __init__(self, local: Local, *arguments: str, **environment: str) -> None:
        self.local = local
        self.output = local.root / f"dev-{time.monotonic_ns()}.log"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "dev", str(local.folder), *local.data_dir, "--port", "0", *arguments],
                cwd=local.root,
                env={**local.environment, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        local.devs.append(self)

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def wait(self) -> Dev:
        """Until it answers."""

        def answers() -> bool:
            assert self.process.poll() is None, self.said()
            return self.local.run_file().get("pid") == self.process.pid

        eventually(answers)
        self.url: str = self.local.run_file()["url"]
        self.client = httpx.Client(
            base_url=f"{self.url}/api/v1/collections/", timeout=30, trust_env=False
        )
        return self

    def end(self, number: int = signal.SIGTERM) -> int:
        """Stop it; gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        if hasattr(self, "client"):
            self.client.close()
        return self.process.wait(timeout=30)

    def put(self, name: str, points: list[dict[str, Any]]) -> None:
        answer = self.client.put(f"{name}/points", json={"points": points})
        assert answer.status_code == 200, answer.text

    def count(self, name: str) -> int:
        answer = self.client.post(f"{name}/points/count", json={})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["count"])


class Local:
    """One folder of manifests and its data."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "manifests"
        self.folder.mkdir()
        self.data = root / "data"
        self.data_dir = ["--data-dir", str(self.data)]
        self.devs: list[Dev] = []
        self.environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}

    def dev(self, *arguments: str, **environment: str) -> Dev:
        """Start one, and wait until it answers."""
        return self.start(*arguments, **environment).wait()

    def start(self, *arguments: str, **environment: str) -> Dev:
        return Dev(self, *arguments, **environment)

    def run(self, command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, command, *map(str, arguments), *self.data_dir],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run_file(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def write(self, file: str, text: str, folder: Path | None = None) -> Path:
        """Put a file in place as an editor does: whole."""
        path = (folder or self.folder) / file
        path.with_name(f".{file}.new").write_text(text)
        path.with_name(f".{file}.new").rename(path)
        return path

    def object(self, name: str, namespace: str = "shop") -> dict[str, Any]:
        """A resource as it is stored; empty where there is none."""
        try:
            path = self.data / "resources" / namespace / f"{name}.json"
            found: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        return found

    def ready(self, name: str, namespace: str = "shop") -> dict[str, Any]:
        """`Ready`, as long as it speaks of the resource as it is now."""
        found = self.object(name, namespace)
        status = found.get("status", {})
        if not found or status.get("observedGeneration") != found["metadata"]["generation"]:
            return {}
        return next((c for c in status["conditions"] if c["type"] == "Ready"), {})

    def until_ready(self, name: str, namespace: str = "shop") -> dict[str, Any]:
        eventually(lambda: self.ready(name, namespace).get("status") == "True")
        return self.object(name, namespace)

    def until_refused(self, name: str, reason: str) -> str:
        """The message of a resource that is not Ready for a reason."""
        eventually(lambda: self.ready(name).get("reason") == reason)
        return str(self.ready(name)["message"])

    def gone_or_going(self, name: str) -> bool:
        found = self.object(name)
        return not found or "deletionTimestamp" in found["metadata"]

    def fingerprint(self) -> str:
        """Of every file of the data folder: name, time of the last change, and content."""
        digest = hashlib.sha256()
        for path in sorted(self.data.rglob("*")):
            found = path.stat()
            digest.update(f"{path} {found.st_ino} {found.st_mtime_ns}\n".encode())
            digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()


def manifest(
    name: str = "products", *, namespace: str = "shop", size: int = 4, more: str = ""
) -> str:
    return f"""\
apiVersion: vectorplane.dev/v1alpha1
kind: VectorCollection
metadata:
  name: {name}
  namespace: {namespace}
spec:
  vectors:
    - size: {size}
      distance: Dot
{more}---
"""


def point(id: int, size: int = 4) -> dict[str, Any]:
    return {"id": id, "vector": [float(id)] * size, "payload": {"rank": id}}
