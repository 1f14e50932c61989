"""`compose.yaml` as Docker Compose reads it: its own library (`tests/compose`, a Go module, built
once) checks schema, variables and references, and prints the whole."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import go_programs

from support.parts import require_or_skip

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "tests" / "compose"
FILE = ROOT / "compose.yaml"
VALUES = ROOT / "compose" / ".env.example"
Json = dict[str, Any]


def read(file: Path = FILE, variables: Mapping[str, str] | None = None) -> Json:
    """A Compose file, checked and written out with these variables. Raises `AssertionError` with
    what is wrong."""
    environment = {"PATH": os.environ["PATH"], **(values() if variables is None else variables)}
    done = subprocess.run(
        [checker(), str(file)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    whole: Json = json.loads(done.stdout)
    return whole


def values() -> dict[str, str]:
    """What `compose/.env.example` sets."""
    lines = VALUES.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@cache
def checker() -> str:
    """The program of `tests/compose`; built where no earlier run left it."""
    try:
        sources = ("go.mod", "go.sum", "main.go")
        return str(go_programs.built("compose-check", SOURCES, sources, folder="compose"))
    except go_programs.Missing as error:
        require_or_skip("compose", str(error))
