"""The data folder, `.vectorplane/`: what lies where, whose it is, and who runs on it.

id                               a uuid that stands for "this folder" where a cluster has its id
resources/<namespace>/<name>.json   every VectorCollection, as its API would show it
resources.lock                   held for as long as one of them is changed
engine/                          the embedded engine's own, with its own lock
keys.json                        the keys that were issued here, by their hash
run.json                         pid and address of the `vectorplane dev` that serves it now
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from vectorplane_service.local.files import locked, remove, write_json, write_text


@dataclass(frozen=True, slots=True)
class Run:
    """A `vectorplane dev` that said it runs."""

    pid: int
    url: str

    def answers(self) -> bool:
        """Whether it is still there. A killed one leaves its `run.json` behind."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        address = urlsplit(self.url)
        try:
            with socket.create_connection((address.hostname, address.port), timeout=0.5):
                return True
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class DataFolder:
    root: Path

    @property
    def resources(self) -> Path:
        return self.root / "resources"

    @property
    def engine(self) -> Path:
        return self.root / "engine"

    @property
    def keys(self) -> Path:
        return self.root / "keys.json"

    @property
    def lock(self) -> Path:
        return self.root / "resources.lock"

    def make(self) -> None:
        """Make the folder where there is none; git is told to leave it alone."""
        self.resources.mkdir(parents=True, exist_ok=True)
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            write_text(ignore, "*\n")

    def identity(self) -> str:
        """What stands for the cluster in every ownership record; made once."""
        with locked(self.lock):
            known = self.known_identity()
            if known is None:
                known = str(uuid4())
                write_text(self.root / "id", known + "\n")
        return known

    def known_identity(self) -> str | None:
        """The same, where it is made already; changes nothing."""
        try:
            return (self.root / "id").read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None

    def running(self) -> Run | None:
        """The `vectorplane dev` that serves this folder now, as far as one can see from here."""
        run = self.last_run()
        return run if run and run.answers() else None

    def last_run(self) -> Run | None:
        try:
            raw = json.loads((self.root / "run.json").read_text(encoding="utf-8"))
            return Run(int(raw["pid"]), str(raw["url"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def announce(self, run: Run) -> None:
        write_json(self.root / "run.json", {"pid": run.pid, "url": run.url})

    def withdraw(self) -> None:
        remove(self.root / "run.json")
