"""The watched folder of manifests: what stands in it is applied, what goes from it is deleted.

    file                 resources that came from it
    ------------------   -----------------------------------------------------
    valid                as the file says
    valid, without one   that one is deleted, by its deletionPolicy
    gone                 deleted, by their deletionPolicy
    invalid, unreadable  stay as they are; the problem is said

A deletion waits for a second look: editors and git replace a file by removing it first. Resources
that a command made are nobody's here, and a folder that is gone as a whole deletes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from vectorplane.domain.model import Key
from vectorplane.errors import Conflict, Stalled
from vectorplane_service.local.manifests import Reading, manifest_files, read_file
from vectorplane_service.local.records import ResourceFiles, Source

SETTLE = 1.0
"""Seconds that a resource must be missing from the folder before it is deleted."""


TRY_AGAIN = 1.0
"""Seconds until a valid file that could not be applied is tried again: its resource is still being
deleted, say."""


class ManifestFolder:
    """`say` gets lines for a person; `problems` what is wrong now, by file, after every look."""

    def __init__(
        self,
        folder: Path,
        files: ResourceFiles,
        *,
        say: Callable[[str], None],
        problems: Callable[[Mapping[str, str]], None],
        settle: float = SETTLE,
    ) -> None:
        self._folder = folder
        self._files = files
        self._say = say
        self._tell = problems
        self._settle = settle
        self._changed = asyncio.Event()
        self._readings: dict[Path, tuple[object, Reading]] = {}
        self._looked: object = None
        self._missing: dict[Key, float] = {}
        self._again = False
        self._noted: set[str] = set()

    def changed(self) -> None:
        """Something may have changed in the folder."""
        self._changed.set()

    async def follow(self) -> None:
        """Look whenever something changed, until cancelled."""
        delay: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            try:
                await asyncio.wait_for(self._changed.wait(), delay)
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                delay = await asyncio.to_thread(self.sync, loop.time())
            except OSError as error:
                self._tell({str(self._folder): f"cannot be carried out: {error}"})
                delay = TRY_AGAIN

    def sync(self, now: float) -> float | None:
        """Look once; gives the seconds until it should look again, whatever happens."""
        if not self._folder.is_dir():
            self._tell({str(self._folder): "there is no such folder; what came from it stays"})
            self._looked = None
            return None
        paths = manifest_files(self._folder)
        looked = {path: _signature(path) for path in paths}
        if looked == self._looked and not self._missing and not self._again:
            return None
        self._again = False
        problems: dict[str, str] = {}
        wanted = self._apply(looked, problems)
        delay = self._remove(wanted, problems, now)
        self._tell(problems)
        self._looked = looked
        return TRY_AGAIN if self._again and delay is None else delay

    def _apply(self, paths: Mapping[Path, object], problems: dict[str, str]) -> dict[Key, str]:
        """Apply every valid file; gives the keys that stand in one, with the file's name."""
        wanted: dict[Key, str] = {}
        self._readings = {p: r for p, r in self._readings.items() if p in paths}
        for path, signature in paths.items():
            known = self._readings.get(path)
            if known is None or known[0] != signature:
                known = self._readings[path] = signature, read_file(path)
            reading = known[1]
            if reading.problem:
                problems[path.name] = reading.problem
                continue
            for note in reading.notes:
                self._note(note)
            for wish in reading.wishes:
                if wish.key in wanted:
                    first = wanted[wish.key]
                    problems[path.name] = f"{wish.key} stands in {first} already, which counts"
                    continue
                wanted[wish.key] = path.name
                try:
                    verb, _ = self._files.apply(wish, Source(str(self._folder), path.name))
                except (Conflict, Stalled) as error:
                    problems[path.name] = error.message
                    self._again = True
                    continue
                if verb != "unchanged":
                    self._say(f"{wish.key}  {verb}  {path.name}")
        return wanted

    def _remove(
        self, wanted: Mapping[Key, str], problems: Mapping[str, str], now: float
    ) -> float | None:
        """Delete what was missing at the last looks too."""
        missing: dict[Key, float] = {}
        for key in self._files.keys():
            try:
                stored = self._files.read(key)
            except Stalled:
                continue
            if (
                stored is None
                or stored.source is None
                or stored.source.folder != str(self._folder)
                or stored.source.file in problems
                or stored.resource.deleting
                or key in wanted
            ):
                continue
            since = self._missing.get(key, now)
            if now - since >= self._settle:
                self._say(f"{key}  removed  {stored.source.file} has it no more")
                self._files.delete(key)
            else:
                missing[key] = since
        self._missing = missing
        return min((since + self._settle - now for since in missing.values()), default=None)

    def _note(self, note: str) -> None:
        if note not in self._noted:
            self._noted.add(note)
            self._say(note)


def _signature(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
