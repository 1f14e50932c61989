"""Programs that Go builds once: each is kept in the user's cache, under a name made from what it is
built of."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


class Missing(Exception):
    """A program is not here and cannot be built here; says why."""


def built(
    name: str,
    module: Path,
    sources: Sequence[str] = ("go.mod", "go.sum"),
    *,
    package: str = ".",
    folder: str = "",
    flags: Sequence[str] = (),
) -> Path:
    """The program `name` of a Go module, built where no earlier run left it: minutes, the first
    time. `sources` are the files that make it another one, `folder` is what its place in the cache
    is called (`name` where it is left out). Raises `Missing`.
    """
    digest = hashlib.sha256()
    for source in sources:
        digest.update((module / source).read_bytes())
    place = cache() / f"{folder or name}-{digest.hexdigest()[:16]}"
    binary = place / name
    if binary.exists():
        return binary
    go = shutil.which("go")
    if go is None:
        raise Missing(f"no {name}, and no Go to build it with")
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            sys.stderr.write(f"building {name}, once; this takes some minutes\n")
            unfinished = place / f"unfinished-{name}"
            command = [go, "build", *flags, "-o", str(unfinished), package]
            done = subprocess.run(command, cwd=module, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Missing(f"{name} cannot be built: {done.stderr.strip()[-2000:]}")
            unfinished.rename(binary)
    return binary


def cache() -> Path:
    """Where this project keeps what is dear to build."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vectorplane"
