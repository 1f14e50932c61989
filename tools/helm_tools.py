"""Helm and helm-unittest on this machine: what is at hand, or else built once from `tools/helm`.

The versions stand in `tools/helm/go.mod`. What is built is kept in the user's cache, under a name
made from the module's files.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from go_programs import Missing, built

__all__ = ["Missing", "program"]

MODULE = Path(__file__).resolve().parent / "helm"
PACKAGES = {
    "helm": "helm.sh/helm/v3/cmd/helm",
    "helm-unittest": "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
}


def program(name: str) -> str:
    """The path of a program of `PACKAGES`. Building takes minutes, the first time. Raises
    `Missing`."""
    if name == "helm" and (found := _at_hand()):
        return found
    package, flags = PACKAGES[name], ["-trimpath"]
    return str(built(name, MODULE, package=package, folder="helm", flags=flags))


def _at_hand() -> str | None:
    if found := shutil.which("helm"):
        return found
    node = Path(os.environ.get("NODE_HOME") or Path.home() / ".cache/vectorplane-node")
    return shutil.which("helm", path=str(node / "bin"))
