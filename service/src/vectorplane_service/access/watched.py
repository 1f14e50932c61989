"""Files that others change while the service runs: read again when they change, by the version that
can be read.

A mounted Secret or ConfigMap changes by the swap of a link, an editor writes in place: both are
seen, for what is compared is the file that the path leads to. It is read when it has not changed
between two looks, for half a list of denied ids would let the other half in.

A version that cannot be read is said once, and what was read before stays in force. A worker that
starts at such a moment starts too: it knows nothing yet, and whoever asks it must say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")
EVERY_SECONDS = 0.25

log = structlog.get_logger(__name__)


class Watched(Generic[T]):
    """What stands in a file, or in the files of a folder: `value`, None until it could be read.

    `parse` makes it from their texts, in the order of their names; it raises `ValueError`, whose
    text must show no secret.
    """

    def __init__(self, path: Path, parse: Callable[[list[str]], T], *, what: str) -> None:
        self._path = path
        self._parse = parse
        self._what = what
        self._seen: object = None
        self._last: object = None
        self._said: str | None = None
        self._looking = Lock()
        self.value: T | None = None
        self.look()

    def look(self) -> bool:
        """Read it again where it changed. True where there is something new. From any thread."""
        with self._looking:
            try:
                if self._state() == self._seen:
                    return False
                self._read()
            except (OSError, ValueError) as error:
                self._say(explained(error))
                return False
            self._said = None
        return True

    async def follow(self, changed: Callable[[], None]) -> None:
        """Look for ever; not on the event loop, for a disk may hang."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            if await asyncio.to_thread(self._look_at_rest):
                log.info("read again", file=str(self._path), what=self._what)
                changed()

    def _look_at_rest(self) -> bool:
        """The same, for a file that nobody is writing just now."""
        try:
            before, self._last = self._last, self._state()
        except OSError:
            self._last = None
        else:
            if self._last != before:
                return False
        return self.look()

    def _read(self) -> None:
        # Before the files are read: what changes meanwhile is a change at the next look.
        seen = self._state()
        self.value = self._parse([file.read_text(encoding="utf-8") for file in self._files()])
        self._seen = seen

    def _files(self) -> list[Path]:
        if not self._path.is_dir():
            return [self._path]
        # Kubernetes keeps the versions of a mounted folder in hidden folders beside the links.
        visible = (p for p in self._path.iterdir() if not p.name.startswith("."))
        return sorted(p for p in visible if p.is_file())

    def _state(self) -> object:
        return [(file, *_version(file)) for file in self._files()]

    def _say(self, trouble: str) -> None:
        if trouble != self._said:
            log.error(
                "cannot be read",
                file=str(self._path),
                what=self._what,
                error=trouble,
                in_force="nothing" if self.value is None else "the last version",
            )
            self._said = trouble


def explained(error: OSError | ValueError) -> str:
    """Why a file cannot be read, without what stands in it."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)


def _version(file: Path) -> tuple[int, ...]:
    found = file.stat()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
