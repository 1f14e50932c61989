"""Small files that another process may read or write at any moment, and that outlive a `kill -9`:
replaced whole, flushed to the disk, changed only under a lock.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_TEMPORARY = ".tmp"


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Replace a file: a reader, and the next start, sees the old text or the new one, whole.

    `mode` is the new file's, as far as the process's umask lets it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def remove(path: Path) -> None:
    """Remove a file for good; nothing happens where there is none."""
    with suppress(FileNotFoundError):
        path.unlink()
        _sync_folder(path.parent)


def sweep_beside(path: Path) -> None:
    """The same as `sweep`, for one file."""
    for left in path.parent.glob(f".{path.name}.*{_TEMPORARY}"):
        remove(left)


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left behind. Only under the writers' lock."""
    for left in folder.rglob(f".*{_TEMPORARY}"):
        remove(left)


@contextmanager
def locked(path: Path, *, mode: int = 0o644) -> Iterator[None]:
    """Be the only process in here. The kernel frees the lock of a process that dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
