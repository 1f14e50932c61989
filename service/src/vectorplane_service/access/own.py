"""Keys that this service gives out itself, where no operator does: kept in one file, by their hash.

The secret is shown once, when it is made. The file is replaced whole and under a lock, so a worker
that is killed at any moment leaves the old file or the new one. Workers find what another one wrote
by looking at the file: twice a second, and at once for a key that they do not know.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import structlog

from vectorplane.errors import Conflict, NotFound
from vectorplane_service.access.identity import Identity, granted
from vectorplane_service.access.keys import digest
from vectorplane_service.access.refusals import CannotVerify, KeysUnreadable, unknown
from vectorplane_service.access.watched import Watched, explained
from vectorplane_service.local.files import locked, sweep_beside, write_text

PREFIX = "vp_"
"""Every secret of ours begins with it: searchers for lost secrets know it, and so do we."""
MOST_KEYS = 10_000
_VERSION = 1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OwnKey:
    """What the file says of a key. Times are seconds since 1970, `hash` is hexadecimal."""

    id: str
    hash: str
    permissions: tuple[str, ...]
    collections: tuple[str, ...]
    tenant: str | None
    created: float
    expires: float | None

    def identity(self) -> Identity:
        return Identity(
            self.id, granted(self.permissions), self.collections, self.tenant, self.expires
        )

    def is_over(self, now: float) -> bool:
        return self.expires is not None and now >= self.expires

    def shown(self) -> dict[str, Any]:
        """Everything but the hash."""
        return {
            "id": self.id,
            "permissions": list(self.permissions),
            "collections": list(self.collections),
            "tenant": self.tenant,
            "created": self.created,
            "expires": self.expires,
        }


class OwnKeys:
    """The keys of one file, which is made where there is none."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._lock = path.with_name(f".{path.name}.lock")
        self._clock = clock
        self._changed: Callable[[], None] = lambda: None
        try:
            with self._alone():
                sweep_beside(path)
                if not path.exists():
                    self._write(())
        except KeysUnreadable as error:
            # A service with other keys must be able to start; what needs this file says so.
            log.error("no keys can be issued", error=error.message)
        self._watched = Watched(path, _table, what="own keys")

    async def identify(self, secret: str) -> Identity | None:
        """Whom a secret of ours stands for; None for a secret of another kind."""
        if not secret.startswith(PREFIX):
            return None
        hashed = digest(secret).hex()
        if hashed not in (self._watched.value or ()):
            # Another worker may have made it a moment ago.
            await self._look()
        if self._watched.value is None:
            raise CannotVerify("the keys that were issued here were never read")
        found = self._watched.value.get(hashed)
        if found is None or found.is_over(self._clock()):
            raise unknown()
        return found.identity()

    async def follow(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        await self._watched.follow(changed)

    async def all(self) -> list[OwnKey]:
        """The keys that are not over, by their ids. Raises `KeysUnreadable`."""
        await self._look()
        if self._watched.value is None:
            raise KeysUnreadable(f"{self._path} was never read")
        now = self._clock()
        living = (key for key in self._watched.value.values() if not key.is_over(now))
        return sorted(living, key=lambda key: key.id)

    async def issue(
        self,
        id: str,
        permissions: Iterable[str],
        collections: Iterable[str] = ("*",),
        *,
        tenant: str | None = None,
        ttl: float | None = None,
    ) -> tuple[OwnKey, str]:
        """A new key and its secret, which nobody can be told again. `ttl` is in seconds.

        Raises `Conflict` where the id is taken, `KeysUnreadable`.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        now = self._clock()
        made = OwnKey(
            id,
            digest(secret).hex(),
            tuple(sorted(set(permissions))),
            tuple(collections),
            tenant,
            now,
            None if ttl is None else now + ttl,
        )

        def add(keys: list[OwnKey]) -> list[OwnKey]:
            living = [key for key in keys if not key.is_over(now)]
            if any(key.id == id for key in living):
                raise Conflict(f"there is a key {id!r} already", place="id")
            if len(living) >= MOST_KEYS:
                raise Conflict(f"there are {MOST_KEYS} keys already; revoke some")
            return [*living, made]

        await self._edit(add)
        return made, secret

    async def revoke(self, id: str) -> None:
        """Let a key in no more. Raises `NotFound`, `KeysUnreadable`."""

        def drop(keys: list[OwnKey]) -> list[OwnKey]:
            kept = [key for key in keys if key.id != id]
            if len(kept) == len(keys):
                raise NotFound(f"no key {id!r}", place="id")
            return kept

        await self._edit(drop)

    async def _look(self) -> None:
        if await asyncio.to_thread(self._watched.look):
            self._changed()

    async def _edit(self, change: Callable[[list[OwnKey]], list[OwnKey]]) -> None:
        def edit() -> None:
            with self._alone():
                table = _table([self._path.read_text(encoding="utf-8")])
                self._write(change(list(table.values())))

        await asyncio.to_thread(edit)
        await self._look()

    def _write(self, keys: Iterable[OwnKey]) -> None:
        content = {"version": _VERSION, "keys": [asdict(key) for key in keys]}
        write_text(self._path, json.dumps(content, indent=1) + "\n", mode=0o600)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The only one of all workers that changes the file."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self._lock, mode=0o600):
                yield
        except (OSError, ValueError) as error:
            raise KeysUnreadable(f"{self._path}: {explained(error)}") from error


def any_in(path: Path) -> bool:
    """Whether the file holds a key. Raises `KeysUnreadable`."""
    try:
        return bool(_table([path.read_text(encoding="utf-8")]))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise KeysUnreadable(f"{path}: {explained(error)}") from error


def _table(texts: list[str]) -> dict[str, OwnKey]:
    """The keys by their hash. Raises `ValueError`."""
    try:
        content = json.loads(texts[0])
        if content["version"] != _VERSION:
            raise ValueError
        keys = [_key(entry) for entry in content["keys"]]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise ValueError("not a file of keys that this service wrote") from None
    return {key.hash: key for key in keys}


def _key(entry: dict[str, Any]) -> OwnKey:
    if (
        set(entry) != {field.name for field in fields(OwnKey)}
        or len(bytes.fromhex(entry["hash"])) != 32
    ):
        raise ValueError
    lists = {name: tuple(entry[name]) for name in ("permissions", "collections")}
    key = OwnKey(**{**entry, **lists})
    key.identity()
    return key
