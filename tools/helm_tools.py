"""Helm and helm-unittest on this machine: what is at hand, or else built once from `tools/helm`.

The versions stand in `tools/helm/go.mod`. What is built is kept in the user's cache, under a name
made from the module's files.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

MODULE = Path(__file__).resolve().parent / "helm"
PACKAGES = {
    "helm": "helm.sh/helm/v3/cmd/helm",
    "helm-unittest": "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
}


class Missing(Exception):
    """A program is not here and cannot be built here; says why."""


def program(name: str) -> str:
    """The path of a program of `PACKAGES`. Building takes minutes, the first time. Raises
    `Missing`."""
    if name == "helm" and (found := _at_hand()):
        return found
    folder = _cache() / f"helm-{_digest()}"
    binary = folder / name
    if binary.exists():
        return str(binary)
    go = shutil.which("go")
    if go is None:
        raise Missing(f"no {name}, and no Go to build it with")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            sys.stderr.write(f"building {name}, once; this takes some minutes\n")
            unfinished = folder / f"unfinished-{name}"
            command = [go, "build", "-trimpath", "-o", str(unfinished), PACKAGES[name]]
            done = subprocess.run(command, cwd=MODULE, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Missing(f"{name} cannot be built: {done.stderr.strip()[-2000:]}")
            unfinished.rename(binary)
    return str(binary)


def _at_hand() -> str | None:
    if found := shutil.which("helm"):
        return found
    node = Path(os.environ.get("NODE_HOME") or Path.home() / ".cache/vectorplane-node")
    return shutil.which("helm", path=str(node / "bin"))


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vectorplane"


def _digest() -> str:
    digest = hashlib.sha256()
    for source in ("go.mod", "go.sum"):
        digest.update((MODULE / source).read_bytes())
    return digest.hexdigest()[:16]
