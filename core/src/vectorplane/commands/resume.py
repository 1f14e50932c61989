"""What `load` remembers of itself: a small file beside the one that is loaded, replaced whole each
time a batch is acknowledged. Whoever is killed goes on there. Ids say what is written, so a batch
whose acknowledgement was lost is written again and does no harm.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SUFFIX = ".vectorplane-load"


@dataclass(frozen=True, slots=True)
class Job:
    """What is being loaded, as far as it decides what a row becomes."""

    size: int
    changed_ns: int
    url: str
    collection: str
    columns: str

    @classmethod
    def of(cls, path: Path, url: str, collection: str, columns: object) -> Job:
        """The job of a file as it is now."""
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns, url, collection, repr(columns))

    def same_file(self, other: Job) -> bool:
        return (self.size, self.changed_ns) == (other.size, other.changed_ns)

    def same_work(self, other: Job) -> bool:
        return (self.url, self.collection, self.columns) == (
            other.url,
            other.collection,
            other.columns,
        )


def state_file(path: Path) -> Path:
    """Where the state of loading a file stands: hidden, beside it."""
    return path.with_name(f".{path.name}{SUFFIX}")


def remembered(path: Path) -> tuple[Job, int] | None:
    """The job of a state file and the rows that were acknowledged; None where there is none that
    can be read."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        return Job(**found["job"]), int(found["rows"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


class Ledger:
    """Which rows were acknowledged, and up to where without a gap: batches end in any order."""

    def __init__(self, path: Path | None, job: Job, rows: int) -> None:
        self._path = path
        self._job = job
        self.rows = rows
        """All rows before this one are written."""
        self._later: dict[int, int] = {}
        self._lock = threading.Lock()

    def done(self, first: int, end: int) -> None:
        """The rows from `first` to before `end` were acknowledged."""
        with self._lock:
            self._later[first] = end
            before = self.rows
            while (reached := self._later.pop(self.rows, None)) is not None:
                self.rows = reached
            if self.rows != before:
                self._write()

    def forget(self) -> None:
        """All is done: there is nothing to go on with."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        if self._path is None:
            return
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(json.dumps({"job": asdict(self._job), "rows": self.rows}))
        os.replace(new, self._path)
