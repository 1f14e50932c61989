"""`compose.yaml` as Docker Compose reads it: its own library (`tests/compose`, a Go module, built
once) checks schema, variables and references, and prints the whole."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

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
    digest = hashlib.sha256()
    for source in ("go.mod", "go.sum", "main.go"):
        digest.update((SOURCES / source).read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vectorplane"
    folder = home / f"compose-{digest.hexdigest()[:16]}"
    program = folder / "compose-check"
    if program.exists():
        return str(program)
    go = shutil.which("go")
    if go is None:
        require_or_skip("compose", "no Go to build tests/compose with")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            unfinished = folder / "unfinished"
            build = [go, "build", "-o", str(unfinished), "."]
            done = subprocess.run(build, cwd=SOURCES, capture_output=True, text=True, check=False)
            if done.returncode:
                require_or_skip("compose", f"go build failed: {done.stderr[-2000:]}")
            unfinished.rename(program)
    return str(program)
